//! What containers wrote, within the service's limits: 4 MB of a running one, 16 KB or 1000 lines of an ended one
//! (Microsoft: "Resource availability and quota limits for Azure Container Instances").
//!
//! The engine keeps the log of a container that is there; what it wrote is saved to a file before it is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::runtime::LogRequest;
use crate::stored::anew::SavedLog;

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

    /// Saves the log of a run, whose lines begin with their times, and drops those of older ones.
    pub(crate) fn keep(&self, group: &str, container: &str, generation: u64, log: &[u8]) -> io::Result<()> {
        let folder = self.of(group).join(container);
        fs_err::create_dir_all(&folder)?;
        let (file, fresh) = (folder.join(format!("{generation}.log")), folder.join("fresh"));
        fs_err::write(&fresh, ended_stamped(log))?;
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

    /// Puts other logs in the place of all that are there.
    pub(crate) fn replace(&self, logs: &[SavedLog]) -> io::Result<()> {
        self.keep_only(std::iter::empty())?;
        logs.iter()
            .try_for_each(|log| self.keep(&log.group, &log.container, log.generation, log.text.as_bytes()))
    }

    /// Drops all logs of a group.
    pub(crate) fn forget(&self, group: &str) -> io::Result<()> {
        match fs_err::remove_dir_all(self.of(group)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Drops the logs of all groups but these.
    pub(crate) fn keep_only<'a>(&self, groups: impl Iterator<Item = &'a str>) -> io::Result<()> {
        let kept: BTreeSet<PathBuf> = groups.map(|group| self.of(group)).collect();
        let entries = match fs_err::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if !kept.contains(&path) {
                fs_err::remove_dir_all(path)?;
            }
        }
        Ok(())
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

/// Bytes of a line's time and the blank after it at most.
const TIME_BYTES: usize = 36;

/// What is read of a running container's log.
pub(crate) fn running_request(timestamps: bool) -> LogRequest {
    LogRequest { max_bytes: RUNNING_BYTES, max_lines: None, timestamps }
}

/// What is read of an ended container's log: enough to show all that may be shown.
pub(crate) fn ended_request(timestamps: bool) -> LogRequest {
    let times = if timestamps { ENDED_LINES * TIME_BYTES } else { 0 };
    LogRequest { max_bytes: ENDED_BYTES + times, max_lines: Some(ENDED_LINES), timestamps }
}

/// Where the text of a line begins that may begin with a time.
fn time_end(line: &[u8]) -> usize {
    let Some(blank) = line.iter().take(TIME_BYTES).position(|byte| *byte == b' ') else { return 0 };
    let time = line.get(..blank).and_then(|time| std::str::from_utf8(time).ok());
    if time.is_some_and(|time| time.parse::<Timestamp>().is_ok()) { blank + 1 } else { 0 }
}

fn lines(log: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    log.split_inclusive(|byte| *byte == b'\n')
}

/// The log without the times of its lines.
pub(crate) fn unstamped(log: &[u8]) -> Vec<u8> {
    lines(log).flat_map(|line| line.get(time_end(line)..).unwrap_or_default()).copied().collect()
}

/// What is shown of an ended container's log with times: whole lines, within the limits of [`ended`].
pub(crate) fn ended_stamped(log: &[u8]) -> &[u8] {
    let (mut bytes, mut text, mut shown) = (0, 0, 0);
    for line in lines(log).rev() {
        text += line.len() - time_end(line);
        // One line that is longer than all that is shown is cut when it is shown.
        if (text > ENDED_BYTES && shown > 0) || shown == ENDED_LINES {
            break;
        }
        (bytes, shown) = (bytes + line.len(), shown + 1);
    }
    last_bytes(log, bytes)
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
    fn times_are_told_from_text() {
        let log = b"2026-01-02T03:04:05.123456789Z one\nno time\n2026-01-02T03:04:06Z  two\n";
        assert_eq!(unstamped(log), b"one\nno time\n two\n");
        assert_eq!(unstamped(b""), b"");
        assert_eq!(unstamped(b"2026-01-02T03:04:05Z "), b"");
    }

    #[test]
    fn an_ended_log_with_times_keeps_the_limits_of_its_text() {
        let line = "2026-01-02T03:04:05.123456789Z x\n";
        let many = line.repeat(3000);
        assert_eq!(ended_stamped(many.as_bytes()).len(), ENDED_LINES * line.len());
        let wide = format!("2026-01-02T03:04:05Z {}\n", "y".repeat(99));
        let kept = ended_stamped(wide.repeat(999).as_bytes()).len();
        assert_eq!(kept / wide.len(), ENDED_BYTES / 100);
        assert_eq!(kept % wide.len(), 0, "no line is cut");
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
