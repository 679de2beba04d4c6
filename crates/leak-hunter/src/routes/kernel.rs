//! What the kernel and the engine show: traces of the engine, objects without a file, devices, logs, rights.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::libc;

use super::Scene;
use crate::look::Look;
use crate::system;

/// Of a device no more is read than this.
const DEVICE_LIMIT: u64 = 64 * 1024 * 1024;

/// What the engine left of its settings, as `docker inspect` would show them, where a job can read.
pub(super) fn engine_traces(_scene: &Scene, look: &mut Look<'_>) {
    const FILES: [&str; 14] = [
        "/proc/self/mountinfo",
        "/proc/self/cgroup",
        "/proc/1/cgroup",
        "/proc/1/cpuset",
        "/proc/cmdline",
        "/proc/version",
        "/.dockerenv",
        "/.dockerinit",
        "/run/.containerenv",
        "/etc/hostname",
        "/etc/hosts",
        "/etc/resolv.conf",
        "/etc/machine-id",
        "/proc/sys/kernel/hostname",
    ];
    for path in FILES {
        look.file(Path::new(path));
    }
    for folder in ["/sys/fs/cgroup", "/sys/firmware", "/sys/class/dmi/id"] {
        super::files::walk(Path::new(folder), &mut |path| {
            if fs_err::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) && look.looked < 4000 {
                look.file(path);
            }
        });
    }
    // The table of mounts is always there; that it was read is the proof.
    if look.looked > 0 {
        look.held();
    }
}

pub(super) fn system_v(scene: &Scene, look: &mut Look<'_>) {
    if let Err(error) = system::leave_in_system_v(&scene.own_mark) {
        look.closed(error.to_string());
    }
    for (number, size) in table("/proc/sysvipc/shm", 1, 3) {
        if let Ok(bytes) = system::read_segment(number as i32, size as usize) {
            look.at(&format!("shared memory {number}"), &bytes);
        }
    }
    for (number, _) in table("/proc/sysvipc/msg", 1, 3) {
        if let Ok(bytes) = system::peek_queue(number as i32) {
            look.at(&format!("message queue {number}"), &bytes);
        }
    }
}

/// Two columns of a table of the kernel.
fn table(path: &str, first: usize, second: usize) -> Vec<(u64, u64)> {
    let text = fs_err::read_to_string(path).unwrap_or_default();
    let number = |words: &[&str], at: usize| words.get(at)?.parse().ok();
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Some((number(&words, first)?, number(&words, second)?))
        })
        .collect()
}

pub(super) fn message_queues(scene: &Scene, look: &mut Look<'_>) {
    if let Err(error) = system::leave_in_message_queue(&format!("/{}", scene.own_mark), &scene.own_mark) {
        look.closed(error.to_string());
    }
    for entry in fs_err::read_dir("/dev/mqueue").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        look.at("name of a queue", name.as_bytes());
        if let Ok(bytes) = system::read_message_queue(&format!("/{name}")) {
            look.at("message of a queue", &bytes);
        }
    }
}

pub(super) fn keyring(scene: &Scene, look: &mut Look<'_>) {
    if let Err(error) = system::leave_key(&scene.own_mark) {
        look.closed(format!("add_key: {error}"));
    }
    for path in ["/proc/keys", "/proc/key-users"] {
        if let Ok(bytes) = fs_err::read(path) {
            look.at(path, &bytes);
        }
    }
    for (name, ring) in [
        ("thread", libc::KEY_SPEC_THREAD_KEYRING),
        ("process", libc::KEY_SPEC_PROCESS_KEYRING),
        ("session", libc::KEY_SPEC_SESSION_KEYRING),
        ("user", libc::KEY_SPEC_USER_KEYRING),
        ("user session", libc::KEY_SPEC_USER_SESSION_KEYRING),
    ] {
        look.looked += 1;
        for key in system::read_keyring(ring).unwrap_or_default() {
            look.at(&format!("a key of the {name} keyring"), &key);
        }
    }
}

