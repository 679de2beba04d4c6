//! One child, its output and its end.

use std::io::{self, Read};
use std::os::windows::io::AsRawHandle as _;
use std::os::windows::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Instant;

use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};
use windows_sys::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

use super::job::Job;
use super::{LOOK, Signals};
use crate::health::Health;
use crate::platform::{Ended, Event, Launch, Stream};

/// A running child, with all that it starts in a job object of its own.
#[derive(Debug)]
pub(crate) struct Child<'a> {
    process: std::process::Child,
    job: Job,
    signals: &'a Signals,
    output: Receiver<(Stream, Vec<u8>)>,
    ended: Option<Ended>,
}

impl<'a> Child<'a> {
    pub(crate) fn start(launch: &Launch<'_>, signals: &'a Signals) -> io::Result<Self> {
        let job = Job::new()?;
        let mut process = Command::new(&launch.program)
            .args(launch.arguments)
            .env_clear()
            .envs(launch.environment)
            .envs(launch.inputs.iter().copied())
            .current_dir(&launch.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .creation_flags(CREATE_NEW_PROCESS_GROUP)
            .spawn()?;
        // What it might start before this is in the job of the first stage and ends with that.
        job.add(process.as_raw_handle())?;
        let (sender, output) = mpsc::channel();
        if let Some(pipe) = process.stdout.take() {
            read(Stream::Output, pipe, sender.clone());
        }
        if let Some(pipe) = process.stderr.take() {
            read(Stream::Error, pipe, sender);
        }
        Ok(Self { process, job, signals, output, ended: None })
    }

    /// The next event, waited for no longer than until `deadline`. Meanwhile `health` answers.
    pub(crate) fn next_event(&mut self, deadline: Option<Instant>, health: &mut Health) -> io::Result<Event> {
        loop {
            health.turn();
            if self.signals.stop_requested() {
                return Ok(Event::Stop);
            }
            if self.ended.is_none()
                && let Some(status) = self.process.try_wait()?
            {
                self.ended = Some(Ended::Code(status.code().unwrap_or(-1)));
                // The listener's end is the end of all: it also closes the pipes that survivors hold open.
                self.job.end()?;
            }
            match self.output.recv_timeout(LOOK) {
                Ok((stream, bytes)) => return Ok(Event::Output(stream, bytes)),
                Err(RecvTimeoutError::Disconnected) => {
                    if let Some(ended) = self.ended {
                        return Ok(Event::Exited(ended));
                    }
                    // The child closed its output and goes on.
                    std::thread::sleep(LOOK);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(Event::Quiet);
            }
        }
    }

    /// Asks the child to end. This is the only console event that reaches a process group.
    #[expect(unsafe_code, reason = "the standard library sends no console events")]
    pub(crate) fn interrupt(&self) {
        // SAFETY: takes integers.
        unsafe {
            GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, self.process.id());
        }
    }

    /// Ends the child and all that it started at once.
    pub(crate) fn kill(&self) {
        if let Err(error) = self.job.end() {
            crate::report::log(format_args!("warning: end the processes of the agent: {error}"));
        }
    }
}

fn read(stream: Stream, mut pipe: impl Read + Send + 'static, sender: Sender<(Stream, Vec<u8>)>) {
    std::thread::spawn(move || {
        let mut bytes = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = pipe.read(&mut bytes) {
            if sender.send((stream, bytes[..length].to_vec())).is_err() {
                return;
            }
        }
    });
}

/// The job object of each child has ended all of them.
#[expect(clippy::unnecessary_wraps, reason = "the twin can fail")]
pub(crate) fn end_survivors(_signals: &Signals) -> io::Result<()> {
    Ok(())
}
