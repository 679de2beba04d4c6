//! Plans, submits and watches a fleet of one-job agents in Azure Container Instances.
//!
//! [`Context`] holds the two clients (Azure Resource Manager, Azure DevOps) built from [`Settings`]; each command is one
//! function: [`deploy`], [`scale`], [`status`], [`logs`], [`ensure_registry`]. What a run is going to do is decided by the
//! pure function [`plan()`]; what it does is told to a [`Reporter`].
//!
//! The one rule behind all of it: an agent that stays is in no deployment, and an agent that goes is disabled and idle
//! first. This crate knows nothing of a sandbox: a sandbox is a set of endpoints and credentials. It prints nothing and
//! reads no environment; [`Settings::from_lookup`] is handed a lookup by the caller.

mod arm;
mod azdo;
mod context;
mod deploy;
mod deployment;
mod drain;
pub mod environment;
mod error;
mod fleet;
mod http;
mod image_ref;
mod jsonc;
mod logs;
mod observe;
mod plan;
mod readiness;
mod registry;
mod report;
mod rollout;
mod scale;
mod settings;
mod status;
mod target;
mod termination;

pub use arm::{ArmError, QuotaUsage};
pub use azdo::{AzdoError, JobSummary};
pub use context::Context;
pub use deploy::{DeployOptions, deploy};
pub use deployment::{Mode, OwnTemplate, RegistryLocation, TemplateError};
pub use drain::UndrainedAgent;
pub use error::{AgentFailure, ExitClass, Explain, RolloutError};
pub use fleet::{AgentName, FleetName, NameError};
pub use http::ContextError;
pub use image_ref::{ImageRef, ImageRefError};
pub use logs::{LogsError, LogsOptions, LogsReport, logs};
pub use observe::{ObservedAgent, ObservedFleet, ObservedGroup};
pub use plan::{Change, Desired, Plan, plan};
pub use registry::{RegistryError, RegistryOptions, RegistryReport, ensure_registry};
pub use report::{Event, Reporter, Silent};
pub use rollout::RolloutReport;
pub use scale::{ScaleOptions, scale};
pub use settings::{OsType, SandboxEndpoints, Settings, SettingsError, Target, Timing};
pub use status::{
    AgentStatus, OrphanRegistration, PoolStatus, QueueStatus, StatusError, StatusReport, status,
};
pub use target::TargetError;
