//! An agent image in a folder whose name has spaces and letters beyond ASCII.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fs_err as fs;
use serde_json::{Value, json};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_mins(2);

/// What the system needs in every environment.
const SYSTEM: [&str; 12] = [
    "ALLUSERSPROFILE",
    "APPDATA",
    "COMPUTERNAME",
    "COMSPEC",
    "LOCALAPPDATA",
    "PATH",
    "PATHEXT",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "USERPROFILE",
];

pub(crate) struct Image {
    folder: TempDir,
    pub(crate) agent: String,
    pub(crate) token: String,
    environment: BTreeMap<String, String>,
    http: reqwest::Client,
}

fn told(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: `cargo xtask windows` runs these tests with a server"))
}

impl Image {
    /// An image with the small agent, and a token of its own that the server takes.
    pub(crate) async fn new() -> Self {
        // Under Wine the compiler's path is one of drive Z.
        let base = std::path::absolute(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir_all(&base).unwrap();
        let folder = tempfile::Builder::new().prefix("Größe 試験 ").tempdir_in(base).unwrap();
        let root = folder.path();
        let mark = root.file_name().unwrap().to_str().unwrap().rsplit(' ').next().unwrap().to_owned();
        let built = PathBuf::from(told("MAYFLY_WINDOWS_TEST_AGENT"));
        fs::create_dir_all(root.join("agent/bin")).unwrap();
        place(Path::new(env!("CARGO_BIN_EXE_mayfly-entrypoint")), &root.join("mayfly-entrypoint.exe"));
        place(&built.join("agent-listener.exe"), &root.join("agent/bin/Agent.Listener.exe"));
        place(&built.join("agent-worker.exe"), &root.join("agent/bin/Agent.Worker.exe"));
        fs::write(root.join("agent/bin/agent.version"), "4.270.0\n").unwrap();
        for (name, content) in [
            ("config.cmd", include_str!("../../../agent-stub/layout/config.cmd")),
            ("run.cmd", include_str!("../../../agent-stub/layout/run.cmd")),
        ] {
            fs::write(root.join("agent").join(name), content.replace('\n', "\r\n")).unwrap();
        }
        let token = format!("canary{mark}x{:x}", std::process::id());
        let http = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        let agent = format!("web-{mark}");
        let mut environment: BTreeMap<String, String> =
            SYSTEM.iter().filter_map(|&name| Some((name.to_owned(), std::env::var(name).ok()?))).collect();
        for (name, value) in [
            ("AZDO_URL", told("MAYFLY_WINDOWS_TEST_URL")),
            ("AZDO_TOKEN", token.clone()),
            ("AZDO_POOL", "Default".to_owned()),
            ("AZDO_AGENT_NAME", agent.clone()),
            ("AZDO_FATAL_HOLD", "0".to_owned()),
        ] {
            environment.insert(name.to_owned(), value);
        }
        let image = Self { folder, agent, token, environment, http };
        image.control("tokens", &json!({"token": image.token})).await;
        image
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn unset(&mut self, name: &str) -> &mut Self {
        self.environment.remove(name);
        self
    }

    async fn control(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/{path}", told("MAYFLY_WINDOWS_TEST_CONTROL"));
        let answer = self.http.post(url).json(body).send().await.unwrap().error_for_status().unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default()
    }

    /// Queues a job for this agent alone; returns its id.
    pub(crate) async fn queue(&self, script: &str) -> String {
        let demand = format!("Agent.Name -equals {}", self.agent);
        let body = json!({"pool": "Default", "demands": [demand], "steps": [{"script": script}]});
        self.control("jobs", &body).await["jobId"].as_str().unwrap().to_owned()
    }

    /// A file of this folder as a script names it. The text of a batch file is read in the console's code page, which need
    /// not have the letters of the folder; a variable has them all.
    pub(crate) fn in_script(name: &str) -> String {
        format!("%AGENT_HOMEDIRECTORY%\\..\\{name}")
    }

    /// A job that says it is there and waits for the file `go`.
    pub(crate) async fn queue_waiting(&self, before: &str) -> String {
        let (ready, go) = (Self::in_script("ready"), Self::in_script("go"));
        self.queue(&format!("{before}\r\necho here> \"{ready}\"\r\n:wait\r\nif not exist \"{go}\" goto wait"))
            .await
    }

    pub(crate) async fn job(&self, id: &str) -> Value {
        let url = format!("{}/jobs/{id}", told("MAYFLY_WINDOWS_TEST_CONTROL"));
        let answer = self.http.get(url).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    pub(crate) fn start(&self) -> Run {
        let child = Command::new(self.file("mayfly-entrypoint.exe"))
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Run { child, token: self.token.clone() }
    }

    pub(crate) async fn run(&self) -> Finished {
        self.start().finish().await
    }
}

fn place(from: &Path, to: &Path) {
    std::fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop)).unwrap();
}

/// The binary while it runs.
pub(crate) struct Run {
    child: Child,
    token: String,
}

impl Run {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end. No output of any run may hold the token.
    pub(crate) async fn finish(self) -> Finished {
        let Self { child, token } = self;
        let output = tokio::task::spawn_blocking(move || child.wait_with_output());
        let output = tokio::time::timeout(LIMIT, output)
            .await
            .expect("the binary did not end in time")
            .unwrap()
            .unwrap();
        let finished = Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!finished.stdout.contains(&token), "token on stdout: {}", finished.stdout);
        assert!(!finished.stderr.contains(&token), "token on stderr: {}", finished.stderr);
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

/// Polls until there is something, and fails with the name of what did not come.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
