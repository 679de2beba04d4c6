//! The words of the sandbox.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{ImageSource, duration};

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
    /// Show what happened in it, and what points to a stolen agent key
    Events {
        /// On which side
        #[arg(long, value_enum, default_value_t)]
        of: Side,
        /// Only what points to a stolen key
        #[arg(long)]
        alarms: bool,
    },
    /// Show what was asked of its services, without secrets
    Journal(JournalWords),
    /// Show the faults that its services were asked for, or change them; docs/operating.md lists what a fault can be
    Faults {
        /// Whose faults
        #[arg(long, value_enum, default_value_t)]
        of: Side,
        /// Add those of a JSON file, a list; `-`: of stdin
        #[arg(long, value_name = "FILE")]
        add: Option<PathBuf>,
        /// Remove the one of this number
        #[arg(long, value_name = "NUMBER", conflicts_with = "clear")]
        remove: Option<u64>,
        /// Remove all; comes before --add
        #[arg(long)]
        clear: bool,
    },
    /// Add what a seed file holds: pools, tokens, agents, jobs; applications, resources, roles; see docs/seed-file.md
    Seed {
        /// The file
        file: PathBuf,
    },
    /// Put it back to how it began: agents, jobs, resources and containers go, the seeds are applied again
    Reset {
        /// Only this side [default: both]
        #[arg(long, value_enum)]
        of: Option<Side>,
        /// Forget the seeds instead
        #[arg(long)]
        forget_seeds: bool,
    },
    /// Show its time, or move it forward where it was started with `--clock virtual`
    #[command(subcommand)]
    Clock(ClockWords),
    /// Write what it keeps into a file: its Azure DevOps with agents, jobs and logs, its Azure with resources and images; sealed
    Snapshot(SnapshotWords),
    /// Take up such a file in the place of everything that it holds; containers are made again
    Restore(SnapshotWords),
    /// Agents of its Azure DevOps
    #[command(subcommand)]
    Agent(AgentWords),
    /// Who listens in its Azure DevOps
    #[command(subcommand)]
    Session(SessionWords),
    /// Personal access tokens of its Azure DevOps
    #[command(subcommand)]
    Token(TokenWords),
    /// Stop it and remove everything it made, but a state folder that was given with --state
    Down,
}

/// Which of the sandbox's sides.
#[derive(ValueEnum, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Side {
    /// Azure DevOps
    #[default]
    Azdo,
    /// Azure: Resource Manager, Entra ID and the registries
    Arm,
}

/// Which requests are shown; all that is given must fit.
#[derive(Args)]
pub(crate) struct JournalWords {
    /// Whose journal
    #[arg(long, value_enum, default_value_t)]
    pub(crate) of: Side,
    /// Only of one of Azure's services: `arm`, `entra` or `registry`
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// Only of this method
    #[arg(long)]
    pub(crate) method: Option<String>,
    /// Only where path and query hold this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) path: Option<String>,
    /// Only of this status (`429`) or class (`4xx`); `none`: those that nobody got an answer to
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only where the caller's name holds this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) caller: Option<String>,
    /// Only from this moment on, such as 2026-12-31T12:00:00Z
    #[arg(long)]
    pub(crate) since: Option<jiff::Timestamp>,
    /// Only so many of the newest
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<usize>,
}

impl Side {
    /// Where its control routes are.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Azdo => "/azdo",
            Self::Arm => "/arm",
        }
    }
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
    /// Add what a seed file holds, where the sandbox is new; see docs/seed-file.md
    #[arg(long, value_name = "FILE")]
    pub(crate) seed: Option<PathBuf>,
    /// Keep the state in a folder that `sandbox down` leaves; the next `up` with it goes on where this one ended
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Keep nothing: state, logs and containers end with the process
    #[arg(long, conflicts_with = "state")]
    pub(crate) ephemeral: bool,
    /// Whose time it is
    #[arg(long, value_enum, default_value_t)]
    pub(crate) clock: Clock,
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
pub(crate) enum Clock {
    /// The machine's
    #[default]
    Machine,
    /// It runs as the machine's does, and `sandbox clock advance` moves it forward
    Virtual,
}

#[derive(Args)]
pub(crate) struct SnapshotWords {
    /// The file
    pub(crate) file: PathBuf,
    /// Only this side [default: both, or the one that the file holds]
    #[arg(long, value_enum)]
    pub(crate) of: Option<Side>,
    /// Seal it with the key in this file, so that other sandboxes can take it up; `snapshot` makes one that is not there
    /// [default: the sandbox's own key]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum AgentWords {
    /// Tell an agent to update itself, as the service does
    Update {
        /// Its name
        agent: String,
        /// To this version, which must be offered [default: the newest]
        #[arg(long, value_name = "VERSION")]
        to: Option<String>,
        /// Tell each session of another version again
        #[arg(long)]
        every_session: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum SessionWords {
    /// Who listens
    List,
    /// End sessions as time does: as if their agents had not polled for too long
    Expire(Sessions),
    /// End sessions as an administrator does
    Release(Sessions),
}

/// Which sessions: those that all that is given fits.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true).args(["agent", "owner", "session"])))]
pub(crate) struct Sessions {
    /// Of the agent of this name
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// Of the machine of this name
    #[arg(long)]
    pub(crate) owner: Option<String>,
    /// With this id
    #[arg(long)]
    pub(crate) session: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum TokenWords {
    /// End a token's validity
    Revoke {
        /// A file with the token, or `-` for standard input
        file: PathBuf,
    },
}

#[derive(Subcommand)]
pub(crate) enum ClockWords {
    /// What time it is there
    Show,
    /// Move it forward; whatever waits for a moment that has come happens at once
    Advance {
        /// By how much, such as `240s`, `50m` or `2h`
        #[arg(value_parser = duration)]
        by: Duration,
    },
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
