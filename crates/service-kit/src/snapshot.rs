//! What services keep, in one sealed file, and back: the form inside the seal.
//!
//! Entries, each a line of JSON and then its bytes. A part is what one service keeps: its documents, then its files, however
//! large: none is held in memory. A file of one part says in its header what it holds, a file of several says so where each
//! begins, so that a service finds its part in either.

mod transfer;

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};

use serde::{Deserialize, Serialize};

use crate::entropy::SharedEntropy;
use crate::store::{SealedError, SealedReader, SealedWriter, StoreDocument, StoreKey};

pub use transfer::{SNAPSHOT_KEY, SnapshotFile, snapshot_key, snapshot_received};

/// What a file of several parts is said to hold, and in which version.
pub const WHOLE: (&str, u32) = ("sandbox", 1);
/// Longest line before an entry, in bytes.
const LINE: u64 = 64 * 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Entry {
    Part {
        holds: String,
        version: u32,
    },
    Document {
        table: String,
        key: String,
        length: u64,
    },
    /// A file; the first ones were texts of plans.
    Text {
        #[serde(rename = "plan")]
        folder: String,
        name: String,
        length: u64,
    },
    End,
}

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFileError {
    /// It is no snapshot, not whole, changed, or sealed with another key.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// It holds something else.
    #[error("it holds `{found}` in version {version}; `{expected}` in version {supported} is read")]
    Holds {
        /// What it holds.
        found: String,
        /// In which version.
        version: u32,
        /// What was wanted.
        expected: String,
        /// The version that is read.
        supported: u32,
    },
    /// What is inside makes no sense.
    #[error("it holds {0}")]
    Content(String),
}

impl SnapshotFileError {
    /// Whether another key would open it.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Sealed(SealedError::ForeignKey { .. }))
    }
}

impl From<io::Error> for SnapshotFileError {
    fn from(error: io::Error) -> Self {
        Self::Sealed(error.into())
    }
}

/// Writes a snapshot. Nothing of it can be read before [`SnapshotWriter::end`].
pub struct SnapshotWriter<W>(SealedWriter<W>);

impl<W> fmt::Debug for SnapshotWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SnapshotWriter")
    }
}

impl<W: Write> SnapshotWriter<W> {
    /// Begins a file of one part, or one of several, which holds [`WHOLE`].
    pub fn new(out: W, key: &StoreKey, holds: (&str, u32), entropy: &SharedEntropy) -> io::Result<Self> {
        Ok(Self(SealedWriter::new(out, key, holds, entropy)?))
    }

    /// Begins a part of a file of several.
    pub fn part(&mut self, (holds, version): (&str, u32)) -> io::Result<()> {
        self.entry(&Entry::Part { holds: holds.to_owned(), version })
    }

    /// Adds a document; those of a part come before its files.
    pub fn document(&mut self, document: &StoreDocument) -> io::Result<()> {
        let (table, key) = (document.table.clone(), document.key.clone());
        self.entry(&Entry::Document { table, key, length: document.value.len() as u64 })?;
        self.0.write_all(&document.value)
    }

    /// Adds the first `length` bytes of a file, by the name of its folder and its own.
    pub fn file(&mut self, folder: &str, name: &str, length: u64, bytes: &mut dyn Read) -> io::Result<()> {
        self.entry(&Entry::Text { folder: folder.to_owned(), name: name.to_owned(), length })?;
        let copied = io::copy(&mut bytes.take(length), &mut self.0)?;
        if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Writes the end.
    pub fn end(mut self) -> io::Result<W> {
        self.entry(&Entry::End)?;
        self.0.finish()
    }

    fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, entry)?;
        self.0.write_all(b"\n")
    }
}

/// Reads a snapshot in the order in which it was written. Only [`SnapshotReader::finish`] says that nothing is missing.
pub struct SnapshotReader<R: BufRead> {
    input: BufReader<SealedReader<R>>,
    ahead: Option<Entry>,
    holds: String,
    version: u32,
}

impl<R: BufRead> fmt::Debug for SnapshotReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotReader").field("holds", &self.holds).finish_non_exhaustive()
    }
}

impl<R: BufRead> SnapshotReader<R> {
    /// Opens a file of one part or several.
    pub fn open(input: R, key: &StoreKey) -> Result<Self, SnapshotFileError> {
        let (input, holds, version) = SealedReader::open(input, key)?;
        let ahead = match holds.as_str() {
            name if name == WHOLE.0 && version == WHOLE.1 => None,
            name if name == WHOLE.0 => return Err(other(&holds, version, WHOLE)),
            _ => Some(Entry::Part { holds: holds.clone(), version }),
        };
        Ok(Self { input: BufReader::new(input), ahead, holds, version })
    }

