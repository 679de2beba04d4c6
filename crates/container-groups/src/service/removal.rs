//! Removing a group with all it has.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::entry::Entry;
use crate::error::GroupError;
use crate::group::GroupId;
use crate::rate::Change;
use crate::record::Operation;
use crate::runtime::RuntimeError;
use crate::service::Groups;
use crate::stored;
use crate::view::{GroupView, ProvisioningState};
use crate::worker::{remove_container, volume_prefix};

impl Groups {
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

    /// Ends the group's worker, then removes everything of it. Safe to repeat.
    pub(super) async fn remove(&self, entry: &Arc<Entry>) -> Result<(), RuntimeError> {
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
}
