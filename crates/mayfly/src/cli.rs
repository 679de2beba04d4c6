//! The words of the command line. Which exist and what they mean is a contract; see the README's table.

mod fleet;
mod sandbox;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use fleet::{Containers, Deploy, Fleet, Mode, Scale};
pub(crate) use sandbox::{
    AgentWords, Clock, ClockWords, IdenticalPut, JournalWords, OldSession, OldToken, OnOff, PoolRights,
    Sandbox, SessionWords, Sessions, Shell, Side, SnapshotWords, TokenWords, Up,
};

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

#[derive(Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["script", "file"])))]
pub(crate) struct Run {
    /// A script for bash (in Windows containers: cmd)
    #[arg(long)]
    pub(crate) script: Option<String>,
    /// A pipeline file: jobs and script steps of Azure Pipelines' YAML, see docs/pipeline-files.md
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// A value for a parameter of the file; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = named_value, conflicts_with = "script")]
    pub(crate) parameter: Vec<(String, String)>,
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

/// A name and a value, such as `image=linux`. The value may be empty and have `=` in it.
fn named_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is no parameter; write it like `NAME=VALUE`")),
    }
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
    fn values_of_parameters() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(named_value("image=linux"), pair("image", "linux"));
        assert_eq!(named_value("where=a=b"), pair("where", "a=b"));
        assert_eq!(named_value("empty="), pair("empty", ""));
        for bad in ["", "image", "=linux"] {
            assert!(named_value(bad).is_err(), "{bad}");
        }
        let parse = |words: &[&str]| Cli::try_parse_from(["mayfly", "run"].iter().chain(words)).map(|_| ());
        assert!(parse(&["--file", "a.yml", "--parameter", "a=1", "--parameter", "b=2"]).is_ok());
        assert!(parse(&["--script", "true", "--parameter", "a=1"]).is_err(), "scripts have no parameters");
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
