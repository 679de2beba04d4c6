//! The one way to run anything in this repository: `cargo xtask <command>`.
//!
//! Contributor commands live here; every other word is passed on to the `mayfly` binary, which is built first.

mod agent_package;
mod artifacts;
mod bench;
mod ci;
mod clean;
mod clients;
mod demo;
mod fuzz;
mod leakscan;
mod pipelines;
mod setup;
mod suites;
mod tidy;
mod windows;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use agent_package::AgentPackage;
use clap::{Args, Parser, Subcommand};
use workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Builds, tests and shows Mayfly",
    after_help = "Any other command is one of `mayfly` and is passed on to it: `cargo xtask sandbox up`, `cargo xtask run …`.\n\
                  `cargo xtask mayfly --help` lists them."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The whole road in front of your eyes: sandbox, image, three agents, six jobs, scale down; then all is removed
    Demo(Setup),
    /// All tests: unit, service, docker, end to end
    Test(Setup),
    /// Build everything, then the end-to-end suite on real containers
    E2e {
        /// Only stories whose name contains this
        filter: Vec<String>,
        /// Which agent is in the images: a package of it, or `official` for the newest of the organization AZDO_URL;
        /// without it the stub that is built here
        #[arg(long, value_name = "FILE|official")]
        agent_package: Option<AgentPackage>,
        #[command(flatten)]
        setup: Setup,
    },
    /// Canaries, then a job that hunts for them by every known route, in Mayfly's image and in two that leak
    Leakscan {
        /// Only these: mayfly, mayfly-root, naive, restarted
        target: Vec<String>,
        /// How the report is printed on stdout
        #[arg(short, long, value_enum, default_value_t)]
        output: leakscan::Format,
        #[command(flatten)]
        setup: Setup,
    },
    /// Lints and tests of every crate for Windows, on Linux under Wine
    Windows(Setup),
    /// Fuzz every parser that sees the network, one target after the other
    Fuzz(fuzz::Options),
    /// Measures a service from a second process; figures and what they should be
    Bench(bench::Options),
    /// Structure check: crate edges, fixtures, leftovers
    Tidy,
    /// What a workflow runs, one job at a time
    Ci {
        /// Which job
        #[arg(value_enum)]
        job: ci::Job,
        #[command(flatten)]
        setup: Setup,
    },
    /// Remove the base image and the caches that `sandbox down` leaves for the next time
    Clean,
    #[command(external_subcommand)]
    Mayfly(Vec<OsString>),
}

/// What to do about a missing Docker engine, mmdebstrap or nextest.
#[derive(Args, Clone, Copy)]
struct Setup {
    /// Install what is missing and start a stopped Docker daemon; without it nothing on the machine is changed
    #[arg(long)]
    install: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = Workspace::open().and_then(|workspace| dispatch(&workspace, cli.command));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            workspace::say(&format!("error: {error:#}"));
            ExitCode::from(1)
        }
    }
}

fn dispatch(workspace: &Workspace, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(setup) => {
            setup::ensure(workspace, &setup::DEMO, setup.install)?;
            demo::run(workspace, &artifacts::build(workspace)?)
        }
        Command::Test(setup) => {
            setup::ensure(workspace, &setup::TESTS, setup.install)?;
            suites::all(workspace)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::E2e { filter, agent_package, setup } => {
            setup::ensure(workspace, &setup::TESTS, setup.install)?;
            suites::end_to_end(workspace, &filter, agent_package.as_ref())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Leakscan { target, output, setup } => {
            setup::ensure(workspace, &setup::DEMO, setup.install)?;
            leakscan::run(workspace, output, &target)
        }
        Command::Windows(setup) => windows::run(workspace, setup.install).map(|()| ExitCode::SUCCESS),
        Command::Fuzz(options) => fuzz::run(workspace, &options),
        Command::Bench(options) => bench::run(workspace, &options),
        Command::Tidy => tidy::run(workspace).map(|()| ExitCode::SUCCESS),
        Command::Ci { job, setup } => ci::run(workspace, job, setup.install).map(|()| ExitCode::SUCCESS),
        Command::Clean => clean::run(workspace).map(|()| ExitCode::SUCCESS),
        Command::Mayfly(mut words) => {
            // `cargo xtask mayfly --help` and `cargo xtask status` are both natural.
            if words.first().is_some_and(|word| word == "mayfly") {
                words.remove(0);
            }
            artifacts::build(workspace)?.run_mayfly(workspace, &words)
        }
    }
}
