//! What a machine needs, what of it is missing, and how to get it.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::workspace::{Workspace, say, step, succeeds};

/// One thing that a command cannot do without.
pub(crate) struct Need {
    name: &'static str,
    why: &'static str,
    present: fn() -> bool,
    /// Commands that bring it, in order, each as words.
    remedy: fn() -> Vec<Vec<&'static str>>,
}

const DOCKER: Need = Need {
    name: "Docker engine",
    why: "every agent is a container",
    present: || succeeds("docker", &["--version"]) && dockerd_present(),
    remedy: || apt("docker.io"),
};

const DOCKER_DAEMON: Need = Need {
    name: "running Docker daemon",
    why: "`docker info` gets no answer",
    present: || succeeds("docker", &["info"]),
    remedy: start_docker,
};

const MMDEBSTRAP: Need = Need {
    name: "mmdebstrap",
    why: "makes the Debian base image from packages where no image can be pulled",
    present: || succeeds("mmdebstrap", &["--version"]),
    remedy: || apt("mmdebstrap"),
};

const NEXTEST: Need = Need {
    name: "cargo-nextest",
    why: "runs the tests in their groups",
    present: || succeeds("cargo", &["nextest", "--version"]),
    remedy: || vec![vec!["cargo", "install", "--locked", "--debug", "cargo-nextest"]],
};

const NODE: Need = Need {
    name: "Node",
    why: "runs the tasks that the mock Azure DevOps serves, as the agent does",
    present: || succeeds("node", &["--version"]),
    remedy: || apt("nodejs"),
};

const DENY: Need = Need {
    name: "cargo-deny",
    why: "checks licences, sources and banned crates",
    present: || succeeds("cargo", &["deny", "--version"]),
    remedy: || vec![vec!["cargo", "install", "--locked", "--debug", "cargo-deny"]],
};

const CARGO_FUZZ: Need = Need {
    name: "cargo-fuzz",
    why: "builds the fuzz targets",
    present: || succeeds("cargo", &["fuzz", "--version"]),
    remedy: || vec![vec!["cargo", "install", "--locked", "cargo-fuzz", "--version", "0.13.1"]],
};

const VENV: Need = Need {
    name: "Python's venv",
    why: "holds the linters of workflow and pipeline files, and the clients that judge the sandbox",
    present: || succeeds("python3", &["-c", "import venv, ensurepip"]),
    remedy: || apt("python3-venv"),
};

const CROSS: Need = Need {
    name: "Rust compiler of Debian with its library source, mingw's linker, Wine",
    why: "builds and runs the Windows programs",
    present: || {
        succeeds("/usr/bin/clippy-driver", &["--version"])
            && succeeds("/usr/bin/cargo", &["--version"])
            && std::path::Path::new("/usr/lib/rustlib/src/rust/library/std").exists()
            && succeeds("x86_64-w64-mingw32-gcc", &["--version"])
            && succeeds("wine", &["--version"])
    },
    // The compiler's packages must be of one version, so all come in one command.
    remedy: || {
        let mut install = vec!["apt-get", "install", "--yes", "--no-install-recommends"];
        install.extend(["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"]);
        install.extend(["gcc-mingw-w64-x86-64-win32", "wine", "wine64"]);
        vec![vec!["apt-get", "update"], install]
    },
};

/// For the demo.
pub(crate) const DEMO: [Need; 3] = [MMDEBSTRAP, DOCKER, DOCKER_DAEMON];
/// For the tests.
pub(crate) const TESTS: [Need; 6] = [MMDEBSTRAP, DOCKER, DOCKER_DAEMON, NEXTEST, NODE, VENV];
/// For the Windows tests on Linux.
pub(crate) const WINDOWS: [Need; 1] = [CROSS];
/// For the fuzz targets.
pub(crate) const FUZZ: [Need; 1] = [CARGO_FUZZ];
/// For the lint job.
pub(crate) const LINT: [Need; 2] = [DENY, VENV];

/// Checks the needs in order. With `install` what is missing is brought; without, the exact commands are printed and
/// the machine stays as it is.
pub(crate) fn ensure(workspace: &Workspace, needs: &[Need], install: bool) -> Result<()> {
    let mut missing = Vec::new();
    for need in needs {
        if (need.present)() {
            continue;
        }
        if !install {
            missing.push(need);
            continue;
        }
        say(&format!("missing: {} ({})", need.name, need.why));
        for words in (need.remedy)() {
            step(
                &format!("install {}", need.name),
                Command::new(words[0]).args(&words[1..]).current_dir(&workspace.root),
            )?;
        }
        if !appears(need) {
            bail!("{} is still missing after its installation; see the output above", need.name);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        say(&format!("missing: {} ({})", need.name, need.why));
        for words in (need.remedy)() {
            // `sh -c` is how a line is started from here; a person types the line.
            let typed = if words[..2] == ["sh", "-c"] { words[2].to_owned() } else { words.join(" ") };
            say(&format!("    {typed}"));
        }
    }
    bail!(
        "{} missing; type the commands above as root, or run this again with --install",
        count(missing.len())
    )
}

fn count(missing: usize) -> String {
    if missing == 1 { "one thing is".to_owned() } else { format!("{missing} things are") }
}

/// A daemon takes a moment to answer after it was started.
fn appears(need: &Need) -> bool {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if (need.present)() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

fn apt(package: &'static str) -> Vec<Vec<&'static str>> {
    vec![vec!["apt-get", "update"], vec!["apt-get", "install", "--yes", "--no-install-recommends", package]]
}

fn dockerd_present() -> bool {
    // The client alone is not enough, unless it already reaches an engine (Docker Desktop has no `dockerd` here).
    succeeds("dockerd", &["--version"]) || succeeds("docker", &["info"])
}

/// The service where there is one; where its script cannot set its limits (in containers, for one), the daemon itself.
fn start_docker() -> Vec<Vec<&'static str>> {
    let start = if std::path::Path::new("/run/systemd/system").exists() {
        "systemctl start docker"
    } else if std::path::Path::new("/etc/init.d/docker").exists() {
        "service docker start || nohup setsid dockerd >/var/log/dockerd.log 2>&1 &"
    } else {
        "nohup setsid dockerd >/var/log/dockerd.log 2>&1 &"
    };
    vec![vec!["sh", "-c", start]]
}
