//! Groups as they were at one moment, and others in their place: what runs then belongs to none of them.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use service_kit::{Batch, Store, StoreDocument, StoreError};

use crate::error::GroupError;
use crate::logs::{ended_request, ended_stamped};
use crate::record::Record;
use crate::runtime::{RuntimeError, SeenStatus};
use crate::service::Groups;
use crate::stored::anew::{self, Logs, SavedLog};
use crate::worker::{HOLDER, remove_container, share_prefix};

/// How many containers are ended at once.
const AT_ONCE: usize = 8;

impl Groups {
    /// Whether a table of this service is there only until something is done, and says nothing of the groups.
    pub fn is_passing(table: &str) -> bool {
        anew::is_passing(table)
    }

    /// Whether a table holds logs that [`Groups::saved_logs`] gave out.
    pub fn is_log(table: &str) -> bool {
        anew::is_log(table)
    }

    /// What the containers of all groups have written, the present ones as if they were removed now: documents that belong
    /// to those of the groups.
    ///
    /// # Errors
    /// The engine does not answer, or a file could not be read.
    pub async fn saved_logs(&self) -> Result<Vec<StoreDocument>, GroupError> {
        let mut logs = Vec::new();
        for entry in self.entries() {
            let spec = entry.record().spec.clone();
            for container in spec.all_containers() {
                let kept = self.shared.logs.kept(spec.id.key(), &container.name);
                let kept = kept.map_err(|error| {
                    let why = format!("read the log of container '{}': {error}", container.name);
                    GroupError::new(500, "InternalServerError", why)
                })?;
                let saved =
                    |(run, log): (&u64, &Vec<u8>)| SavedLog::new(spec.id.key(), &container.name, *run, log);
                logs.extend(kept.iter().map(saved));
            }
            let present = self.present_logs(spec.id.key()).await;
            logs.extend(present.map_err(|error| GroupError::runtime(&error))?);
        }
        anew::documents(&logs).map_err(|error| GroupError::store(&error))
    }

    async fn present_logs(&self, group: &str) -> Result<Vec<SavedLog>, RuntimeError> {
        let runtime = &self.shared.runtime;
        let mut logs = Vec::new();
        for one in runtime.list(&self.shared.settings.instance, Some(group)).await? {
            let labels = &one.labels;
            if one.status == SeenStatus::Created || labels.container == HOLDER {
                continue;
            }
            match runtime.logs(&one.id, ended_request(true)).await {
                Ok(log) => {
                    logs.push(SavedLog::new(
                        group,
                        &labels.container,
                        labels.generation,
                        ended_stamped(&log),
                    ));
                }
                // Removed since it was listed, as by a restart: what it wrote last is lost to the snapshot.
                Err(RuntimeError::Gone { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(logs)
    }

    /// Whether the groups that a store holds could be taken up. Gives the names of those whose containers would run.
    ///
    /// # Errors
    /// A document is none of a group.
    pub fn check(store: &Store) -> Result<Vec<String>, StoreError> {
        let records = anew::check(store)?;
        let living = records.into_iter().filter(Record::lives);
        Ok(living.map(|record| record.spec.name).collect())
    }

    /// Adds to a change of the state, which brings groups and their logs, that what runs belongs to none of them:
    /// [`Groups::adopt`] removes it, and runs anew what ran.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn anew(batch: Batch) -> Result<Batch, StoreError> {
        anew::mark(batch, Logs::Replaced)
    }

    /// Whether the engine answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), GroupError> {
        self.shared.runtime.ping().await.map_err(|error| GroupError::runtime(&error))
    }

    /// Removes all containers and volumes of the groups, after [`Groups::halt`]. What ran is run anew by the next
    /// [`Groups::adopt`], whatever was or was not done in between.
    ///
    /// # Errors
    /// The engine does not answer, or the store could not be written.
    pub async fn strip(&self) -> Result<(), GroupError> {
        let marked = anew::mark(Batch::new(), Logs::Kept);
        let marked = marked.and_then(|batch| self.shared.settings.store.write(batch));
        marked.map_err(|error| GroupError::store(&error))?;
        self.remove_all().await.map_err(|error| GroupError::runtime(&error))
    }

    /// Does what the store says is to be done with what runs.
    pub(super) async fn begin_anew(&self, records: &mut [Record]) -> Result<(), GroupError> {
        let store = &self.shared.settings.store;
        let failed = |error: StoreError| GroupError::store(&error);
        let Some(logs) = anew::marked(store).map_err(failed)? else { return Ok(()) };
        self.remove_all().await.map_err(|error| GroupError::runtime(&error))?;
        if logs == Logs::Replaced {
            let saved = anew::logs(store).map_err(failed)?;
            if let Err(error) = self.shared.logs.replace(&saved) {
                tracing::warn!(%error, "logs of containers of before could not be kept");
            }
        }
        let now = self.shared.now();
        for record in &mut *records {
            record.begin_anew(now);
        }
        anew::done(store, records).map_err(failed)
    }

    async fn remove_all(&self) -> Result<(), RuntimeError> {
        let (instance, runtime) = (&self.shared.settings.instance, &self.shared.runtime);
        let containers = runtime.list(instance, None).await?;
        let mut removals = FuturesUnordered::new();
        for one in &containers {
            if removals.len() == AT_ONCE {
                removals.next().await.transpose()?;
            }
            removals.push(remove_container(&self.shared, one));
        }
        while let Some(removed) = removals.next().await {
            removed?;
        }
        for volume in runtime.list_volumes(instance).await? {
            // A share belongs to no group.
            if !volume.starts_with(&share_prefix(instance)) {
                runtime.remove_volume(&volume).await?;
            }
        }
        Ok(())
    }
}
