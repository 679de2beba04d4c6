//! `cargo xtask fuzz`: builds the fuzz targets of `tests/fuzz` with cargo-fuzz and runs one after the other.
//!
//! On the pinned stable compiler: coverage instrumentation is an LLVM pass, which stable takes. Only the sanitizers would
//! need a nightly one, and they look for faults of unsafe code, of which the parsers have none.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::setup;
use crate::workspace::{Workspace, say, step};

/// Where the targets are, from the root.
const PACKAGE: &str = "tests/fuzz";
/// The one system that the targets are built for.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// A process that takes more MB than this is a finding.
const MOST_MEMORY: u32 = 2048;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these; all without a name
    target: Vec<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// An input that takes more seconds than this is a finding. They are those of the wall: give more on a busy machine
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    longest_input: u32,
    /// Print the names of the targets and end
    #[arg(long)]
    list: bool,
    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Install cargo-fuzz if it is missing
    #[arg(long)]
    install: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Default, PartialEq, Eq)]
enum Format {
    /// A table for people
    #[default]
    Table,
    /// One JSON document
    Json,
}

/// What became of one target.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    target: String,
    executions: u64,
    per_second: u64,
    corpus: u64,
    coverage: u64,
    /// Inputs that broke the target.
    findings: Vec<PathBuf>,
    /// Whether the target ran for its time.
    ended: bool,
}

/// Runs the targets. The exit code is 1 when one of them has a finding or did not end well.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let all = targets(workspace)?;
    if options.list {
        for name in &all {
            say(name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = options.target.iter().find(|name| !all.contains(name)) {
        bail!("there is no fuzz target `{unknown}`, only {}", all.join(", "));
    }
    setup::ensure(workspace, &setup::FUZZ, options.install)?;
    let chosen = if options.target.is_empty() { &all } else { &options.target };
    build(workspace)?;
    let mut rows = Vec::new();
    for name in chosen {
        rows.push(fuzz(workspace, name, options)?);
    }
    show(&rows, options.output)?;
    let good = rows.iter().all(|row| row.ended && row.findings.is_empty());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// One program for each target.
fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root.join(PACKAGE).join("targets");
    let mut names = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// A folder of its own, since everything is instrumented.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("fuzz")
}

fn build(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo(["fuzz", "build", "--fuzz-dir", PACKAGE, "--features", "libfuzzer"]);
    command.args(["--sanitizer", "none", "--no-cfg-fuzzing", "--codegen-units", "16", "--target", TRIPLE]);
    command.arg("--target-dir").arg(folder(workspace));
    // A stripped program cannot say where it was, and optimisation across crates takes the instrumentation apart.
    command.envs([("CARGO_PROFILE_RELEASE_STRIP", "none"), ("CARGO_PROFILE_RELEASE_LTO", "off")]);
    step("fuzz targets", command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "2"))
}

fn fuzz(workspace: &Workspace, name: &str, options: &Options) -> Result<Row> {
    let seconds = options.minutes * 60;
    let (grown, found) =
        (folder(workspace).join("corpus").join(name), folder(workspace).join("findings").join(name));
    fs_err::create_dir_all(&grown)?;
    fs_err::create_dir_all(&found)?;
    let before = files(&found)?;
    say(&format!("==> {name}, {seconds} s"));
    // New inputs go to the first folder; the kept ones are read alone.
    let ended = Command::new(folder(workspace).join(TRIPLE).join("release").join(name))
        .arg(&grown)
        .arg(workspace.root.join("fixtures/fuzz").join(name))
        .args([format!("-max_total_time={seconds}"), format!("-rss_limit_mb={MOST_MEMORY}")])
        .args([
            format!("-timeout={}", options.longest_input),
            format!("-artifact_prefix={}/", found.display()),
        ])
        .arg("-print_final_stats=1")
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("start the fuzz target `{name}`"))?;
    let text = String::from_utf8_lossy(&ended.stderr);
    let findings = files(&found)?.into_iter().filter(|file| !before.contains(file)).collect::<Vec<_>>();
    if !ended.status.success() {
        // The panic stands before the numbers.
        let lines: Vec<&str> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(40)..] {
            say(line);
        }
    }
    Ok(Row { target: name.to_owned(), findings, ended: ended.status.success(), ..read(&text) })
}

fn files(folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    fs_err::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// Reads libFuzzer's last lines: `#4207 DONE   cov: 812 ft: 2301 corp: 310/9Kb …` and `stat::…`.
fn read(text: &str) -> Row {
    let stat = |name: &str| {
        let line = text.lines().rev().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
    };
    let status =
        text.lines().rev().find(|line| line.starts_with('#') && line.contains(" cov: ")).unwrap_or_default();
    let after = |word: &str| {
        let rest = status.split_once(word).map(|(_, rest)| rest).unwrap_or_default();
        rest.split([' ', '/']).next().and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    Row {
        executions: stat("stat::number_of_executed_units:"),
        per_second: stat("stat::average_exec_per_sec:"),
        corpus: after(" corp: "),
        coverage: after(" cov: "),
        ..Row::default()
    }
}

fn show(rows: &[Row], format: Format) -> Result<()> {
    if format == Format::Json {
        println_json(rows)?;
        return Ok(());
    }
    say(&format!(
        "\n{:<18} {:>12} {:>9} {:>8} {:>9} {:>9}",
        "target", "executions", "per s", "corpus", "coverage", "findings"
    ));
    for row in rows {
        say(&format!(
            "{:<18} {:>12} {:>9} {:>8} {:>9} {:>9}{}",
            row.target,
            row.executions,
            row.per_second,
            row.corpus,
            row.coverage,
            row.findings.len(),
            if row.ended { "" } else { "  ended early" }
        ));
    }
    for row in rows {
        for file in &row.findings {
            say(&format!("\nfound: {}", file.display()));
            say(&format!("    keep it: cp {} fixtures/fuzz/{}/NAME", file.display(), row.target));
            say("    see it:  cargo nextest run -p fuzz");
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the document is what was asked for")]
fn println_json(rows: &[Row]) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(rows)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn the_numbers_of_a_run_are_read() {
        let row = read(
            "#2\tINITED cov: 10 ft: 10 corp: 1/1b exec/s: 0\n#4207\tDONE   cov: 812 ft: 2301 corp: 310/9Kb lim: 4 exec/s: 2\n\
             stat::number_of_executed_units: 4207\nstat::average_exec_per_sec:     2103\n",
        );
        assert_eq!((row.executions, row.per_second, row.corpus, row.coverage), (4207, 2103, 310, 812));
        assert_eq!(read("nothing").executions, 0);
    }
}
