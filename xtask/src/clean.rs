//! Removes what is kept between runs on purpose: the base image and the caches.

use std::process::Command;

use anyhow::Result;

use crate::workspace::{Workspace, output, say, step, succeeds};

/// What the suites build once before a run.
const AGENT: &str = "mayfly-agent";
/// The label that every image of ours carries that outlives a sandbox.
const KEPT: &str = "mayfly.kept";

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    if succeeds("docker", &["info"]) {
        // The agent image first: it is built on the base image.
        for filter in [format!("reference={AGENT}"), format!("label={KEPT}")] {
            let listed = output(Command::new("docker").args(["images", "--quiet", "--filter", &filter]))?;
            for image in listed.lines() {
                step("remove image", Command::new("docker").args(["image", "rm", "--force", image]))?;
            }
        }
    } else {
        say("docker does not answer: its images are left as they are");
    }
    for folder in ["mayfly-cache", "agent-package", "clients"] {
        let path = workspace.target.join(folder);
        if path.exists() {
            say(&format!("==> remove {}", path.display()));
            fs_err::remove_dir_all(&path)?;
        }
    }
    Ok(())
}
