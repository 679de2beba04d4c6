//! The registry is judged by the plain docker client.

use std::process::Stdio;

use anyhow::{Result, ensure};
use e2e::Stack;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The docker client with a configuration folder of its own.
struct Client(tempfile::TempDir);

impl Client {
    fn docker(&self, words: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.arg("--config").arg(self.0.path()).args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(&self, words: &[&str]) -> Result<(bool, String)> {
        let output = self.docker(words).stdin(Stdio::null()).output().await?;
        let text =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        Ok((output.status.success(), text))
    }

    async fn login(&self, server: &str, user: &str, password: &str) -> Result<(bool, String)> {
        let mut child = self
            .docker(&["login", "--username", user, "--password-stdin", server])
            .stdin(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(password.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_logs_in_pushes_and_pulls_and_strangers_do_not() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let (server, user) =
        (stack.variable("ACR_LOGIN_SERVER").to_owned(), stack.variable("ACR_USERNAME").to_owned());
    let (member, stranger) = (Client(tempfile::tempdir()?), Client(tempfile::tempdir()?));
    let image = format!("{server}/team/tool:1");
    let (tagged, text) = member.run(&["tag", &stack.artifacts().base_image, &image]).await?;
    ensure!(tagged, "{text}");

    let (accepted, _) = stranger.login(&server, &user, "wrong").await?;
    ensure!(!accepted, "a wrong password is accepted");
    let (pushed, text) = stranger.run(&["push", &image]).await?;
    ensure!(!pushed && text.contains("unauthorized"), "pushed without a login: {text}");

    let (accepted, text) = member.login(&server, &user, stack.variable("ACR_PASSWORD")).await?;
    ensure!(accepted, "{text}");
    let (pushed, text) = member.run(&["push", &image]).await?;
    ensure!(pushed && text.contains("digest: sha256:"), "{text}");
    member.run(&["image", "rm", &image]).await?;
    let (pulled, text) = stranger.run(&["pull", &image]).await?;
    ensure!(!pulled, "pulled without a login: {text}");
    let (pulled, text) = member.run(&["pull", &image]).await?;
    ensure!(pulled, "{text}");
    let (pulled, text) = member.run(&["pull", &format!("{server}/team/tool:2")]).await?;
    ensure!(!pulled && text.contains("not found"), "{text}");
    member.run(&["image", "rm", &image]).await?;
    stack.finish().await
}
