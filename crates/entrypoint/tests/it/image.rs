//! An agent image in a folder: the binary under test, an agent made of bash, and what the image declares.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use fs_err as fs;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// The agent's user in these images.
pub(crate) const UID: u32 = 10001;
const LIMIT: Duration = Duration::from_mins(1);

/// A registration that works.
pub(crate) const CONFIGURE: &str = r#"cat /proc/$$/environ > "$probe/configure.env"
printf '{"agentId":7,"agentName":"web-01"}' > .agent
echo "configured with $VSTS_AGENT_INPUT_TOKEN" "#;

/// A listener that tells what it is and ends.
pub(crate) const RUN: &str = r#"cat /proc/$$/environ > "$probe/run.env"
cat /proc/$$/status > "$probe/run.status"
printf '%s\n' "$@" > "$probe/run.arguments"
echo "Running job: one" "#;

/// A listener that waits for the test, without a child of its own.
pub(crate) const WAIT: &str = r#"trap 'exit 0' INT
touch "$probe/ready"
while ! [ -e "$probe/go" ]; do read -r -t 0.05 <> <(:) || :; done"#;

pub(crate) struct Image {
    folder: TempDir,
    pub(crate) server: MockServer,
    pub(crate) token: String,
    environment: BTreeMap<String, String>,
    prefix: Vec<String>,
}

impl Image {
    /// An image with a working agent and a server that lets it in.
    pub(crate) async fn new() -> Self {
        let image = Self::with_server(MockServer::start().await);
        image.serve_connection().await;
        image.serve_pools(json!([{"id": 3, "name": "Default"}])).await;
        image
    }

    /// The same with a server that knows nothing yet.
    pub(crate) fn with_server(server: MockServer) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests change users and need root: run them with sudo"
        );
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let root = folder.path();
        set_mode(root, 0o755);
        for directory in ["usr/local/bin", "azp/agent/bin", "etc/mayfly", "home/agent", "probe"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        set_mode(&root.join("azp/agent"), 0o1777);
        set_mode(&root.join("probe"), 0o1777);
        chown(root.join("home/agent"), Some(UID), Some(UID)).unwrap();
        let binary = root.join("usr/local/bin/mayfly-entrypoint");
        std::fs::hard_link(env!("CARGO_BIN_EXE_mayfly-entrypoint"), &binary)
            .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_mayfly-entrypoint"), &binary).map(drop))
            .unwrap();
        let token = format!("canary{:x}x{:x}", std::process::id(), server.address().port());
        let environment = [
            ("AZDO_URL", format!("{}/org", server.uri())),
            ("AZDO_TOKEN", token.clone()),
            ("AZDO_POOL", "Default".to_owned()),
            ("AZDO_AGENT_NAME", "web-01".to_owned()),
            ("AZDO_FATAL_HOLD", "0".to_owned()),
            ("MAYFLY_IMAGE", "registry/agent@sha256:1234".to_owned()),
            ("PATH", std::env::var("PATH").unwrap()),
        ];
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let image = Self { folder, server, token, environment, prefix: Vec::new() };
        image.declare(json!({"environment": {"JAVA_HOME": "/opt/jdk"}}));
        image.agent(CONFIGURE, RUN);
        image
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    pub(crate) fn probe(&self, name: &str) -> PathBuf {
        self.root().join("probe").join(name)
    }

    pub(crate) fn probed(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.probe(name)).unwrap()).into_owned()
    }

    /// The variables that the agent was really started with.
    pub(crate) fn probed_environment(&self, name: &str) -> BTreeMap<String, String> {
        let pairs = self.probed(name);
        let pairs = pairs.split('\0').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub(crate) fn declare(&self, content: Value) {
        fs::write(self.root().join("etc/mayfly/image.json"), content.to_string()).unwrap();
    }

    /// Replaces the agent by one with these two commands.
    pub(crate) fn agent(&self, configure: &str, run: &str) {
        let probe = self.root().join("probe");
        let script = format!(
            "#!/bin/bash\nprobe='{}'\ncase \"$1\" in\nconfigure)\n{configure}\n;;\nrun)\n{run}\n;;\n*) exit 9 ;;\nesac\n",
            probe.display()
        );
        let file = self.root().join("azp/agent/bin/Agent.Listener");
        fs::write(&file, script).unwrap();
        set_mode(&file, 0o755);
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn unset(&mut self, name: &str) -> &mut Self {
        self.environment.remove(name);
        self
    }

    /// Starts the binary through another program.
    pub(crate) fn through(&mut self, prefix: &[&str]) -> &mut Self {
        self.prefix = prefix.iter().map(|&word| word.to_owned()).collect();
        self
    }

    pub(crate) async fn serve_connection(&self) {
        self.mount(
            "/org/_apis/connectionData",
            ResponseTemplate::new(200).set_body_json(json!({"instanceId": "x"})),
        )
        .await;
    }

    pub(crate) async fn serve_pools(&self, pools: Value) {
        let body = json!({"count": pools.as_array().unwrap().len(), "value": pools});
        self.mount("/org/_apis/distributedtask/pools", ResponseTemplate::new(200).set_body_json(body)).await;
    }

    pub(crate) async fn mount(&self, route: &str, response: ResponseTemplate) {
        Mock::given(method("GET")).and(path(route)).respond_with(response).mount(&self.server).await;
    }

    pub(crate) async fn mount_managed(&self, response: ResponseTemplate) {
        Mock::given(path("/org/_apis/distributedtask/pools"))
            .and(query_param("actionFilter", "manage"))
            .respond_with(response)
            .with_priority(1)
            .mount(&self.server)
            .await;
    }

    pub(crate) fn start(&self) -> Run {
        let binary = self.root().join("usr/local/bin/mayfly-entrypoint");
        let mut words = self.prefix.iter().map(PathBuf::from).chain([binary]);
        let child = Command::new(words.next().unwrap())
            .args(words)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Run { child, token: self.token.clone() }
    }

    pub(crate) async fn run(&self) -> Finished {
        self.start().finish().await
    }
}

/// The binary while it runs.
pub(crate) struct Run {
    child: Child,
    token: String,
}

impl Run {
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id().unwrap()).unwrap()
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for the end. No output of any run may hold the token.
    pub(crate) async fn finish(self) -> Finished {
        let Output { status, stdout, stderr } = tokio::time::timeout(LIMIT, self.child.wait_with_output())
            .await
            .expect("the binary did not end in time")
            .unwrap();
        let finished = Finished {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        };
        assert!(!finished.stdout.contains(&self.token), "token on stdout: {}", finished.stdout);
        assert!(!finished.stderr.contains(&self.token), "token on stderr: {}", finished.stderr);
        finished
    }
}

/// What the binary left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        let end = self.lines().pop().unwrap();
        assert_eq!((&end["event"], &end["exitCode"]), (&json!("end"), &json!(code)), "{end}");
        self
    }

    pub(crate) fn says(&self, text: &str) {
        assert!(self.stderr.contains(text), "`{text}` is missing in:\n{}", self.stderr);
    }

    /// All lines on stdout, each of which must be JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Polls until there is something, and fails with the name of what did not come.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn eventually_exists(path: PathBuf) {
    eventually(&format!("`{}`", path.display()), || path.exists().then_some(())).await;
}
