//! Start, restart and stop.

use crate::entry::Command;
use crate::error::GroupError;
use crate::group::GroupId;
use crate::record::Operation;
use crate::service::Groups;
use crate::view::{GroupState, ProvisioningState};

impl Groups {
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
}
