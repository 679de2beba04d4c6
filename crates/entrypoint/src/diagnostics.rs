//! The end of the agent's own log, shown when it failed: nobody can look into a container that is gone.
//!
//! The agent masks what it knows to be secret. This does not rely on it: every word that could be a key is masked as well.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::redact::Redactor;
use crate::report::{log, pass_through};

/// Bytes.
const MOST: u64 = 16 * 1024;
const MASK: &[u8] = b"***";
/// A key has more letters and digits in a row than this; a word, a version, a path has not.
const LONGEST_WORD: usize = 24;

/// Shows the end of the newest log of the listener, if there is one.
pub(crate) fn show(agent_directory: &Path, mut redactor: Redactor) {
    let Some(file) = newest(&agent_directory.join("_diag")) else { return };
    let Some(tail) = tail(&file) else { return };
    log(format_args!("the end of `{}`, with all that could be a key masked:", file.display()));
    let mut shown = redactor.push(&tail);
    shown.extend(redactor.finish());
    let mut lines = Vec::new();
    for line in shown.split_inclusive(|byte| *byte == b'\n') {
        lines.extend_from_slice(b"  | ");
        lines.extend(masked(line));
    }
    pass_through(&lines);
}

/// Names hold the time of the start, so that the last one in order is the newest (azure-pipelines-agent: HostContext.cs).
fn newest(folder: &Path) -> Option<PathBuf> {
    let names = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    names
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("Agent_")))
        .max()
}

/// Whole lines from the end. The folder is the agent's, so what is opened must be a plain file and is read without trust.
fn tail(path: &Path) -> Option<Vec<u8>> {
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let mut file = fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let start = length.saturating_sub(MOST);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).ok()?;
    if start > 0 {
        // The first line is not whole, and half a key has no shape.
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        bytes.drain(..=end);
    }
    Some(bytes)
}

/// The line with every run of characters masked that holds a piece of a key.
fn masked(line: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(first) = rest.first() {
        if !is_of_key(*first) {
            shown.push(*first);
            rest = &rest[1..];
            continue;
        }
        let end = rest.iter().position(|byte| !is_of_key(*byte)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        shown.extend_from_slice(if is_suspicious(run) { MASK } else { run });
        rest = after;
    }
    shown
}

/// The letters of base64, of its form for URLs, of percent encoding, and the dots of a web token.
fn is_of_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=_-.~%".contains(&byte)
}

fn is_suspicious(run: &[u8]) -> bool {
    run.starts_with(b"eyJ")
        || run.split(|byte| b"/.-".contains(byte)).any(|word| {
            word.len() > LONGEST_WORD
                && word.iter().any(u8::is_ascii_digit)
                && word.iter().any(u8::is_ascii_alphabetic)
        })
}

#[cfg(test)]
mod tests;
