//! The test suites: what is built once before a run, and which nextest profile runs what.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result};

use crate::agent_package::{self, AgentPackage};
use crate::artifacts::{self, Artifacts};
use crate::clients;
use crate::workspace::{Workspace, output, step};

/// Every test there is.
pub(crate) fn all(workspace: &Workspace) -> Result<()> {
    nextest(workspace, "all", &["--workspace"], &[], with_clients(workspace, hand_over(workspace)?)?)?;
    documented(workspace)
}

/// The examples in documentation, which nextest does not run.
fn documented(workspace: &Workspace) -> Result<()> {
    step("examples in documentation", &mut workspace.cargo(["test", "--doc", "-p", "azdo-mock"]))
}

/// The stories on real containers.
pub(crate) fn end_to_end(
    workspace: &Workspace,
    filter: &[String],
    agent: Option<&AgentPackage>,
) -> Result<()> {
    let hand_over = with_clients(workspace, hand_over_with(workspace, agent)?)?;
    nextest(workspace, "e2e", &["-p", "e2e"], filter, hand_over)
}

/// Tests that need Docker and no sandbox.
pub(crate) fn docker(workspace: &Workspace) -> Result<()> {
    nextest(workspace, "docker", &["--workspace"], &[], hand_over(workspace)?)
}

fn nextest(
    workspace: &Workspace,
    profile: &str,
    selection: &[&str],
    filter: &[String],
    hand_over: HandOver,
) -> Result<()> {
    let mut command = workspace.cargo(["nextest", "run", "--profile", profile]);
    // The organization that the agent came from is no business of the tests'.
    command.env_remove("AZDO_URL").env_remove("AZDO_TOKEN");
    command.args(selection).args(filter).envs(hand_over).env("INSTA_UPDATE", "no");
    step("tests", &mut command)
}

/// Variables by which the stories find what was built for them.
type HandOver = Vec<(&'static str, OsString)>;

/// Builds what the stories run, and names it as they expect.
pub(crate) fn hand_over(workspace: &Workspace) -> Result<HandOver> {
    hand_over_with(workspace, None)
}

/// The same with another agent than the stub.
fn hand_over_with(workspace: &Workspace, agent: Option<&AgentPackage>) -> Result<HandOver> {
    let mut artifacts = artifacts::build(workspace)?;
    let base = base_image(workspace, &artifacts)?;
    if let Some(agent) = agent {
        agent_package::choose(workspace, &mut artifacts, agent, &base)?;
    }
    agent_image(workspace, &artifacts, &base)?;
    let hunter = artifacts::leak_hunter(workspace)?;
    let mut named: HandOver =
        artifacts.environment(workspace).into_iter().map(|(name, path)| (name, path.into())).collect();
    named.extend([
        ("MAYFLY_BIN", artifacts.mayfly.into()),
        ("MAYFLY_LEAK_HUNTER", hunter.into()),
        ("MAYFLY_TEST_BASE_IMAGE", base.into()),
    ]);
    Ok(named)
}

/// Adds the clients that are not ours, which the stories alone need.
fn with_clients(workspace: &Workspace, mut named: HandOver) -> Result<HandOver> {
    named.push(("MAYFLY_TEST_CLIENTS", clients::environment(workspace)?.into()));
    Ok(named)
}

/// Makes the base image, or finds the one made before.
fn base_image(workspace: &Workspace, artifacts: &Artifacts) -> Result<String> {
    let mut command = Command::new(&artifacts.mayfly);
    command.arg("base-image").envs(artifacts.environment(workspace));
    output(&mut command).context("make the base image")
}

/// Builds the agent image once before the run and leaves it: the engine keeps the layers that the stories' builds share,
/// and unpacks them once.
fn agent_image(workspace: &Workspace, artifacts: &Artifacts, base: &str) -> Result<()> {
    let mut packages: Vec<_> =
        fs_err::read_dir(&artifacts.packages)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    packages.retain(|file| file.to_string_lossy().ends_with(".tar.gz"));
    let package = packages.pop().context("there is an agent package for Linux")?;
    let mut command = Command::new(&artifacts.mayfly);
    command.args(["build-image", "--base-image", base, "--agent-package"]).arg(package);
    command.envs(artifacts.environment(workspace)).env_remove("ACR_LOGIN_SERVER");
    output(&mut command).map(drop).context("build the agent image")
}
