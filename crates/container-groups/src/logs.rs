//! What containers wrote, within the service's limits: 4 MB of a running one, 16 KB or 1000 lines of an ended one
//! (Microsoft: "Resource availability and quota limits for Azure Container Instances").
//!
//! The engine keeps the log of a container that is there; what it wrote is saved to a file before it is removed.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// Bytes shown of a running container.
pub(crate) const RUNNING_BYTES: usize = 4 << 20;
/// Bytes shown of an ended one.
pub(crate) const ENDED_BYTES: usize = 16 << 10;
pub(crate) const ENDED_LINES: usize = 1000;
/// Runs that are kept: the last one and the one before.
const KEPT_RUNS: usize = 2;

/// Logs of removed containers, as files.
#[derive(Debug, Clone)]
pub(crate) struct LogFiles {
    folder: PathBuf,
}

impl LogFiles {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Saves the log of a run and drops those of older ones.
    pub(crate) fn keep(&self, group: &str, container: &str, generation: u64, log: &[u8]) -> io::Result<()> {
        let folder = self.of(group).join(container);
        fs_err::create_dir_all(&folder)?;
        let (file, fresh) = (folder.join(format!("{generation}.log")), folder.join("fresh"));
        fs_err::write(&fresh, ended(log))?;
        fs_err::rename(&fresh, file)?;
        let mut runs = self.files(group, container)?;
        while runs.len() > KEPT_RUNS {
            if let Some((_, oldest)) = runs.pop_first() {
                fs_err::remove_file(oldest)?;
            }
        }
        Ok(())
    }

    /// The saved logs, by generation.
    pub(crate) fn kept(&self, group: &str, container: &str) -> io::Result<BTreeMap<u64, Vec<u8>>> {
        self.files(group, container)?.into_iter().map(|(run, file)| Ok((run, fs_err::read(file)?))).collect()
    }

    /// Drops all logs of a group.
    pub(crate) fn forget(&self, group: &str) -> io::Result<()> {
        match fs_err::remove_dir_all(self.of(group)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn files(&self, group: &str, container: &str) -> io::Result<BTreeMap<u64, PathBuf>> {
        let entries = match fs_err::read_dir(self.of(group).join(container)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            entries => entries?,
        };
        let mut files = BTreeMap::new();
        for entry in entries {
            let path = entry?.path();
            let run =
                path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".log"));
            if let Some(run) = run.and_then(|run| run.parse().ok()) {
                files.insert(run, path);
            }
        }
        Ok(files)
    }

    fn of(&self, group: &str) -> PathBuf {
        self.folder.join(short_hash(group))
    }
}

/// A short name that stands for a resource id where its characters are not welcome.
pub(crate) fn short_hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..6])
}

/// What is shown of an ended container's log.
pub(crate) fn ended(log: &[u8]) -> &[u8] {
    last_lines(last_bytes(log, ENDED_BYTES), ENDED_LINES)
}

/// The last `count` lines; a last line without an end counts as one.
pub(crate) fn last_lines(log: &[u8], count: usize) -> &[u8] {
    let body = log.strip_suffix(b"\n").unwrap_or(log);
    if count == 0 {
        return &[];
    }
    let start = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').nth(count - 1);
    start.map_or(log, |(index, _)| &log[index + 1..])
}

fn last_bytes(log: &[u8], count: usize) -> &[u8] {
    &log[log.len().saturating_sub(count)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_the_end() {
        let check = |log: &str, count, expected: &str| {
            assert_eq!(last_lines(log.as_bytes(), count), expected.as_bytes(), "{log:?} {count}");
        };
        check("a\nb\nc\n", 2, "b\nc\n");
        check("a\nb\nc", 2, "b\nc");
        check("a\nb\n", 9, "a\nb\n");
        check("a\n\n", 1, "\n");
        check("", 3, "");
        check("a\n", 0, "");
    }

    #[test]
    fn an_ended_log_has_both_limits() {
        let many = "x\n".repeat(3000);
        assert_eq!(ended(many.as_bytes()).len(), 2 * ENDED_LINES);
        let long = "y".repeat(50_000);
        assert_eq!(ended(long.as_bytes()).len(), ENDED_BYTES);
    }

    #[test]
    fn the_last_two_runs_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let files = LogFiles::new(folder.path().join("logs"));
        for run in [9, 10, 11] {
            files.keep("/a/group", "agent", run, format!("run {run}\n").as_bytes()).unwrap();
        }
        let kept = files.kept("/a/group", "agent").unwrap();
        assert_eq!(kept, BTreeMap::from([(10, b"run 10\n".to_vec()), (11, b"run 11\n".to_vec())]));
        assert!(files.kept("/another/group", "agent").unwrap().is_empty());
        files.forget("/a/group").unwrap();
        files.forget("/a/group").unwrap();
        assert!(files.kept("/a/group", "agent").unwrap().is_empty());
    }
}
