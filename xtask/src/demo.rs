//! The whole road in front of somebody who knows nothing of it. It drives the `mayfly` binary as a user would.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::artifacts::Artifacts;
use crate::workspace::{Workspace, output, say};

const PROBE: &str = include_str!("demo/probe.sh");
const JOBS: usize = 6;
const AGENTS: usize = 3;

/// Runs the demo and takes everything down again, also when a step fails.
pub(crate) fn run(workspace: &Workspace, artifacts: &Artifacts) -> Result<ExitCode> {
    let started = Instant::now();
    let mut stage = Stage::new(workspace, artifacts);
    let played = play(&mut stage);
    say("\n== 6. everything is taken down");
    let removed = stage.mayfly(&["sandbox", "down"]);
    let proofs = played?;
    removed?;
    stage.nothing_left()?;
    let clean = proofs.iter().filter(|proof| proof.is_clean()).count();
    say("");
    // The proof is the result: it goes to stdout, everything said on the way does not.
    let mut stdout = std::io::stdout();
    writeln!(
        stdout,
        "{}\n\n{clean} of {JOBS} jobs ran in a fresh container and found no token. {} s in all; nothing is left behind.",
        table(&proofs),
        started.elapsed().as_secs()
    )?;
    Ok(if clean == JOBS { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn play(stage: &mut Stage) -> Result<Vec<Proof>> {
    say(
        "== 1. a sandbox stands in for Azure DevOps, Entra ID, Resource Manager, the registry and Container Instances",
    );
    say("      (the platform's restart back-off is switched off for the demo, so that nobody waits for it)");
    stage.mayfly(&["sandbox", "up", "--detach", "--restart-backoff", "off"])?;
    stage.environment = stage.json(&["sandbox", "env", "-o", "json"])?;

    say("\n== 2. the image: agent package, entrypoint, base; pushed to the sandbox's registry");
    let built: Value = stage.json(&["build-image", "--push", "-o", "json"])?;
    let image = built["repositoryDigest"].as_str().context("`build-image` reports a digest")?.to_owned();
    say(&format!("      {image}"));

    say(&format!("\n== 3. {AGENTS} agents, each a container of its own"));
    let agents = AGENTS.to_string();
    stage.mayfly(&["deploy", "--agents", &agents, "--image", &image])?;

    say(&format!(
        "\n== 4. {JOBS} jobs: each looks for the token and for what others left, then leaves litter itself"
    ));
    let proofs = stage.jobs()?;

    say("\n== 5. scale down to one agent; idle ones go, a running job would be waited for");
    stage.mayfly(&["scale", "--agents", "1"])?;
    stage.mayfly(&["status"])?;
    Ok(proofs)
}

/// What one job saw.
struct Proof {
    job: String,
    agent: String,
    container: String,
    image: String,
    litter: usize,
    token: bool,
}

impl Proof {
    fn is_clean(&self) -> bool {
        self.litter == 0 && !self.token
    }
}

struct Stage {
    mayfly: PathBuf,
    /// Where the build put things.
    paths: Vec<(&'static str, PathBuf)>,
    /// What `sandbox env` said.
    environment: BTreeMap<String, String>,
    instance: String,
}

impl Stage {
    fn new(workspace: &Workspace, artifacts: &Artifacts) -> Self {
        Self {
            mayfly: artifacts.mayfly.clone(),
            paths: artifacts.environment(workspace).into(),
            environment: BTreeMap::new(),
            instance: format!("demo-{}", std::process::id()),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.mayfly);
        command
            .args(words)
            .envs(self.paths.iter().cloned())
            .envs(&self.environment)
            .env("MAYFLY_INSTANCE", &self.instance);
        command
    }

    /// Runs a command before the spectator's eyes.
    fn mayfly(&self, words: &[&str]) -> Result<()> {
        say(&format!("   $ mayfly {}", words.join(" ")));
        let status = self.command(words).stdout(std::io::stderr()).status()?;
        if !status.success() {
            bail!("`mayfly {}` ended with {status}", words.join(" "));
        }
        Ok(())
    }

    /// Runs a command for its JSON. What it reports on the way is shown.
    fn json<T: serde::de::DeserializeOwned>(&self, words: &[&str]) -> Result<T> {
        say(&format!("   $ mayfly {}", words.join(" ")));
        let answer = self.command(words).stderr(Stdio::inherit()).output()?;
        if !answer.status.success() {
            bail!("`mayfly {}` ended with {}", words.join(" "), answer.status);
        }
        let parsed: T = serde_json::from_slice(&answer.stdout)
            .with_context(|| format!("read what `mayfly {}` printed", words.join(" ")))?;
        Ok(parsed)
    }

    fn jobs(&self) -> Result<Vec<Proof>> {
        let token = self.environment.get("AZDO_TOKEN").context("`sandbox env` names a token")?;
        let (left, right) = token.split_at(token.len() / 2);
        let script = PROBE.replace("@LEFT@", left).replace("@RIGHT@", right);
        let running: Vec<_> = (1..=JOBS)
            .map(|number| {
                let mut command = self.command(&[
                    "run",
                    "--name",
                    &format!("job-{number}"),
                    "-o",
                    "json",
                    "--script",
                    &script,
                ]);
                thread::spawn(move || command.stderr(Stdio::null()).output())
            })
            .collect();
        let mut proofs = Vec::new();
        for job in running {
            let answer = job.join().map_err(|_| anyhow::anyhow!("a job's thread panicked"))??;
            let proof = read(&answer.stdout).with_context(|| {
                format!("a job reported no proof: {}", String::from_utf8_lossy(&answer.stdout))
            })?;
            say(&format!("      {} ran on {} in container {}", proof.job, proof.agent, proof.container));
            proofs.push(proof);
        }
        Ok(proofs)
    }

    fn nothing_left(&self) -> Result<()> {
        let filter = format!("label=mayfly.instance={}", self.instance);
        let left = output(Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &filter]))?;
        if left.is_empty() { Ok(()) } else { bail!("containers are left behind: {left}") }
    }
}

fn read(stdout: &[u8]) -> Option<Proof> {
    let report: Value = serde_json::from_slice(stdout).ok()?;
    let line = report["log"].as_array()?.iter().filter_map(Value::as_str).find_map(|line| {
        let at = line.find("mayfly-proof container=")?;
        Some(line[at..].to_owned())
    })?;
    let field = |name: &str| {
        line.split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('=').map(ToOwned::to_owned))
    };
    let text = |name: &str| report[name].as_str().unwrap_or("?").to_owned();
    Some(Proof {
        job: text("name"),
        agent: text("agent"),
        container: field("container")?,
        image: text("image"),
        litter: field("litter")?.parse().ok()?,
        token: field("token")? != "no",
    })
}

fn table(proofs: &[Proof]) -> String {
    let mut lines = vec![format!(
        "{:<8} {:<12} {:<14} {:<21} {:<12} {}",
        "job", "agent", "container", "image", "file system", "token"
    )];
    lines.extend(proofs.iter().map(|proof| {
        let fresh =
            if proof.litter == 0 { "fresh".to_owned() } else { format!("{} left over", proof.litter) };
        let token = if proof.token { "FOUND" } else { "not found" };
        let digest = proof.image.rsplit_once('@').map_or(proof.image.as_str(), |(_, digest)| digest);
        format!(
            "{:<8} {:<12} {:<14} {:<21} {:<12} {}",
            proof.job,
            proof.agent,
            proof.container,
            digest.get(..19).unwrap_or(digest),
            fresh,
            token
        )
    }));
    lines.join("\n")
}
