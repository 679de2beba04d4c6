//! `mayfly-entrypoint`: the first process of the agent image.
//!
//! It takes the settings and the token from the environment, asks the server whether they are any good, registers the agent
//! under its fixed name and runs it for one job. It exists because none of that may be left to a shell script: the job must
//! never be able to read the token, and what the job leaves running must not outlive it.
//!
//! The process goes through three images of itself (`handover`): `start` checks and asks, `resume` registers the agent and
//! then, with the token gone from memory and environment, runs it. `lifecycle` holds the order as types, `platform` the two
//! twins for Linux and Windows. It does not deregister the agent: that takes a token, and the token is gone.

mod cli;
mod credential;
mod diagnostics;
mod drain;
mod environment;
mod exit;
mod handover;
mod health;
mod layer;
mod layout;
mod lifecycle;
mod platform;
mod preflight;
mod reach;
mod redact;
mod report;
mod resume;
mod settings;
mod start;
mod token;
mod trust;
mod update;
mod variables;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use crate::cli::Arguments;
use crate::exit::{Exit, Failure};
use crate::platform::Signals;
use crate::variables::Variables;

fn main() -> ExitCode {
    let started = report::now();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    if let Some(url) = &arguments.reach {
        return reach::run(url).into();
    }
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(error) => {
            report::log(format_args!("error: take the signals of this process: {error}"));
            return Exit::AgentFailed.into();
        }
    };
    if let Some(descriptor) = arguments.resume {
        return resume::run(descriptor, &signals).map_or_else(
            || {
                let failure = Failure::configuration("--resume is not for use by hand; see --help");
                report::end(&failure, None, started, hold_by_hand(), |time| signals.wait(time)).into()
            },
            ExitCode::from,
        );
    }
    #[cfg(windows)]
    if !arguments.prepare {
        return platform::guard().map_or_else(|error| unguarded(&error, started, &signals), ExitCode::from);
    }
    match start::run(Variables::new(std::env::vars_os()), started, &signals) {
        Ok(exit) => exit.into(),
        Err(ending) => start::report(&ending, started, &signals).into(),
    }
}

/// The stages could not be started or forgotten about; then nothing of them runs.
#[cfg(windows)]
fn unguarded(error: &std::io::Error, started: jiff::Timestamp, signals: &Signals) -> ExitCode {
    let failure = Failure::agent(format!("start the stages of this process: {error}"));
    report::end(&failure, None, started, Duration::ZERO, |time| signals.wait(time)).into()
}

/// Help goes to stdout and is no error; a wrong command line is bad configuration.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Done.into();
    }
    if let Ok(signals) = Signals::block() {
        signals.wait(hold_by_hand());
    }
    Exit::Configuration.into()
}

/// A wrong command line is held in a container, where a restart would repeat it, and not on a terminal.
fn hold_by_hand() -> Duration {
    if platform::is_first_process() { Duration::from_mins(5) } else { Duration::ZERO }
}