pub(super) fn raw_devices(_scene: &Scene, look: &mut Look<'_>) {
    let mut devices: Vec<String> =
        ["/dev/mem", "/dev/kmem", "/dev/port", "/proc/kcore"].map(str::to_owned).into();
    let swaps = fs_err::read_to_string("/proc/swaps").unwrap_or_default();
    devices
        .extend(swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(str::to_owned));
    for entry in fs_err::read_dir("/dev").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if ["sd", "vd", "nvme", "xvd", "dm-", "loop", "fuse"].iter().any(|start| name.starts_with(start)) {
            devices.push(format!("/dev/{name}"));
        }
    }
    let mut open = Vec::new();
    for device in &devices {
        look.looked += 1;
        if let Ok(file) = fs_err::File::open(device) {
            open.push(device.clone());
            look.stream(device, &mut file.take(DEVICE_LIMIT));
        }
    }
    // A device that anybody may open shows that opening is what is tried.
    if fs_err::File::open("/dev/zero").is_ok() {
        look.held();
    }
    look.note(&if open.is_empty() { "none opens".to_owned() } else { format!("open: {}", open.join(", ")) });
}

pub(super) fn log(_scene: &Scene, look: &mut Look<'_>) {
    look.looked += 1;
    match system::kernel_log() {
        Ok(bytes) => {
            look.at("the kernel's log", &bytes);
            look.held();
        }
        Err(error) => look.closed(error.to_string()),
    }
}

/// Calls that watch the whole machine.
pub(super) fn instruments(_scene: &Scene, look: &mut Look<'_>) {
    let calls = [
        ("bpf", libc::SYS_bpf),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("kcmp", libc::SYS_kcmp),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("fanotify_init", libc::SYS_fanotify_init),
    ];
    let mut said = Vec::new();
    for (name, call) in calls {
        look.looked += 1;
        let refused = system::probe(call).err().is_some_and(|error| {
            matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS | libc::EACCES))
        });
        if !refused {
            said.push(name);
        }
    }
    let tracing = ["/sys/kernel/debug/tracing", "/sys/kernel/tracing"];
    for folder in tracing {
        look.looked += 1;
        if fs_err::read_dir(folder).is_ok_and(|entries| entries.flatten().next().is_some()) {
            said.push(folder);
        }
    }
    look.held();
    look.note(&if said.is_empty() {
        "all refused".to_owned()
    } else {
        format!("not refused: {}", said.join(", "))
    });
}

/// Root in a namespace of one's own, and PID 1 read from there.
#[expect(unsafe_code, reason = "the namespace is entered between fork and exec")]
pub(super) fn user_namespace(_scene: &Scene, look: &mut Look<'_>) {
    look.looked += 1;
    let mut command = Command::new("cat");
    command.args(["/proc/1/environ", "/proc/1/mem"]);
    // SAFETY: the function makes one system call.
    unsafe {
        command.pre_exec(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).map_err(std::io::Error::from)
        });
    }
    match command.output() {
        Ok(output) => {
            look.at("PID 1 from a new user namespace", &output.stdout);
            look.held();
        }
        Err(error) => look.closed(format!("unshare: {error}")),
    }
}

/// Who this job is, and what it may become.
pub(super) fn privileges(_scene: &Scene, look: &mut Look<'_>) {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
    };
    for name in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        look.looked += 1;
        let set = field(name);
        // The bounding set alone gives nothing behind no-new-privileges.
        if name != "CapBnd:" && !set.trim_start_matches('0').is_empty() {
            look.hit("a capability", "privilege", &format!("{name} {set}"));
        }
    }
    look.looked += 3;
    if nix::unistd::geteuid().is_root() {
        look.hit("user id 0", "privilege", "own process");
    } else if nix::unistd::setuid(nix::unistd::Uid::from_raw(0)).is_ok() {
        look.hit("may become user id 0", "privilege", "own process");
    }
    let sudo = Command::new("sudo").args(["-n", "true"]).output();
    if !nix::unistd::geteuid().is_root() && sudo.is_ok_and(|output| output.status.success()) {
        look.hit("sudo without a password", "privilege", "own process");
    }
    if !status.is_empty() {
        look.held();
    }
    look.note(&format!("user {}, no-new-privileges {}", nix::unistd::geteuid(), field("NoNewPrivs:")));
}

/// Whoever sets the clock back makes expired tokens valid.
pub(super) fn clock(_scene: &Scene, look: &mut Look<'_>) {
    look.looked += 1;
    match system::set_clock() {
        Ok(()) => {
            look.hit("may set the clock", "privilege", "clock_settime");
            look.held();
        }
        Err(error) => look.closed(error.to_string()),
    }
}
