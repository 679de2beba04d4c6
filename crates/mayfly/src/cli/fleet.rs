//! The words of the commands that change a fleet.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Os, duration};

/// Which fleet, and where it is.
#[derive(Args, Clone, Default)]
pub(crate) struct Fleet {
    /// Name of the fleet [default: mayfly]
    #[arg(long = "fleet", value_name = "NAME", env = "MAYFLY_FLEET")]
    pub(crate) name: Option<String>,
    /// Subscription id
    #[arg(long, env = "AZURE_SUBSCRIPTION_ID")]
    pub(crate) subscription: Option<String>,
    /// Resource group of the fleet [default: mayfly-agents]
    #[arg(short = 'g', long, env = "MAYFLY_RESOURCE_GROUP")]
    pub(crate) resource_group: Option<String>,
    /// Azure region [default: that of the resource group]
    #[arg(short = 'l', long, env = "MAYFLY_LOCATION")]
    pub(crate) location: Option<String>,
    /// Agent pool
    #[arg(long, env = "AZDO_POOL")]
    pub(crate) pool: Option<String>,
}

/// What the containers of a fleet are.
#[derive(Args, Clone, Default)]
pub(crate) struct Containers {
    /// Processors of an agent [default: as the fleet has, else 1]
    #[arg(long)]
    pub(crate) cpu: Option<f64>,
    /// Memory of an agent, in GB [default: as the fleet has, else 2]
    #[arg(long)]
    pub(crate) memory: Option<f64>,
    /// Operating system of the containers [default: as the fleet has, else linux]
    #[arg(long, value_enum)]
    pub(crate) os: Option<Os>,
}

#[derive(Args)]
pub(crate) struct Deploy {
    /// How many agents there are to be
    #[arg(long)]
    pub(crate) agents: u32,
    /// Image of the agents, by digest or by a tag other than `latest` [default: the fleet's last one]
    #[arg(long, env = "MAYFLY_IMAGE")]
    pub(crate) image: Option<String>,
    #[command(flatten)]
    pub(crate) containers: Containers,
    /// Deploy this template instead of the built-in one
    #[arg(long)]
    pub(crate) template: Option<PathBuf>,
    /// Parameters of that template
    #[arg(long, requires = "template")]
    pub(crate) parameters: Option<PathBuf>,
    /// What becomes of resources that the template does not name
    #[arg(long, value_enum, default_value_t)]
    pub(crate) mode: Mode,
    /// Leave what failed, to look at it
    #[arg(long)]
    pub(crate) keep_failed: bool,
    /// Print the plan and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete in Azure without asking
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

#[derive(ValueEnum, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They stay
    #[default]
    Incremental,
    /// They are deleted; refused while the group holds anything that is not of this fleet
    Complete,
}

#[derive(Args)]
pub(crate) struct Scale {
    /// How many agents there are to be
    #[arg(long)]
    pub(crate) agents: u32,
    /// Image of the agents, by digest or by a tag other than `latest` [default: the fleet's last one]
    #[arg(long, env = "MAYFLY_IMAGE")]
    pub(crate) image: Option<String>,
    /// How long a running job is waited for
    #[arg(long, default_value = "30m", value_parser = duration)]
    pub(crate) drain_timeout: Duration,
    /// Kill running jobs, after naming them
    #[arg(long)]
    pub(crate) force: bool,
    /// Print the plan and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete in Azure without asking
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}
