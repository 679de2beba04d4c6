//! A sandbox in the background.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use sandbox::{Instance, Record};

use crate::outcome::{Outcome, Problem};

/// How long it may take until every endpoint answers.
const READY: Duration = Duration::from_secs(90);

/// Starts this program again in the background, with the same words but `--detach`, `--agents` and `--seed`, and waits until
/// it serves.
pub(super) async fn start(instance: &Instance) -> Result<Record> {
    let program = std::env::current_exe().context("find this program")?;
    fs_err::create_dir_all(instance.folder())?;
    let log = fs_err::OpenOptions::new().create(true).append(true).open(instance.log_file())?.into_file();
    let mut command = Command::new(program);
    command.args(foreground_words(std::env::args().skip(1)));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    apart(&mut command);
    let mut child = command.spawn().context("start the sandbox in the background")?;
    ready(&mut child, instance).await
}

fn foreground_words(words: impl Iterator<Item = String>) -> Vec<String> {
    let (mut kept, mut skip) = (Vec::new(), false);
    for word in words {
        if skip {
            skip = false;
        } else if word == "--agents" || word == "--seed" {
            skip = true;
        } else if word != "--detach" && !word.starts_with("--agents=") && !word.starts_with("--seed=") {
            kept.push(word);
        }
    }
    kept
}

/// In a process group of its own, so that a Ctrl-C in this terminal does not end it.
fn apart(command: &mut Command) {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt;
        const DETACHED_PROCESS: u32 = 0x0000_0008;
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
        command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
    }
}

async fn ready(child: &mut Child, instance: &Instance) -> Result<Record> {
    let wait = async {
        loop {
            if let Ok(record) = Record::read(instance)
                && record.process_id == child.id()
            {
                return Ok(record);
            }
            if let Some(status) = child.try_wait().context("look after the sandbox")? {
                return Err(start_failed(instance, status.code()).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if let Ok(outcome) = tokio::time::timeout(READY, wait).await {
        return outcome;
    }
    let text = format!("start the sandbox `{instance}`: not ready after {} s", READY.as_secs());
    Err(Problem::new(Outcome::Failed, text).details(log_tail(instance)).into())
}

fn start_failed(instance: &Instance, code: Option<i32>) -> Problem {
    let outcome = match code {
        Some(2) => Outcome::Usage,
        Some(3) => Outcome::Refused,
        Some(4) => Outcome::Service,
        _ => Outcome::Failed,
    };
    // What the other process reported is the report; its own `error:` and `hint:` lines come with it.
    let mut lines = log_tail(instance);
    let start = lines.iter().rposition(|line| line.starts_with("error: ")).unwrap_or(0);
    let mut report = lines.split_off(start).into_iter();
    let first = report.next().unwrap_or_else(|| "the sandbox ended while it started".to_owned());
    let (hints, details): (Vec<_>, Vec<_>) = report.partition(|line| line.starts_with("hint: "));
    let problem = Problem::new(outcome, first.trim_start_matches("error: "))
        .details(details.into_iter().map(|line| line.trim_start().to_owned()).collect());
    hints.into_iter().fold(problem, |problem, hint| problem.hint(hint.trim_start_matches("hint: ")))
}

fn log_tail(instance: &Instance) -> Vec<String> {
    let text = fs_err::read_to_string(instance.log_file()).unwrap_or_default();
    let lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    lines[lines.len().saturating_sub(30)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_background_process_gets_the_same_words_but_three() {
        let words = [
            "sandbox",
            "up",
            "--agents",
            "2",
            "--seed",
            "a.yaml",
            "--detach",
            "--agents=3",
            "--seed=b",
            "--state",
            "kept",
        ];
        let kept = foreground_words(words.iter().map(|word| (*word).to_owned()));
        assert_eq!(kept, ["sandbox", "up", "--state", "kept"]);
    }
}
