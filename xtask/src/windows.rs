//! Everything of the workspace for Windows: lints, and the tests that need no Linux containers. On Linux with Debian's
//! cross compiler and Wine (`cross`), on Windows as it is.

mod cross;
mod mock;
mod report;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::setup;
use crate::workspace::{Workspace, output, say, shown};
use cross::Toolchain;
use report::{Outcome, Row};

/// Modules that start containers on a local engine. Wine has none, and a Windows engine runs no Linux containers.
const DOCKER: &str = "docker::";
/// No test program takes as long; one that waits for what never comes counts as failed.
const LIMIT: Duration = Duration::from_mins(10);
/// The package whose tests are all of that kind.
const STORIES: &str = "e2e";

/// One test program that cargo built.
struct Program {
    package: String,
    folder: PathBuf,
    target: String,
    executable: PathBuf,
}

/// What cargo could build.
struct Built {
    programs: Vec<Program>,
    /// Packages of which there is no test program.
    without: Vec<String>,
    /// Whether that was everything.
    whole: bool,
}

pub(crate) fn run(workspace: &Workspace, install: bool) -> Result<()> {
    let mut times = Vec::new();
    let mut timed = |what: &'static str, begin: Instant| times.push((what, begin.elapsed()));
    let begin = Instant::now();
    if cfg!(target_os = "linux") {
        setup::ensure(workspace, &setup::WINDOWS, install)?;
    } else if !cfg!(windows) {
        bail!("the Windows tests run on Linux (with Wine) and on Windows; this is neither");
    }
    let toolchain = Toolchain::ready(workspace)?;
    timed("toolchain", begin);

    let begin = Instant::now();
    let built = build(workspace, &toolchain)?;
    timed("clippy and build", begin);

    let begin = Instant::now();
    let mock = mock::Mock::start(workspace)?;
    timed("mock", begin);

    let begin = Instant::now();
    let rows = tests(workspace, &toolchain, &mock, &built.programs)?;
    timed("tests", begin);
    drop(mock);
    report::show(&rows, &built.without, &times, toolchain.runs_under());
    if !built.whole {
        bail!(
            "not everything builds for Windows, and what does not was not run; the compiler's output is above"
        );
    }
    if rows.iter().any(|row| row.outcome.failed > 0) {
        bail!("tests failed for Windows; their output is above");
    }
    Ok(())
}

/// A line of cargo's JSON.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Builds all tests and tells where they are. Clippy's driver is the compiler of our crates, so one build checks, lints and
/// links; `cargo clippy` before it would compile every dependency a second time. What fails does not hide the rest.
fn build(workspace: &Workspace, toolchain: &Toolchain) -> Result<Built> {
    let arguments = [
        "build",
        "--workspace",
        "--exclude",
        STORIES,
        "--tests",
        "--keep-going",
        "--message-format",
        "json-render-diagnostics",
    ];
    let mut command = toolchain.cargo(workspace, &arguments);
    command
        .env("RUSTC_WORKSPACE_WRAPPER", toolchain.clippy_driver())
        // How `cargo clippy` tells its driver what `-D warnings` after the dashes means.
        .env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__");
    say(&format!("==> build: {}", shown(&command)));
    let answer = command.stderr(Stdio::inherit()).output().context("start cargo")?;
    let mut programs = Vec::new();
    for line in String::from_utf8_lossy(&answer.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Message>(line) else { continue };
        let (Some(executable), Some(manifest), Some(target)) =
            (message.executable, message.manifest_path, message.target)
        else {
            continue;
        };
        if !message.profile.is_some_and(|profile| profile.test) {
            continue;
        }
        let folder = manifest.parent().context("a manifest lies in a folder")?.to_owned();
        let package = name(&folder);
        programs.push(Program { package, folder, target: target.name, executable });
    }
    programs.sort_by(|one, other| (&one.package, &one.target).cmp(&(&other.package, &other.target)));
    if programs.is_empty() {
        bail!("no test builds for Windows; see the output above");
    }
    let mut without = packages(workspace)?;
    without.retain(|package| programs.iter().all(|program| program.package != *package));
    Ok(Built { programs, without, whole: answer.status.success() })
}

/// The packages that are tested here, each by the name of its folder.
fn packages(workspace: &Workspace) -> Result<Vec<String>> {
    let mut packages = vec!["xtask".to_owned()];
    for entry in fs_err::read_dir(workspace.root.join("crates"))? {
        let folder = entry?.path();
        if folder.join("Cargo.toml").exists() {
            packages.push(name(&folder));
        }
    }
    packages.sort();
    Ok(packages)
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn tests(
    workspace: &Workspace,
    toolchain: &Toolchain,
    mock: &mock::Mock,
    programs: &[Program],
) -> Result<Vec<Row>> {
    let _server = toolchain.keep_server();
    let logs = workspace.target.join("windows-tests");
    fs_err::create_dir_all(&logs)?;
    let mut rows = Vec::new();
    for program in programs {
        let mut command = toolchain.program(&program.executable);
        command
            .args(["--test-threads", "2", "--skip", DOCKER])
            .current_dir(&program.folder)
            .env("CARGO_MANIFEST_DIR", &program.folder)
            // The snapshots are found without asking cargo, which is not there.
            .env("INSTA_WORKSPACE_ROOT", &workspace.root)
            .env("INSTA_UPDATE", "no")
            .env("MAYFLY_WINDOWS_TEST_AGENT", toolchain.binaries(workspace))
            .envs(mock.environment());
        say(&format!("==> {} ({})", program.package, program.target));
        let log = logs.join(format!("{}-{}.log", program.package, program.target));
        let outcome = one(&mut command, &log)
            .with_context(|| format!("run the tests `{}` of {}", program.target, program.package))?;
        let left_out = if outcome.left_out > 0 { containers(toolchain, program)? } else { Vec::new() };
        rows.push(Row {
            package: program.package.clone(),
            target: program.target.clone(),
            outcome,
            left_out,
        });
    }
    Ok(rows)
}

/// The names of the tests that start containers.
fn containers(toolchain: &Toolchain, program: &Program) -> Result<Vec<String>> {
    let list =
        output(toolchain.program(&program.executable).args([DOCKER, "--list"]).current_dir(&program.folder))?;
    Ok(list.lines().filter_map(|line| line.trim_end().strip_suffix(": test")).map(str::to_owned).collect())
}

/// Runs one test program. What it prints goes into the log, and is shown where something failed. A file takes it rather
/// than a pipe, which a process that the tests left would hold open.
fn one(command: &mut Command, log: &Path) -> Result<Outcome> {
    let begin = Instant::now();
    let file = fs_err::File::create(log)?.into_file();
    let mut child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
    let ended = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begin.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let text = String::from_utf8_lossy(&fs_err::read(log)?).into_owned();
    let summary = text.lines().find_map(Outcome::parse);
    let mut outcome = summary.unwrap_or_default();
    // A program that dies half way, or has no end, has failed, whatever it counted.
    if !ended.is_some_and(|status| status.success()) && outcome.failed == 0 {
        outcome.failed = 1;
    }
    if outcome.failed > 0 {
        say(&text);
        if ended.is_none() {
            say(&format!("ended after {} s without a result", LIMIT.as_secs()));
        }
    } else if summary.is_none() {
        bail!("it ended well but ran no test harness: {}", text.trim());
    }
    outcome.time = begin.elapsed().max(Duration::from_millis(1));
    Ok(outcome)
}
