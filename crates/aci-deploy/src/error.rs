//! What a failed roll-out says: what was attempted on what, why it failed, what to do next, and how the process ends.

use std::fmt;

use serde::Serialize;

use crate::arm::{ArmError, QuotaUsage};
use crate::azdo::AzdoError;
use crate::deployment::TemplateError;
use crate::drain::UndrainedAgent;
use crate::fleet::AgentName;
use crate::image_ref::ImageRefError;
use crate::target::TargetError;

/// How the process should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExitClass {
    /// The user can put it right.
    Failed,
    /// A guard refused: foreign resources, another writer, wrong target, no consent.
    Guard,
    /// Service or network; a retry may help.
    Service,
}

impl ExitClass {
    /// The exit code of the command contract.
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Guard => 3,
            Self::Service => 4,
        }
    }
}

/// What every error of this crate can say besides its text.
pub trait Explain: std::error::Error {
    /// How the process should end.
    fn exit_class(&self) -> ExitClass;

    /// What to do next.
    fn hint(&self) -> Option<String>;

    /// Further lines: the end of a log, a list of ids.
    fn details(&self) -> Vec<String> {
        Vec::new()
    }
}

/// An agent that does not listen, and what its container said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentFailure {
    /// The agent.
    pub agent: AgentName,
    /// Exit code of its container, where it ended.
    pub exit_code: Option<i64>,
    /// What happened to it.
    pub reason: String,
    /// The last lines of its log.
    pub log: Vec<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// What was removed after a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleanup {
    /// Agents of this run whose group and registration are gone again.
    pub removed: Vec<AgentName>,
    /// Agents of this run that are left, on wish or because they could not be removed.
    pub left: Vec<String>,
}

impl fmt::Display for Cleanup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.removed.len(), self.left.as_slice()) {
            (0, []) => formatter.write_str("this run left nothing behind"),
            (n, []) => write!(formatter, "what this run had created is removed again ({})", counted(n)),
            (_, left) => write!(formatter, "left in place: {}", left.join(", ")),
        }
    }
}

/// `deploy` or `scale` did not get where it should.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// The endpoints do not fit the target.
    #[error("check the target")]
    Target(#[from] TargetError),
    /// A call to Azure failed.
    #[error(transparent)]
    Arm(#[from] ArmError),
    /// A call to Azure DevOps failed.
    #[error(transparent)]
    Azdo(#[from] AzdoError),
    /// The template cannot be used.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The image of the last deployment cannot be used.
    #[error("take the image of the fleet's last deployment")]
    Image(#[from] ImageRefError),
    /// Registry and fleet would share a group.
    #[error(
        "put the fleet into resource group `{group}`: registry `{registry}` is in it, and a Complete deployment of the fleet would delete the registry"
    )]
    SharedGroup {
        /// The group.
        group: String,
        /// The registry.
        registry: String,
    },
    /// No registry of the subscription has the image's login server.
    #[error("find the registry `{server}` of the image in subscription `{subscription}`: {}", only(found))]
    NoRegistry {
        /// Login server of the image.
        server: String,
        /// Subscription.
        subscription: String,
        /// Login servers that are there.
        found: Vec<String>,
    },
    /// New agents are wanted, but of which image?
    #[error("create agents of fleet `{fleet}`: it has never been deployed, so no image is known")]
    NoImage {
        /// The fleet.
        fleet: String,
    },
    /// The resource group is absent, and no region is given.
    #[error("create resource group `{group}`: no region is given")]
    NoLocation {
        /// The group.
        group: String,
    },
    /// The subscription's quota is too small.
    #[error(
        "roll out {} in `{location}`: the quota `{}` allows {}, {} are in use, and {requested} more are needed",
        counted(*agents as usize), usage.name, usage.limit, usage.used
    )]
    Quota {
        /// Wanted number of agents.
        agents: u32,
        /// Region.
        location: String,
        /// The quota.
        usage: QuotaUsage,
        /// How many more are needed.
        requested: f64,
    },
    /// Another deployment of this fleet is under way.
    #[error("deploy `{deployment}`: it is already under way{}", other(by.as_deref(), started.as_deref(), correlation.as_deref()))]
    AnotherDeployer {
        /// The deployment.
        deployment: String,
        /// Who started it.
        by: Option<String>,
        /// When.
        started: Option<String>,
        /// Azure's correlation id.
        correlation: Option<String>,
    },
    /// Complete mode would delete what is not ours.
    #[error(
        "deploy to group `{group}` in Complete mode: {} of its resources are not of fleet `{fleet}` and would be deleted",
        ids.len()
    )]
    ForeignResources {
        /// The group.
        group: String,
        /// The fleet.
        fleet: String,
        /// Full ids.
        ids: Vec<String>,
    },
    /// A name that was free a moment ago is not any more.
    #[error(
        "create agent `{name}`: somebody else has just taken the name, with a container group or an agent"
    )]
    NameTaken {
        /// The name.
        name: AgentName,
    },
    /// Nobody said yes.
    #[error("delete agents of fleet `{fleet}` from group `{group}`: not confirmed")]
    NotConfirmed {
        /// The fleet.
        fleet: String,
        /// The group.
        group: String,
    },
    /// Jobs outlasted the drain.
    #[error("drain {}: not idle after {seconds} s", list(agents))]
    DrainTimeout {
        /// The agents; they take jobs again.
        agents: Vec<UndrainedAgent>,
        /// How long was waited.
        seconds: u64,
    },
    /// The deployment itself failed.
    #[error("roll out {}; {cleanup}", counted(*agents))]
    Deployment {
        /// How many.
        agents: usize,
        /// What Azure said.
        #[source]
        source: Box<ArmError>,
        /// What was removed.
        cleanup: Cleanup,
    },
    /// Containers run, but their agents do not listen.
    #[error("roll out agents: {}; {cleanup}", reasons(failures))]
    Agents {
        /// The agents.
        failures: Vec<AgentFailure>,
        /// What was removed.
        cleanup: Cleanup,
    },
}

