//! What the process says: a log for people on stderr, and one JSON object at each end of stdout for programs.

use std::fmt::Display;
use std::io::Write as _;

use jiff::{Timestamp, Unit};
use serde::Serialize;

use crate::exit::{Exit, Failure};

/// The first line on stdout, written as soon as the agent is registered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "event", rename = "start")]
pub(crate) struct StartLine<'a> {
    pub(crate) agent: &'a str,
    /// Identifier of the agent in its pool.
    pub(crate) agent_id: u64,
    pub(crate) pool: &'a str,
    pub(crate) url: &'a str,
    /// Image reference as given by the deployer.
    pub(crate) image: Option<&'a str>,
    /// Host name of the container.
    pub(crate) container: &'a str,
    /// When the container started.
    pub(crate) started: Timestamp,
}

/// The last line on stdout, written whatever happened.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "event", rename = "end")]
pub(crate) struct EndLine<'a> {
    pub(crate) agent: Option<&'a str>,
    pub(crate) agent_id: Option<u64>,
    pub(crate) exit_code: u8,
    pub(crate) reason: &'a str,
    pub(crate) duration_seconds: f64,
    /// How long the process now waits before it ends.
    pub(crate) hold_seconds: u64,
}

/// The system clock: this is the edge of the program, and what it measures is the real container.
#[expect(
    clippy::disallowed_methods,
    reason = "the entrypoint reports when its own container started and ended"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

pub(crate) fn seconds_since(started: Timestamp) -> f64 {
    let seconds = now().since(started).ok().and_then(|span| span.total(Unit::Millisecond).ok());
    seconds.map_or(0.0, |milliseconds| milliseconds.max(0.0).round() / 1000.0)
}

/// One line for people.
///
/// A log that cannot be written is no reason to end a job, so errors of the stream are ignored here and below.
pub(crate) fn log(message: impl Display) {
    let line = format!("{:.3} mayfly-entrypoint: {message}\n", now());
    pass_through(line.as_bytes());
}

/// Output of the agent, to stderr: stdout holds our two lines and nothing that a job could forge.
pub(crate) fn pass_through(bytes: &[u8]) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(bytes);
    let _ = stderr.flush();
}

pub(crate) fn event(event: &impl Serialize) {
    let Ok(mut line) = serde_json::to_vec(event) else { return };
    line.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(&line);
    let _ = stdout.flush();
}

pub(crate) fn failure(failure: &Failure) {
    log(format_args!("error: {failure} (exit code {})", failure.exit.code()));
    for hint in &failure.hints {
        log(format_args!("hint: {hint}"));
    }
}

/// Reports a failure, holds where a restart would not help, and gives the code to exit with.
pub(crate) fn end(
    problem: &Failure,
    agent: Option<&str>,
    started: Timestamp,
    hold: std::time::Duration,
    wait: impl FnOnce(std::time::Duration),
) -> Exit {
    failure(problem);
    let hold = if problem.exit.is_held() { hold } else { std::time::Duration::ZERO };
    if !hold.is_zero() {
        log(format_args!(
            "holding for {} s before the exit, because a restart alone does not cure this ({} sets the time)",
            hold.as_secs(),
            crate::variables::FATAL_HOLD.name
        ));
    }
    event(&EndLine {
        agent,
        agent_id: None,
        exit_code: problem.exit.code(),
        reason: &problem.message,
        duration_seconds: seconds_since(started),
        hold_seconds: hold.as_secs(),
    });
    if !hold.is_zero() {
        wait(hold);
    }
    problem.exit
}
