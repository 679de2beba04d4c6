//! `logs`: what an agent's container has written.

use std::fmt;

use serde::Serialize;

use crate::arm::{ArmError, ContainerState};
use crate::context::Context;
use crate::error::{ExitClass, Explain};
use crate::fleet::AgentName;
use crate::observe::FLEET_TAG;

/// What to read.
#[derive(Debug, Clone)]
pub struct LogsOptions {
    /// The agent.
    pub agent: AgentName,
    /// The container before the present one. Container Instances keeps no log of it; what it does keep is in the error.
    pub previous: bool,
}

/// A container's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogsReport {
    /// Name of the agent.
    pub agent: String,
    /// Full id of its container group.
    pub group_id: String,
    /// The text, as the service gives it.
    pub content: String,
}

impl fmt::Display for LogsReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.content)
    }
}

/// The log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// A call to Azure failed.
    #[error(transparent)]
    Arm(#[from] ArmError),
    /// There is no such agent.
    #[error("read the log of agent `{agent}`: fleet `{fleet}` has {}", agents(known))]
    NoAgent {
        /// The name asked for.
        agent: String,
        /// The fleet.
        fleet: String,
        /// The agents there are.
        known: Vec<String>,
    },
    /// Container Instances keeps the log of the present container only.
    #[error(
        "read the log of the container before the present one of agent `{agent}`: Azure Container Instances does not keep it ({ended})"
    )]
    NotKept {
        /// Name of the agent.
        agent: String,
        /// What is known of that container's end.
        ended: String,
    },
}

fn agents(known: &[String]) -> String {
    if known.is_empty() { "no agents".to_owned() } else { format!("only {}", known.join(", ")) }
}

impl Explain for LogsError {
    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Arm(error) => error.exit_class(),
            _ => ExitClass::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Arm(error) => error.hint(),
            Self::NoAgent { .. } => Some("`status` lists the agents".to_owned()),
            Self::NotKept { .. } => Some("the log of the job itself is in Azure DevOps".to_owned()),
        }
    }
}

/// Reads the log of an agent's container.
pub async fn logs(context: &Context, options: LogsOptions) -> Result<LogsReport, LogsError> {
    let fleet = context.settings.fleet.as_str();
    let mut groups = context.arm.container_groups().await?;
    groups.retain(|group| group.tag(FLEET_TAG) == Some(fleet));
    let found = groups.iter().find(|group| options.agent.is(&group.name));
    let Some(group) = found else {
        let mut known: Vec<String> = groups.into_iter().map(|group| group.name).collect();
        known.sort();
        return Err(LogsError::NoAgent { agent: options.agent.to_string(), fleet: fleet.to_owned(), known });
    };
    if options.previous {
        let full = context.arm.container_group(&group.id).await?;
        let view = full.as_ref().and_then(|group| group.container()).and_then(|container| container.view());
        let previous = view.and_then(|view| view.previous_state.as_ref());
        return Err(LogsError::NotKept {
            agent: group.name.clone(),
            ended: previous.map_or_else(|| "there has been none".to_owned(), ended),
        });
    }
    let container = group.container().map_or("agent", |container| container.name.as_str());
    let content = context.arm.logs(&group.id, container, None).await?;
    Ok(LogsReport { agent: group.name.clone(), group_id: group.id.clone(), content })
}

fn ended(state: &ContainerState) -> String {
    let code = state.exit_code.map_or("unknown".to_owned(), |code| code.to_string());
    match &state.finish_time {
        Some(time) => format!("it ended at {time} with exit code {code}"),
        None => format!("it ended with exit code {code}"),
    }
}

#[cfg(test)]
mod tests;
