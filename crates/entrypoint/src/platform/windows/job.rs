//! A job object: a set of processes that no member can leave, and that ends as one.

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle, RawHandle};
use std::time::{Duration, Instant};

use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectBasicAccountingInformation, JobObjectExtendedLimitInformation, QueryInformationJobObject,
    SetInformationJobObject, TerminateJobObject,
};

use super::LOOK;

#[derive(Debug)]
pub(super) struct Job {
    handle: OwnedHandle,
}

#[expect(unsafe_code, reason = "the standard library knows no job objects")]
impl Job {
    /// A job whose members end when it is dropped, and so at the latest when this process ends.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: neither attributes nor a name are given.
        let handle = unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle was made just now and has no other owner.
        let job = Self { handle: unsafe { OwnedHandle::from_raw_handle(handle) } };
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        // SAFETY: pointer and size are those of the structure that this class of information wants.
        let done = unsafe {
            SetInformationJobObject(
                job.handle.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size_of::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>() as u32,
            )
        };
        succeeded(done).map(|()| job)
    }

    /// Adds a process of ours and all it will start.
    pub(super) fn add(&self, process: RawHandle) -> io::Result<()> {
        // SAFETY: the job is open, and the caller holds the process open.
        succeeded(unsafe { AssignProcessToJobObject(self.handle.as_raw_handle(), process) })
    }

    /// Ends all members, and waits until none is left.
    pub(super) fn end(&self) -> io::Result<()> {
        // SAFETY: the job is open.
        succeeded(unsafe { TerminateJobObject(self.handle.as_raw_handle(), 1) })?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.members()? > 0 {
            if Instant::now() > deadline {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "a process of the agent cannot be ended",
                ));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn members(&self) -> io::Result<u32> {
        let mut accounting = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        // SAFETY: pointer and size are those of the structure that this class of information fills.
        let done = unsafe {
            QueryInformationJobObject(
                self.handle.as_raw_handle(),
                JobObjectBasicAccountingInformation,
                (&raw mut accounting).cast(),
                size_of::<JOBOBJECT_BASIC_ACCOUNTING_INFORMATION>() as u32,
                std::ptr::null_mut(),
            )
        };
        succeeded(done).map(|()| accounting.ActiveProcesses)
    }
}

fn succeeded(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
