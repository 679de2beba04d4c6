//! A sandbox in a process of its own, as `mayfly` starts it, and what its clients need.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::NetworkCreateRequest;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::figures::{Figure, percentile};
use testkit::{Watched, unique_instance, unique_name};

use crate::{Outcome, succeeded};

/// Times that a start is measured.
const STARTS: usize = 5;

/// Where an instance lives. What it left behind is removed with it.
struct Home {
    folder: TempDir,
    instance: String,
    mayfly: PathBuf,
}

impl Home {
    fn new(mayfly: &Path) -> Outcome<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            instance: unique_instance("bench"),
            mayfly: mayfly.to_owned(),
        })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.mayfly);
        command.args(words).env("MAYFLY_HOME", self.folder.path()).env("MAYFLY_INSTANCE", &self.instance);
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.command(&["sandbox", "down"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// A sandbox that serves; it ends with this.
pub(crate) struct Sandbox {
    process: Child,
    home: Home,
    variables: BTreeMap<String, String>,
    pub(crate) client: reqwest::Client,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Sandbox {
    pub(crate) fn start(mayfly: &Path) -> Outcome<Self> {
        let home = Home::new(mayfly)?;
        let (process, _) = up(&home)?;
        let told = home.command(&["sandbox", "env", "-o", "json"]).output()?;
        let variables: BTreeMap<String, String> = serde_json::from_slice(&told.stdout)?;
        let bundle = fs_err::read(variables.get("MAYFLY_CA_FILE").ok_or("no MAYFLY_CA_FILE")?)?;
        let client = trusting(&bundle)?;
        Ok(Self { process, home, variables, client })
    }

    pub(crate) fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }

    /// The name of the containers' network.
    pub(crate) fn network(&self) -> String {
        format!("mayfly-{}", self.home.instance)
    }

    pub(crate) fn watched(&self) -> Watched {
        Watched(self.process.id())
    }

    /// Resource Manager, as its service principal.
    pub(crate) async fn arm(&self) -> Outcome<Arm<'_>> {
        let arm = self.variable("ARM_ENDPOINT");
        let url = format!(
            "{}/{}/oauth2/v2.0/token",
            self.variable("AZURE_AUTHORITY_HOST"),
            self.variable("AZURE_TENANT_ID")
        );
        let scope = format!("{arm}/.default");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.variable("AZURE_CLIENT_ID")),
            ("client_secret", self.variable("AZURE_CLIENT_SECRET")),
            ("scope", &scope),
        ];
        let answer = succeeded(self.client.post(url).form(&form).send().await?).await?;
        let token: Value = answer.json().await?;
        let group =
            format!("{arm}/subscriptions/{}/resourceGroups/bench", self.variable("AZURE_SUBSCRIPTION_ID"));
        let token = token["access_token"].as_str().unwrap_or_default().to_owned();
        let arm = Arm { client: &self.client, group, token };
        arm.call(Method::PUT, "?api-version=2021-04-01", Some(&json!({"location": "westeurope"}))).await?;
        Ok(arm)
    }
}

/// A resource group at Resource Manager.
pub(crate) struct Arm<'a> {
    client: &'a reqwest::Client,
    group: String,
    token: String,
}

impl Arm<'_> {
    /// A call that must succeed; `path` goes on from the resource group.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Outcome<Value> {
        let request = self.client.request(method, format!("{}{path}", self.group)).bearer_auth(&self.token);
        let request = body.into_iter().fold(request, reqwest::RequestBuilder::json);
        let answer = succeeded(request.send().await?).await?;
        Ok(serde_json::from_slice(&answer.bytes().await?).unwrap_or(Value::Null))
    }

    /// Asks for `path` until it is as it should be.
    pub(crate) async fn until(&self, path: &str, done: impl Fn(&Value) -> bool) -> Outcome<Value> {
        let begun = Instant::now();
        loop {
            let found = self.call(Method::GET, path, None).await?;
            if done(&found) {
                return Ok(found);
            }
            if begun.elapsed() > Duration::from_secs(60) {
                return Err(format!("{path} did not come to its end in 60 s: {found}").into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A client that trusts these authorities and nobody else.
pub(crate) fn trusting(pem: &[u8]) -> Outcome<reqwest::Client> {
    let roots = reqwest::Certificate::from_pem_bundle(pem)?;
    Ok(reqwest::Client::builder().no_proxy().tls_certs_only(roots).build()?)
}

/// Starts a sandbox and waits until it says that it is ready.
fn up(home: &Home) -> Outcome<(Child, Duration)> {
    let begun = Instant::now();
    let mut command = home.command(&["sandbox", "up", "-o", "json", "--stop-grace", "1"]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
    // A pretty-printed document ends with a bracket of its own.
    let ready = lines.any(|line| line.is_ok_and(|line| line == "}"));
    let took = begun.elapsed();
    if ready {
        return Ok((process, took));
    }
    let ended = process.wait_with_output()?;
    let said = String::from_utf8_lossy(&ended.stderr);
    let error = said.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or("it said nothing");
    Err(format!("the sandbox did not start: {error}").into())
}

/// From the start of the process until everything serves: of new instances, and of one that was there before. A new one
/// waits for the engine to make its network, so beside it is what the engine takes for that when nobody else asks it.
pub(crate) async fn starts(mayfly: &Path) -> Outcome<Vec<Figure>> {
    let engine = Docker::connect_with_defaults()?;
    let (mut new, mut again, mut networks, mut resident) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    for _ in 0..STARTS {
        networks.push(network(&engine).await?);
        let home = Home::new(mayfly)?;
        let first = Running(up(&home)?);
        new.push(first.0.1);
        drop(first);
        let second = Running(up(&home)?);
        again.push(second.0.1);
        resident = Watched(second.0.0.id()).resident()?;
    }
    let name = "sandbox start to ready,";
    Ok(vec![
        Figure::new(format!("{name} the first of an instance, p50"), percentile(&new, 50), "ms")
            .aim("< 50")
            .against(percentile(&networks, 50)),
        Figure::new("a network made by the engine alone, p50", percentile(&networks, 50), "ms"),
        Figure::new(format!("{name} of one that was there, p50"), percentile(&again, 50), "ms").aim("< 50"),
        Figure::new("sandbox, resident when ready", resident / 1024.0, "MiB").aim("< 30"),
    ])
}

/// How long the engine takes to make a network.
async fn network(engine: &Docker) -> Outcome<Duration> {
    let name = unique_name("mayfly-bench");
    let begun = Instant::now();
    engine.create_network(NetworkCreateRequest { name: name.clone(), ..Default::default() }).await?;
    let took = begun.elapsed();
    engine.remove_network(&name).await?;
    Ok(took)
}

/// A process that is killed at the end, and how long it took to be ready.
struct Running((Child, Duration));

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.0.kill();
        let _ = self.0.0.wait();
    }
}
