//! System calls that have no safe form: the reason why this file holds all of the crate's `unsafe`.

use std::ffi::CString;
use std::io;

use nix::libc;

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Writes a text into a new System V segment, and a message of it into a new queue.
#[expect(unsafe_code, reason = "nix has no System V calls")]
pub(crate) fn leave_in_system_v(text: &str) -> io::Result<()> {
    let bytes = text.as_bytes();
    // SAFETY: integers only; the segment is checked before use.
    let id = checked(libc::c_long::from(unsafe {
        libc::shmget(libc::IPC_PRIVATE, 4096, libc::IPC_CREAT | 0o666)
    }))?;
    // SAFETY: the id is that of a live segment; null lets the kernel choose the address.
    let address = unsafe { libc::shmat(id as libc::c_int, std::ptr::null(), 0) };
    if address as isize == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the segment has 4096 bytes and the text is cut to fewer.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address.cast(), bytes.len().min(4000)) };
    // SAFETY: the address came from shmat.
    unsafe { libc::shmdt(address) };
    // SAFETY: integers only.
    let queue =
        checked(libc::c_long::from(unsafe { libc::msgget(libc::IPC_PRIVATE, libc::IPC_CREAT | 0o666) }))?;
    let mut message = 1_i64.to_ne_bytes().to_vec();
    message.extend_from_slice(bytes);
    // SAFETY: a message is a long and as many bytes as are named.
    let sent =
        unsafe { libc::msgsnd(queue as libc::c_int, message.as_ptr().cast(), bytes.len(), libc::IPC_NOWAIT) };
    checked(libc::c_long::from(sent)).map(drop)
}

/// The contents of a System V segment.
#[expect(unsafe_code, reason = "nix has no System V calls")]
pub(crate) fn read_segment(id: i32, size: usize) -> io::Result<Vec<u8>> {
    // SAFETY: the kernel checks the id; null lets it choose the address.
    let address = unsafe { libc::shmat(id, std::ptr::null(), libc::SHM_RDONLY) };
    if address as isize == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller took the size from the kernel's list of segments.
    let bytes = unsafe { std::slice::from_raw_parts(address.cast::<u8>(), size) }.to_vec();
    // SAFETY: the address came from shmat.
    unsafe { libc::shmdt(address) };
    Ok(bytes)
}

/// A message of a System V queue, left in it.
#[expect(unsafe_code, reason = "nix has no System V calls")]
pub(crate) fn peek_queue(id: i32) -> io::Result<Vec<u8>> {
    const MSG_COPY: libc::c_int = 0o40000;
    let mut buffer = vec![0_u8; 8 + 8192];
    let flags = MSG_COPY | libc::IPC_NOWAIT | libc::MSG_NOERROR;
    // SAFETY: the buffer has room for the long and the named number of bytes.
    let mut length = unsafe { libc::msgrcv(id, buffer.as_mut_ptr().cast(), 8192, 0, flags) };
    if length == -1 {
        // A kernel without checkpoints has no copy: take it.
        // SAFETY: as above.
        length = unsafe {
            libc::msgrcv(id, buffer.as_mut_ptr().cast(), 8192, 0, libc::IPC_NOWAIT | libc::MSG_NOERROR)
        };
    }
    let length = checked(length as libc::c_long)?;
    Ok(buffer[8..8 + length as usize].to_vec())
}

/// Leaves a message in a POSIX queue.
#[expect(unsafe_code, reason = "nix has these calls behind types that cannot be opened by a found name")]
pub(crate) fn leave_in_message_queue(name: &str, text: &str) -> io::Result<()> {
    let name = CString::new(name)?;
    // SAFETY: the name ends with a zero; the mode and a null for attributes are what the call takes.
    let queue = unsafe {
        libc::mq_open(
            name.as_ptr(),
            libc::O_CREAT | libc::O_RDWR | libc::O_NONBLOCK,
            0o666 as libc::c_uint,
            std::ptr::null_mut::<libc::mq_attr>(),
        )
    };
    checked(libc::c_long::from(queue))?;
    // SAFETY: the text lives through the call.
    checked(libc::c_long::from(unsafe { libc::mq_send(queue, text.as_ptr().cast(), text.len(), 0) }))?;
    // SAFETY: the queue is ours.
    unsafe { libc::mq_close(queue) };
    Ok(())
}

