//! What a caller may read: the group without its secrets, and what became of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::GroupError;
use crate::group::{
    ContainerPort, DnsConfig, GroupId, IpAddress, OsType, Priority, Probe, RestartPolicy, Subnet, VolumeMount,
};
use crate::identity::{GroupIdentity, RegistryIdentity};

/// How far the last operation on a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProvisioningState {
    /// Accepted, nothing done yet.
    Pending,
    /// A new group is being brought up.
    Creating,
    /// An existing group is being changed, started or restarted.
    Updating,
    /// Done.
    Succeeded,
    /// Given up; the reason is in [`GroupView::failure`].
    Failed,
    /// Being removed.
    Deleting,
}

impl ProvisioningState {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Creating => "Creating",
            Self::Updating => "Updating",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Deleting => "Deleting",
        }
    }

    /// Whether no operation is under way.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// The state of a group (`instanceView.state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupState {
    /// Not all containers have run yet.
    Pending,
    /// Some container runs or will run again.
    Running,
    /// Stopped on request.
    Stopped,
    /// All containers ended with 0 for good.
    Succeeded,
    /// Some container ended with another code for good.
    Failed,
}

impl GroupState {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Stopped => "Stopped",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// A group as its readers see it.
#[derive(Debug, Clone)]
pub struct GroupView {
    /// The full resource id, in the casing of the first put.
    pub id: GroupId,
    /// The name.
    pub name: String,
    /// The region.
    pub location: String,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// The operating system, as it was asked for.
    pub os_type: OsType,
    /// When containers are started again.
    pub restart_policy: RestartPolicy,
    /// Registries and users, without passwords.
    pub registry_credentials: Vec<RegistryCredentialView>,
    /// Registries that are pulled from as an identity.
    pub registry_identities: Vec<RegistryIdentity>,
    /// Who the group is.
    pub identity: GroupIdentity,
    /// Volumes, without contents.
    pub volumes: Vec<VolumeView>,
    /// The address, as it was asked for.
    pub ip_address: Option<IpAddress>,
    /// The address itself, once the group has one.
    pub address: Option<std::net::IpAddr>,
    /// Availability zones.
    pub zones: Vec<String>,
    /// How surely the group keeps its machine, where it was said.
    pub priority: Option<Priority>,
    /// The subnet.
    pub subnets: Vec<Subnet>,
    /// The resolver.
    pub dns: Option<DnsConfig>,
    /// Where logs go, without the key.
    pub log_analytics: Option<LogAnalyticsView>,
    /// How far the last operation is.
    pub provisioning_state: ProvisioningState,
    /// Why the last operation failed.
    pub failure: Option<GroupError>,
    /// The state of the whole.
    pub state: GroupState,
    /// Events of the group as a whole.
    pub events: Vec<EventView>,
    /// Containers that run before the others.
    pub init_containers: Vec<ContainerView>,
    /// The containers.
    pub containers: Vec<ContainerView>,
}

/// A workspace for logs without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogAnalyticsView {
    /// The workspace's id.
    pub workspace_id: String,
    /// The kind of entries.
    pub log_type: Option<String>,
    /// Further fields of each entry.
    pub metadata: Vec<(String, String)>,
    /// The workspace's resource id.
    pub workspace_resource_id: Option<String>,
}

/// A registry login without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryCredentialView {
    /// The registry.
    pub server: String,
    /// The user.
    pub username: String,
}

/// A volume without its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeView {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: VolumeKind,
}

/// The kind of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeKind {
    /// An empty folder.
    EmptyDir,
    /// Files of these names, whose contents are not shown.
    Secret(Vec<String>),
    /// A share of files.
    AzureFile(AzureFileView),
}

/// A share of files without the account's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureFileView {
    /// The share.
    pub share_name: String,
    /// The account.
    pub account_name: String,
    /// Whether no container may write to it.
    pub read_only: bool,
}

/// A container as its readers see it.
#[derive(Debug, Clone)]
pub struct ContainerView {
    /// The name.
    pub name: String,
    /// The image, as it was asked for.
    pub image: String,
    /// The command that replaces the image's.
    pub command: Vec<String>,
    /// The environment; secure ones without a value.
    pub environment: Vec<EnvView>,
    /// The ports it says it listens on.
    pub ports: Vec<ContainerPort>,
    /// Requested processors.
    pub cpu: f64,
    /// Requested memory in GB.
    pub memory_gb: f64,
    /// Processors at most.
    pub cpu_limit: Option<f64>,
    /// Memory at most in GB.
    pub memory_limit_gb: Option<f64>,
    /// What is mounted where.
    pub volume_mounts: Vec<VolumeMount>,
    /// Tells whether the container has to be restarted.
    pub liveness_probe: Option<Probe>,
    /// Tells whether the container can be asked.
    pub readiness_probe: Option<Probe>,
    /// How often it was started again.
    pub restart_count: u32,
    /// What it does now; absent before its first container was asked for.
    pub current_state: Option<ContainerStatus>,
    /// What it did before the last restart.
    pub previous_state: Option<ContainerStatus>,
    /// What happened to it, oldest first.
    pub events: Vec<EventView>,
    /// The engine's id of the present container. Not part of Azure's answer.
    pub container_id: Option<String>,
    /// The number of the present container, counted from 1. Not part of Azure's answer.
    pub generation: u64,
}

/// An environment variable as its readers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvView {
    /// The name.
    pub name: String,
    /// The value; absent when it is secure.
    pub value: Option<String>,
}

/// The state of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerStatus {
    /// The state's name.
    pub state: StatusKind,
    /// When the container started.
    pub start_time: Option<Timestamp>,
    /// What it ended with.
    pub exit_code: Option<i32>,
    /// When it ended.
    pub finish_time: Option<Timestamp>,
    /// `Completed`, `Error`, `CrashLoopBackOff: Back-off restarting failed` or nothing.
    pub detail_status: String,
}

/// The name of a container's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatusKind {
    /// Not started yet, or about to be started again.
    Waiting,
    /// Running.
    Running,
    /// Ended.
    Terminated,
}

impl StatusKind {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Running => "Running",
            Self::Terminated => "Terminated",
        }
    }
}

/// Something that happened, with the number of times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// `Pulling`, `Pulled`, `Created`, `Started`, `Killing`, `Failed` or `BackOff`.
    pub name: String,
    /// What happened.
    pub message: String,
    /// How grave it is.
    pub kind: EventKind,
    /// How often it happened.
    pub count: u32,
    /// When it happened first.
    pub first_timestamp: Timestamp,
    /// When it happened last.
    pub last_timestamp: Timestamp,
}

/// How grave an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// As expected.
    Normal,
    /// Worth a look.
    Warning,
}

impl EventKind {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}
