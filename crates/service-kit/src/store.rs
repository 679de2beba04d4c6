//! JSON documents that survive `kill -9`, encrypted at rest.
//!
//! Every value is sealed with AES-256-GCM under the instance's key, so that a copy of the file alone gives no
//! secret away. Keys (ids and names) stay readable: they are what the file is searched by.

mod file;
mod memory;
mod sealed;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::entropy::{SharedEntropy, SystemEntropy};
use file::SealedFile;
use memory::Memory;

pub use sealed::SealedError;
pub(crate) use sealed::{SealedReader, SealedWriter};

/// Why a document could not be written or read.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The key that seals an instance's documents: 32 bytes.
#[derive(Clone)]
pub struct StoreKey([u8; 32]);

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey")
    }
}

impl StoreKey {
    /// A new random key.
    pub fn generate(entropy: &SharedEntropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// The key that a text of 64 hexadecimal digits stands for.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The key as text, for whoever hands it to another process.
    pub fn to_hex(&self) -> SecretString {
        hex::encode(self.0).into()
    }

    /// Reads the key from a file that only its owner can read, or makes both.
    pub fn load_or_create(file: &Path, entropy: &SharedEntropy) -> Result<Self, StoreError> {
        let failed = |source| StoreError::KeyFile { file: file.to_owned(), source };
        match fs_err::read(file) {
            Ok(bytes) => {
                bytes.try_into().map(Self).map_err(|_| StoreError::KeyLength { file: file.to_owned() })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = Self::generate(entropy);
                write_private(file, &key.0).map_err(failed)?;
                Ok(key)
            }
            Err(error) => Err(failed(error)),
        }
    }
}

fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    // On Windows the folder's own access list (the user's profile) keeps others out.
    let mut opened = options.open(file)?;
    opened.write_all(bytes)?;
    opened.sync_all()
}

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("open the state file `{}`: another process has it open", file.display())]
    InUse {
        /// The file.
        file: PathBuf,
    },
    /// The file could not be opened.
    #[error("open the state file `{}`", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The key file could not be read or made.
    #[error("read the key file `{}`", file.display())]
    KeyFile {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The key file does not hold 32 bytes.
    #[error("the key file `{}` does not hold a key of 32 bytes", file.display())]
    KeyLength {
        /// The file.
        file: PathBuf,
    },
    /// A document could not be written or read.
    #[error("{action} document `{key}` of `{table}`")]
    Document {
        /// What was attempted.
        action: &'static str,
        /// The table.
        table: String,
        /// The document.
        key: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A document as it is kept, in the clear.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreDocument {
    /// Its table.
    pub table: String,
    /// Its key.
    pub key: String,
    /// Its JSON.
    pub value: Vec<u8>,
}

impl fmt::Debug for StoreDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreDocument")
            .field("table", &self.table)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Several changes that are made together or not at all.
#[derive(Debug, Default)]
pub struct Batch(Vec<Change>);

#[derive(Debug)]
enum Change {
    /// Adds or replaces a document; `None` removes it.
    Document { table: String, key: String, value: Option<Vec<u8>> },
    /// Removes the documents of all tables whose names begin so.
    Clear(&'static str),
}

impl Change {
    /// What an error names: table and document.
    fn address(&self) -> (String, String) {
        match self {
            Self::Document { table, key, .. } => (table.clone(), key.clone()),
            Self::Clear(prefix) => ((*prefix).to_owned(), "*".to_owned()),
        }
    }
}

impl Batch {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a document.
    pub fn put<T: Serialize>(mut self, table: &str, key: &str, value: &T) -> Result<Self, StoreError> {
        let bytes = serde_json::to_vec(value).map_err(|source| document("encode", table, key, source))?;
        self.0.push(Change::Document { table: table.to_owned(), key: key.to_owned(), value: Some(bytes) });
        Ok(self)
    }

    /// Adds or replaces a document that another store gave out.
    #[must_use]
    pub fn document(mut self, document: StoreDocument) -> Self {
        let StoreDocument { table, key, value } = document;
        self.0.push(Change::Document { table, key, value: Some(value) });
        self
    }

    /// Removes the documents of all tables whose names begin with `prefix`. What is put after it stays.
    #[must_use]
    pub fn clear(mut self, prefix: &'static str) -> Self {
        self.0.push(Change::Clear(prefix));
        self
    }

    /// Adds the changes of another batch behind these.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        self.0.extend(later.0);
        self
    }

    /// Removes a document; it need not exist.
    #[must_use]
    pub fn delete(mut self, table: &str, key: &str) -> Self {
        self.0.push(Change::Document { table: table.to_owned(), key: key.to_owned(), value: None });
        self
    }
}

/// Documents by table and key. Clones share the same ones.
#[derive(Clone)]
pub struct Store {
    backing: Arc<Backing>,
    key: StoreKey,
}

enum Backing {
    File(SealedFile),
    Memory(Memory),
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens or makes the file. One process at a time: a second one gets [`StoreError::InUse`].
    pub fn open(file: &Path, key: &StoreKey, entropy: &SharedEntropy) -> Result<Self, StoreError> {
        let backing = Backing::File(SealedFile::open(file, key, entropy)?);
        Ok(Self { backing: Arc::new(backing), key: key.clone() })
    }

    /// A store that ends with the process, and its key with it.
    pub fn in_memory() -> Self {
        Self::in_memory_with(StoreKey::generate(&SystemEntropy::shared()))
    }

    /// A store that ends with the process, whose key others may have.
    pub fn in_memory_with(key: StoreKey) -> Self {
        Self { backing: Arc::new(Backing::Memory(Memory::default())), key }
    }

    /// What seals the documents where they leave the process.
    pub fn key(&self) -> &StoreKey {
        &self.key
    }

    /// The documents of all tables whose names begin with one of these, as they are kept at one moment.
    pub fn documents(&self, prefixes: &[&str]) -> Result<Vec<StoreDocument>, StoreError> {
        match self.backing.as_ref() {
            Backing::File(file) => file
                .documents(prefixes)
                .map_err(|(key, source)| document("list", &prefixes.join(", "), &key, source)),
            Backing::Memory(memory) => Ok(memory.documents(prefixes)),
        }
    }

    /// Reads a document.
    pub fn get<T: DeserializeOwned>(&self, table: &str, key: &str) -> Result<Option<T>, StoreError> {
        let found = match self.backing.as_ref() {
            Backing::File(file) => file.get(table, key),
            Backing::Memory(memory) => Ok(memory.get(table, key)),
        };
        let read =
            found.and_then(|found| Ok(found.map(|plain| serde_json::from_slice(&plain)).transpose()?));
        read.map_err(|source| document("read", table, key, source))
    }

    /// Reads all documents of a table, ordered by key.
    pub fn list<T: DeserializeOwned>(&self, table: &str) -> Result<Vec<(String, T)>, StoreError> {
        let found = match self.backing.as_ref() {
            Backing::File(file) => {
                file.list(table).map_err(|(key, source)| document("list", table, &key, source))?
            }
            Backing::Memory(memory) => memory.list(table),
        };
        let read = |(key, plain): (String, Vec<u8>)| match serde_json::from_slice(&plain) {
            Ok(value) => Ok((key, value)),
            Err(source) => Err(document("list", table, &key, source)),
        };
        found.into_iter().map(read).collect()
    }

    /// Adds or replaces one document.
    pub fn put<T: Serialize>(&self, table: &str, key: &str, value: &T) -> Result<(), StoreError> {
        self.write(Batch::new().put(table, key, value)?)
    }

    /// Removes one document; it need not exist.
    pub fn delete(&self, table: &str, key: &str) -> Result<(), StoreError> {
        self.write(Batch::new().delete(table, key))
    }

    /// Makes all changes of a batch in one transaction.
    pub fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let Some(first) = batch.0.first() else { return Ok(()) };
        let (table, key) = first.address();
        match self.backing.as_ref() {
            Backing::File(file) => {
                file.write(batch.0).map_err(|source| document("write", &table, &key, source))
            }
            Backing::Memory(memory) => {
                memory.write(batch.0);
                Ok(())
            }
        }
    }
}

fn document(action: &'static str, table: &str, key: &str, source: impl Into<Cause>) -> StoreError {
    StoreError::Document { action, table: table.to_owned(), key: key.to_owned(), source: source.into() }
}
