//! The first process of the container, which lives as long as the container does.
//!
//! The job runs as the same user and can read this process whole: environment block, memory, command line. So it does nothing
//! with the token. It starts the process that does, forgets what it was itself started with, and waits. The process that held
//! the token has ended, and its memory with it, before the one that runs the agent begins.

use std::io::{self, Read, Write as _};
use std::os::windows::io::AsRawHandle as _;
use std::process::{Command, ExitStatus, Stdio};

use super::job::Job;
use super::{block, stage};
use crate::exit::Exit;
use crate::handover::Handover;

/// The argument of the process that checks and registers.
pub(crate) const PREPARE: &str = "--prepare";
/// Begins a handover on a stream that else carries lines of JSON.
pub(super) const HANDOVER: u8 = 0;

/// Runs the stages one after the other.
pub(crate) fn guard() -> io::Result<Exit> {
    let executable = std::env::current_exe()?;
    // Should this process be ended from outside, the stages end with it, and with them what they started. This process is no
    // member itself: closing the job would end it too, and with a foreign exit code.
    let job = Job::new()?;
    let mut prepare = Command::new(&executable).arg(PREPARE).stdout(Stdio::piped()).spawn()?;
    job.add(prepare.as_raw_handle())?;
    block::forget()?;
    let handover = match prepare.stdout.take() {
        Some(output) => pass_on(output)?,
        None => None,
    };
    let ended = exit(prepare.wait()?);
    let Some(frame) = handover.filter(|_| matches!(ended, Exit::Done)) else {
        return Ok(ended);
    };
    let (next, _) = Handover::read(&mut frame.as_slice())?;
    let mut supervise = stage(&executable, &next.plan.environment).stdout(Stdio::inherit()).spawn()?;
    job.add(supervise.as_raw_handle())?;
    if let Some(mut input) = supervise.stdin.take() {
        input.write_all(&frame)?;
    }
    Ok(exit(supervise.wait()?))
}

/// Passes lines on as they come, until the stream ends or a handover begins, which is returned. It holds no secret.
fn pass_on(mut output: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut first = [0];
    if output.read(&mut first)? == 0 {
        return Ok(None);
    }
    if first[0] == HANDOVER {
        let mut frame = Vec::new();
        output.read_to_end(&mut frame)?;
        return Ok(Some(frame));
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(&first)?;
    let mut bytes = [0; 4096];
    loop {
        // A log that cannot be written is no reason to end a job.
        let length = output.read(&mut bytes)?;
        if length == 0 {
            return Ok(None);
        }
        let _ = stdout.write_all(&bytes[..length]).and_then(|()| stdout.flush());
    }
}

pub(super) fn exit(status: ExitStatus) -> Exit {
    let code = status.code();
    Exit::ALL.into_iter().find(|exit| code == Some(exit.code().into())).unwrap_or(Exit::AgentFailed)
}
