//! The service: desired groups in, containers out.

mod admission;
mod logs;
mod removal;
mod runs;
mod settings;
mod standstill;
mod takeover;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::entry::{Command, Entry, Shared};
use crate::error::GroupError;
use crate::group::{GroupId, GroupSpec};
use crate::logs::LogFiles;
use crate::rate::{Change, Rates};
use crate::record::{Operation, Record};
use crate::runtime::Runtime;
use crate::stored;
use crate::validate;
use crate::view::{GroupState, GroupView, ProvisioningState};

pub use settings::{GroupSettings, IdenticalPut, Quota, RestartBackoff, Switches, Usage};

/// The answer to an accepted put.
#[derive(Debug, Clone)]
pub struct Put {
    /// Whether there was no such group before.
    pub created: bool,
    /// The group as it is now; provisioning goes on.
    pub view: GroupView,
}

/// All container groups of one sandbox. Clones share the same groups.
#[derive(Debug, Clone)]
pub struct Groups {
    shared: Arc<Shared>,
    table: Arc<Mutex<BTreeMap<GroupId, Arc<Entry>>>>,
    rates: Arc<Mutex<Rates>>,
}

impl Groups {
    /// A service without groups; [`Groups::adopt`] brings back those of the store.
    pub fn new(settings: GroupSettings, runtime: Arc<dyn Runtime>) -> Self {
        let (switches, logs) = (Mutex::new(settings.switches), LogFiles::new(settings.logs_dir.clone()));
        let shared = Shared { settings, runtime, switches, logs, pull_logins: OnceLock::new() };
        Self { shared: Arc::new(shared), table: Arc::default(), rates: Arc::default() }
    }

    /// Creates or updates a group. Returns when the request is accepted; [`Groups::settled`] waits for the outcome.
    ///
    /// Errors: those of validation, quota and image access; `ContainerGroupTransitioning` while an operation runs.
    pub async fn put(&self, spec: GroupSpec) -> Result<Put, GroupError> {
        validate::check(&spec)?;
        self.check_os(&spec)?;
        // Before the images are looked for, and again after: another put may have come meanwhile.
        self.check_admission(&spec)?;
        for container in spec.all_containers() {
            self.check_image(&spec, &container.image).await?;
        }
        let table = self.table();
        self.check_admission_in(&table, &spec)?;
        let Some(entry) = table.get(&spec.id).cloned() else {
            self.count(Change::Create, &spec.location)?;
            return Ok(self.create(table, spec));
        };
        drop(table);
        let (identical, running) = {
            let record = entry.record();
            (
                stored::same(&record.spec, &spec),
                record.state() == GroupState::Running && record.failure.is_none(),
            )
        };
        if identical && running && self.shared.switches().identical_put == IdenticalPut::NoOp {
            return Ok(Put { created: false, view: entry.record().view() });
        }
        let view = entry.update(&self.shared, |record| {
            // A second put may have won the race since the table was let go.
            if record.operation.is_some() {
                return Err(GroupError::transitioning(&record.spec.name));
            }
            record.respecify(spec);
            record.begin(Operation::Deploy, ProvisioningState::Updating, self.shared.now());
            Ok(record.view())
        })?;
        entry.send(Command::Deploy);
        Ok(Put { created: false, view })
    }

    /// Replaces the tags of a group without touching its containers.
    pub fn set_tags(&self, id: &GroupId, tags: BTreeMap<String, String>) -> Result<GroupView, GroupError> {
        let entry = self.entry(id)?;
        Ok(entry.update(&self.shared, |record| {
            record.spec.tags = tags;
            record.view()
        }))
    }

    /// One group.
    pub fn get(&self, id: &GroupId) -> Option<GroupView> {
        self.table().get(id).map(|entry| entry.record().view())
    }

    /// All groups, by id.
    pub fn list(&self) -> Vec<GroupView> {
        self.table().values().map(|entry| entry.record().view()).collect()
    }

    /// All groups of a resource group, whose full id is given (`/subscriptions/{s}/resourceGroups/{g}`), by id.
    pub fn list_in(&self, resource_group_id: &str) -> Vec<GroupView> {
        let prefix = format!("{}/", resource_group_id.trim_end_matches('/').to_ascii_lowercase());
        let table = self.table();
        let inside = table.iter().filter(|(id, _)| id.key().starts_with(&prefix));
        inside.map(|(_, entry)| entry.record().view()).collect()
    }

    /// Waits until no operation on the group is under way. `None`: there is no such group (any more).
    pub async fn settled(&self, id: &GroupId) -> Option<GroupView> {
        loop {
            let entry = self.entry(id).ok()?;
            let mut changes = entry.subscribe();
            if self.entry(id).is_err() {
                return None;
            }
            {
                let record = entry.record();
                if record.operation.is_none() {
                    return Some(record.view());
                }
            }
            // The sender lives in the entry that is held here.
            let _ = changes.changed().await;
        }
    }

    /// Changes undocumented behaviour from now on.
    pub fn set_switches(&self, switches: Switches) {
        *self.shared.switches.lock().unwrap_or_else(PoisonError::into_inner) = switches;
    }

    /// The switches as they are.
    pub fn switches(&self) -> Switches {
        self.shared.switches()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        self.table().values().cloned().collect()
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, BTreeMap<GroupId, Arc<Entry>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn entry(&self, id: &GroupId) -> Result<Arc<Entry>, GroupError> {
        self.table().get(id).cloned().ok_or_else(|| GroupError::not_found(id))
    }

    fn create(&self, mut table: MutexGuard<'_, BTreeMap<GroupId, Arc<Entry>>>, spec: GroupSpec) -> Put {
        let id = spec.id.clone();
        let mut record = Record::new(spec);
        record.begin(Operation::Deploy, ProvisioningState::Pending, self.shared.now());
        let entry = Entry::start(&self.shared, record);
        table.insert(id, entry.clone());
        drop(table);
        let view = entry.update(&self.shared, |record| record.view());
        entry.send(Command::Deploy);
        Put { created: true, view }
    }
}
