//! Ending and removing containers.

use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::{
    KillContainerOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
};
use futures_util::StreamExt;

use super::DockerRuntime;
use super::failure::failed;
use super::seen::status;
use crate::runtime::{ExitStatus, RuntimeError, SeenStatus};

/// How long a removal that is under way elsewhere is waited for.
const REMOVAL: Duration = Duration::from_secs(30);

impl DockerRuntime {
    pub(super) async fn wait_for_end(&self, id: &str) -> Result<ExitStatus, RuntimeError> {
        let action = format!("wait for container `{id}`");
        let mut stream = self.docker.wait_container(id, None);
        match stream.next().await {
            // The code comes with the time, below.
            Some(Ok(_) | Err(Error::DockerContainerWaitError { .. })) => {}
            Some(Err(error)) => return Err(failed(&action, error)),
            None => {
                let reason = "it closed the connection".to_owned();
                return Err(RuntimeError::Unavailable { action, reason });
            }
        }
        let seen = self.docker.inspect_container(id, None).await.map_err(|error| failed(&action, error))?;
        match status(&seen) {
            SeenStatus::Exited { exit, .. } => Ok(exit),
            _ => Err(RuntimeError::Unavailable {
                action,
                reason: "the container had not ended after all".to_owned(),
            }),
        }
    }

    pub(super) async fn end(&self, id: &str, grace: Duration) -> Result<(), RuntimeError> {
        let action = format!("end container `{id}`");
        let ended = if grace.is_zero() {
            self.docker
                .kill_container(id, Some(KillContainerOptionsBuilder::new().signal("KILL").build()))
                .await
        } else {
            let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
            self.docker.stop_container(id, Some(StopContainerOptionsBuilder::new().t(seconds).build())).await
        };
        match ended {
            // Not running any more, which is what was asked for.
            Err(Error::DockerResponseServerError { status_code: 304 | 409, .. }) => {}
            ended => ended.map_err(|error| failed(&action, error))?,
        }
        // The engine answers before the container has ended.
        self.wait_for_end(id).await.map(|_| ())
    }

    pub(super) async fn remove_container(&self, id: &str) -> Result<(), RuntimeError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self.docker.remove_container(id, Some(options)).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            // Somebody else is removing it.
            Err(Error::DockerResponseServerError { status_code: 409, .. }) => self.removed(id).await,
            removed => removed.map_err(|error| failed(&format!("remove container `{id}`"), error)),
        }
    }

    /// Waits until a removal that is under way is done.
    async fn removed(&self, id: &str) -> Result<(), RuntimeError> {
        let action = format!("remove container `{id}`");
        let gone = async {
            loop {
                match self.docker.inspect_container(id, None).await {
                    Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(()),
                    Err(error) => return Err(failed(&action, error)),
                    Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(REMOVAL, gone).await.unwrap_or_else(|_| {
            let reason = format!("its removal has been under way for {} s", REMOVAL.as_secs());
            Err(RuntimeError::Unavailable { action: action.clone(), reason })
        })
    }
}
