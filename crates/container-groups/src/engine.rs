//! Containers on a Docker engine of this host.

mod connect;
mod holder;
mod instance;
mod logs;
mod network;
mod session;
mod subnet;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, HostConfig,
    HostConfigLogConfig, Mount, MountType, RestartPolicy, RestartPolicyNameEnum, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, KillContainerOptionsBuilder,
    ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions, StopContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use futures_util::StreamExt;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::group::{OsType, RegistryCredential};
use crate::image;
use crate::runtime::{
    CommandOutput, ContainerId, CreateContainer, CreateHolder, ExitStatus, Labels, LogRequest, MountSource,
    MountSpec, NetworkMode, Runtime, RuntimeError, Seen, SeenStatus,
};
use crate::session::{ExecCommand, Session};

pub use connect::ConnectError;
pub use instance::{InstanceObjects, RunOnce, RunOutput};
pub use network::{InstanceNetwork, NetworkSettings};

/// Label: the sandbox instance that an object belongs to.
pub const INSTANCE_LABEL: &str = "mayfly.instance";
const GROUP_LABEL: &str = "mayfly.group";
const CONTAINER_LABEL: &str = "mayfly.container";
const GENERATION_LABEL: &str = "mayfly.generation";
const HASH_LABEL: &str = "mayfly.spec-hash";

/// Processes and threads of one container at most: room for a parallel build, not for a fork bomb.
const MOST_PROCESSES: i64 = 8192;
/// How long a removal that is under way elsewhere is waited for.
const REMOVAL: Duration = Duration::from_secs(30);

/// A Docker engine of this host. Clones share the connection.
#[derive(Debug, Clone)]
pub struct DockerRuntime {
    docker: Docker,
    os: OsType,
    /// The machine's architecture, in the words of the kernel.
    architecture: String,
    /// Processors of the engine, which no container may exceed.
    processors: f64,
}

impl DockerRuntime {
    /// The engine's own API, for what belongs to no group.
    pub fn client(&self) -> &Docker {
        &self.docker
    }
}

#[async_trait]
impl Runtime for DockerRuntime {
    fn os(&self) -> OsType {
        self.os
    }

    async fn ping(&self) -> Result<(), RuntimeError> {
        self.docker.ping().await.map(|_| ()).map_err(|error| failed("reach the engine", error))
    }

    async fn check_image(&self, image: &str, login: Option<&RegistryCredential>) -> Result<(), RuntimeError> {
        if image::registry(image).is_none() && self.docker.inspect_image(image).await.is_ok() {
            return Ok(());
        }
        let found = self.docker.inspect_registry_image(&with_tag(image), login.map(credentials)).await;
        found.map(|_| ()).map_err(|error| image_failed(image, error))
    }

    async fn pull(&self, image: &str, login: Option<&RegistryCredential>) -> Result<String, RuntimeError> {
        // A reference without a registry is Docker Hub's; what the engine has of it stands in for the hub.
        if image::registry(image).is_none()
            && let Ok(local) = self.docker.inspect_image(image).await
            && let Some(id) = local.id
        {
            return Ok(id);
        }
        let reference = with_tag(image);
        let options = CreateImageOptionsBuilder::new().from_image(&reference).build();
        let mut progress = self.docker.create_image(Some(options), None, login.map(credentials));
        while let Some(step) = progress.next().await {
            step.map_err(|error| image_failed(image, error))?;
        }
        let pulled =
            self.docker.inspect_image(&reference).await.map_err(|error| image_failed(image, error))?;
        pulled.id.ok_or_else(|| RuntimeError::Image {
            image: image.to_owned(),
            reason: "the engine does not name the image it pulled".to_owned(),
        })
    }

    async fn create(&self, request: &CreateContainer) -> Result<ContainerId, RuntimeError> {
        let action = format!("create container `{}`", request.name);
        let options = CreateContainerOptionsBuilder::new().name(&request.name).build();
        let created = self.docker.create_container(Some(options), self.body(request)).await;
        let id = created.map_err(|error| failed(&action, error))?.id;
        if let Err(error) = self.upload_files(&id, &request.mounts).await {
            self.remove(&id).await?;
            return Err(error);
        }
        Ok(id)
    }

    async fn create_holder(&self, request: &CreateHolder) -> Result<ContainerId, RuntimeError> {
        self.make_holder(request).await
    }

    async fn start(&self, id: &str) -> Result<(), RuntimeError> {
        self.docker
            .start_container(id, None)
            .await
            .map_err(|error| failed(&format!("start container `{id}`"), error))
    }

