//! `cargo xtask bench`: builds a load program with optimizations and runs it.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::artifacts::executable;
use crate::workspace::{Workspace, step};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What is measured
    #[arg(value_enum)]
    subject: Subject,
    /// How the figures are printed on stdout: table or json
    #[arg(short, long, default_value = "table", value_parser = ["table", "json"])]
    output: String,
    /// `arm`: MiB of the layer that goes through the registry
    #[arg(long, default_value_t = 512)]
    layer_size: u64,
}

/// What is measured.
#[derive(clap::ValueEnum, Clone, Copy)]
pub(crate) enum Subject {
    /// Azure DevOps: agents that listen, jobs, logs
    Azdo,
    /// Azure: templates, deployments, container groups, registry, start of the whole sandbox
    Arm,
}

/// Runs the load program; its figures are printed as `--output` says.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let (package, example) = match options.subject {
        Subject::Azdo => ("azdo-mock", "bench"),
        Subject::Arm => ("arm-emulator", "bench_arm"),
    };
    let release = workspace.target.join("release");
    build(workspace, &["-p", package, "--example", example])?;
    let mut program = Command::new(release.join("examples").join(executable(example)));
    program.args(["-o", &options.output]);
    if matches!(options.subject, Subject::Arm) {
        build(workspace, &["-p", "mayfly"])?;
        program.arg("--mayfly").arg(release.join(executable("mayfly")));
        program.args(["--layer-size", &options.layer_size.to_string()]);
    }
    let status = program.status().context("start the load program")?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

fn build(workspace: &Workspace, what: &[&str]) -> Result<()> {
    step("build", workspace.cargo(["build", "--release", "--quiet"]).args(what))
}
