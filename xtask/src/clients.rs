//! The Python environment of the clients that judge the sandbox: Microsoft's command line and libraries, unmodified, in
//! the versions of `tests/clients/requirements.txt`. It comes from the Python package index into a folder of this
//! checkout, before the tests, so that none of them waits for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, output, say, shown};

/// Installs some 150 packages in seconds, where pip takes minutes.
const INSTALLER: &str = "uv==0.13.9";

const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };

/// The folder of the environment, which is made where it is not there or not of these versions.
pub(crate) fn environment(workspace: &Workspace) -> Result<PathBuf> {
    let wanted = wanted(workspace)?;
    fs_err::create_dir_all(&workspace.target)?;
    // One process makes it; another one that needs it waits here. The lock goes with the file.
    let lock = fs_err::File::create(workspace.target.join("clients.lock"))?;
    lock.file().lock().context("wait for whoever makes the clients' environment")?;
    let folder = workspace.target.join("clients");
    let made = folder.join("made-from.txt");
    if fs_err::read_to_string(&made).is_ok_and(|text| text == wanted) {
        return Ok(folder);
    }
    if folder.exists() {
        fs_err::remove_dir_all(&folder)?;
    }
    make(workspace, &folder)?;
    // Last, so that an environment that was left half made is made again.
    fs_err::write(&made, wanted)?;
    Ok(folder)
}

/// What the environment follows from: the packages, and the Python that they are for.
fn wanted(workspace: &Workspace) -> Result<String> {
    let python = output(Command::new(PYTHON).arg("--version"))?;
    Ok(format!("# {python}, {INSTALLER}\n{}", fs_err::read_to_string(requirements(workspace))?))
}

fn requirements(workspace: &Workspace) -> PathBuf {
    workspace.root.join("tests/clients/requirements.txt")
}

fn make(workspace: &Workspace, folder: &Path) -> Result<()> {
    fetched(
        Command::new(PYTHON).args(["-m", "venv"]).arg(folder),
        "is Python's venv installed (Debian: python3-venv)?",
    )?;
    let unreachable = "does this machine reach the Python package index?";
    let bin = bin(folder);
    fetched(
        Command::new(bin.join("pip")).args(["install", "--quiet", "--no-compile", INSTALLER]),
        unreachable,
    )?;
    let mut install = Command::new(bin.join("uv"));
    install.args(["pip", "install", "--quiet", "--no-deps", "--python"]).arg(python(folder));
    fetched(install.arg("--requirements").arg(requirements(workspace)), unreachable)
}

/// A step that needs the machine to be set up, with what to look at when it fails.
fn fetched(command: &mut Command, question: &str) -> Result<()> {
    say(&format!("==> clients: {}", shown(command)));
    let status = command.status().with_context(|| format!("start `{}`", shown(command)))?;
    if !status.success() {
        bail!(
            "the clients' environment cannot be made: `{}` ended with {status}: {question}",
            shown(command)
        );
    }
    Ok(())
}

fn bin(folder: &Path) -> PathBuf {
    folder.join(if cfg!(windows) { "Scripts" } else { "bin" })
}

fn python(folder: &Path) -> PathBuf {
    bin(folder).join(format!("python{}", std::env::consts::EXE_SUFFIX))
}
