//! Running a task. There is no Node here: the task's `script` input is run by the shell itself.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::Command as Program,
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{
    JobResult, WorkerContext,
    commands::Command,
    record::{IssueKind, Record},
    variables::Variables,
};
use crate::{clock, environment::Environment, process::ProcessGroup, wire::Step};

/// After an interrupt a step has this long before it is told to terminate, then this long before it is killed
/// (azure-pipelines-agent: ProcessInvoker.cs).
const AFTER_INTERRUPT: Duration = Duration::from_millis(7500);
const AFTER_TERMINATE: Duration = Duration::from_millis(2500);
/// A background process may keep the output open; it is not waited for longer than this.
const OPEN_OUTPUT: Duration = Duration::from_secs(5);

/// What a step needs to run.
#[derive(Debug)]
pub(crate) struct Execution<'a> {
    pub(crate) context: &'a WorkerContext,
    pub(crate) step: &'a Step,
    pub(crate) record: &'a Record,
    pub(crate) environment: Environment,
    pub(crate) working_directory: PathBuf,
    pub(crate) temp: PathBuf,
    pub(crate) cancelled: &'a CancellationToken,
    /// Folders that earlier steps put in front of `PATH`.
    pub(crate) path_additions: &'a mut Vec<String>,
    /// Output variables: `step.name`, value, secret.
    pub(crate) outputs: &'a mut Vec<(String, crate::wire::Quiet, bool)>,
}

enum Output {
    Line(String),
    ErrorLine(String),
}

/// Runs the step once.
pub(crate) async fn run(
    mut execution: Execution<'_>,
    variables: &mut Variables,
) -> anyhow::Result<JobResult> {
    let (step, record) = (execution.step, execution.record);
    let shell = Shell::of(step)?;
    let script = step.input("script").with_context(|| {
        let known: Vec<&str> = step.inputs.keys().map(String::as_str).collect();
        format!(
            "this agent runs tasks with an input `script` alone; the task's inputs are: {}",
            known.join(", ")
        )
    })?;
    record.line("Generating script.");
    let script = variables.expand(script);
    let file = execution.temp.join(format!("{}.{}", clock::new_id(), shell.extension));
    fs_err::write(&file, (shell.prepare)(&script))?;
    let directory = match step.input("workingDirectory").map(|folder| variables.expand(folder)) {
        Some(folder) if !folder.is_empty() => execution.working_directory.join(folder),
        _ => execution.working_directory.clone(),
    };
    record.line("========================== Starting Command Output ===========================");
    record.line(&format!(
        "{} {}",
        shell.program,
        [shell.arguments, &[&file.display().to_string()]].concat().join(" ")
    ));

    let mut program = Program::new(shell.program);
    program
        .args(shell.arguments)
        .arg(&file)
        .current_dir(&directory)
        .env_clear()
        .envs(execution.environment.iter())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut group = ProcessGroup::spawn(&mut program)
        .with_context(|| format!("start {} in {}", shell.program, directory.display()))?;
    let (sender, mut output) = mpsc::channel(256);
    if let Some(out) = group.child.stdout.take() {
        tokio::spawn(read(out, sender.clone(), Output::Line));
    }
    if let Some(out) = group.child.stderr.take() {
        tokio::spawn(read(out, sender.clone(), Output::ErrorLine));
    }
    drop(sender);

    let mut watch = Watch::new(step.timeout_in_minutes);
    let mut completed = None;
    let mut wrote_errors = false;
    let mut status = None;
    let mut drained = false;
    let mut last_call: Option<tokio::time::Instant> = None;
    while status.is_none() || !drained {
        tokio::select! {
            line = output.recv(), if !drained => match line {
                Some(line) => {
                    let text = match line {
                        Output::Line(text) => text,
                        Output::ErrorLine(text) => {
                            wrote_errors = true;
                            text
                        }
                    };
                    match Command::parse(&text) {
                        Some(command) => {
                            if let Some(result) = obey(&mut execution, variables, &command) {
                                completed = Some(result);
                            }
                        }
                        None => record.line(&text),
                    }
                }
                None => drained = true,
            },
            ended = group.child.wait(), if status.is_none() => {
                status = Some(ended?);
                if watch.stage > 0 {
                    // Whoever else is in the group of a step that had to be stopped does not go on either.
                    group.kill();
                }
                last_call = Some(tokio::time::Instant::now() + OPEN_OUTPUT);
            }
            () = async {
                match last_call {
                    Some(end) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            }, if status.is_some() => {
                record.line("The output stayed open after the end of the script: a background process holds it.");
                drained = true;
            }
            () = watch.next(execution.cancelled), if status.is_none() => watch.act(&group),
        }
    }
    drop(fs_err::remove_file(&file));

    if watch.timed_out {
        record.issue(IssueKind::Error, "The task has timed out.");
        return Ok(JobResult::Failed);
    }
    if watch.cancelled {
        record.issue(IssueKind::Error, "The operation was canceled.");
        return Ok(JobResult::Canceled);
    }
    if let Some(result) = completed {
        return Ok(result);
    }
    let code = status.and_then(|status| status.code());
    if code != Some(0) {
        let shown = code.map_or_else(|| "a signal".to_owned(), |code| format!("code '{code}'"));
        record.issue(IssueKind::Error, &format!("{} exited with {shown}.", shell.title));
        return Ok(JobResult::Failed);
    }
    if wrote_errors && step.input("failOnStderr").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        record.issue(
            IssueKind::Error,
            &format!("{} wrote one or more lines to the standard error stream.", shell.title),
        );
        return Ok(JobResult::Failed);
    }
    Ok(JobResult::Succeeded)
}

