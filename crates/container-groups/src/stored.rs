//! How a group is kept in the store. The structs here hold secrets in plain text: the store seals its values, and
//! nothing outside of this file sees them.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::{SharedEntropy, Store, StoreError};
use sha2::{Digest, Sha256};

use crate::error::GroupError;
use crate::group::{
    AzureFile, ContainerPort, ContainerSpec, DnsConfig, EnvValue, EnvVar, GroupId, GroupSpec, IpAddress,
    LogAnalytics, OsType, Placement, Priority, Probe, RegistryCredential, RestartPolicy, Subnet, VolumeMount,
    VolumeSource, VolumeSpec,
};
use crate::identity::{GroupIdentity, RegistryIdentity};
use crate::record::{Operation, Progress, Record};
use crate::view::{EventView, ProvisioningState};

const GROUPS: &str = "container-groups";
const KEYS: &str = "container-groups-keys";

#[derive(Serialize, Deserialize)]
struct StoredGroup {
    spec: StoredSpec,
    provisioning: ProvisioningState,
    failure: Option<GroupError>,
    operation: Option<Operation>,
    deployments: u64,
    stopped: bool,
    #[serde(default)]
    began: Option<jiff::Timestamp>,
    holder: Option<String>,
    #[serde(default)]
    address: Option<std::net::IpAddr>,
    events: Vec<EventView>,
    containers: BTreeMap<String, Progress>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct StoredSpec {
    id: String,
    name: String,
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

#[derive(PartialEq, Serialize, Deserialize)]
struct StoredShare {
    volume: String,
    share: String,
    account: String,
    key: Option<String>,
    read_only: bool,
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
struct StoredPlacement {
    zones: Vec<String>,
    priority: Option<Priority>,
    subnets: Vec<Subnet>,
    dns: Option<DnsConfig>,
    log_analytics: Option<StoredLogAnalytics>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct StoredLogAnalytics {
    workspace_id: String,
    workspace_key: String,
    log_type: Option<String>,
    metadata: Vec<(String, String)>,
    workspace_resource_id: Option<String>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct StoredContainer {
    name: String,
    image: String,
    command: Vec<String>,
    environment: Vec<StoredVariable>,
    ports: Vec<ContainerPort>,
    cpu: f64,
    memory_gb: f64,
    cpu_limit: Option<f64>,
    memory_limit_gb: Option<f64>,
    volume_mounts: Vec<VolumeMount>,
    #[serde(default)]
    liveness_probe: Option<Probe>,
    #[serde(default)]
    readiness_probe: Option<Probe>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct StoredVariable {
    name: String,
    value: String,
    secure: bool,
}

/// Keeps a group.
pub(crate) fn save(store: &Store, record: &Record) -> Result<(), StoreError> {
    let stored = StoredGroup {
        spec: spec_out(&record.spec),
        provisioning: record.provisioning,
        failure: record.failure.clone(),
        operation: record.operation,
        deployments: record.deployments,
        stopped: record.stopped,
        began: record.began,
        holder: record.holder.clone(),
        address: record.address,
        events: record.events.clone(),
        containers: record.containers.clone(),
    };
    store.put(GROUPS, record.spec.id.key(), &stored)
}

/// Forgets a group.
pub(crate) fn forget(store: &Store, id: &GroupId) -> Result<(), StoreError> {
    store.delete(GROUPS, id.key())
}

/// All groups that are kept.
pub(crate) fn load_all(store: &Store) -> Result<Vec<Record>, StoreError> {
    let stored: Vec<(String, StoredGroup)> = store.list(GROUPS)?;
    let mut records = Vec::new();
    for (key, group) in stored {
        let Ok(id) = GroupId::parse(&group.spec.id) else {
            tracing::error!(%key, "a stored container group has no valid id");
            continue;
        };
        records.push(Record {
            spec: spec_in(group.spec, id),
            provisioning: group.provisioning,
            failure: group.failure,
            operation: group.operation,
            deployments: group.deployments,
            stopped: group.stopped,
            began: group.began,
            holder: group.holder,
            address: group.address,
            events: group.events,
            containers: group.containers,
        });
    }
    Ok(records)
}

/// Whether two desired states are the same, secrets and tags included.
pub(crate) fn same(left: &GroupSpec, right: &GroupSpec) -> bool {
    let (mut left, mut right) = (spec_out(left), spec_out(right));
    for spec in [&mut left, &mut right] {
        spec.id.make_ascii_lowercase();
        spec.name.make_ascii_lowercase();
    }
    left == right
}

/// The key of this instance's hashes, made at the first call.
pub(crate) fn hash_key(store: &Store, entropy: &SharedEntropy) -> Result<Vec<u8>, StoreError> {
    if let Some(key) = store.get(KEYS, "spec-hash")? {
        return Ok(key);
    }
    let mut key = vec![0; 32];
    entropy.fill(&mut key);
    store.put(KEYS, "spec-hash", &key)?;
    Ok(key)
}

/// A hash of what a group is made from and by which deployment. Keyed, so that a label does not help to guess a secret.
pub(crate) fn deployment_hash(key: &[u8], record: &Record) -> String {
    let text = serde_json::to_vec(&(record.deployments, spec_out(&record.spec))).unwrap_or_default();
    keyed_hash(key, &text)[..32].to_owned()
}

/// A hash that only who has the key can make, as 64 hex digits. The key comes first and has one length.
pub(crate) fn keyed_hash(key: &[u8], text: &[u8]) -> String {
    let inner = Sha256::new().chain_update(key).chain_update([0x36]).chain_update(text).finalize();
    let outer = Sha256::new().chain_update(key).chain_update([0x5c]).chain_update(inner).finalize();
    hex::encode(outer)
}

fn spec_out(spec: &GroupSpec) -> StoredSpec {
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

fn placement_out(placement: &Placement) -> StoredPlacement {
    StoredPlacement {
        zones: placement.zones.clone(),
        priority: placement.priority,
        subnets: placement.subnets.clone(),
        dns: placement.dns.clone(),
        log_analytics: placement.log_analytics.as_ref().map(|logs| StoredLogAnalytics {
            workspace_id: logs.workspace_id.clone(),
            workspace_key: logs.workspace_key.expose_secret().to_owned(),
            log_type: logs.log_type.clone(),
            metadata: logs.metadata.clone(),
            workspace_resource_id: logs.workspace_resource_id.clone(),
        }),
    }
}

fn placement_in(placement: StoredPlacement) -> Placement {
    Placement {
        zones: placement.zones,
        priority: placement.priority,
        subnets: placement.subnets,
        dns: placement.dns,
        log_analytics: placement.log_analytics.map(|logs| LogAnalytics {
            workspace_id: logs.workspace_id,
            workspace_key: logs.workspace_key.into(),
            log_type: logs.log_type,
            metadata: logs.metadata,
            workspace_resource_id: logs.workspace_resource_id,
        }),
    }
}

fn container_out(container: &ContainerSpec) -> StoredContainer {
    StoredContainer {
        name: container.name.clone(),
        image: container.image.clone(),
        command: container.command.clone(),
        environment: container
            .environment
            .iter()
            .map(|variable| {
                let (value, secure) = match &variable.value {
                    EnvValue::Plain(value) => (value.clone(), false),
                    EnvValue::Secure(value) => (value.expose_secret().to_owned(), true),
                };
                StoredVariable { name: variable.name.clone(), value, secure }
            })
            .collect(),
        ports: container.ports.clone(),
        cpu: container.cpu,
        memory_gb: container.memory_gb,
        cpu_limit: container.cpu_limit,
        memory_limit_gb: container.memory_limit_gb,
        volume_mounts: container.volume_mounts.clone(),
        liveness_probe: container.liveness_probe.clone(),
        readiness_probe: container.readiness_probe.clone(),
    }
}

fn share_out(volume: &VolumeSpec) -> Option<StoredShare> {
    let VolumeSource::AzureFile(share) = &volume.source else { return None };
    Some(StoredShare {
        volume: volume.name.clone(),
        share: share.share_name.clone(),
        account: share.account_name.clone(),
        key: share.account_key.as_ref().map(|key| key.expose_secret().to_owned()),
        read_only: share.read_only,
    })
}

fn share_in(share: StoredShare) -> VolumeSpec {
    VolumeSpec {
        name: share.volume,
        source: VolumeSource::AzureFile(AzureFile {
            share_name: share.share,
            account_name: share.account,
            account_key: share.key.map(SecretString::from),
            read_only: share.read_only,
        }),
    }
}

/// A volume of the kinds that the first version of the store knew.
fn volume_out(volume: &VolumeSpec) -> Option<(String, Option<BTreeMap<String, String>>)> {
    let files = match &volume.source {
        // A repository is refused before it could be kept.
        VolumeSource::AzureFile(_) | VolumeSource::GitRepo(_) => return None,
        VolumeSource::EmptyDir => None,
        VolumeSource::Secret(files) => {
            Some(files.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect())
        }
    };
    Some((volume.name.clone(), files))
}

fn spec_in(spec: StoredSpec, id: GroupId) -> GroupSpec {
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

fn source_in(files: Option<BTreeMap<String, String>>) -> VolumeSource {
    match files {
        None => VolumeSource::EmptyDir,
        Some(files) => VolumeSource::Secret(
            files.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect(),
        ),
    }
}

fn container_in(container: StoredContainer) -> ContainerSpec {
    ContainerSpec {
        name: container.name,
        image: container.image,
        command: container.command,
        environment: container
            .environment
            .into_iter()
            .map(|variable| EnvVar {
                name: variable.name,
                value: if variable.secure {
                    EnvValue::Secure(variable.value.into())
                } else {
                    EnvValue::Plain(variable.value)
                },
            })
            .collect(),
        ports: container.ports,
        cpu: container.cpu,
        memory_gb: container.memory_gb,
        cpu_limit: container.cpu_limit,
        memory_limit_gb: container.memory_limit_gb,
        // Never kept: a group that asks for some is refused.
        gpu: None,
        volume_mounts: container.volume_mounts,
        liveness_probe: container.liveness_probe,
        readiness_probe: container.readiness_probe,
    }
}
