//! Linux: PID 1 of the container.

mod child;
mod files;
mod privileges;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use fs_err as fs;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{execve, geteuid, getpid, pipe2};

pub(crate) use child::{Child, end_survivors};
pub(crate) use files::{
    create_private_directory, may_replace, prepare_work_folder, read_image_file, read_secret_file,
};

use crate::exit::Exit;
use crate::handover::Handover;
use crate::token::Token;

/// The signals this process waits for, in place of handlers. They stay blocked through every exec, so none is lost between
/// two images of the process.
#[derive(Debug)]
pub(crate) struct Signals {
    descriptor: SignalFd,
}

impl Signals {
    pub(crate) fn block() -> io::Result<Self> {
        let mask = SigSet::from_iter([
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGHUP,
            Signal::SIGCHLD,
        ]);
        mask.thread_block()?;
        let descriptor = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { descriptor })
    }

    /// Whether a stop was asked for since the last call.
    pub(crate) fn stop_requested(&self) -> bool {
        let mut stop = false;
        while let Ok(Some(info)) = self.descriptor.read_signal() {
            stop |= i32::try_from(info.ssi_signo).is_ok_and(|number| number != Signal::SIGCHLD as i32);
        }
        stop
    }

    /// Waits, but not longer than until a stop is asked for.
    pub(crate) fn wait(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.stop_requested() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let mut descriptors = [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut descriptors, timeout(left));
        }
    }
}

/// Poll takes whole milliseconds; rounding up keeps a wait from spinning at its end.
fn timeout(time: Duration) -> PollTimeout {
    let milliseconds = time.as_millis().saturating_add(1).min(60_000);
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}

pub(crate) fn is_first_process() -> bool {
    getpid().as_raw() == 1
}

/// Whether this process may become the agent's user. Nothing is done at all without it.
pub(crate) fn check_privileges() -> Result<(), &'static str> {
    if geteuid().is_root() {
        Ok(())
    } else {
        Err("not started as root: the token could not be kept from the job, which would run as the same user")
    }
}

/// Makes orphans of the agent our children also where this is not PID 1.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    if !is_first_process() {
        prctl::set_child_subreaper(true)?;
    }
    Ok(())
}

/// Closes memory, environment and descriptors of this process to all others, and checks that it took effect.
///
/// An exec sets this back, so each image of the process calls it first of all.
pub(crate) fn forbid_inspection() -> io::Result<()> {
    prctl::set_dumpable(false)?;
    if prctl::get_dumpable()? {
        return Err(io::Error::other("the kernel still reports the process as dumpable"));
    }
    Ok(())
}

/// Holds for this process and all after it.
pub(crate) fn forbid_core_dumps() -> io::Result<()> {
    privileges::forbid_core_dumps()
}

pub(crate) fn lock_memory(bytes: &[u8]) {
    privileges::lock_memory(bytes);
}

pub(crate) fn unlock_memory(bytes: &[u8]) {
    privileges::unlock_memory(bytes);
}

pub(crate) fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// Becomes the next image of this process: empty memory, the agent's environment as the block that `/proc/1/environ` shows,
/// and a pipe with what it must know.
///
/// Returns only where that failed.
pub(crate) fn hand_over(
    executable: &Path,
    handover: &Handover,
    token: Option<&str>,
    environment: &BTreeMap<String, String>,
) -> io::Result<Exit> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    let token = token.unwrap_or_default().as_bytes();
    let frame = handover.frame(token.len())?;
    let size = frame.len() + token.len();
    // All must fit into the pipe, since nobody reads before the exec.
    let capacity = fcntl(&writer, FcntlArg::F_GETPIPE_SZ)?;
    if usize::try_from(capacity).is_ok_and(|capacity| capacity < size) {
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(i32::try_from(size).map_err(io::Error::other)?))?;
    }
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let mut writer = File::from(writer);
    writer.write_all(&frame)?;
    writer.write_all(token)?;
    drop(writer);
    fcntl(&reader, FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()))?;
    let never = exec(executable, reader.as_raw_fd(), environment)?;
    match never {}
}

/// `Command::exec` would unblock all signals first, and a stop that is pending would be lost.
fn exec(
    executable: &Path,
    descriptor: i32,
    environment: &BTreeMap<String, String>,
) -> io::Result<Infallible> {
    let text = |text: &str| CString::new(text).map_err(io::Error::other);
    let path = CString::new(executable.as_os_str().as_encoded_bytes()).map_err(io::Error::other)?;
    let arguments = [text("mayfly-entrypoint")?, text("--resume")?, text(&descriptor.to_string())?];
    let environment: Vec<CString> = environment
        .iter()
        .map(|(name, value)| text(&format!("{name}={value}")))
        .collect::<io::Result<_>>()?;
    Ok(execve(&path, &arguments, &environment)?)
}

/// Takes what the image before left in the pipe, and closes it.
#[expect(unsafe_code, reason = "an inherited descriptor has no owner yet")]
pub(crate) fn take_over(descriptor: i32) -> io::Result<(Handover, Option<Token>)> {
    let is_pipe = descriptor > 2
        && fs::metadata(format!("/proc/self/fd/{descriptor}"))
            .is_ok_and(|metadata| metadata.file_type().is_fifo());
    if !is_pipe {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no handover at this descriptor"));
    }
    // SAFETY: the descriptor is open (looked up above), and this process has just begun: nothing in it owns the descriptor.
    let mut pipe = File::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
    let handover = Handover::read(&mut pipe)?;
    drop(pipe);
    Ok(handover)
}
