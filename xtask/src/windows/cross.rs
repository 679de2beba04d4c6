//! The cross toolchain on Debian: its own compiler, the Windows library built once from the compiler's own source, mingw's
//! linker, and Wine with a prefix of this checkout. Cached by the compiler's version.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;

use crate::workspace::{Workspace, output, say, step};

const TARGET: &str = "x86_64-pc-windows-gnu";
/// Written last: a folder without it is begun anew.
const READY: &str = "ready";

/// The only thing that Wine 8 lacks of what Rust's library asks the system for.
const RANDOM: &str = "#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG); /* RtlGenRandom */
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE p, SIZE_T n) {
  while (n) { ULONG k = n > 0x10000000u ? 0x10000000u : (ULONG)n;
    if (!SystemFunction036(p, k)) return FALSE;
    p += k; n -= k; }
  return TRUE; }
";

/// How cargo and its programs are started for Windows.
pub(super) struct Toolchain {
    /// Nothing on Windows itself.
    folder: Option<PathBuf>,
}

impl Toolchain {
    /// Finds the toolchain made before, or makes it.
    pub(super) fn ready(workspace: &Workspace) -> Result<Self> {
        if cfg!(windows) {
            return Ok(Self { folder: None });
        }
        let version = output(Command::new("/usr/bin/rustc").arg("-vV"))?;
        let mut hasher = DefaultHasher::new();
        version.hash(&mut hasher);
        let folder = workspace.target.join("windows-cross").join(format!("{:016x}", hasher.finish()));
        let toolchain = Self { folder: Some(folder.clone()) };
        if folder.join(READY).exists() {
            return Ok(toolchain);
        }
        say(&format!("==> cross toolchain: into {}", folder.display()));
        if folder.exists() {
            fs::remove_dir_all(&folder).context("remove a toolchain that is not complete")?;
        }
        fs::create_dir_all(&folder)?;
        library(&folder)?;
        prefix(&folder)?;
        fs::write(folder.join(READY), version)?;
        Ok(toolchain)
    }

    /// Cargo for Windows, on a target folder of its own.
    pub(super) fn cargo(&self, workspace: &Workspace, arguments: &[&str]) -> Command {
        let Some(folder) = &self.folder else { return workspace.cargo(arguments) };
        let mut command = Command::new("/usr/bin/cargo");
        command
            .arg(arguments[0])
            .args(["--target", TARGET])
            .args(&arguments[1..])
            .current_dir(&workspace.root);
        debian(&mut command);
        command
            .env("CARGO_TARGET_DIR", target(workspace))
            .env(
                "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS",
                format!("--sysroot {}", folder.join("sysroot").display()),
            )
            .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", "x86_64-w64-mingw32-gcc");
        command
    }

    pub(super) fn clippy_driver(&self) -> &'static str {
        if self.folder.is_some() { "/usr/bin/clippy-driver" } else { "clippy-driver" }
    }

    /// A program that was built for Windows.
    pub(super) fn program(&self, executable: &Path) -> Command {
        let Some(folder) = &self.folder else { return Command::new(executable) };
        let mut command = wine("wine", folder);
        command.arg(executable);
        command
    }

    /// Where cargo leaves programs.
    pub(super) fn binaries(&self, workspace: &Workspace) -> PathBuf {
        match self.folder {
            Some(_) => target(workspace).join(TARGET).join("debug"),
            None => workspace.target.join("debug"),
        }
    }

    pub(super) fn runs_under(&self) -> &'static str {
        if self.folder.is_some() { "under Wine" } else { "natively" }
    }

    /// Keeps Wine's server between programs, until the answer is dropped.
    pub(super) fn keep_server(&self) -> Option<Server> {
        let folder = self.folder.clone()?;
        let started = wine("wineserver", &folder).arg("-p").status().is_ok_and(|status| status.success());
        started.then_some(Server(folder))
    }
}

/// Wine's server, which ends with all of its prefix.
pub(super) struct Server(PathBuf);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = wine("wineserver", &self.0).arg("-k").status();
    }
}

fn target(workspace: &Workspace) -> PathBuf {
    workspace.target.join("windows")
}

/// Debian's tools, whatever toolchain started this program.
fn debian(command: &mut Command) {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("/usr/bin:{path}")).env("RUSTC", "/usr/bin/rustc");
    for name in ["RUSTUP_TOOLCHAIN", "RUSTFLAGS", "LD_LIBRARY_PATH", "CARGO", "RUSTC_WRAPPER"] {
        command.env_remove(name);
    }
}

/// Builds the library of Windows once, so that builds of the workspace need no unstable switch.
fn library(folder: &Path) -> Result<()> {
    let build = folder.join("stdbuild");
    fs::create_dir_all(build.join("src"))?;
    fs::write(build.join("src/lib.rs"), "")?;
    fs::write(
        build.join("Cargo.toml"),
        "[package]\nname = \"stdbuild\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n",
    )?;
    let mut command = Command::new("/usr/bin/cargo");
    command.args(["build", "--quiet", "--release", "--target", TARGET]);
    command.arg("-Zbuild-std=std,panic_unwind,panic_abort,test,proc_macro").current_dir(&build);
    debian(&mut command);
    command.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", build.join("target"));
    step("Windows library", &mut command)?;
    let libraries = folder.join("sysroot/lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&libraries)?;
    for entry in fs::read_dir(build.join("target").join(TARGET).join("release/deps"))? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_library = file.extension().is_some_and(|extension| extension == "rlib");
        if is_library && !name.starts_with("libstdbuild") {
            fs::copy(&file, libraries.join(name))?;
        }
    }
    // Build scripts and macros run on this machine.
    #[cfg(unix)]
    fs::os::unix::fs::symlink(
        "/usr/lib/rustlib/x86_64-unknown-linux-gnu",
        folder.join("sysroot/lib/rustlib/x86_64-unknown-linux-gnu"),
    )?;
    fs::remove_dir_all(build)?;
    Ok(())
}

fn prefix(folder: &Path) -> Result<()> {
    step("Wine prefix", wine("wine", folder).args(["wineboot", "-i"]))?;
    step("Wine prefix", wine("wineserver", folder).arg("-w"))?;
    let source = folder.join("bcryptprimitives.c");
    fs::write(&source, RANDOM)?;
    let library = folder.join("prefix/drive_c/windows/system32/bcryptprimitives.dll");
    step(
        "random numbers for Wine",
        Command::new("x86_64-w64-mingw32-gcc")
            .args(["-shared", "-O2", "-s", "-o"])
            .arg(library)
            .arg(source)
            .arg("-ladvapi32"),
    )
}

fn wine(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env("WINEPREFIX", folder.join("prefix"))
        .env("WINEDEBUG", "-all")
        .env("DISPLAY", "")
        .env("WINEDLLOVERRIDES", "mscoree=;mshtml=;winemenubuilder.exe=d");
    command
}
