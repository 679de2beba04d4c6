//! Taking over what an earlier process left.

use tokio::sync::oneshot;

use crate::entry::{Command, Entry};
use crate::error::GroupError;
use crate::record::{Operation, Record};
use crate::runtime::RuntimeError;
use crate::service::Groups;
use crate::stored;
use crate::worker::{share_prefix, volume_prefix};

impl Groups {
    /// Takes over what an earlier process left: brings back the groups of the store, keeps running containers, treats
    /// those that ended meanwhile by policy, clears half-made ones and those of unknown groups. Call it before anything else,
    /// and after [`Groups::halt`].
    pub async fn adopt(&self) -> Result<(), GroupError> {
        let failed = |error: RuntimeError| GroupError::runtime(&error);
        self.shared.runtime.ping().await.map_err(failed)?;
        let mut records =
            stored::load_all(&self.shared.settings.store).map_err(|error| GroupError::store(&error))?;
        self.begin_anew(&mut records).await?;
        self.clear_unknown(&records).await.map_err(failed)?;
        if let Err(error) = self.shared.logs.keep_only(records.iter().map(|record| record.spec.id.key())) {
            tracing::warn!(%error, "logs of groups that are gone could not be removed");
        }
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

    /// Ends the work on all groups and forgets them, as the end of the process does: containers and what is stored stay.
    /// [`Groups::adopt`] takes up what the store holds then. Gives the names of the groups.
    pub async fn halt(&self) -> Vec<String> {
        let entries = self.entries();
        for entry in &entries {
            entry.cancel.cancel();
        }
        for entry in &entries {
            entry.ended.cancelled().await;
        }
        self.table().clear();
        for entry in &entries {
            entry.notify();
        }
        entries.iter().map(|entry| entry.record().spec.name.clone()).collect()
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
