//! What is desired of a group, as it is kept.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::container::{StoredContainer, container_in, container_out};
use super::placement::{StoredPlacement, placement_in, placement_out};
use super::volume::{StoredShare, share_in, share_out, source_in, volume_out};
use crate::group::{GroupId, GroupSpec, IpAddress, OsType, RegistryCredential, RestartPolicy, VolumeSpec};
use crate::identity::{GroupIdentity, RegistryIdentity};

#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct StoredSpec {
    pub(super) id: String,
    pub(super) name: String,
    location: String,
    tags: BTreeMap<String, String>,
    os_type: OsType,
    restart_policy: RestartPolicy,
    containers: Vec<StoredContainer>,
    registry_credentials: Vec<(String, String, String)>,
    #[serde(default)]
    registry_identities: Vec<RegistryIdentity>,
    #[serde(default)]
    identity: GroupIdentity,
    volumes: Vec<(String, Option<BTreeMap<String, String>>)>,
    #[serde(default)]
    shares: Vec<StoredShare>,
    ip_address: Option<IpAddress>,
    #[serde(default)]
    init_containers: Vec<StoredContainer>,
    #[serde(default)]
    placement: StoredPlacement,
}

pub(super) fn spec_out(spec: &GroupSpec) -> StoredSpec {
    StoredSpec {
        id: spec.id.as_str().to_owned(),
        name: spec.name.clone(),
        location: spec.location.clone(),
        tags: spec.tags.clone(),
        os_type: spec.os_type,
        restart_policy: spec.restart_policy,
        containers: spec.containers.iter().map(container_out).collect(),
        registry_credentials: spec
            .registry_credentials
            .iter()
            .map(|login| {
                (login.server.clone(), login.username.clone(), login.password.expose_secret().to_owned())
            })
            .collect(),
        registry_identities: spec.registry_identities.clone(),
        identity: spec.identity.clone(),
        volumes: spec.volumes.iter().filter_map(volume_out).collect(),
        shares: spec.volumes.iter().filter_map(share_out).collect(),
        ip_address: spec.ip_address.clone(),
        init_containers: spec.init_containers.iter().map(container_out).collect(),
        placement: placement_out(&spec.placement),
    }
}

pub(super) fn spec_in(spec: StoredSpec, id: GroupId) -> GroupSpec {
    GroupSpec {
        id,
        name: spec.name,
        location: spec.location,
        tags: spec.tags,
        os_type: spec.os_type,
        restart_policy: spec.restart_policy,
        containers: spec.containers.into_iter().map(container_in).collect(),
        registry_credentials: spec
            .registry_credentials
            .into_iter()
            .map(|(server, username, password)| RegistryCredential {
                server,
                username,
                password: password.into(),
            })
            .collect(),
        registry_identities: spec.registry_identities,
        identity: spec.identity,
        volumes: spec
            .volumes
            .into_iter()
            .map(|(name, files)| VolumeSpec { name, source: source_in(files) })
            .chain(spec.shares.into_iter().map(share_in))
            .collect(),
        ip_address: spec.ip_address,
        init_containers: spec.init_containers.into_iter().map(container_in).collect(),
        placement: placement_in(spec.placement),
    }
}
