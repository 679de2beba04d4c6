//! `cargo xtask bench`: builds a load program with optimizations and runs it.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::artifacts::executable;
use crate::workspace::{Workspace, output, say, step};

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
        let mayfly = release.join(executable("mayfly"));
        // Without an engine, or what makes an image, the program says what it cannot measure.
        match base_image(&mayfly) {
            Ok(image) => drop(program.env("MAYFLY_TEST_BASE_IMAGE", image)),
            Err(error) => say(&format!("no image to run: {error:#}")),
        }
        program.arg("--mayfly").arg(mayfly);
        program.args(["--layer-size", &options.layer_size.to_string()]);
    }
    let status = program.status().context("start the load program")?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

/// The image that container groups are measured with: the one that tests use, made where there is none.
fn base_image(mayfly: &Path) -> Result<String> {
    output(Command::new(mayfly).arg("base-image")).context("make the base image")
}

fn build(workspace: &Workspace, what: &[&str]) -> Result<()> {
    step("build", workspace.cargo(["build", "--release", "--quiet"]).args(what))
}