    /// What it holds: one part, or [`WHOLE`].
    pub fn holds(&self) -> &str {
        &self.holds
    }

    /// Goes on to a part. `false`: the rest of the file has no such part.
    pub fn find(&mut self, part: (&str, u32)) -> Result<bool, SnapshotFileError> {
        loop {
            match self.entry()? {
                Entry::Part { holds, version } if holds == part.0 => {
                    return if version == part.1 { Ok(true) } else { Err(other(&holds, version, part)) };
                }
                Entry::Part { .. } => {}
                Entry::Document { length, .. } | Entry::Text { length, .. } => {
                    self.copy(length, &mut io::sink())?;
                }
                end @ Entry::End => {
                    self.ahead = Some(end);
                    return Ok(false);
                }
            }
        }
    }

    /// Goes on to a part that has to be there.
    pub fn expect(&mut self, part: (&str, u32)) -> Result<(), SnapshotFileError> {
        if self.find(part)? { Ok(()) } else { Err(other(&self.holds, self.version, part)) }
    }

    /// All documents of the part, whose tables have to fit.
    pub fn documents(
        &mut self,
        fits: impl Fn(&StoreDocument) -> bool,
    ) -> Result<Vec<StoreDocument>, SnapshotFileError> {
        let mut documents = Vec::new();
        loop {
            match self.entry()? {
                Entry::Document { table, key, length } => {
                    let mut document = StoreDocument { table, key, value: Vec::new() };
                    if !fits(&document) {
                        return Err(unexpected(&format!("a document of `{}`", document.table)));
                    }
                    self.copy(length, &mut document.value)?;
                    documents.push(document);
                }
                other => {
                    self.ahead = Some(other);
                    return Ok(documents);
                }
            }
        }
    }

    /// In which folder the next file of the part is, and its name; `None` after the last.
    pub fn next_file(&mut self) -> Result<Option<(String, String)>, SnapshotFileError> {
        match self.entry()? {
            Entry::Text { folder, name, length } => {
                let fits = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
                for part in [&folder, &name] {
                    if part.is_empty() || part.starts_with('.') || !part.chars().all(fits) {
                        return Err(unexpected(&format!("a file named `{part}`")));
                    }
                }
                self.ahead = Some(Entry::Text { folder: folder.clone(), name: name.clone(), length });
                Ok(Some((folder, name)))
            }
            Entry::Document { .. } => Err(unexpected("a document behind a file")),
            other => {
                self.ahead = Some(other);
                Ok(None)
            }
        }
    }

    /// The file that was announced.
    pub fn copy_file(&mut self, out: &mut dyn Write) -> Result<(), SnapshotFileError> {
        let Some(Entry::Text { length, .. }) = self.ahead.take() else { return Ok(()) };
        self.copy(length, out)
    }

    /// Reads the rest: nothing is missing, and nothing is behind the end.
    pub fn finish(mut self) -> Result<(), SnapshotFileError> {
        // No part has this name.
        self.find(("", 0))?;
        let mut rest = [0];
        // Only the seal's own end says that nothing is missing.
        match self.input.read(&mut rest)? {
            0 => Ok(()),
            _ => Err(unexpected("something behind its end")),
        }
    }

    fn copy(&mut self, length: u64, mut out: &mut dyn Write) -> Result<(), SnapshotFileError> {
        let copied = io::copy(&mut (&mut self.input).take(length), &mut out)?;
        if copied == length { Ok(()) } else { Err(SealedError::CutOff.into()) }
    }

    fn entry(&mut self) -> Result<Entry, SnapshotFileError> {
        if let Some(entry) = self.ahead.take() {
            return Ok(entry);
        }
        let mut line = Vec::new();
        (&mut self.input).take(LINE).read_until(b'\n', &mut line)?;
        serde_json::from_slice(&line).map_err(|error| unexpected(&format!("an entry that is none: {error}")))
    }
}

fn unexpected(what: &str) -> SnapshotFileError {
    SnapshotFileError::Content(what.to_owned())
}

fn other(found: &str, version: u32, expected: (&str, u32)) -> SnapshotFileError {
    SnapshotFileError::Holds {
        found: found.to_owned(),
        version,
        expected: expected.0.to_owned(),
        supported: expected.1,
    }
}

#[cfg(test)]
mod tests;
