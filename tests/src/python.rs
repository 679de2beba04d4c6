//! Clients that nobody here wrote, driven by the scripts of `tests/clients`: `az` and Microsoft's Python libraries.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{Answer, Stack};

/// Values that a failing script's output must not carry on.
const SECRETS: [&str; 4] = ["AZDO_TOKEN", "AZURE_CLIENT_SECRET", "ACR_PASSWORD", "MAYFLY_CONTROL_TOKEN"];

/// The scripts with an environment to run them in: what `sandbox env` prints, a home folder of their own, and nothing
/// of the tester's but the way to programs and to Docker.
#[derive(Debug)]
pub struct Client<'a> {
    stack: &'a Stack,
    home: TempDir,
    changed: Vec<(String, String)>,
}

impl Stack {
    /// A user of this sandbox who comes with nothing.
    pub fn client(&self) -> Result<Client<'_>> {
        Ok(Client { stack: self, home: tempfile::tempdir()?, changed: Vec::new() })
    }

    /// A program of the clients' environment.
    pub fn foreign(&self, name: &str) -> Result<PathBuf> {
        Ok(clients(self)?.join(name))
    }
}

impl Client<'_> {
    /// Sets or changes a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.changed.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs a script of `tests/clients` to its end, however it ends.
    pub async fn run(&self, script: &str) -> Result<Answer> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
        let clients = clients(self.stack)?;
        let mut command = Command::new(clients.join(format!("python{}", std::env::consts::EXE_SUFFIX)));
        command
            // Nothing is written beside the scripts.
            .arg("-B")
            .arg(scripts.join(script))
            .current_dir(self.home.path())
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| KEPT.contains(&name.as_str())))
            .env("PATH", path(&clients)?)
            .env("HOME", self.home.path())
            .env("AZURE_CONFIG_DIR", self.home.path().join("azure"))
            .envs(self.stack.environment())
            .envs(self.changed.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = command.output().await.with_context(|| format!("run `{script}`"))?;
        Ok(Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: self.without_secrets(&output.stdout),
            stderr: self.without_secrets(&output.stderr),
        })
    }

    /// Runs a script that must succeed, and shows what it checked.
    pub async fn walk(&self, script: &str) -> Result<()> {
        let answer = self.run(script).await?;
        ensure!(answer.code == 0, "`{script}` ended with {}\n{}", answer.code, answer.text());
        let checked = answer.stdout.lines().filter(|line| line.starts_with("ok ")).count();
        ensure!(checked > 0, "`{script}` checked nothing\n{}", answer.text());
        let _ = std::io::Write::write_all(&mut std::io::stderr(), answer.stdout.as_bytes());
        Ok(())
    }

    fn without_secrets(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let secrets = SECRETS.iter().filter_map(|name| self.stack.environment().get(*name));
        secrets.fold(text, |text, secret| text.replace(secret.as_str(), "***"))
    }
}

/// What a program needs of the tester's environment to start and to reach Docker.
const KEPT: [&str; 5] = ["DOCKER_HOST", "SYSTEMROOT", "TEMP", "TMP", "PATHEXT"];

/// The folder of the environment's programs.
fn clients(stack: &Stack) -> Result<PathBuf> {
    let folder = stack.artifacts().clients.as_ref().context(
        "MAYFLY_TEST_CLIENTS is not set: run the suite with `cargo xtask e2e`, which installs the clients first",
    )?;
    Ok(folder.join(if cfg!(windows) { "Scripts" } else { "bin" }))
}

fn path(clients: &Path) -> Result<std::ffi::OsString> {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(clients.to_owned()).chain(std::env::split_paths(&inherited));
    std::env::join_paths(all).context("put the clients first in PATH")
}
