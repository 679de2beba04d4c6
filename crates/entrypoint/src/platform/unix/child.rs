//! One child, its output and its end; and the only caller of `waitpid`.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fs_err as fs;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use super::privileges::{Target, give_up};
use super::{Signals, timeout};
use crate::health::Health;
use crate::platform::{Ended, Event, Launch, Stream};

/// A running child. It leads a session and a process group, and signals go to the whole group.
#[derive(Debug)]
pub(crate) struct Child<'a> {
    pid: Pid,
    signals: &'a Signals,
    pipes: Vec<(Stream, File)>,
    ended: Option<Ended>,
}

impl<'a> Child<'a> {
    #[expect(unsafe_code, reason = "giving up privileges must happen in the child, before the exec")]
    pub(crate) fn start(launch: &Launch<'_>, signals: &'a Signals) -> io::Result<Self> {
        let target = Target::new(launch.uid, launch.gid);
        if !target.may_empty_bounding_set {
            crate::report::log(
                "this container may not change its capability bounding set; no-new-privileges closes it to the job",
            );
        }
        let mut command = Command::new(&launch.program);
        command
            .args(launch.arguments)
            .env_clear()
            .envs(launch.environment)
            .envs(launch.inputs.iter().copied())
            .current_dir(&launch.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // SAFETY: this process has one thread, and the function makes system calls only.
        unsafe {
            command.pre_exec(move || give_up(target));
        }
        let mut process = command.spawn()?;
        let pid = Pid::from_raw(i32::try_from(process.id()).map_err(io::Error::other)?);
        let mut pipes = Vec::new();
        if let Some(pipe) = process.stdout.take() {
            pipes.push((Stream::Output, reader(pipe.into())?));
        }
        if let Some(pipe) = process.stderr.take() {
            pipes.push((Stream::Error, reader(pipe.into())?));
        }
        // The handle of the standard library is dropped unused: it would want to wait for the child itself.
        Ok(Self { pid, signals, pipes, ended: None })
    }

    /// The next event, waited for no longer than until `deadline`. Meanwhile `health` answers.
    pub(crate) fn next_event(&mut self, deadline: Option<Instant>, health: &mut Health) -> io::Result<Event> {
        loop {
            health.turn();
            if self.signals.stop_requested() {
                return Ok(Event::Stop);
            }
            if self.ended.is_none() {
                self.ended = reap(Some(self.pid));
            }
            if let Some(event) = self.read() {
                return Ok(event);
            }
            if let Some(ended) = self.ended {
                return Ok(Event::Exited(ended));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Event::Quiet);
            }
            let patience = health.deadline().map(|until| until.saturating_duration_since(Instant::now()));
            let longest = Duration::from_mins(1);
            self.wait(left.unwrap_or(longest).min(patience.unwrap_or(longest)), health)?;
        }
    }

    /// What the pipes hold right now. A survivor may keep them open after the child's end, so nobody waits for their end.
    fn read(&mut self) -> Option<Event> {
        let mut bytes = vec![0; 16 * 1024];
        let mut index = 0;
        while index < self.pipes.len() {
            let (stream, pipe) = &mut self.pipes[index];
            match pipe.read(&mut bytes) {
                Ok(0) => drop(self.pipes.remove(index)),
                Ok(length) => {
                    bytes.truncate(length);
                    return Some(Event::Output(*stream, bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => index += 1,
                Err(_) => drop(self.pipes.remove(index)),
            }
        }
        None
    }

    fn wait(&self, time: Duration, health: &Health) -> io::Result<()> {
        let mut descriptors = vec![PollFd::new(self.signals.descriptor.as_fd(), PollFlags::POLLIN)];
        descriptors.extend(self.pipes.iter().map(|(_, pipe)| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        descriptors.extend(health.sockets().map(|socket| PollFd::new(socket, PollFlags::POLLIN)));
        match poll(&mut descriptors, timeout(time)) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the child to end, as Ctrl-C and its own service host do. It alone: the listener tells its worker, and a worker
    /// that dies of a signal of its own reports nothing. On SIGTERM the agent's runtime would give it 30 s and no more
    /// (azure-pipelines-agent: Agent.cs, Misc/layoutbin/AgentService.js).
    pub(crate) fn interrupt(&self) {
        if self.ended.is_none() {
            let _ = kill(self.pid, Signal::SIGINT);
        }
    }

    /// Ends the child and all of its group at once.
    pub(crate) fn kill(&self) {
        let _ = killpg(self.pid, Signal::SIGKILL);
    }
}

fn reader(pipe: OwnedFd) -> io::Result<File> {
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(File::from(pipe))
}

/// Collects every process that has ended, ours and adopted ones, and tells how `child` ended if it was among them.
fn reap(child: Option<Pid>) -> Option<Ended> {
    let mut ended = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if Some(pid) == child => ended = Some(Ended::Code(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if Some(pid) == child => {
                ended = Some(Ended::Signal(signal as i32));
            }
            Ok(WaitStatus::StillAlive) => return ended,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return ended,
        }
    }
}

/// Ends every process that descends from this one, also those that left the group, and waits until none is there.
pub(crate) fn end_survivors(_signals: &Signals) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        reap(None);
        let children = children()?;
        if children.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "a process of the agent cannot be ended"));
        }
        for child in children {
            // The orphans of each become ours and are found in the next round.
            let _ = kill(child, Signal::SIGKILL);
        }
        // A killed child is collected as soon as it is gone; the signal that says so is left for the loop of the next child.
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn children() -> io::Result<Vec<Pid>> {
    let own = getpid().as_raw().to_string();
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // The name of the program stands in brackets and may hold anything; the parent is the second field after it.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if parent == Some(own.as_str()) {
            children.push(Pid::from_raw(pid));
        }
    }
    Ok(children)
}
