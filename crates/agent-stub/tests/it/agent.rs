//! An installed agent in a folder of its own.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::server::PAT;

/// A folder with the agent's programs and scripts.
#[derive(Debug)]
pub(crate) struct InstalledAgent {
    folder: TempDir,
    url: String,
}

impl InstalledAgent {
    pub(crate) fn new(url: &str) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let agent = Self { folder, url: url.to_owned() };
        let bin = agent.path("bin");
        fs_err::create_dir_all(&bin).expect("bin");
        for (built, name) in [
            (env!("CARGO_BIN_EXE_agent-listener"), "Agent.Listener"),
            (env!("CARGO_BIN_EXE_agent-worker"), "Agent.Worker"),
        ] {
            if std::fs::hard_link(built, bin.join(name)).is_err() {
                fs_err::copy(built, bin.join(name)).expect("copied");
            }
        }
        fs_err::write(bin.join("agent.version"), "4.270.0\n").expect("version");
        let layout = Path::new(env!("CARGO_MANIFEST_DIR")).join("layout");
        for name in ["config.sh", "env.sh", "run.sh"] {
            fs_err::copy(layout.join(name), agent.path(name)).expect("script");
        }
        agent
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn script(&self, name: &str) -> Command {
        let mut command = Command::new("bash");
        command
            .arg(self.path(name))
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("AGENT_ALLOW_RUNASROOT", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// `config.sh` with the usual arguments.
    pub(crate) fn config(&self) -> Command {
        let mut command = self.script("config.sh");
        command.args(["--unattended", "--url", &self.url, "--auth", "PAT", "--token", PAT]);
        command.args(["--pool", "linux", "--agent", "a1", "--work", "_work", "--acceptTeeEula"]);
        command
    }

    pub(crate) fn configured(url: &str) -> Self {
        let agent = Self::new(url);
        let output = agent.config().output().expect("config.sh");
        assert!(output.status.success(), "{}", text(&output));
        agent
    }

    /// Every file of the agent but its programs, with its text.
    pub(crate) fn files(&self) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(folder).expect("folder") {
                let path = entry.expect("entry").path();
                if path.is_dir() {
                    if !path.ends_with("bin") {
                        folders.push(path);
                    }
                } else {
                    let bytes = fs_err::read(&path).expect("file");
                    found.push((path, String::from_utf8_lossy(&bytes).into_owned()));
                }
            }
        }
        found
    }
}

/// Standard output, then standard error.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Waits for the end of a child under a limit; the child is killed beyond it.
pub(crate) fn finish(mut child: Child, limit: Duration) -> Output {
    let id = child.id();
    let (sender, ended) = std::sync::mpsc::channel();
    let out = child.stdout.take();
    let err = child.stderr.take();
    std::thread::spawn(move || {
        use std::io::Read as _;
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut err) = err {
                drop(err.read_to_end(&mut bytes));
            }
            bytes
        });
        let mut stdout = Vec::new();
        if let Some(mut out) = out {
            drop(out.read_to_end(&mut stdout));
        }
        let stderr = reader.join().expect("reader");
        let status = child.wait().expect("status");
        drop(sender.send(Output { status, stdout, stderr }));
    });
    let Ok(output) = ended.recv_timeout(limit) else {
        drop(Command::new("kill").args(["-9", &id.to_string()]).status());
        let output = ended.recv_timeout(Duration::from_secs(5));
        panic!("the agent did not end within {limit:?}: {}", output.as_ref().map(text).unwrap_or_default());
    };
    output
}

/// Polls a condition until it holds.
pub(crate) async fn wait_for(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "{what} did not happen within {limit:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
