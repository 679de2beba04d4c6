//! `cargo xtask leakscan`: builds the hunter and what it hunts in, and runs the scan of the `e2e` package.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::artifacts::executable;
use crate::suites;
use crate::workspace::{Workspace, step};

/// How the report is printed.
#[derive(clap::ValueEnum, Clone, Copy, Default)]
pub(crate) enum Format {
    /// Tables for people
    #[default]
    Table,
    /// One JSON document
    Json,
}

/// Runs the scan of these targets, of all where none is named, with its exit code.
pub(crate) fn run(workspace: &Workspace, format: Format, targets: &[String]) -> Result<ExitCode> {
    let hand_over = suites::hand_over(workspace)?;
    step("build", &mut workspace.cargo(["build", "--quiet", "-p", "e2e", "--bin", "leakscan"]))?;
    let word = match format {
        Format::Table => "table",
        Format::Json => "json",
    };
    // Debug logs, since what they say is scanned too.
    let status = Command::new(workspace.target.join("debug").join(executable("leakscan")))
        .args(["-o", word])
        .args(targets)
        .envs(hand_over)
        .env("MAYFLY_LOG", "debug")
        .status()
        .context("start the scan")?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}