/// The next message of a POSIX queue.
#[expect(unsafe_code, reason = "nix has these calls behind types that cannot be opened by a found name")]
pub(crate) fn read_message_queue(name: &str) -> io::Result<Vec<u8>> {
    let name = CString::new(name)?;
    // SAFETY: the name ends with a zero.
    let queue = unsafe { libc::mq_open(name.as_ptr(), libc::O_RDONLY | libc::O_NONBLOCK) };
    checked(libc::c_long::from(queue))?;
    let mut buffer = vec![0_u8; 65536];
    // SAFETY: the buffer is as long as the call is told.
    let length =
        unsafe { libc::mq_receive(queue, buffer.as_mut_ptr().cast(), buffer.len(), std::ptr::null_mut()) };
    // SAFETY: the queue is ours.
    unsafe { libc::mq_close(queue) };
    let length = checked(length as libc::c_long)?;
    buffer.truncate(length as usize);
    Ok(buffer)
}

/// Leaves a key in the user's keyring of the kernel.
#[expect(unsafe_code, reason = "no library has the calls for keyrings")]
pub(crate) fn leave_key(text: &str) -> io::Result<()> {
    let (kind, name) = (CString::new("user")?, CString::new(text)?);
    // SAFETY: two texts that end with a zero, and a payload with its length.
    checked(unsafe {
        libc::syscall(
            libc::SYS_add_key,
            kind.as_ptr(),
            name.as_ptr(),
            text.as_ptr(),
            text.len(),
            libc::KEY_SPEC_USER_KEYRING,
        )
    })
    .map(drop)
}

/// The ids of a keyring's keys, and with each key what is readable of it.
#[expect(unsafe_code, reason = "no library has the calls for keyrings")]
pub(crate) fn read_keyring(ring: i32) -> io::Result<Vec<Vec<u8>>> {
    let read = |id: libc::c_long| -> io::Result<Vec<u8>> {
        let mut buffer = vec![0_u8; 32768];
        // SAFETY: the buffer is as long as the call is told.
        let length = checked(unsafe {
            libc::syscall(libc::SYS_keyctl, libc::KEYCTL_READ, id, buffer.as_mut_ptr(), buffer.len())
        })?;
        buffer.truncate(length as usize);
        Ok(buffer)
    };
    let ids = read(libc::c_long::from(ring))?;
    let ids = ids.chunks_exact(4).map(|four| i32::from_ne_bytes([four[0], four[1], four[2], four[3]]));
    Ok(ids.filter_map(|id| read(libc::c_long::from(id)).ok()).collect())
}

/// Copies a descriptor out of another process.
#[expect(unsafe_code, reason = "no library has pidfd_getfd")]
pub(crate) fn take_descriptor(process: u32, descriptor: i32) -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd as _;
    // SAFETY: integers only.
    let handle = checked(unsafe { libc::syscall(libc::SYS_pidfd_open, process as libc::pid_t, 0) })?;
    // SAFETY: the call gave a new descriptor that nobody else owns.
    let handle = unsafe { std::os::fd::OwnedFd::from_raw_fd(handle as i32) };
    // SAFETY: integers only.
    let taken = checked(unsafe {
        libc::syscall(libc::SYS_pidfd_getfd, std::os::fd::AsRawFd::as_raw_fd(&handle), descriptor, 0)
    })?;
    // SAFETY: as above.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(taken as i32) })
}

/// Asks the kernel for one of its instruments by number; the errors say which are closed.
#[expect(unsafe_code, reason = "these calls are only probed")]
pub(crate) fn probe(call: libc::c_long) -> io::Result<()> {
    // SAFETY: null and zero are refused by each of these calls before they read anything.
    checked(unsafe { libc::syscall(call, 0, 0, 0, 0, 0) }).map(drop)
}

/// The kernel's log.
#[expect(unsafe_code, reason = "nix has no klogctl")]
pub(crate) fn kernel_log() -> io::Result<Vec<u8>> {
    const READ_ALL: libc::c_int = 3;
    let mut buffer = vec![0_u8; 512 * 1024];
    // SAFETY: the buffer is as long as the call is told.
    let length = checked(libc::c_long::from(unsafe {
        libc::klogctl(READ_ALL, buffer.as_mut_ptr().cast(), buffer.len() as libc::c_int)
    }))?;
    buffer.truncate(length as usize);
    Ok(buffer)
}

/// Tries to set the clock to what it is.
#[expect(unsafe_code, reason = "nix reads clocks only")]
pub(crate) fn set_clock() -> io::Result<()> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure lives through both calls.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    // SAFETY: as above.
    checked(libc::c_long::from(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const now) }))
        .map(drop)
}

/// Starts a child that holds a text in memory and aborts, with core dumps allowed as far as this process may.
#[expect(unsafe_code, reason = "limits are set between fork and exec")]
pub(crate) fn abort_with_core(command: &mut std::process::Command) -> io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: the function makes system calls only.
    unsafe {
        command.pre_exec(|| {
            let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_CORE)?;
            nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, hard, hard)?;
            Ok(())
        });
    }
    let mut child = command.spawn()?;
    std::thread::sleep(std::time::Duration::from_millis(200));
    let id = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGABRT)?;
    child.wait().map(drop)
}
