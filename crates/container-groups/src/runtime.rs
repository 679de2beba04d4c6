//! The seam to what runs containers.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::group::{OsType, RegistryCredential};
use crate::session::{ExecCommand, Session};

/// The engine's id of a container.
pub type ContainerId = String;

/// What an engine must be able to do. Every call is idempotent where it can be.
#[async_trait]
pub trait Runtime: Send + Sync + Debug {
    /// The operating system of the containers it runs.
    fn os(&self) -> OsType;

    /// Whether it answers.
    async fn ping(&self) -> Result<(), RuntimeError>;

    /// Whether the image can be had with this login, without transferring it.
    async fn check_image(&self, image: &str, login: Option<&RegistryCredential>) -> Result<(), RuntimeError>;

    /// Fetches the image; returns the engine's id of it, which stays the same when a tag moves.
    async fn pull(&self, image: &str, login: Option<&RegistryCredential>) -> Result<String, RuntimeError>;

    /// Creates a container without starting it.
    async fn create(&self, request: &CreateContainer) -> Result<ContainerId, RuntimeError>;

    /// Creates a container that holds the network of a group, without starting it.
    async fn create_holder(&self, request: &CreateHolder) -> Result<ContainerId, RuntimeError>;

    /// Starts a created container.
    async fn start(&self, id: &str) -> Result<(), RuntimeError>;

    /// Returns once the container has ended, at once if it has already.
    async fn wait(&self, id: &str) -> Result<ExitStatus, RuntimeError>;

    /// Ends a container: a polite signal, then after `grace` the hard one; with a grace of zero the hard one alone.
    async fn kill(&self, id: &str, grace: Duration) -> Result<(), RuntimeError>;

    /// Removes a container, running or not; one that is gone counts as removed.
    async fn remove(&self, id: &str) -> Result<(), RuntimeError>;

    /// All containers of an instance, or of one of its groups.
    async fn list(&self, instance: &str, group: Option<&str>) -> Result<Vec<Seen>, RuntimeError>;

    /// The address that a running container has in its network; `None` for one that does not run.
    async fn address(&self, id: &str) -> Result<Option<IpAddr>, RuntimeError>;

    /// The end of what a container wrote, both streams in order.
    async fn logs(&self, id: &str, request: LogRequest) -> Result<Vec<u8>, RuntimeError>;

    /// Runs a command in a terminal of a running container, as the container's own user.
    async fn exec(&self, id: &str, command: &ExecCommand) -> Result<Session, RuntimeError>;

    /// Runs a command in a running container and waits for its end.
    async fn run_in(&self, id: &str, command: &[String]) -> Result<CommandOutput, RuntimeError>;

    /// What a running container writes from now on.
    async fn attach(&self, id: &str) -> Result<Session, RuntimeError>;

    /// Creates a named volume of an instance's group; one that is there already is kept.
    async fn create_volume(&self, name: &str, instance: &str, group: &str) -> Result<(), RuntimeError>;

    /// The names of all volumes of an instance.
    async fn list_volumes(&self, instance: &str) -> Result<Vec<String>, RuntimeError>;

    /// Removes a named volume; one that is gone counts as removed.
    async fn remove_volume(&self, name: &str) -> Result<(), RuntimeError>;
}

/// A container to be created.
#[derive(Debug, Clone)]
pub struct CreateContainer {
    /// A name that no other container has.
    pub name: String,
    /// The engine's id of the image.
    pub image: String,
    /// Who it belongs to.
    pub labels: Labels,
    /// Replaces entrypoint and command when not empty.
    pub command: Vec<String>,
    /// The environment, secrets included.
    pub environment: Vec<(String, SecretString)>,
    /// Processors at most.
    pub cpu: f64,
    /// Memory at most, bytes.
    pub memory_bytes: i64,
    /// Its network.
    pub network: NetworkMode,
    /// Its mounts.
    pub mounts: Vec<MountSpec>,
}

/// The network of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkMode {
    /// An address of its own in the engine's network of this name.
    Attach(String),
    /// That of another container, by id.
    Share(ContainerId),
}

/// A container that does nothing but hold the network that the containers of a group share.
#[derive(Debug, Clone)]
pub struct CreateHolder {
    /// A name that no other container has.
    pub name: String,
    /// Who it belongs to; [`Labels::container`] is empty.
    pub labels: Labels,
    /// The engine's network that it is attached to.
    pub network: String,
}

/// Who a container belongs to. No secret goes in here: labels are readable by everyone who reaches the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The sandbox instance.
    pub instance: String,
    /// The group's resource id, in lower case.
    pub group: String,
    /// The container's name in the group; empty for the one that holds the group's network.
    pub container: String,
    /// The container's number, counted from 1.
    pub generation: u64,
    /// A keyed hash of what it was made from.
    pub spec_hash: String,
}

/// A mount of a container.
#[derive(Debug, Clone)]
pub struct MountSpec {
    /// Absolute path in the container.
    pub target: String,
    /// Whether the container may not write to it.
    pub read_only: bool,
    /// What is mounted.
    pub source: MountSource,
}

/// What is mounted.
#[derive(Debug, Clone)]
pub enum MountSource {
    /// A volume of the engine, by name.
    Volume(String),
    /// Files that root alone can read, by name, given to this container only; contents in base64.
    Files(BTreeMap<String, SecretString>),
}

/// A container as the engine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The engine's id.
    pub id: ContainerId,
    /// Who it belongs to.
    pub labels: Labels,
    /// What it does.
    pub status: SeenStatus,
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenStatus {
    /// Never started.
    Created,
    /// Running since then.
    Running {
        /// When it started.
        started: Timestamp,
    },
    /// Ended.
    Exited {
        /// When it started.
        started: Timestamp,
        /// How it ended.
        exit: ExitStatus,
    },
}

/// How much of a log is wanted, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRequest {
    /// Bytes at most, with the times.
    pub max_bytes: usize,
    /// Lines at most; all when absent.
    pub max_lines: Option<usize>,
    /// Whether each line begins with its time (RFC 3339) and a blank.
    pub timestamps: bool,
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ExitStatus {
    /// The exit code; 128 + signal number when it was killed.
    pub code: i32,
    /// When it ended.
    pub finished: Timestamp,
    /// Whether it was killed because it used more memory than it may.
    pub out_of_memory: bool,
}

/// What came of a command that was run in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// The exit code.
    pub code: i64,
    /// What it wrote, both streams, 1 KB at most.
    pub output: String,
}

/// What can go wrong with the engine.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RuntimeError {
    /// The engine does not answer; a retry may help.
    #[error("{action}: the container engine does not answer: {reason}")]
    Unavailable {
        /// What was attempted.
        action: String,
        /// What was seen.
        reason: String,
    },
    /// The image cannot be had.
    #[error("pull image `{image}`: {reason}")]
    Image {
        /// The image.
        image: String,
        /// What the registry or the engine said.
        reason: String,
    },
    /// There is no such container.
    #[error("{action}: there is no such container")]
    Gone {
        /// What was attempted.
        action: String,
    },
    /// The engine refused.
    #[error("{action}: {reason}")]
    Refused {
        /// What was attempted.
        action: String,
        /// What it said.
        reason: String,
    },
}
