//! The words of the command line. Which exist and what they mean is a contract; see the README's table.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

#[derive(Parser)]
#[command(
    name = "mayfly",
    version,
    about = "A fresh container for every Azure Pipelines job, in Azure Container Instances or on your own machine",
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by a guard, 4 service or network (a retry may help).\n\
                  `run` also: 10 the job failed, 11 it was cancelled."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Flags that every command understands.
#[derive(Args, Clone)]
pub(crate) struct Common {
    /// Which sandbox of this machine [default: one for each MAYFLY_HOME]
    #[arg(long, env = "MAYFLY_INSTANCE", global = true)]
    pub(crate) instance: Option<String>,
    /// How the result is printed on stdout
    #[arg(short, long, value_enum, default_value_t, global = true)]
    pub(crate) output: Format,
    /// How logs are printed on stderr; which ones is set by MAYFLY_LOG, such as `info`
    #[arg(long, value_enum, default_value_t, global = true)]
    pub(crate) log_format: LogFormat,
}

#[derive(ValueEnum, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// One JSON document
    Json,
}

#[derive(ValueEnum, Clone, Copy, Default)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start, describe or remove a local stand-in for Azure DevOps and Azure
    #[command(subcommand)]
    Sandbox(Sandbox),
    /// Build the agent image and, with --push, push it; prints `repository@sha256:…`
    BuildImage(BuildImage),
    /// Make the base image that the agent image is built on here, or find the one made before; prints its name
    #[command(hide = true)]
    BaseImage,
    /// Roll out agents for the first time; done when all of them listen
    Deploy(Deploy),
    /// Bring the fleet to a number of agents without killing a running job
    Scale(Scale),
    /// Show fleet, pool and queue
    Status(Fleet),
    /// Queue a job or a pipeline file in the sandbox and stream its log
    Run(Run),
    /// Show the container log of an agent
    Logs(Logs),
    /// Print the resources and outputs that a template stands for, without deploying
    Expand(Expand),
}

