//! What the commands run: `mayfly`, the static entrypoint and the packed stub agent.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::workspace::{Workspace, output, say};

const STATIC_TARGET: &str = "x86_64-unknown-linux-gnu";
/// The version that the stub agent is packed as.
const AGENT_VERSION: &str = "4.270.0";

/// Paths of what was built.
pub(crate) struct Artifacts {
    pub(crate) mayfly: PathBuf,
    pub(crate) entrypoint: PathBuf,
    pub(crate) packages: PathBuf,
}

/// Builds all of it; a second call is quick.
pub(crate) fn build(workspace: &Workspace) -> Result<Artifacts> {
    let quiet = ["--quiet"];
    let mut tools = workspace.cargo(["build"]);
    run(tools.args(quiet).args(["-p", "mayfly", "-p", "agent-stub"]))?;
    let entrypoint = entrypoint(workspace)?;
    let packages = packages(workspace)?;
    let mayfly = workspace.target.join("debug").join(executable("mayfly"));
    Ok(Artifacts { mayfly, entrypoint, packages })
}

/// The image's PID 1.
fn entrypoint(workspace: &Workspace) -> Result<PathBuf> {
    linked_statically(workspace, "entrypoint", "mayfly-entrypoint")
}

/// What an attacker's job runs in `cargo xtask leakscan`.
pub(crate) fn leak_hunter(workspace: &Workspace) -> Result<PathBuf> {
    linked_statically(workspace, "leak-hunter", "leak-hunter")
}

/// A program that starts in any image. Its flags belong to this target alone, so that nothing else is built twice. It
/// names no folder of this machine, so that two checkouts build the same program.
fn linked_statically(workspace: &Workspace, package: &str, program: &str) -> Result<PathBuf> {
    let mut command = workspace.cargo(["build", "--quiet", "--release", "-p", package]);
    if !cfg!(target_os = "linux") {
        run(&mut command)?;
        return Ok(workspace.target.join("release").join(executable(program)));
    }
    command.args(["--target", STATIC_TARGET, "--config"]);
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    flags.push(format!("--remap-path-prefix={}=/mayfly", workspace.root.display()));
    if let Some(home) = cargo_home() {
        flags.push(format!("--remap-path-prefix={}=/cargo", home.display()));
    }
    command.arg(format!("target.{STATIC_TARGET}.rustflags={flags:?}"));
    run(&mut command)?;
    list_crates(workspace, package, program)?;
    Ok(workspace.target.join(STATIC_TARGET).join("release").join(program))
}

/// Where cargo keeps the sources of dependencies.
fn cargo_home() -> Option<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
}

/// Leaves the list of a program's crates beside it, for the list of what is in the image.
fn list_crates(workspace: &Workspace, package: &str, program: &str) -> Result<()> {
    let mut tree =
        workspace.cargo(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let list =
        output(tree.args(["--package", package, "--target", STATIC_TARGET])).context("list the crates")?;
    let file = workspace.target.join(STATIC_TARGET).join("release").join(format!("{program}.crates"));
    Ok(fs_err::write(file, list)?)
}

fn packages(workspace: &Workspace) -> Result<PathBuf> {
    let out = workspace.target.join("agent-package");
    fs_err::create_dir_all(&out)?;
    let bin = slim(workspace)?;
    let os = if cfg!(windows) { "windows" } else { "linux" };
    let mut pack = Command::new(workspace.target.join("debug").join(executable("pack-agent")));
    pack.args(["--version", AGENT_VERSION, "--os", os, "--bin-dir"]).arg(&bin).arg("--out").arg(&out);
    output(&mut pack).context("pack the stub agent")?;
    Ok(out)
}

/// The stub agent's programs without debug information: a fifth of the size, which is packed, pushed and pulled often.
fn slim(workspace: &Workspace) -> Result<PathBuf> {
    let (from, to) = (workspace.target.join("debug"), workspace.target.join("agent-bin"));
    fs_err::create_dir_all(&to)?;
    for name in ["agent-listener", "agent-worker"] {
        let (source, slim) = (from.join(executable(name)), to.join(executable(name)));
        let current = fs_err::metadata(&slim).and_then(|made| made.modified()).ok();
        if current.is_some_and(|current| {
            fs_err::metadata(&source).and_then(|m| m.modified()).is_ok_and(|m| m < current)
        }) {
            continue;
        }
        fs_err::copy(&source, &slim)?;
        if cfg!(target_os = "linux") {
            // `strip` comes with the linker that built them.
            output(Command::new("strip").arg(&slim)).context("strip the stub agent")?;
        }
    }
    Ok(to)
}

impl Artifacts {
    /// The environment in which `mayfly` finds the rest.
    pub(crate) fn environment(&self, workspace: &Workspace) -> [(&'static str, PathBuf); 4] {
        [
            ("MAYFLY_ENTRYPOINT", self.entrypoint.clone()),
            ("MAYFLY_AGENT_PACKAGES", self.packages.clone()),
            ("MAYFLY_CACHE_DIR", workspace.target.join("mayfly-cache")),
            ("MAYFLY_HOME", workspace.target.join("mayfly")),
        ]
    }

    /// Runs `mayfly` with the caller's words, terminal and exit code.
    pub(crate) fn run_mayfly(&self, workspace: &Workspace, words: &[OsString]) -> Result<ExitCode> {
        let mut command = Command::new(&self.mayfly);
        let status = command
            .args(words)
            .envs(self.environment(workspace))
            .status()
            .with_context(|| format!("start `{}`", self.mayfly.display()))?;
        Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
    }
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().context("start cargo")?;
    if !status.success() {
        say("the build failed; nothing was started");
        anyhow::bail!("`cargo build` ended with {status}");
    }
    Ok(())
}

pub(crate) fn executable(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}
