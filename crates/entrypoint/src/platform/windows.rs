//! Windows: the first process of a process-isolated container.
//!
//! A process here cannot become another program, and it cannot change its user on the way. So the stages are processes of
//! their own. The first one touches no secret: it starts the others, one after the other, and forgets the environment it was
//! started with (`guard`, `block`). Those that prepare and register have ended, and their memory with them, before the agent
//! starts. All run as the image's user.

mod block;
mod child;
mod files;
mod guard;
mod job;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::windows::io::{AsHandle as _, AsRawHandle as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::System::Console::{
    CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT, SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::Memory::{VirtualLock, VirtualUnlock};
use windows_sys::core::BOOL;

pub(crate) use child::{Child, end_survivors};
pub(crate) use files::{
    create_private_directory, may_replace, prepare_work_folder, read_image_file, read_secret_file,
};
pub(crate) use guard::guard;

use crate::exit::Exit;
use crate::handover::{Handover, Stage};
use crate::token::Token;

/// Set by the console when the container is to stop.
static STOP: AtomicBool = AtomicBool::new(false);
/// How often what cannot be waited for is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The console events this process hears in place of being ended by them.
#[derive(Debug)]
pub(crate) struct Signals;

impl Signals {
    #[expect(unsafe_code, reason = "console events come by a callback")]
    pub(crate) fn block() -> io::Result<Self> {
        // SAFETY: the handler is a function that lives as long as the process and touches an atomic flag only.
        if unsafe { SetConsoleCtrlHandler(Some(on_console_event), 1) } == 0 {
            return Err(io::Error::last_os_error());
        }
        keep_streams();
        Ok(Self)
    }

    /// Whether a stop was asked for since the last call.
    #[expect(clippy::unused_self, reason = "a value of this type proves that the handler is in place")]
    pub(crate) fn stop_requested(&self) -> bool {
        STOP.swap(false, Ordering::SeqCst)
    }

    /// Waits, but not longer than until a stop is asked for.
    pub(crate) fn wait(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.stop_requested() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}

/// Keeps our standard streams from children that get others: a handle that was inherited is inherited on, and a job could
/// write our lines.
#[expect(unsafe_code, reason = "the standard library does not change how a handle is inherited")]
fn keep_streams() {
    let streams = [io::stdin().as_raw_handle(), io::stdout().as_raw_handle(), io::stderr().as_raw_handle()];
    for stream in streams.into_iter().filter(|stream| !stream.is_null()) {
        // SAFETY: the handle is one of this process. Where it is no real one, as for a console, the call fails.
        unsafe {
            SetHandleInformation(stream, HANDLE_FLAG_INHERIT, 0);
        }
    }
}

/// Runs on a thread of its own. After some events the system ends the process as soon as this returns, so it does not return
/// from them: the end is left to the main thread.
#[expect(unsafe_code, reason = "console events come by a callback")]
unsafe extern "system" fn on_console_event(event: u32) -> BOOL {
    STOP.store(true, Ordering::SeqCst);
    if matches!(event, CTRL_CLOSE_EVENT | CTRL_LOGOFF_EVENT | CTRL_SHUTDOWN_EVENT) {
        std::thread::sleep(Duration::from_mins(10));
    }
    1
}

/// There is no first process that the kernel treats as such: survivors are ended by job objects.
pub(crate) fn is_first_process() -> bool {
    false
}

/// The image's user is the agent's user, and it cannot be left for another one without a password.
#[expect(clippy::unnecessary_wraps, reason = "the twin can fail")]
pub(crate) fn check_privileges() -> Result<(), &'static str> {
    Ok(())
}

/// Job objects hold orphans too.
#[expect(clippy::unnecessary_wraps, reason = "the twin can fail")]
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// A process cannot close itself to its own user. What makes up for it: no process that has seen the token lives on with a
/// copy of it when the agent starts.
#[expect(clippy::unnecessary_wraps, reason = "the twin can fail")]
pub(crate) fn forbid_inspection() -> io::Result<()> {
    Ok(())
}

/// The system writes no picture of a process of a container unless its image sets that up.
#[expect(clippy::unnecessary_wraps, reason = "the twin can fail")]
pub(crate) fn forbid_core_dumps() -> io::Result<()> {
    Ok(())
}

/// Keeps a secret out of the page file. Where the limit does not allow it the secret is still overwritten after use.
#[expect(unsafe_code, reason = "VirtualLock takes an address")]
pub(crate) fn lock_memory(bytes: &[u8]) {
    // SAFETY: address and length are those of a live slice; the call changes no byte of it.
    unsafe {
        VirtualLock(bytes.as_ptr().cast(), bytes.len());
    }
}

#[expect(unsafe_code, reason = "VirtualUnlock takes an address")]
pub(crate) fn unlock_memory(bytes: &[u8]) {
    // SAFETY: address and length are those of a live slice; the call changes no byte of it.
    unsafe {
        VirtualUnlock(bytes.as_ptr().cast(), bytes.len());
    }
}

pub(crate) fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "unknown".to_owned())
}

/// Goes on in a new process with a clean environment and empty memory.
///
/// The process that registers the agent is a child of the one that prepared that, and both end before the agent starts. What
/// the one that runs the agent must know goes to the first process, on the standard output of these two.
pub(crate) fn hand_over(
    executable: &Path,
    handover: &Handover,
    token: Option<&str>,
    environment: &BTreeMap<String, String>,
) -> io::Result<Exit> {
    let token = token.unwrap_or_default().as_bytes();
    let frame = handover.frame(token.len())?;
    if let Stage::Supervise { .. } = handover.stage {
        let mut output = io::stdout().lock();
        output.write_all(&[guard::HANDOVER])?;
        output.write_all(&frame)?;
        output.flush()?;
        return Ok(Exit::Done);
    }
    let mut configure = stage(executable, environment).stdout(Stdio::inherit()).spawn()?;
    if let Some(mut input) = configure.stdin.take() {
        input.write_all(&frame)?;
        input.write_all(token)?;
    }
    Ok(guard::exit(configure.wait()?))
}

fn stage(executable: &Path, environment: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new(executable);
    command
        .args(["--resume", "0"])
        .env_clear()
        .envs(environment)
        .stdin(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

/// Takes what the process before left on the standard input.
pub(crate) fn take_over(descriptor: i32) -> io::Result<(Handover, Option<Token>)> {
    let input = io::stdin();
    if descriptor != 0 || input.is_terminal() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no handover here"));
    }
    // The standard input buffers, and a buffer would keep the token. So the bytes come from the handle itself.
    let mut input = File::from(input.as_handle().try_clone_to_owned()?);
    Handover::read(&mut input)
}
