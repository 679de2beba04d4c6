//! Giving up privileges, and locking memory: the calls that need `unsafe`.

use std::io;

use fs_err as fs;
use nix::libc;
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, setgid, setgroups, setsid, setuid};

/// What a child must become. Made before the fork, so that nothing after it needs memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    /// Without CAP_SETPCAP the bounding set cannot be emptied. It is then out of reach all the same, behind no-new-privileges.
    pub(super) may_empty_bounding_set: bool,
    /// The capabilities that are left, as a set of bits.
    capabilities: u64,
}

impl Target {
    pub(super) fn new(uid: u32, gid: u32) -> Self {
        let effective = effective_capabilities();
        Self {
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
            may_empty_bounding_set: effective & (1 << CAP_SETPCAP) != 0,
            capabilities: if uid == 0 { effective & OF_ROOT_JOBS } else { 0 },
        }
    }
}

const CAP_SETPCAP: u64 = 8;

/// What is left to a job that is root: what Docker gives to a container by default, whatever this one was given.
///
/// A list of what stays, since a capability of a later kernel could open this process as CAP_SYS_PTRACE, CAP_SYS_ADMIN,
/// CAP_PERFMON, CAP_BPF and CAP_CHECKPOINT_RESTORE do.
const OF_ROOT_JOBS: u64 = {
    let kept = [
        0,  // CAP_CHOWN
        1,  // CAP_DAC_OVERRIDE
        3,  // CAP_FOWNER
        4,  // CAP_FSETID
        5,  // CAP_KILL
        6,  // CAP_SETGID
        7,  // CAP_SETUID
        8,  // CAP_SETPCAP
        10, // CAP_NET_BIND_SERVICE
        13, // CAP_NET_RAW
        18, // CAP_SYS_CHROOT
        27, // CAP_MKNOD
        29, // CAP_AUDIT_WRITE
        31, // CAP_SETFCAP
    ];
    let (mut set, mut index) = (0, 0);
    while index < kept.len() {
        set |= 1_u64 << kept[index];
        index += 1;
    }
    set
};

fn effective_capabilities() -> u64 {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
            u64::from_str_radix(line.trim(), 16).ok()
        })
        .unwrap_or(0)
}

/// Runs in the child between fork and exec: a session of its own, then every privilege gone for good, then a check.
pub(super) fn give_up(target: Target) -> io::Result<()> {
    setsid()?;
    nix::sys::signal::SigSet::empty().thread_set_mask()?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    close_on_exec();
    if target.may_empty_bounding_set {
        limit_bounding_set(target.capabilities)?;
    }
    setgroups(&[target.gid])?;
    setgid(target.gid)?;
    setuid(target.uid)?;
    limit_capabilities(target.capabilities)?;
    prctl::set_no_new_privs()?;
    if !target.uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    Ok(())
}

#[expect(unsafe_code, reason = "nix has no call for the capability bounding set")]
fn limit_bounding_set(kept: u64) -> io::Result<()> {
    // The kernel knows at most 64 capabilities and answers EINVAL from the first unknown one on.
    for capability in (0..64_u64).filter(|capability| kept & (1 << capability) == 0) {
        // SAFETY: takes and gives integers.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if result == -1 {
            let error = io::Error::last_os_error();
            return if error.raw_os_error() == Some(libc::EINVAL) && capability > 0 {
                Ok(())
            } else {
                Err(error)
            };
        }
    }
    Ok(())
}

/// Some engines hand out inheritable capabilities, which a change of user does not clear.
#[expect(unsafe_code, reason = "nix has no calls for capabilities")]
fn limit_capabilities(kept: u64) -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let [low, high] = [kept as u32, (kept >> 32) as u32];
    // Effective, permitted, inheritable; first the lower half of each.
    let sets = [[low, low, 0], [high, high, 0]];
    // SAFETY: takes and gives integers.
    let ambient = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
    // A kernel before 4.3 has no ambient set and nothing to clear.
    if ambient == -1 && io::Error::last_os_error().raw_os_error() != Some(libc::EINVAL) {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: version 3 of the call reads one header and two triples of 32 bit sets, all of which live until it returns.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) };
    if set == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Nothing but the standard streams reaches a child, whatever this process was started with.
#[expect(unsafe_code, reason = "nix has no close_range")]
fn close_on_exec() {
    // SAFETY: takes integers, and changes a flag of descriptors that keep their owners. Kernels before 5.11 refuse it,
    // and there every descriptor of ours has the flag from its creation.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}

/// No process of the container leaves a picture of its memory, this one least of all. Not to be undone by a job.
pub(super) fn forbid_core_dumps() -> io::Result<()> {
    Ok(nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)?)
}

/// Keeps a secret out of swap and core dumps. Where the limit does not allow it the secret is still overwritten after use.
#[expect(unsafe_code, reason = "mlock takes an address")]
pub(super) fn lock_memory(bytes: &[u8]) {
    if let Some(address) = std::ptr::NonNull::new(bytes.as_ptr().cast_mut().cast()) {
        // SAFETY: address and length are those of a live slice; the call changes no byte of it.
        let _ = unsafe { nix::sys::mman::mlock(address, bytes.len()) };
    }
}

#[expect(unsafe_code, reason = "munlock takes an address")]
pub(super) fn unlock_memory(bytes: &[u8]) {
    if let Some(address) = std::ptr::NonNull::new(bytes.as_ptr().cast_mut().cast()) {
        // SAFETY: address and length are those of a live slice; the call changes no byte of it.
        let _ = unsafe { nix::sys::mman::munlock(address, bytes.len()) };
    }
}