    async fn wait(&self, id: &str) -> Result<ExitStatus, RuntimeError> {
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

    async fn kill(&self, id: &str, grace: Duration) -> Result<(), RuntimeError> {
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
        self.wait(id).await.map(|_| ())
    }

    async fn remove(&self, id: &str) -> Result<(), RuntimeError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self.docker.remove_container(id, Some(options)).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            // Somebody else is removing it.
            Err(Error::DockerResponseServerError { status_code: 409, .. }) => self.removed(id).await,
            removed => removed.map_err(|error| failed(&format!("remove container `{id}`"), error)),
        }
    }

    async fn list(&self, instance: &str, group: Option<&str>) -> Result<Vec<Seen>, RuntimeError> {
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

    async fn address(&self, id: &str) -> Result<Option<IpAddr>, RuntimeError> {
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

    async fn logs(&self, id: &str, request: LogRequest) -> Result<Vec<u8>, RuntimeError> {
        self.read_log(id, request).await
    }

    async fn exec(&self, id: &str, command: &ExecCommand) -> Result<Session, RuntimeError> {
        self.open_terminal(id, command).await
    }

    async fn run_in(&self, id: &str, command: &[String]) -> Result<CommandOutput, RuntimeError> {
        self.run_command(id, command).await
    }

    async fn attach(&self, id: &str) -> Result<Session, RuntimeError> {
        self.follow_output(id).await
    }

    async fn create_volume(&self, name: &str, instance: &str, group: &str) -> Result<(), RuntimeError> {
        let labels =
            [(INSTANCE_LABEL.to_owned(), instance.to_owned()), (GROUP_LABEL.to_owned(), group.to_owned())];
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(HashMap::from(labels)),
            ..VolumeCreateRequest::default()
        };
        let created = self.docker.create_volume(request).await;
        created.map(|_| ()).map_err(|error| failed(&format!("create volume `{name}`"), error))
    }

    async fn list_volumes(&self, instance: &str) -> Result<Vec<String>, RuntimeError> {
        let options = ListVolumesOptionsBuilder::new().filters(&by_label(&[label_of(instance)])).build();
        let listed =
            self.docker.list_volumes(Some(options)).await.map_err(|error| failed("list volumes", error))?;
        Ok(listed.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect())
    }

    async fn remove_volume(&self, name: &str) -> Result<(), RuntimeError> {
        match self.docker.remove_volume(name, None::<RemoveVolumeOptions>).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            removed => removed.map_err(|error| failed(&format!("remove volume `{name}`"), error)),
        }
    }
}

impl DockerRuntime {
    fn body(&self, request: &CreateContainer) -> ContainerCreateBody {
        let linux = self.os == OsType::Linux;
        let log =
            [("max-size", "8m"), ("max-file", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let host = HostConfig {
            nano_cpus: Some((request.cpu.min(self.processors) * 1e9) as i64),
            memory: Some(request.memory_bytes),
            // No swap on top.
            memory_swap: linux.then_some(request.memory_bytes),
            pids_limit: linux.then_some(MOST_PROCESSES),
            // The image's entrypoint is process 1.
            init: linux.then_some(false),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            auto_remove: Some(false),
            privileged: linux.then_some(false),
            publish_all_ports: Some(false),
            network_mode: Some(network_mode(&request.network)),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(HashMap::from(log)),
            }),
            mounts: Some(request.mounts.iter().filter_map(volume_mount).collect()),
            ..HostConfig::default()
        };
        ContainerCreateBody {
            image: Some(request.image.clone()),
            entrypoint: (!request.command.is_empty()).then(|| request.command.clone()),
            env: Some(
                request
                    .environment
                    .iter()
                    .map(|(name, value)| format!("{name}={}", value.expose_secret()))
                    .collect(),
            ),
            labels: Some(label_map(&request.labels)),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        }
    }

