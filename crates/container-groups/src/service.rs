//! The service: desired groups in, containers out.

mod logs;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use service_kit::{SharedClock, SharedEntropy, Shutdown, Store};
use tokio::sync::oneshot;

use crate::entry::{Command, Entry, Shared};
use crate::error::GroupError;
use crate::group::{GroupId, GroupSpec, OsType};
use crate::identity;
use crate::logs::LogFiles;
use crate::rate::{Change, Rates};
use crate::record::{Operation, Record, cores};
use crate::runtime::{Runtime, RuntimeError};
use crate::stored;
use crate::validate;
use crate::view::{GroupState, GroupView, ProvisioningState};
use crate::worker::{remove_container, share_prefix, volume_prefix};

/// What a put of an unchanged group does. Not published by Microsoft.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdenticalPut {
    /// All containers are restarted: the assumption that hurts.
    #[default]
    Restarts,
    /// Nothing happens.
    NoOp,
}

/// Whether restarts are delayed. Not published by Microsoft.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RestartBackoff {
    /// After every exit, 0 included: the first restart at once, then 10 s doubling to 5 min, forgotten after 10 min of
    /// running.
    #[default]
    On,
    /// Every restart at once.
    Off,
}

/// Behaviour that Azure does not document; the defaults are those that hurt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Switches {
    /// What a put of an unchanged group does.
    pub identical_put: IdenticalPut,
    /// Whether restarts are delayed.
    pub restart_backoff: RestartBackoff,
    /// Time between SIGTERM and SIGKILL; zero: killed without SIGTERM.
    pub stop_grace: Duration,
    /// Whether groups of `osType` Windows run as Linux containers on a Linux engine instead of being refused.
    pub windows_as_linux: bool,
}

/// How much the subscription may use in its region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Container groups.
    pub groups: u32,
    /// Processors, `StandardCores`.
    pub cores: u32,
    /// Groups that may be created in an hour, and as many deleted.
    pub hourly: usize,
    /// Groups that may be created in five minutes, and as many deleted.
    pub five_minutely: usize,
}

impl Quota {
    /// So many groups and cores; as many groups can be made within five minutes, and three times as many in an hour, as is
    /// the relation of the usual quota.
    pub fn of(count: u32) -> Self {
        let usual = Self::default();
        let many = usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            groups: count,
            cores: count,
            hourly: many.saturating_mul(3).max(usual.hourly),
            five_minutely: many.max(usual.five_minutely),
        }
    }
}

impl Default for Quota {
    /// What a pay-as-you-go subscription has: 100 groups and 100 cores, 300 creations an hour and 100 in five minutes.
    fn default() -> Self {
        Self { groups: 100, cores: 100, hourly: 300, five_minutely: 100 }
    }
}

/// How much is used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Container groups.
    pub groups: u32,
    /// Requested processors of all groups.
    pub cores: f64,
}