/// A number of agents in words.
pub(crate) fn counted(agents: usize) -> String {
    if agents == 1 { "1 agent".to_owned() } else { format!("{agents} agents") }
}

fn only(servers: &[String]) -> String {
    if servers.is_empty() {
        "there is no registry that this service principal can see".to_owned()
    } else {
        format!("there are only {}", servers.join(", "))
    }
}

fn other(by: Option<&str>, started: Option<&str>, correlation: Option<&str>) -> String {
    let parts = [(", started by", by), (" at", started), (", correlation id", correlation)];
    parts.iter().filter_map(|(word, value)| value.map(|value| format!("{word} {value}"))).collect()
}

fn list(agents: &[UndrainedAgent]) -> String {
    agents.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn reasons(failures: &[AgentFailure]) -> String {
    let one = |failure: &AgentFailure| format!("`{}` {}", failure.agent, failure.reason);
    failures.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl Explain for RolloutError {
    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Target(_)
            | Self::SharedGroup { .. }
            | Self::AnotherDeployer { .. }
            | Self::ForeignResources { .. }
            | Self::NameTaken { .. }
            | Self::NotConfirmed { .. } => ExitClass::Guard,
            Self::Arm(error) => error.exit_class(),
            Self::Azdo(error) => error.exit_class(),
            Self::Deployment { source, .. } => source.exit_class(),
            _ => ExitClass::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Target(TargetError::Local { .. }) => {
                "set MAYFLY_TARGET=sandbox (as `sandbox env` does) to work on a sandbox, or give the endpoints of Azure"
            }
            Self::Target(_) => {
                "run `eval \"$(mayfly sandbox env)\"` again, or unset what it set (`mayfly sandbox env --unset`) to work on Azure"
            }
            Self::Arm(error) => return error.hint(),
            Self::Azdo(error) => return error.hint(),
            Self::Template(error) => return error.hint(),
            Self::Image(_) | Self::NoImage { .. } => {
                "name the image with --image, as `build-image` prints it"
            }
            Self::SharedGroup { .. } => "choose another --resource-group for the fleet",
            Self::NoRegistry { .. } => {
                "check the image's registry and AZURE_SUBSCRIPTION_ID, or name the registry's group and name explicitly"
            }
            Self::NoLocation { .. } => "name a region with --location",
            Self::Quota { .. } => "ask for fewer agents or smaller ones (--cpu), or have the quota raised",
            Self::AnotherDeployer { .. } => "wait until it has ended, then run the command again",
            Self::ForeignResources { .. } => {
                "give the fleet a resource group of its own, or use --mode incremental, which deletes nothing"
            }
            Self::NameTaken { .. } => "run the command again",
            Self::NotConfirmed { .. } => "run the command again with --yes",
            Self::DrainTimeout { .. } => {
                "the agents take jobs again; give more time with --drain-timeout, or kill their jobs with --force"
            }
            Self::Deployment { source, .. } => return source.hint(),
            Self::Agents { failures, .. } => {
                return failures.iter().find_map(|failure| failure.remedy.clone());
            }
        };
        Some(text.to_owned())
    }

    fn details(&self) -> Vec<String> {
        match self {
            Self::ForeignResources { ids, .. } => ids.clone(),
            Self::Agents { failures, .. } => failures
                .iter()
                .flat_map(|failure| failure.log.iter().map(|line| format!("{}: {line}", failure.agent)))
                .collect(),
            _ => Vec::new(),
        }
    }
}
