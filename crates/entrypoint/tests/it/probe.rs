//! What an attacker with root on the host would look at: environments, command lines and memory of processes.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};

use fs_err as fs;

/// One process as `/proc` shows it.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) state: String,
    pub(crate) arguments: String,
    environment: Vec<u8>,
}

pub(crate) fn processes() -> Vec<Process> {
    let pids =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(process).collect()
}

pub(crate) fn process(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    Some(Process {
        pid,
        state: fields.next()?.to_owned(),
        parent: fields.next()?.parse().ok()?,
        arguments: String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).ok()?)
            .replace('\0', " "),
        environment: fs::read(format!("/proc/{pid}/environ")).unwrap_or_default(),
    })
}

/// Processes of which the environment or the command line shows the text.
pub(crate) fn showing(text: &str) -> BTreeMap<i32, &'static str> {
    let holds = |bytes: &[u8]| contains(bytes, text.as_bytes());
    processes()
        .into_iter()
        .filter_map(|process| {
            let place = if holds(process.arguments.as_bytes()) {
                "arguments"
            } else if holds(&process.environment) {
                "environment"
            } else {
                return None;
            };
            Some((process.pid, place))
        })
        .collect()
}

pub(crate) fn with_argument(text: &str) -> Vec<Process> {
    processes().into_iter().filter(|process| process.arguments.contains(text)).collect()
}

/// Whether the writable memory of a process holds the text.
pub(crate) fn memory_holds(pid: i32, text: &str) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut looked_at = 0;
    for line in
        maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw")))
    {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        memory.seek(SeekFrom::Start(start)).unwrap();
        if memory.read_exact(&mut bytes).is_ok() {
            looked_at += bytes.len();
            if contains(&bytes, text.as_bytes()) {
                return true;
            }
        }
    }
    assert!(looked_at > 0, "no memory of process {pid} could be read: this probe needs CAP_SYS_PTRACE");
    false
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// Signals that were sent to a process and that it has not taken yet.
pub(crate) fn pending_signals(pid: i32) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pending =
        status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or(line.strip_prefix("ShdPnd:")));
    pending.map(|set| set.trim().to_owned()).filter(|set| set.bytes().any(|digit| digit != b'0')).collect()
}
