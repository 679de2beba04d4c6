//! One sandbox of its own per test.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{Artifacts, Engine};

/// How a stack is to be.
#[derive(Debug, Default)]
pub struct StackBuilder {
    up: Vec<String>,
    agents: u32,
}

impl StackBuilder {
    /// Further words for `sandbox up`.
    #[must_use]
    pub fn up(mut self, words: &[&str]) -> Self {
        self.up.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Build and push the image, and deploy this many agents.
    #[must_use]
    pub fn agents(mut self, agents: u32) -> Self {
        self.agents = agents;
        self
    }

    /// Starts it.
    pub async fn start(self) -> Result<Stack> {
        let artifacts = Artifacts::handed_over();
        let home = tempfile::tempdir()?;
        let instance = format!("e2e-{}-p{}", crate::random_word(8), std::process::id());
        let engine = Engine::connect()?;
        crate::containers::sweep(&engine).await?;
        let mut stack = Stack {
            artifacts,
            home,
            instance,
            environment: BTreeMap::new(),
            engine,
            image: None,
            said: std::sync::Mutex::default(),
            up: self.up,
        };
        stack.sandbox_up().await?;
        if self.agents > 0 {
            stack.build_image().await?;
            stack.ok(&["deploy", "--agents", &self.agents.to_string()]).await?;
        }
        Ok(stack)
    }
}

/// A running sandbox with its environment.
#[derive(Debug)]
pub struct Stack {
    artifacts: Artifacts,
    home: TempDir,
    instance: String,
    environment: BTreeMap<String, String>,
    engine: Engine,
    image: Option<Value>,
    /// Everything that commands printed, searched for secrets at the end.
    said: std::sync::Mutex<String>,
    up: Vec<String>,
}

/// How a command ended and what it printed.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Exit code; -1 where a signal ended it.
    pub code: i32,
    /// Its result.
    pub stdout: String,
    /// What it said on the way.
    pub stderr: String,
}

impl Answer {
    /// Both streams.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// How a job went.
#[derive(Debug, Clone)]
pub struct Job {
    /// The service's result.
    pub result: String,
    /// The agent that ran it.
    pub agent: String,
    /// Its log.
    pub log: Vec<String>,
}

impl Job {
    /// The text after `key=` in the log.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values(key).first().copied()
    }

    /// All texts after `key=` in the log: the service cuts long lines, so long values come in pieces.
    pub fn values(&self, key: &str) -> Vec<&str> {
        let words = self.log.iter().flat_map(|line| line.split_whitespace());
        words.filter_map(|word| word.strip_prefix(key)?.strip_prefix('=')).collect()
    }

    /// The log as one text.
    pub fn text(&self) -> String {
        self.log.join("\n")
    }
}

impl Stack {
    /// A stack without back-off between restarts; whoever tests the back-off says `--restart-backoff on`.
    pub fn builder() -> StackBuilder {
        StackBuilder::default().up(&["--restart-backoff", "off"])
    }

    /// A stack under the platform's defaults, all of which hurt.
    pub fn under_defaults() -> StackBuilder {
        StackBuilder::default()
    }

    /// Starts (again) and reads the environment.
    pub async fn sandbox_up(&mut self) -> Result<()> {
        let mut words = vec!["sandbox", "up", "--detach"];
        words.extend(self.up.iter().map(String::as_str));
        self.ok(&words).await?;
        let answer = self.run(&["sandbox", "env", "-o", "json"], false).await?;
        ensure!(answer.code == 0, "`sandbox env` ended with {}: {}", answer.code, answer.stderr);
        self.environment = serde_json::from_str(&answer.stdout)?;
        Ok(())
    }

    /// Builds and pushes the agent image; what follows uses it.
    pub async fn build_image(&mut self) -> Result<String> {
        let answer = self.ok(&["build-image", "--push", "-o", "json"]).await?;
        let built: Value = serde_json::from_str(&answer.stdout)?;
        let digest = built["repositoryDigest"].as_str().context("a pushed image has a digest")?.to_owned();
        self.environment.insert("MAYFLY_IMAGE".into(), digest.clone());
        self.image = Some(built);
        Ok(digest)
    }

    /// Repository and tag of the built image on this host's engine.
    pub fn local_image(&self) -> (String, String) {
        let built = self.image.as_ref().expect("the image was built");
        let tag = built["tags"][0].as_str().expect("a built image has a tag");
        let (repository, tag) = tag.rsplit_once(':').expect("a tag has a colon");
        (repository.to_owned(), tag.to_owned())
    }

    /// The instance's name.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The containers' network.
    pub fn network(&self) -> String {
        format!("mayfly-{}", self.instance)
    }

