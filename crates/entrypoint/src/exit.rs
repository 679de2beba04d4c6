//! How the process ends: the exit codes of the container contract and the failure that carries one.

use std::process::ExitCode;

/// The exit codes of the container contract; `--help` prints this table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Configuration,
    ServerAway,
    AgentFailed,
    UsedLayer,
    Stopped,
    Cut,
    Refused,
}

impl Exit {
    pub(crate) const ALL: [Self; 8] = [
        Self::Done,
        Self::Configuration,
        Self::ServerAway,
        Self::AgentFailed,
        Self::UsedLayer,
        Self::Stopped,
        Self::Cut,
        Self::Refused,
    ];

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Configuration => 64,
            Self::ServerAway => 69,
            Self::AgentFailed => 70,
            Self::UsedLayer => 73,
            Self::Stopped => 75,
            Self::Cut => 76,
            Self::Refused => 77,
        }
    }

    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Done => "the listener ran and returned 0 (which says nothing of the job's result)",
            Self::Configuration => "bad configuration; held, see AZDO_FATAL_HOLD",
            Self::ServerAway => "the server could not be reached",
            Self::AgentFailed => {
                "the agent failed: it could not be configured, or the listener ended with an error"
            }
            Self::UsedLayer => {
                "used writable layer: something already ran in this file system, so nothing was started"
            }
            Self::Stopped => "stopped before a job ran",
            Self::Cut => "stopped, and the running job was cancelled for it; see AZDO_STOP_LIMIT",
            Self::Refused => "the server refused the token or the pool; held, see AZDO_FATAL_HOLD",
        }
    }

    /// The platform restarts whatever exits. Without a pause, an error that no restart can cure becomes a storm of logins.
    pub(crate) fn is_held(self) -> bool {
        matches!(self, Self::Configuration | Self::Refused)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why the process ends before a listener ran to its end. The text never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hints: Vec<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hints: Vec::new() }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(Exit::Configuration, message)
    }

    pub(crate) fn agent(message: impl Into<String>) -> Self {
        Self::new(Exit::AgentFailed, message)
    }

    pub(crate) fn stopped() -> Self {
        Self::new(Exit::Stopped, "stopped before a job ran")
    }

    pub(crate) fn cut() -> Self {
        Self::new(Exit::Cut, "stopped, and the running job was cancelled for it")
    }
}
