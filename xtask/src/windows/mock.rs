//! The Azure DevOps of the Windows suite: it runs on this host, outside of Wine.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::workspace::{Workspace, step};

pub(super) struct Mock {
    process: Child,
    addresses: Addresses,
}

#[derive(Deserialize)]
struct Addresses {
    url: String,
    control: String,
}

impl Mock {
    pub(super) fn start(workspace: &Workspace) -> Result<Self> {
        // Of the whole workspace, so that the dependencies have the features that they were built with for its tests.
        step(
            "mock of Azure DevOps",
            &mut workspace.cargo(["build", "--quiet", "--workspace", "--example", "serve"]),
        )?;
        let program =
            workspace.target.join("debug/examples").join(format!("serve{}", std::env::consts::EXE_SUFFIX));
        let mut process = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start `{}`", program.display()))?;
        let output = process.stdout.take().context("its output is a pipe")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let addresses = serde_json::from_str(&line).context("the mock says where it is in its first line")?;
        Ok(Self { process, addresses })
    }

    pub(super) fn environment(&self) -> [(&'static str, &str); 2] {
        [
            ("MAYFLY_WINDOWS_TEST_URL", self.addresses.url.as_str()),
            ("MAYFLY_WINDOWS_TEST_CONTROL", self.addresses.control.as_str()),
        ]
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
