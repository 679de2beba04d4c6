//! Making containers.

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, RestartPolicy,
    RestartPolicyNameEnum,
};
use bollard::query_parameters::{CreateContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use secrecy::ExposeSecret;

use super::DockerRuntime;
use super::failure::failed;
use super::labels::label_map;
use crate::group::OsType;
use crate::runtime::{ContainerId, CreateContainer, MountSource, MountSpec, NetworkMode, RuntimeError};

/// Processes and threads of one container at most: room for a parallel build, not for a fork bomb.
const MOST_PROCESSES: i64 = 8192;

impl DockerRuntime {
    pub(super) async fn make_container(
        &self,
        request: &CreateContainer,
    ) -> Result<ContainerId, RuntimeError> {
        let action = format!("create container `{}`", request.name);
        let options = CreateContainerOptionsBuilder::new().name(&request.name).build();
        let created = self.docker.create_container(Some(options), self.body(request)).await;
        let id = created.map_err(|error| failed(&action, error))?.id;
        if let Err(error) = self.upload_files(&id, &request.mounts).await {
            self.remove_container(&id).await?;
            return Err(error);
        }
        Ok(id)
    }

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