    /// The state folder.
    pub fn folder(&self) -> std::path::PathBuf {
        self.home.path().join(&self.instance)
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What was built before the run.
    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// A variable of `sandbox env`.
    ///
    /// # Panics
    /// When there is no such variable.
    pub fn variable(&self, name: &str) -> &str {
        self.environment.get(name).unwrap_or_else(|| panic!("`sandbox env` names no {name}"))
    }

    /// All of `sandbox env`.
    pub(crate) fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Changes a variable for the commands that follow.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// A command with the stack's environment and nothing of the tester's own but PATH and HOME.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.artifacts.mayfly);
        command
            .args(words)
            .env_clear()
            .envs(
                std::env::vars().filter(|(name, _)| {
                    ["PATH", "HOME", "DOCKER_HOST", "MAYFLY_LOG"].contains(&name.as_str())
                }),
            )
            .env("MAYFLY_HOME", self.home.path())
            .env("MAYFLY_INSTANCE", &self.instance)
            .env("MAYFLY_ENTRYPOINT", &self.artifacts.entrypoint)
            .env("MAYFLY_AGENT_PACKAGES", &self.artifacts.packages)
            .env("MAYFLY_CACHE_DIR", &self.artifacts.cache)
            .env("MAYFLY_BASE_IMAGE", &self.artifacts.base_image)
            .envs(&self.environment)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub async fn mayfly(&self, words: &[&str]) -> Result<Answer> {
        self.run(words, true).await
    }

    /// Runs a command that must succeed.
    pub async fn ok(&self, words: &[&str]) -> Result<Answer> {
        let answer = self.mayfly(words).await?;
        if answer.code != 0 {
            bail!(
                "`mayfly {}` ended with {}\n{}\n{}",
                words.join(" "),
                answer.code,
                answer.text(),
                self.log()
            );
        }
        Ok(answer)
    }

    /// Starts a command and goes on.
    pub fn spawn(&self, words: &[&str]) -> Result<Child> {
        Ok(self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    }

    async fn run(&self, words: &[&str], remember: bool) -> Result<Answer> {
        let output = self
            .command(words)
            .output()
            .await
            .with_context(|| format!("run `mayfly {}`", words.join(" ")))?;
        let answer = Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        if remember {
            self.said.lock().expect("no test panics while it holds this").push_str(&answer.text());
        }
        Ok(answer)
    }

    /// Runs a script as a job and waits for it.
    pub async fn job(&self, script: &str) -> Result<Job> {
        let answer = self.mayfly(&["run", "-o", "json", "--script", script]).await?;
        let report: Value = serde_json::from_str(&answer.stdout).with_context(|| {
            format!("`run` ended with {}: {}\n{}", answer.code, answer.text(), self.log())
        })?;
        Ok(read_job(&report))
    }

    /// Queues a script and returns its id.
    pub async fn queue(&self, script: &str) -> Result<String> {
        let answer = self.ok(&["run", "--no-wait", "--script", script]).await?;
        Ok(answer.stdout.trim().to_owned())
    }

    /// What the control API says.
    pub async fn control(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("{}{path}", self.variable("MAYFLY_CONTROL_URL"));
        let mut request =
            client.request(method.parse()?, url).bearer_auth(self.variable("MAYFLY_CONTROL_TOKEN"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{method} {path}: {status} {text}");
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }

    /// Waits until a job is in a state.
    pub async fn job_state(&self, job: &str, state: &str) -> Result<Value> {
        self.eventually(&format!("job {job} is {state}"), Duration::from_secs(90), async || {
            let found = self.control("GET", &format!("/azdo/jobs/{job}"), None).await?;
            if found["state"] == state { Ok(found) } else { bail!("it is {found}") }
        })
        .await
    }

    /// Asks until the answer is one, or the deadline passed; then the last answer is in the error.
    pub async fn eventually<T, F>(&self, what: &str, limit: Duration, mut ask: F) -> Result<T>
    where
        F: AsyncFnMut() -> Result<T>,
    {
        let deadline = Instant::now() + limit;
        loop {
            match ask().await {
                Ok(found) => return Ok(found),
                Err(last) if Instant::now() > deadline => {
                    return Err(last.context(format!("not within {limit:?}: {what}\n{}", self.log())));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Kills the serving process without warning.
    pub async fn kill_sandbox(&self) -> Result<()> {
        let record: Value = serde_json::from_slice(&fs_err::read(self.folder().join("sandbox.json"))?)?;
        let process = record["processId"].as_u64().context("the record names a process")?;
        let status = Command::new("kill").args(["-9", &process.to_string()]).status().await?;
        ensure!(status.success(), "kill -9 {process}");
        let gone = Path::new("/proc").join(process.to_string());
        self.eventually("the process is gone", Duration::from_secs(10), async || {
            let status = fs_err::read_to_string(gone.join("status")).unwrap_or_default();
            ensure!(status.is_empty() || status.contains("\tZ "), "{status}");
            Ok(())
        })
        .await
    }

    /// The end of the sandbox's log, for failures.
    fn log(&self) -> String {
        let text = fs_err::read_to_string(self.folder().join("sandbox.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("--- sandbox log\n{}", lines[lines.len().saturating_sub(40)..].join("\n"))
    }

    /// Takes everything down, then looks for what must not be there.
    pub async fn finish(self) -> Result<()> {
        let log = fs_err::read_to_string(self.folder().join("sandbox.log")).unwrap_or_default();
        self.ok(&["sandbox", "down"]).await?;
        let left = self.engine.containers(&self.instance).await?;
        ensure!(left.is_empty(), "containers are left: {left:?}");
        let left = self.engine.networks(&self.instance).await?;
        ensure!(left.is_empty(), "networks are left: {left:?}");
        ensure!(!self.folder().exists(), "the state folder is left");
        let said = self.said.lock().expect("no test panics while it holds this").clone();
        for name in ["AZDO_TOKEN", "AZURE_CLIENT_SECRET", "ACR_PASSWORD", "MAYFLY_CONTROL_TOKEN"] {
            let secret = self.variable(name);
            ensure!(!said.contains(secret), "{name} was printed by a command");
            ensure!(!log.contains(secret), "{name} is in the sandbox's log");
        }
        Ok(())
    }
}

impl Drop for Stack {
    /// The back-up for a test that failed on its way: what it made goes, whatever state it is in.
    fn drop(&mut self) {
        if !self.folder().exists() {
            return;
        }
        if std::thread::panicking() {
            let line = self.log();
            let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
        }
        let mut command = self.command(&["sandbox", "down"]).into_std();
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn read_job(report: &Value) -> Job {
    let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
    let log = report["log"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Job { result: text("result"), agent: text("agent"), log: log.map(ToOwned::to_owned).collect() }
}
