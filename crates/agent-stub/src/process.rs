//! Child processes that can be ended together with all their own children: a process group on Unix, a job
//! object on Windows.

use std::io;

use tokio::process::{Child, Command};

/// A child and everything it starts.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    pub(crate) child: Child,
    handle: imp::Handle,
}

impl ProcessGroup {
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        imp::prepare(command);
        let child = command.spawn()?;
        let handle = imp::Handle::of(&child)?;
        Ok(Self { child, handle })
    }

    /// Asks the group to stop, as Ctrl-C would; where there is no such request, does nothing.
    pub(crate) fn interrupt(&self) {
        self.handle.interrupt();
    }
    /// Asks more strongly.
    pub(crate) fn terminate(&self) {
        self.handle.terminate();
    }
    /// Ends the group.
    pub(crate) fn kill(&self) {
        self.handle.kill();
    }
}

#[cfg(unix)]
mod imp {
    use std::io;

    use nix::{
        sys::signal::{Signal, killpg},
        unistd::Pid,
    };
    use tokio::process::{Child, Command};

    #[derive(Debug)]
    pub(super) struct Handle(Pid);

    pub(super) fn prepare(command: &mut Command) {
        command.process_group(0);
    }

    impl Handle {
        pub(super) fn of(child: &Child) -> io::Result<Self> {
            let id = child.id().ok_or_else(|| io::Error::other("the child has ended already"))?;
            Ok(Self(Pid::from_raw(id as i32)))
        }
        pub(super) fn interrupt(&self) {
            self.send(Signal::SIGINT);
        }
        pub(super) fn terminate(&self) {
            self.send(Signal::SIGTERM);
        }
        pub(super) fn kill(&self) {
            self.send(Signal::SIGKILL);
        }
        fn send(&self, signal: Signal) {
            // A group that is gone needs no signal.
            _ = killpg(self.0, signal);
        }
    }
}

#[cfg(windows)]
#[expect(unsafe_code, reason = "job objects have no safe interface in the standard library")]
mod imp {
    use std::{io, ptr};

    use tokio::process::{Child, Command};
    use windows_sys::Win32::{
        Foundation::{CloseHandle, HANDLE},
        System::{
            Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent},
            JobObjects::{AssignProcessToJobObject, CreateJobObjectW, TerminateJobObject},
            Threading::CREATE_NEW_PROCESS_GROUP,
        },
    };

    #[derive(Debug)]
    pub(super) struct Handle {
        job: HANDLE,
        /// The child's process id, which is also that of its console group.
        process: u32,
    }

    // A job handle may be used from any thread.
    unsafe impl Send for Handle {}
    unsafe impl Sync for Handle {}

    pub(super) fn prepare(command: &mut Command) {
        command.creation_flags(CREATE_NEW_PROCESS_GROUP);
    }

    impl Handle {
        pub(super) fn of(child: &Child) -> io::Result<Self> {
            // SAFETY: no attributes and no name are given; the result is checked.
            let job = unsafe { CreateJobObjectW(ptr::null(), ptr::null()) };
            if job.is_null() {
                return Err(io::Error::last_os_error());
            }
            let handle = Self { job, process: child.id().unwrap_or_default() };
            let process =
                child.raw_handle().ok_or_else(|| io::Error::other("the child has ended already"))?;
            // SAFETY: both handles are open and owned by this process.
            if unsafe { AssignProcessToJobObject(handle.job, process.cast()) } == 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(handle)
        }
        pub(super) fn interrupt(&self) {
            if self.process != 0 {
                // SAFETY: plain numbers; group 0 would be this process's own and is excluded.
                unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, self.process) };
            }
        }
        pub(super) fn terminate(&self) {
            self.kill();
        }
        pub(super) fn kill(&self) {
            // SAFETY: the job handle is open until drop.
            unsafe { TerminateJobObject(self.job, 1) };
        }
    }

    impl Drop for Handle {
        fn drop(&mut self) {
            // SAFETY: the handle was opened by us and is closed once. Processes of the job live on.
            unsafe { CloseHandle(self.job) };
        }
    }
}