/// What the service needs.
#[derive(Debug, Clone)]
pub struct GroupSettings {
    /// The sandbox instance, which labels everything on the engine.
    pub instance: String,
    /// The engine's network that containers are attached to.
    pub network: String,
    /// Where containers of groups with an identity ask for tokens; `None`: nowhere.
    pub identity_endpoint: Option<String>,
    /// Undocumented behaviour.
    pub switches: Switches,
    /// Limits of the subscription.
    pub quota: Quota,
    /// Where desired state is kept.
    pub store: Store,
    /// Where logs of ended containers are kept.
    pub logs_dir: PathBuf,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
    /// Owner of the workers. Ending it leaves the containers running.
    pub shutdown: Shutdown,
}

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

    /// Removes a group with its containers and volumes, whatever it is doing; returns once they are gone. `None`:
    /// there was no such group.
    pub async fn delete(&self, id: &GroupId) -> Result<Option<GroupView>, GroupError> {
        let Ok(entry) = self.entry(id) else { return Ok(None) };
        let location = entry.record().spec.location.clone();
        self.count(Change::Delete, &location)?;
        let view = entry.update(&self.shared, |record| {
            record.begin(Operation::Delete, ProvisioningState::Deleting, self.shared.now());
            record.view()
        });
        // In a task of its own, so that a caller who goes away does not leave a half-deleted group.
        let (done, outcome) = oneshot::channel();
        let groups = self.clone();
        self.shared.settings.shutdown.spawn(async move {
            // The caller may have gone away.
            let _ = done.send(groups.remove(&entry).await);
        });
        match outcome.await {
            Ok(Ok(())) => Ok(Some(view)),
            Ok(Err(error)) => Err(GroupError::runtime(&error)),
            Err(_) => Err(GroupError::new(503, "ServiceUnavailable", "the sandbox is shutting down")),
        }
    }

    /// Starts a stopped or ended group: a new deployment of what is desired. A running one is left alone. Returns when
    /// accepted.
    pub async fn start(&self, id: &GroupId) -> Result<(), GroupError> {
        {
            let entry = self.entry(id)?;
            let record = entry.record();
            if record.operation.is_some() {
                return Err(GroupError::transitioning(&record.spec.name));
            }
            if record.state() == GroupState::Running {
                return Ok(());
            }
        }
        self.redeploy(id).await
    }

    /// Restarts all containers of a group. Returns when accepted.
    ///
    /// Errors: `ContainerGroupStopped` for one that is stopped or has ended.
    pub async fn restart(&self, id: &GroupId) -> Result<(), GroupError> {
        let (state, busy) = {
            let entry = self.entry(id)?;
            let record = entry.record();
            (record.state(), record.operation.is_some())
        };
        if !busy && matches!(state, GroupState::Stopped | GroupState::Succeeded | GroupState::Failed) {
            return Err(GroupError::stopped(id));
        }
        self.redeploy(id).await
    }

    /// Stops a group; returns once its containers are gone. An ended group is left alone.
    pub async fn stop(&self, id: &GroupId) -> Result<(), GroupError> {
        let entry = self.entry(id)?;
        let accepted = entry.update(&self.shared, |record| {
            // What waits for containers that run before the others can be stopped.
            if record.operation.is_some() && !record.is_initialising() {
                return Err(GroupError::transitioning(&record.spec.name));
            }
            if matches!(record.state(), GroupState::Running | GroupState::Pending) {
                record.begin(Operation::Stop, ProvisioningState::Updating, self.shared.now());
                return Ok(true);
            }
            Ok(false)
        })?;
        if accepted {
            entry.send(Command::Stop);
            self.settled(id).await;
        }
        Ok(())
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

    /// How much of the quota is used.
    pub fn usage(&self) -> Usage {
        usage_of(&self.table(), None)
    }

    /// The quota.
    pub fn quota(&self) -> Quota {
        self.shared.settings.quota
    }

    /// Takes over what an earlier process left: brings back the groups of the store, keeps running containers, treats
    /// those that ended meanwhile by policy, clears half-made ones and those of unknown groups. Call it once, before
    /// anything else.
    pub async fn adopt(&self) -> Result<(), GroupError> {
        let failed = |error: RuntimeError| GroupError::runtime(&error);
        self.shared.runtime.ping().await.map_err(failed)?;
        let records =
            stored::load_all(&self.shared.settings.store).map_err(|error| GroupError::store(&error))?;
        self.clear_unknown(&records).await.map_err(failed)?;
        let mut reconciled = Vec::new();
        for record in records {
            // Containers that run before the others go on where they were.
            let resumed = record.operation.filter(|_| !record.is_initialising());
            let (id, operation) = (record.spec.id.clone(), resumed);
            let entry = Entry::start(&self.shared, record);
            self.table().insert(id.clone(), entry.clone());
            match operation {
                Some(Operation::Deploy) => entry.send(Command::Deploy),
                Some(Operation::Stop) => entry.send(Command::Stop),
                Some(Operation::Delete) => self.remove(&entry).await.map_err(failed)?,
                None => {
                    let (done, when_done) = oneshot::channel();
                    entry.send(Command::Adopt(done));
                    reconciled.push(when_done);
                }
            }
            tracing::info!(group = %id, unfinished = ?operation, "container group taken over");
        }
        for done in reconciled {
            // A worker that is gone is being shut down.
            let _ = done.await;
        }
        Ok(())
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

    async fn redeploy(&self, id: &GroupId) -> Result<(), GroupError> {
        let entry = self.entry(id)?;
        let spec = entry.record().spec.clone();
        for container in spec.all_containers() {
            self.check_image(&spec, &container.image).await?;
        }
        entry.update(&self.shared, |record| {
            if record.operation.is_some() {
                return Err(GroupError::transitioning(&record.spec.name));
            }
            record.begin(Operation::Deploy, ProvisioningState::Updating, self.shared.now());
            Ok(())
        })?;
        entry.send(Command::Deploy);
        Ok(())
    }

    /// Counts a creation or deletion, or refuses it.
    fn count(&self, change: Change, location: &str) -> Result<(), GroupError> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.count(change, location, self.shared.now(), self.quota())
    }

    fn check_os(&self, spec: &GroupSpec) -> Result<(), GroupError> {
        let engine = self.shared.runtime.os();
        if spec.os_type == engine {
            return Ok(());
        }
        if spec.os_type == OsType::Windows && self.shared.switches().windows_as_linux {
            tracing::warn!(group = %spec.id, "osType Windows is run as Linux containers: not what Azure would do");
            return Ok(());
        }
        let mut refusal = validate::not_available(spec);
        let (asked, has) = (spec.os_type.as_str(), engine.as_str());
        refusal.message = format!(
            "{} This sandbox's container engine runs {has} containers; osType '{asked}' needs an engine in {asked} mode{}.",
            refusal.message,
            if asked == "Windows" { " or a sandbox started with --run-windows-groups-as-linux" } else { "" },
        );
        Err(refusal)
    }

    async fn check_image(&self, spec: &GroupSpec, image: &str) -> Result<(), GroupError> {
        let login = identity::login(&self.shared, spec, image);
        match self.shared.runtime.check_image(image, login.as_ref()).await {
            Ok(()) => Ok(()),
            Err(error @ RuntimeError::Unavailable { .. }) => Err(GroupError::runtime(&error)),
            Err(error) => {
                tracing::warn!(group = %spec.id, %image, %error, "image is not accessible");
                Err(GroupError::registry(image, &spec.name, &error.to_string()))
            }
        }
    }

    fn check_admission(&self, spec: &GroupSpec) -> Result<(), GroupError> {
        self.check_admission_in(&self.table(), spec)
    }

    /// Whether the change is allowed now, given all other groups.
    fn check_admission_in(
        &self,
        table: &BTreeMap<GroupId, Arc<Entry>>,
        spec: &GroupSpec,
    ) -> Result<(), GroupError> {
        let present = table.get(&spec.id);
        if let Some(entry) = present {
            let record = entry.record();
            if record.operation.is_some() {
                return Err(GroupError::transitioning(&record.spec.name));
            }
            validate::check_location(&record.spec, spec)?;
            // A put of a stopped or ended group is a new deployment.
            if matches!(record.state(), GroupState::Running | GroupState::Pending) {
                validate::check_update(&record.spec, spec)?;
            }
        }
        let wanted = validate::public_name(spec);
        let taken = |(id, entry): (&GroupId, &Arc<Entry>)| {
            *id != spec.id && validate::public_name(&entry.record().spec) == wanted
        };
        if wanted.is_some() && table.iter().any(taken) {
            return Err(validate::name_taken(spec));
        }
        let (others, quota) = (usage_of(table, Some(&spec.id)), self.quota());
        let location = &spec.location;
        if present.is_none() && others.groups >= quota.groups {
            let usage = f64::from(others.groups);
            return Err(GroupError::quota("ContainerGroups", location, quota.groups, usage, 1.0));
        }
        let requested = cores(spec);
        if others.cores + requested > f64::from(quota.cores) + 1e-9 {
            return Err(GroupError::quota("StandardCores", location, quota.cores, others.cores, requested));
        }
        Ok(())
    }

    /// Ends the group's worker, then removes everything of it. Safe to repeat.
    async fn remove(&self, entry: &Arc<Entry>) -> Result<(), RuntimeError> {
        entry.cancel.cancel();
        entry.ended.cancelled().await;
        let (settings, id) = (&self.shared.settings, entry.record().spec.id.clone());
        let runtime = &self.shared.runtime;
        for one in runtime.list(&settings.instance, Some(id.key())).await? {
            remove_container(&self.shared, &one).await?;
        }
        let prefix = volume_prefix(&settings.instance, &id);
        for volume in
            runtime.list_volumes(&settings.instance).await?.iter().filter(|name| name.starts_with(&prefix))
        {
            runtime.remove_volume(volume).await?;
        }
        if let Err(error) = stored::forget(&settings.store, &id) {
            GroupError::store(&error);
        }
        if let Err(error) = self.shared.logs.forget(id.key()) {
            tracing::warn!(group = %id, %error, "logs of a deleted group could not be removed");
        }
        let mut table = self.table();
        if table.get(&id).is_some_and(|present| Arc::ptr_eq(present, entry)) {
            table.remove(&id);
        }
        drop(table);
        entry.notify();
        tracing::info!(group = %id, "container group deleted");
        Ok(())
    }

    /// Removes containers and volumes of this instance that belong to no group of the store.
    async fn clear_unknown(&self, records: &[Record]) -> Result<(), RuntimeError> {
        let (instance, runtime) = (&self.shared.settings.instance, &self.shared.runtime);
        for one in runtime.list(instance, None).await? {
            if !records.iter().any(|record| record.spec.id.key() == one.labels.group) {
                tracing::warn!(container = %one.id, group = %one.labels.group, "container of an unknown group removed");
                runtime.remove(&one.id).await?;
            }
        }
        let prefixes: Vec<String> =
            records.iter().map(|record| volume_prefix(instance, &record.spec.id)).collect();
        for volume in runtime.list_volumes(instance).await? {
            let known = prefixes.iter().any(|prefix| volume.starts_with(prefix));
            if !known && !volume.starts_with(&share_prefix(instance)) {
                runtime.remove_volume(&volume).await?;
            }
        }
        Ok(())
    }
}

/// What all groups use, but for one.
fn usage_of(table: &BTreeMap<GroupId, Arc<Entry>>, without: Option<&GroupId>) -> Usage {
    let mut usage = Usage::default();
    for (_, entry) in table.iter().filter(|(id, _)| Some(*id) != without) {
        usage.groups += 1;
        usage.cores += entry.record().cores();
    }
    usage
}