#[derive(Subcommand)]
pub(crate) enum Sandbox {
    /// Start it, or take up where one that was killed left off
    Up(Box<Up>),
    /// Print it as environment variables: eval "$(mayfly sandbox env)"
    Env {
        /// For which shell
        #[arg(long, value_enum, default_value_t)]
        shell: Shell,
        /// Print what puts the variables back to what they were
        #[arg(long)]
        unset: bool,
    },
    /// Run your `az` against it, in a configuration that is thrown away with it: mayfly sandbox az group list
    #[command(disable_help_flag = true)]
    Az {
        /// What `az` is to do; its exit code is this command's
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// Show what happened in its Azure DevOps, and what points to a stolen agent key
    Events {
        /// Only what points to a stolen key
        #[arg(long)]
        alarms: bool,
    },
    /// Add what a seed file holds to its Azure DevOps: pools, tokens, agents, jobs; see docs/seed-file.md
    Seed {
        /// The file
        file: PathBuf,
    },
    /// Put it back to how it began: agents, jobs, resources and containers go, the seeds are applied again
    Reset {
        /// Forget the seeds instead
        #[arg(long)]
        forget_seeds: bool,
    },
    /// Stop it and remove everything it made
    Down,
}

#[derive(ValueEnum, Clone, Copy, Default)]
pub(crate) enum Shell {
    /// POSIX shells
    #[default]
    Sh,
    /// PowerShell
    Powershell,
}

#[derive(Args)]
pub(crate) struct Up {
    /// Serve in the background and return once every endpoint answers
    #[arg(long)]
    pub(crate) detach: bool,
    /// Also build the image and deploy this many agents
    #[arg(long)]
    pub(crate) agents: Option<u32>,
    /// Add what a seed file holds to its Azure DevOps, where it is new; see docs/seed-file.md
    #[arg(long, value_name = "FILE")]
    pub(crate) seed: Option<PathBuf>,
    /// Folder with the agent packages that Azure DevOps offers [default: none]
    #[arg(long, env = "MAYFLY_AGENT_PACKAGES")]
    pub(crate) agent_packages: Option<PathBuf>,
    /// What a PUT of an unchanged container group does; Azure does not say
    #[arg(long, value_enum, default_value_t)]
    pub(crate) identical_put: IdenticalPut,
    /// Whether restarts of containers are delayed more and more, as on the platform
    #[arg(long, value_enum, default_value_t)]
    pub(crate) restart_backoff: OnOff,
    /// Seconds between SIGTERM and SIGKILL; 0: killed without SIGTERM
    #[arg(long, default_value_t = 0)]
    pub(crate) stop_grace: u64,
    /// What an access token may do that was issued before its agent was replaced
    #[arg(long, value_enum, default_value_t)]
    pub(crate) old_token_after_replace: OldToken,
    /// What becomes of an open session when its agent is registered anew
    #[arg(long, value_enum, default_value_t)]
    pub(crate) session_after_replace: OldSession,
    /// Give agents and commands Azure DevOps' HTTPS address instead of that by HTTP; both are served in any case
    #[arg(long)]
    pub(crate) azdo_https: bool,
    /// Let containers reach Entra ID, for agents that register with a service principal; by default they do not
    #[arg(long)]
    pub(crate) entra_in_containers: bool,
    /// Make the service principal of AZURE_CLIENT_ID a member of the organization with these rights on agent pools;
    /// by default it is nobody there
    #[arg(long, value_enum)]
    pub(crate) service_principal_pools: Option<PoolRights>,
    /// Run container groups of osType Windows as Linux containers instead of refusing them
    #[arg(long)]
    pub(crate) run_windows_groups_as_linux: bool,
    /// Container groups and cores that the subscription may use
    #[arg(long, default_value_t = 100)]
    pub(crate) quota: u32,
    #[command(flatten)]
    pub(crate) image: ImageSource,
}

#[derive(ValueEnum, Clone, Copy, Default)]
pub(crate) enum IdenticalPut {
    /// All its containers are restarted
    #[default]
    Restarts,
    /// Nothing happens
    NoOp,
}

#[derive(ValueEnum, Clone, Copy, Default)]
pub(crate) enum OnOff {
    #[default]
    On,
    Off,
}

#[derive(ValueEnum, Clone, Copy)]
pub(crate) enum PoolRights {
    /// Not even see them
    None,
    /// See pools and agents
    Read,
    /// Register and remove agents
    Manage,
}

#[derive(ValueEnum, Clone, Copy, Default)]
pub(crate) enum OldToken {
    /// All it could, until it expires
    #[default]
    Valid,
    /// Nothing
    Refused,
}

#[derive(ValueEnum, Clone, Copy, Default)]
pub(crate) enum OldSession {
    /// It blocks a new one until it is deleted or expires
    #[default]
    Kept,
    /// It ends
    Dropped,
}

/// What the image is made from.
#[derive(Args, Clone, Default)]
pub(crate) struct ImageSource {
    /// Take the agent package from a file instead of asking Azure DevOps for it
    #[arg(long)]
    pub(crate) agent_package: Option<PathBuf>,
    /// Build on this image; it is pulled if it is not there
    #[arg(long, env = "MAYFLY_BASE_IMAGE")]
    pub(crate) base_image: Option<String>,
}

#[derive(Args, Default)]
pub(crate) struct BuildImage {
    /// Operating system of the image
    #[arg(long, value_enum, default_value_t)]
    pub(crate) os: Os,
    #[command(flatten)]
    pub(crate) source: ImageSource,
    /// Bake a folder into the image, such as a package cache: every job reads it, none can change it; may be given
    /// several times
    #[arg(long, value_name = "DIR[=/TARGET]")]
    pub(crate) layer: Vec<String>,
    /// Make the base image with this Dockerfile first, from its ARG BASE_IMAGE (Windows: build with it instead of ours)
    #[arg(long, value_name = "FILE")]
    pub(crate) dockerfile: Option<PathBuf>,
    /// Which agent package is built in, unless --agent-package is given
    #[arg(long, value_name = "FILE", env = "MAYFLY_AGENT_LOCK", default_value = "agent.lock.json")]
    pub(crate) lock: PathBuf,
    /// Move the lock file to the organization's newest agent package
    #[arg(long, conflicts_with = "agent_package")]
    pub(crate) update: bool,
    /// Also write the list of what is in the image (CycloneDX JSON) to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) sbom: Option<PathBuf>,
    /// A tag beside `<agent version>-<date>`; may be given several times
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    /// Push to ACR_LOGIN_SERVER with ACR_USERNAME and ACR_PASSWORD
    #[arg(long)]
    pub(crate) push: bool,
    /// Say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(ValueEnum, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Os {
    #[default]
    Linux,
    Windows,
}

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

#[derive(Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["script", "file"])))]
pub(crate) struct Run {
    /// A script for bash (in Windows containers: cmd)
    #[arg(long)]
    pub(crate) script: Option<String>,
    /// A pipeline file: jobs and script steps of Azure Pipelines' YAML, see docs/pipeline-files.md
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// Name of the job, or of the run of a file [default: job, or the file's own]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Return once it is queued
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Agent pool; the one that a file names comes before it [default: Default]
    #[arg(long, env = "AZDO_POOL")]
    pub(crate) pool: Option<String>,
}

#[derive(Args)]
pub(crate) struct Logs {
    /// Name of the agent, such as `mayfly-0`
    pub(crate) agent: String,
    /// When and how the container before the present one ended; Container Instances keeps no log of it
    #[arg(long, hide = true)]
    pub(crate) previous: bool,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
}

#[derive(Args)]
pub(crate) struct Expand {
    /// The template
    pub(crate) template: PathBuf,
    /// Its parameters
    #[arg(long)]
    pub(crate) parameters: Option<PathBuf>,
    /// Name of the resource group it would be deployed to
    #[arg(long, default_value = "example")]
    pub(crate) resource_group: String,
}

/// A time span such as `90s`, `30m` or `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time span; write it like `90s`, `30m` or `2h`");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => Some(number),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3600),
        _ => None,
    };
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn time_spans() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for bad in ["", "5", "m", "5 m", "-5m", "99999999999999999999h", "18446744073709551615h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
