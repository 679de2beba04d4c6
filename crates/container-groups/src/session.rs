//! Byte streams into and out of a container that runs: a command with a terminal, or what the container writes.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use tokio::io::AsyncWrite;

use crate::error::GroupError;
use crate::group::GroupId;
use crate::record::Record;
use crate::runtime::RuntimeError;
use crate::service::Groups;
use crate::state::Phase;
use crate::view::GroupState;

/// What comes out of a container, in pieces that are never empty.
pub type SessionOutput = Pin<Box<dyn Stream<Item = Result<Bytes, RuntimeError>> + Send>>;
/// What goes into a container.
pub type SessionInput = Pin<Box<dyn AsyncWrite + Send>>;

/// An open stream. It ends when what is behind it ends.
pub struct Session {
    /// Both streams of the container, in order.
    pub output: SessionOutput,
    /// The terminal's keyboard; absent where only is read.
    pub input: Option<SessionInput>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("input", &self.input.is_some()).finish_non_exhaustive()
    }
}

/// A command to be run in a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecCommand {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Lines of the terminal.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}

/// One run of a container, which a session belongs to: not to the run after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningContainer {
    /// The engine's id.
    pub(crate) id: String,
}

impl Groups {
    /// The present run of a container.
    ///
    /// Errors: `ContainerNotFound`; `ContainerGroupStopped` when the group is stopped or has ended;
    /// `ContainerNotRunning` when the container alone does not run at this moment.
    pub fn running_container(&self, id: &GroupId, container: &str) -> Result<RunningContainer, GroupError> {
        let entry = self.entry(id)?;
        let record = entry.record();
        record.running(container)
    }

    /// Runs a command in a terminal of the container.
    pub async fn exec(
        &self,
        container: &RunningContainer,
        command: &ExecCommand,
    ) -> Result<Session, GroupError> {
        self.shared().runtime.exec(&container.id, command).await.map_err(|error| GroupError::runtime(&error))
    }

    /// What the container writes from now on, both streams.
    pub async fn attach(&self, container: &RunningContainer) -> Result<Session, GroupError> {
        self.shared().runtime.attach(&container.id).await.map_err(|error| GroupError::runtime(&error))
    }
}

impl Record {
    fn running(&self, container: &str) -> Result<RunningContainer, GroupError> {
        let name = &self.spec.name;
        if !self.spec.containers.iter().any(|spec| spec.name == container) {
            return Err(GroupError::container_not_found(&self.spec.id, container));
        }
        let running = self.containers.get(container).and_then(|progress| {
            matches!(progress.machine.phase, Phase::Running { .. }).then(|| progress.container_id.clone())?
        });
        if let Some(id) = running {
            return Ok(RunningContainer { id });
        }
        if matches!(self.state(), GroupState::Stopped | GroupState::Succeeded | GroupState::Failed) {
            return Err(GroupError::stopped(&self.spec.id));
        }
        // The code is assumed; the service's own for a container that waits is not published.
        Err(GroupError::new(
            409,
            "ContainerNotRunning",
            format!("The container '{container}' in container group '{name}' is not running."),
        ))
    }
}
