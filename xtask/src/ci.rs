//! What the workflows and `.ci/run` run, job by job.

use anyhow::Result;

use crate::workspace::{Workspace, step};
use crate::{pipelines, setup, suites, tidy, windows};

#[derive(clap::ValueEnum, Clone, Copy)]
pub(crate) enum Job {
    /// Formatting, clippy, tidy, licences and sources, documentation
    Lint,
    /// Unit and service tests
    Test,
    /// Tests on real containers, without the whole stack
    Docker,
    /// The end-to-end suite
    E2e,
    /// Lints and tests for Windows; on Linux under Wine
    Windows,
}

pub(crate) fn run(workspace: &Workspace, job: Job, install: bool) -> Result<()> {
    match job {
        Job::Lint => lint(workspace, install),
        Job::Test => {
            setup::ensure(workspace, &setup::TESTS, install)?;
            step("tests", &mut workspace.cargo(["nextest", "run", "--workspace", "--profile", "ci"]))
        }
        Job::Docker => {
            setup::ensure(workspace, &setup::TESTS, install)?;
            suites::docker(workspace)
        }
        Job::E2e => {
            setup::ensure(workspace, &setup::TESTS, install)?;
            suites::end_to_end(workspace, &[], None)
        }
        Job::Windows => windows::run(workspace, install),
    }
}

fn lint(workspace: &Workspace, install: bool) -> Result<()> {
    step("formatting", &mut workspace.cargo(["fmt", "--all", "--check"]))?;
    tidy::run(workspace)?;
    setup::ensure(workspace, &setup::LINT, install)?;
    pipelines::run(workspace)?;
    // The advisory database is fetched from a host that not every machine reaches: the nightly workflow checks it.
    step("policy", &mut workspace.cargo(["deny", "check", "bans", "licenses", "sources"]))?;
    step(
        "clippy",
        &mut workspace.cargo(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]),
    )?;
    step(
        "documentation",
        workspace.cargo(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"),
    )
}
