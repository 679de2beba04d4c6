//! The processes that can be seen from here.

/// One process.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) parent: u32,
    pub(crate) name: String,
}

impl Process {
    /// How the report calls it.
    #[cfg_attr(windows, expect(dead_code, reason = "only routes of Unix tell of processes"))]
    pub(crate) fn shown(&self) -> String {
        format!("process {} ({})", self.id, self.name)
    }

    /// A file of it under `/proc`.
    #[cfg(unix)]
    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        std::path::Path::new("/proc").join(self.id.to_string()).join(name)
    }
}

/// All of them, in order.
#[cfg(unix)]
pub(crate) fn all() -> Vec<Process> {
    let entries = fs_err::read_dir("/proc").into_iter().flatten().flatten();
    let mut all: Vec<Process> = entries
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            // The name stands in brackets and may hold anything; the parent is the second field after it.
            let stat = fs_err::read_to_string(entry.path().join("stat")).ok()?;
            let (head, rest) = stat.rsplit_once(')')?;
            let name = head.split_once('(')?.1.to_owned();
            Some(Process { id, parent: rest.split_whitespace().nth(1)?.parse().ok()?, name })
        })
        .collect();
    all.sort_by_key(|process| process.id);
    all
}

/// All of them, as the system's own tool lists them.
#[cfg(windows)]
pub(crate) fn all() -> Vec<Process> {
    let script = "Get-CimInstance Win32_Process | ForEach-Object { \"$($_.ProcessId)|$($_.ParentProcessId)|$($_.Name)\" }";
    let output = std::process::Command::new("powershell").args(["-NoProfile", "-Command", script]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut parts = line.trim().splitn(3, '|');
            let mut next = || parts.next();
            Some(Process {
                id: next()?.parse().ok()?,
                parent: next()?.parse().ok()?,
                name: next()?.to_owned(),
            })
        })
        .collect()
}

/// The chain of parents of this process, nearest first.
pub(crate) fn parents(all: &[Process]) -> Vec<Process> {
    let mut chain = Vec::new();
    let mut at = std::process::id();
    while let Some(own) = all.iter().find(|process| process.id == at) {
        if let Some(parent) = all.iter().find(|process| process.id == own.parent) {
            chain.push(parent.clone());
        }
        if own.parent == 0 || chain.len() > 64 {
            break;
        }
        at = own.parent;
    }
    chain
}
