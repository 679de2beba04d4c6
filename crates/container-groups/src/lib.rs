//! Container groups of Azure Container Instances, on real containers.
//!
//! [`Groups`] is the service: put, get, list, delete, start, stop, restart, logs. It owns one worker per group, which
//! drives a pure state machine (`state::step`) and applies its effects through a [`Runtime`]: [`DockerRuntime`] on an
//! engine of this host, [`FakeRuntime`] in tests.
//!
//! A restart is always a new container: the next generation is created before the old one is removed, so that a crash
//! at any point leaves something that [`Groups::adopt`] takes over or clears. The engine's own restart policy is never
//! used. What should run is in the store, what does run is on the engine.
//!
//! This crate speaks no HTTP of Azure's: request and response bodies belong to the resource manager's routes.

mod engine;
mod entry;
mod error;
mod fake;
mod group;
mod identity;
mod image;
mod logs;
mod rate;
mod record;
mod restart;
mod runtime;
mod service;
mod session;
mod state;
mod stored;
mod validate;
mod view;
mod worker;

pub use engine::{
    ConnectError, DockerRuntime, INSTANCE_LABEL, InstanceNetwork, InstanceObjects, NetworkSettings, RunOnce,
    RunOutput,
};
pub use error::GroupError;
pub use fake::{Down, FakeRuntime};
pub use group::{
    AzureFile, ContainerPort, ContainerSpec, DnsConfig, EnvValue, EnvVar, GitRepo, Gpu, GroupId, GroupSpec,
    HttpGet, HttpScheme, IpAddress, IpAddressKind, LabelScope, LogAnalytics, OsType, Placement, Priority,
    Probe, ProbeCheck, Protocol, RegistryCredential, RestartPolicy, Subnet, VolumeMount, VolumeSource,
    VolumeSpec,
};
pub use identity::{Claimant, GroupIdentity, IdentityPrincipal, PullLogins, RegistryIdentity, UserIdentity};
pub use runtime::{
    CommandOutput, ContainerId, CreateContainer, CreateHolder, ExitStatus, Labels, LogRequest, MountSource,
    MountSpec, NetworkMode, Runtime, RuntimeError, Seen, SeenStatus,
};
pub use service::{GroupSettings, Groups, IdenticalPut, Put, Quota, RestartBackoff, Switches, Usage};
pub use session::{ExecCommand, RunningContainer, Session, SessionInput, SessionOutput};
pub use view::{
    AzureFileView, ContainerStatus, ContainerView, EnvView, EventKind, EventView, GroupState, GroupView,
    LogAnalyticsView, ProvisioningState, RegistryCredentialView, StatusKind, VolumeKind, VolumeView,
};