/// Carries out a command of the step; the result that it declares, if it does.
fn obey(execution: &mut Execution<'_>, variables: &mut Variables, command: &Command) -> Option<JobResult> {
    let record = execution.record;
    match command.name.as_str() {
        "task.setvariable" => {
            let Some(name) = command.property("variable").filter(|name| !name.is_empty()) else {
                record.issue(
                    IssueKind::Error,
                    "Required field 'variable' is missing in ##vso[task.setvariable] command.",
                );
                return None;
            };
            let (secret, output) = (command.is_on("issecret"), command.is_on("isoutput"));
            let step_name = execution.step.name.as_deref().unwrap_or_default();
            let full = if output { format!("{step_name}.{name}") } else { name.to_owned() };
            let masker = &execution.context.masker;
            match variables.set_by_task(&full, &command.data, secret, command.is_on("isreadonly"), masker) {
                Ok(()) if output => {
                    execution.outputs.push((full, crate::wire::Quiet(command.data.clone()), secret));
                }
                Ok(()) => {}
                Err(refusal) => record.issue(IssueKind::Warning, &refusal),
            }
        }
        "task.complete" => {
            let result = command.property("result").unwrap_or_default();
            if !command.data.is_empty() {
                record.line(&command.data);
            }
            match JobResult::of_text(result) {
                Some(JobResult::Failed) => {
                    if !command.data.is_empty() {
                        record.issue(IssueKind::Error, &command.data);
                    }
                    return Some(JobResult::Failed);
                }
                Some(result) => return Some(result),
                None => record.issue(
                    IssueKind::Error,
                    &format!("Command doesn't have valid result value: '{result}'."),
                ),
            }
        }
        "task.logissue" => {
            let kind = if command.property("type").is_some_and(|kind| kind.eq_ignore_ascii_case("error")) {
                IssueKind::Error
            } else {
                IssueKind::Warning
            };
            record.issue(kind, &command.data);
        }
        "task.setsecret" => execution.context.masker.add_value(&command.data),
        "task.prependpath" => execution.path_additions.push(command.data.clone()),
        "task.debug" => {
            if variables.is_true("system.debug") {
                record.line(&format!("##[debug]{}", command.data));
            }
        }
        "task.setprogress" | "task.logdetail" => {}
        other => record.issue(IssueKind::Warning, &format!("##vso[{other}] is not supported by this agent.")),
    }
    None
}

async fn read(stream: impl AsyncRead + Unpin, sender: mpsc::Sender<Output>, wrap: fn(String) -> Output) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await.is_ok_and(|count| count > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
        if sender.send(wrap(text)).await.is_err() {
            return;
        }
        line.clear();
    }
}

/// Cancellation and time-out of one step, and the rising force that follows.
struct Watch {
    deadline: Option<tokio::time::Instant>,
    stage: u8,
    next: Option<tokio::time::Instant>,
    cancelled: bool,
    timed_out: bool,
}

impl Watch {
    fn new(minutes: u64) -> Self {
        let deadline = (minutes > 0)
            .then(|| tokio::time::Instant::now() + Duration::from_secs(minutes.saturating_mul(60)));
        Self { deadline, stage: 0, next: None, cancelled: false, timed_out: false }
    }

    /// Returns when something must be done to the step's processes.
    async fn next(&mut self, cancelled: &CancellationToken) {
        if let Some(next) = self.next {
            tokio::time::sleep_until(next).await;
            return;
        }
        if self.stage > 0 {
            std::future::pending::<()>().await;
        }
        let expired = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = cancelled.cancelled() => self.cancelled = true,
            () = expired => self.timed_out = true,
        }
    }

    fn act(&mut self, group: &ProcessGroup) {
        self.stage += 1;
        let now = tokio::time::Instant::now();
        self.next = match self.stage {
            1 => {
                group.interrupt();
                Some(now + AFTER_INTERRUPT)
            }
            2 => {
                group.terminate();
                Some(now + AFTER_TERMINATE)
            }
            _ => {
                group.kill();
                None
            }
        };
    }
}

/// The program that runs a script.
struct Shell {
    title: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    extension: &'static str,
    prepare: fn(&str) -> String,
}

impl Shell {
    fn of(step: &Step) -> anyhow::Result<Self> {
        if step.input("targetType").is_some_and(|kind| !kind.eq_ignore_ascii_case("inline")) {
            bail!("this agent runs inline scripts alone");
        }
        let task =
            step.reference.as_ref().map(|reference| reference.name.to_ascii_lowercase()).unwrap_or_default();
        if task == "powershell" {
            let core = step.input("pwsh").is_some_and(|value| value.eq_ignore_ascii_case("true"));
            return Ok(Self {
                title: "PowerShell",
                program: if core || !cfg!(windows) { "pwsh" } else { "powershell" },
                arguments: &["-NoLogo", "-NoProfile", "-NonInteractive", "-File"],
                extension: "ps1",
                prepare: |script| format!("$ErrorActionPreference = 'stop'\n{script}\n"),
            });
        }
        if cfg!(windows) && task != "bash" {
            return Ok(Self {
                title: "Cmd.exe",
                program: "cmd",
                arguments: &["/d", "/c"],
                extension: "cmd",
                prepare: |script| {
                    format!("@echo off\r\n{}\r\n", script.replace('\r', "").replace('\n', "\r\n"))
                },
            });
        }
        Ok(Self {
            title: "Bash",
            program: "bash",
            arguments: &["--noprofile", "--norc"],
            extension: "sh",
            prepare: |script| format!("{}\n", script.replace("\r\n", "\n")),
        })
    }
}
