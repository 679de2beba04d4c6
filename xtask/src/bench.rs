//! `cargo xtask bench`: builds a load program with optimizations and runs it.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::artifacts::executable;
use crate::workspace::{Workspace, step};

/// What is measured.
#[derive(clap::ValueEnum, Clone, Copy)]
pub(crate) enum Subject {
    /// Azure DevOps: agents that listen, jobs, logs
    Azdo,
}

/// Runs the load program; its figures are printed as `format` says: `table` or `json`.
pub(crate) fn run(workspace: &Workspace, subject: Subject, format: &str) -> Result<ExitCode> {
    let package = match subject {
        Subject::Azdo => "azdo-mock",
    };
    let arguments = ["build", "--release", "--quiet", "-p", package, "--example", "bench"];
    step("build", &mut workspace.cargo(arguments))?;
    let program = workspace.target.join("release").join("examples").join(executable("bench"));
    let status = Command::new(program).args(["-o", format]).status().context("start the load program")?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}
