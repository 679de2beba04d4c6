//! What the engine says of a container.

use std::net::IpAddr;

use bollard::errors::Error;
use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary};
use bollard::query_parameters::ListContainersOptionsBuilder;
use jiff::Timestamp;

use super::DockerRuntime;
use super::failure::failed;
use super::labels::{GROUP_LABEL, INSTANCE_LABEL, by_label, identify};
use crate::runtime::{ExitStatus, RuntimeError, Seen, SeenStatus};

impl DockerRuntime {
    pub(super) async fn find(&self, instance: &str, group: Option<&str>) -> Result<Vec<Seen>, RuntimeError> {
        let mut wanted = vec![format!("{INSTANCE_LABEL}={instance}")];
        wanted.extend(group.map(|group| format!("{GROUP_LABEL}={group}")));
        let mut found = Vec::new();
        for summary in self.labelled_containers(&wanted).await? {
            let Some((id, labels)) = identify(summary) else { continue };
            match self.docker.inspect_container(&id, None).await {
                Ok(seen) => found.push(Seen { status: status(&seen), id, labels }),
                // Removed since it was listed.
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
                Err(error) => return Err(failed("list containers", error)),
            }
        }
        Ok(found)
    }

    pub(super) async fn find_address(&self, id: &str) -> Result<Option<IpAddr>, RuntimeError> {
        match self.docker.inspect_container(id, None).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(failed(&format!("inspect container `{id}`"), error)),
            Ok(seen) => {
                let networks =
                    seen.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
                Ok(networks.into_values().find_map(|one| one.ip_address?.parse().ok()))
            }
        }
    }

    async fn labelled_containers(&self, labels: &[String]) -> Result<Vec<ContainerSummary>, RuntimeError> {
        let options = ListContainersOptionsBuilder::new().all(true).filters(&by_label(labels)).build();
        self.docker.list_containers(Some(options)).await.map_err(|error| failed("list containers", error))
    }
}

pub(super) fn status(seen: &ContainerInspectResponse) -> SeenStatus {
    let Some(state) = &seen.state else { return SeenStatus::Created };
    // The engine writes the year 1 for "never".
    let time = |text: &Option<String>| {
        let time: Option<Timestamp> = text.as_deref().and_then(|text| text.parse().ok());
        time.filter(|time| *time > Timestamp::UNIX_EPOCH)
    };
    let (started, finished) = (time(&state.started_at), time(&state.finished_at));
    let running = matches!(
        state.status,
        Some(
            ContainerStateStatusEnum::RUNNING
                | ContainerStateStatusEnum::PAUSED
                | ContainerStateStatusEnum::RESTARTING
                | ContainerStateStatusEnum::STOPPING
        )
    );
    match (started, running) {
        (Some(started), true) => SeenStatus::Running { started },
        (Some(started), false) => {
            let code = state.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-1);
            let out_of_memory = state.oom_killed.unwrap_or_default();
            let exit = ExitStatus { code, finished: finished.unwrap_or(started), out_of_memory };
            SeenStatus::Exited { started, exit }
        }
        (None, _) => SeenStatus::Created,
    }
}