    /// Puts the files of secret volumes into a container that has not run: into its own layer, readable by root alone.
    /// Each generation gets them anew, so that they outlive a restart like a mounted volume would.
    async fn upload_files(&self, id: &str, mounts: &[MountSpec]) -> Result<(), RuntimeError> {
        let action = format!("put secret files into container `{id}`");
        for mount in mounts {
            let MountSource::Files(files) = &mount.source else { continue };
            let archive = archive(&mount.target, files).map_err(|error| RuntimeError::Refused {
                action: action.clone(),
                reason: error.to_string(),
            })?;
            let options = UploadToContainerOptionsBuilder::new().path("/").build();
            let uploaded =
                self.docker.upload_to_container(id, Some(options), bollard::body_full(archive.into())).await;
            uploaded.map_err(|error| failed(&action, error))?;
        }
        Ok(())
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

    async fn labelled_containers(&self, labels: &[String]) -> Result<Vec<ContainerSummary>, RuntimeError> {
        let options = ListContainersOptionsBuilder::new().all(true).filters(&by_label(labels)).build();
        self.docker.list_containers(Some(options)).await.map_err(|error| failed("list containers", error))
    }
}

/// What the engine's error means to us.
fn failed(action: &str, error: Error) -> RuntimeError {
    let action = action.to_owned();
    match error {
        Error::DockerResponseServerError { status_code: 404, message }
            if message.contains("No such container") =>
        {
            RuntimeError::Gone { action }
        }
        Error::DockerResponseServerError { message, .. } => RuntimeError::Refused { action, reason: message },
        Error::DockerStreamError { error } => RuntimeError::Refused { action, reason: error },
        other => RuntimeError::Unavailable { action, reason: other.to_string() },
    }
}

fn image_failed(image: &str, error: Error) -> RuntimeError {
    match failed("pull", error) {
        RuntimeError::Refused { reason, .. } => RuntimeError::Image { image: image.to_owned(), reason },
        RuntimeError::Gone { action } => RuntimeError::Image { image: image.to_owned(), reason: action },
        other => other,
    }
}

fn credentials(login: &RegistryCredential) -> DockerCredentials {
    DockerCredentials {
        username: Some(login.username.clone()),
        password: Some(login.password.expose_secret().to_owned()),
        serveraddress: Some(login.server.clone()),
        ..DockerCredentials::default()
    }
}

/// The reference with the tag that is meant when none is given: without one, the engine would pull all.
fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains(':') || name.contains('@') { image.to_owned() } else { format!("{image}:latest") }
}

fn by_label(labels: &[String]) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), labels.to_vec())])
}

fn label_of(instance: &str) -> String {
    format!("{INSTANCE_LABEL}={instance}")
}

fn label_map(labels: &Labels) -> HashMap<String, String> {
    let pairs = [
        (INSTANCE_LABEL, labels.instance.clone()),
        (GROUP_LABEL, labels.group.clone()),
        (CONTAINER_LABEL, labels.container.clone()),
        (GENERATION_LABEL, labels.generation.to_string()),
        (HASH_LABEL, labels.spec_hash.clone()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn identify(summary: ContainerSummary) -> Option<(String, Labels)> {
    let mut labels = summary.labels?;
    let labels = Labels {
        instance: labels.remove(INSTANCE_LABEL)?,
        group: labels.remove(GROUP_LABEL)?,
        container: labels.remove(CONTAINER_LABEL)?,
        generation: labels.remove(GENERATION_LABEL)?.parse().ok()?,
        spec_hash: labels.remove(HASH_LABEL).unwrap_or_default(),
    };
    Some((summary.id?, labels))
}

fn status(seen: &ContainerInspectResponse) -> SeenStatus {
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

fn network_mode(network: &NetworkMode) -> String {
    match network {
        NetworkMode::Attach(name) => name.clone(),
        NetworkMode::Share(id) => format!("container:{id}"),
    }
}

fn volume_mount(mount: &MountSpec) -> Option<Mount> {
    let MountSource::Volume(name) = &mount.source else { return None };
    Some(Mount {
        target: Some(mount.target.clone()),
        source: Some(name.clone()),
        typ: Some(MountType::VOLUME),
        read_only: Some(mount.read_only),
        ..Mount::default()
    })
}

/// The files as an archive to be unpacked at `/`.
fn archive(target: &str, files: &BTreeMap<String, secrecy::SecretString>) -> std::io::Result<Vec<u8>> {
    let folder = target.trim_matches('/');
    let mut archive = tar::Builder::new(Vec::new());
    let header = |kind: tar::EntryType, mode: u32, size: usize| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(size as u64);
        header
    };
    let mut entry = header(tar::EntryType::Directory, 0o700, 0);
    archive.append_data(&mut entry, format!("{folder}/"), std::io::empty())?;
    for (name, content) in files {
        let content = STANDARD.decode(content.expose_secret()).map_err(std::io::Error::other)?;
        let mut entry = header(tar::EntryType::Regular, 0o400, content.len());
        archive.append_data(&mut entry, format!("{folder}/{name}"), content.as_slice())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_a_tag_means_latest() {
        let table = [
            ("localhost:5000/agent", "localhost:5000/agent:latest"),
            ("localhost:5000/agent:1", "localhost:5000/agent:1"),
            ("localhost:5000/agent@sha256:ab", "localhost:5000/agent@sha256:ab"),
            ("debian", "debian:latest"),
        ];
        for (image, expected) in table {
            assert_eq!(with_tag(image), expected);
        }
    }
}
