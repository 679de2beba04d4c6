//! What is told while a command runs. The caller decides where it goes.

use std::fmt;

use serde::Serialize;

use crate::plan::Plan;

/// One thing worth telling. Its text holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// The first line of a changing command.
    Target(String),
    /// Something is begun.
    Doing(String),
    /// Something is done.
    Done(String),
    /// Something is waited for, with its last state.
    Waiting(String),
    /// Something was found that the user should know.
    Warning(String),
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(text) | Self::Doing(text) | Self::Done(text) => formatter.write_str(text),
            Self::Waiting(text) => write!(formatter, "waiting: {text}"),
            Self::Warning(text) => write!(formatter, "warning: {text}"),
        }
    }
}

/// Takes what is told, and answers the one question that is asked.
pub trait Reporter: Send + Sync {
    /// Takes one event.
    fn event(&self, event: &Event);

    /// Whether the deletions of this plan may be done. Asked only where the target is Azure and the plan deletes
    /// something.
    fn confirm(&self, plan: &Plan) -> bool;
}

/// Tells nobody, and says no.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn event(&self, _: &Event) {}

    fn confirm(&self, _: &Plan) -> bool {
        false
    }
}
