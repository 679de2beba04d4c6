//! What is inside the seal: entries, each a line of JSON and then its bytes. Documents come first, then the texts of plans.

use std::io::{self, BufRead, BufReader, Read, Write};

use serde::{Deserialize, Serialize};
use service_kit::{SealedError, SealedReader, SealedWriter, StoreDocument};

use super::RestoreError;
use crate::state::documents::table;
use crate::wire::ids::PlanId;

/// Longest line before an entry, in bytes.
const LINE: u64 = 64 * 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Entry {
    Document { table: String, key: String, length: u64 },
    Text { plan: PlanId, name: String, length: u64 },
    End,
}

pub(super) struct Writer<W>(pub(super) SealedWriter<W>);

impl<W: Write> Writer<W> {
    pub(super) fn document(&mut self, document: &StoreDocument) -> io::Result<()> {
        let (table, key) = (document.table.clone(), document.key.clone());
        self.entry(&Entry::Document { table, key, length: document.value.len() as u64 })?;
        self.0.write_all(&document.value)
    }

    pub(super) fn text(
        &mut self,
        plan: PlanId,
        name: &str,
        length: u64,
        text: &mut dyn Read,
    ) -> io::Result<()> {
        self.entry(&Entry::Text { plan, name: name.to_owned(), length })?;
        let copied = io::copy(&mut text.take(length), &mut self.0)?;
        if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    pub(super) fn end(mut self) -> io::Result<W> {
        self.entry(&Entry::End)?;
        self.0.finish()
    }

    fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, entry)?;
        self.0.write_all(b"\n")
    }
}

/// Reads entries in the order in which they were written.
pub(super) struct Reader<R: BufRead> {
    input: BufReader<SealedReader<R>>,
    ahead: Option<Entry>,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(input: SealedReader<R>) -> Self {
        Self { input: BufReader::new(input), ahead: None }
    }

    /// All documents.
    pub(super) fn documents(&mut self) -> Result<Vec<StoreDocument>, RestoreError> {
        let mut documents = Vec::new();
        loop {
            match self.entry()? {
                Entry::Document { table, key, length } => {
                    if !table.starts_with(table::PREFIX) {
                        return Err(unexpected(&format!("a document of `{table}`")));
                    }
                    let mut value = Vec::new();
                    let read =
                        (&mut self.input).take(length).read_to_end(&mut value).map_err(SealedError::from)?;
                    if read as u64 != length {
                        return Err(SealedError::CutOff.into());
                    }
                    documents.push(StoreDocument { table, key, value });
                }
                other => {
                    self.ahead = Some(other);
                    return Ok(documents);
                }
            }
        }
    }

    /// Of which plan the next text is, and its name; `None` after the last.
    pub(super) fn next_text(&mut self) -> Result<Option<(PlanId, String)>, RestoreError> {
        match self.entry()? {
            Entry::Text { plan, name, length } => {
                let fits = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
                if name.starts_with('.') || !name.chars().all(fits) {
                    return Err(unexpected(&format!("a text named `{name}`")));
                }
                self.ahead = Some(Entry::Text { plan, name: name.clone(), length });
                Ok(Some((plan, name)))
            }
            Entry::Document { .. } => Err(unexpected("a document behind a text")),
            Entry::End => {
                // Only the seal's own end says that nothing is missing.
                let mut rest = [0];
                match self.input.read(&mut rest).map_err(SealedError::from)? {
                    0 => Ok(None),
                    _ => Err(unexpected("something behind its end")),
                }
            }
        }
    }

    /// The text that was announced.
    pub(super) fn copy_text(&mut self, out: &mut dyn Write) -> Result<(), RestoreError> {
        let Some(Entry::Text { length, .. }) = self.ahead.take() else { return Ok(()) };
        let copied = io::copy(&mut (&mut self.input).take(length), out).map_err(SealedError::from)?;
        if copied == length { Ok(()) } else { Err(SealedError::CutOff.into()) }
    }

    fn entry(&mut self) -> Result<Entry, RestoreError> {
        if let Some(entry) = self.ahead.take() {
            return Ok(entry);
        }
        let mut line = Vec::new();
        (&mut self.input).take(LINE).read_until(b'\n', &mut line).map_err(SealedError::from)?;
        serde_json::from_slice(&line).map_err(|error| unexpected(&format!("an entry that is none: {error}")))
    }
}

fn unexpected(what: &str) -> RestoreError {
    RestoreError::Content(format!("it holds {what}"))
}
