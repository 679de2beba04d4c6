//! What a caller asks for: the desired state of a container group.

mod address;
mod id;
mod placement;
mod probe;
mod volume;

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::identity::{GroupIdentity, RegistryIdentity};

pub use address::{ContainerPort, IpAddress, IpAddressKind, LabelScope, Protocol};
pub use id::GroupId;
pub use placement::{DnsConfig, LogAnalytics, Placement, Priority, Subnet};
pub use probe::{HttpGet, HttpScheme, Probe, ProbeCheck};
pub use volume::{AzureFile, GitRepo, VolumeMount, VolumeSource, VolumeSpec};

/// The operating system of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OsType {
    /// Linux containers.
    Linux,
    /// Windows containers.
    Windows,
}

impl OsType {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::Windows => "Windows",
        }
    }
}

/// When a container of the group is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartPolicy {
    /// After every exit.
    #[default]
    Always,
    /// After an exit with another code than 0.
    OnFailure,
    /// Never.
    Never,
}

impl RestartPolicy {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::OnFailure => "OnFailure",
            Self::Never => "Never",
        }
    }
}

/// A whole container group as a caller asks for it.
#[derive(Debug, Clone)]
pub struct GroupSpec {
    /// The full resource id.
    pub id: GroupId,
    /// The group's name, as it is to be shown.
    pub name: String,
    /// The region.
    pub location: String,
    /// The resource's tags.
    pub tags: BTreeMap<String, String>,
    /// The operating system.
    pub os_type: OsType,
    /// When containers are started again.
    pub restart_policy: RestartPolicy,
    /// The containers, one at least.
    pub containers: Vec<ContainerSpec>,
    /// Containers that run one after the other before those. They ask for no resources: each has the whole group's.
    pub init_containers: Vec<ContainerSpec>,
    /// Who may pull from which registry.
    pub registry_credentials: Vec<RegistryCredential>,
    /// Which registries are pulled from as which identity of the group.
    pub registry_identities: Vec<RegistryIdentity>,
    /// Who the group is.
    pub identity: GroupIdentity,
    /// Volumes that containers may mount.
    pub volumes: Vec<VolumeSpec>,
    /// The address of the group, in the engine's network; no port is published on the host.
    pub ip_address: Option<IpAddress>,
    /// What is kept and shown only.
    pub placement: Placement,
}

impl GroupSpec {
    /// A Linux group without containers, restarted always; the fields are filled in by the caller.
    pub fn new(id: GroupId, location: impl Into<String>) -> Self {
        Self {
            name: id.name().to_owned(),
            id,
            location: location.into(),
            tags: BTreeMap::new(),
            os_type: OsType::Linux,
            restart_policy: RestartPolicy::Always,
            containers: Vec::new(),
            init_containers: Vec::new(),
            registry_credentials: Vec::new(),
            registry_identities: Vec::new(),
            identity: GroupIdentity::default(),
            volumes: Vec::new(),
            ip_address: None,
            placement: Placement::default(),
        }
    }

    /// All containers, in the order in which they run.
    pub(crate) fn all_containers(&self) -> impl Iterator<Item = &ContainerSpec> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// Whether this is the name of a container that runs before the others.
    pub(crate) fn is_init(&self, container: &str) -> bool {
        self.init_containers.iter().any(|init| init.name == container)
    }

    /// Whether the network is held by a container of its own: where several share it, and where the group has an
    /// address, which a restarted container must not change. It is a Linux program.
    pub(crate) fn holds_network(&self) -> bool {
        let shared = self.containers.len() > 1 || self.ip_address.is_some();
        self.os_type == OsType::Linux && shared
    }
}

/// One container of a group.
#[derive(Debug, Clone)]
pub struct ContainerSpec {
    /// The container's name.
    pub name: String,
    /// The image reference, by tag or digest.
    pub image: String,
    /// Replaces the image's entrypoint and command when it is not empty (exec form).
    pub command: Vec<String>,
    /// The environment.
    pub environment: Vec<EnvVar>,
    /// Ports that the container says it listens on.
    pub ports: Vec<ContainerPort>,
    /// Requested processors.
    pub cpu: f64,
    /// Requested memory in GB (of 2^30 bytes).
    pub memory_gb: f64,
    /// Processors at most; the request when absent.
    pub cpu_limit: Option<f64>,
    /// Memory at most in GB (of 2^30 bytes); the request when absent.
    pub memory_limit_gb: Option<f64>,
    /// Requested graphics processors.
    pub gpu: Option<Gpu>,
    /// What is mounted where.
    pub volume_mounts: Vec<VolumeMount>,
    /// Tells whether the container has to be restarted.
    pub liveness_probe: Option<Probe>,
    /// Tells whether the container can be asked.
    pub readiness_probe: Option<Probe>,
}

/// Graphics processors, as they are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// How many.
    pub count: i64,
    /// Which: `K80`, `P100` or `V100`.
    pub sku: String,
}

impl ContainerSpec {
    /// A container with one processor and 1.5 GB, and nothing else; the fields are filled in by the caller.
    pub fn new(name: impl Into<String>, image: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            image: image.into(),
            command: Vec::new(),
            environment: Vec::new(),
            ports: Vec::new(),
            cpu: 1.0,
            memory_gb: 1.5,
            cpu_limit: None,
            memory_limit_gb: None,
            gpu: None,
            volume_mounts: Vec::new(),
            liveness_probe: None,
            readiness_probe: None,
        }
    }
}

/// An environment variable.
#[derive(Debug, Clone)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: EnvValue,
}

/// The value of an environment variable.
#[derive(Debug, Clone)]
pub enum EnvValue {
    /// Shown to whoever reads the group.
    Plain(String),
    /// Given to the container and never shown again.
    Secure(SecretString),
}

/// The login at a registry.
#[derive(Debug, Clone)]
pub struct RegistryCredential {
    /// The registry's host and port, as in the image reference.
    pub server: String,
    /// The user.
    pub username: String,
    /// The password; never shown again.
    pub password: SecretString,
}
