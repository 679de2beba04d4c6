//! JSON documents that survive `kill -9`, encrypted at rest.
//!
//! Every value is sealed with AES-256-GCM under the instance's key, so that a copy of the file alone gives no
//! secret away. Keys (ids and names) stay readable: they are what the file is searched by.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use redb::{Database, DatabaseError, ReadableDatabase, TableDefinition, TableError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::entropy::{SharedEntropy, SystemEntropy};

const DOCUMENTS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("documents");

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

/// Several changes that are made together or not at all.
#[derive(Debug, Default)]
pub struct Batch(Vec<Change>);

#[derive(Debug)]
struct Change {
    table: String,
    key: String,
    value: Option<Vec<u8>>,
}

impl Batch {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a document.
    pub fn put<T: Serialize>(mut self, table: &str, key: &str, value: &T) -> Result<Self, StoreError> {
        let bytes = serde_json::to_vec(value).map_err(|source| document("encode", table, key, source))?;
        self.0.push(Change { table: table.to_owned(), key: key.to_owned(), value: Some(bytes) });
        Ok(self)
    }

    /// Removes a document; it need not exist.
    #[must_use]
    pub fn delete(mut self, table: &str, key: &str) -> Self {
        self.0.push(Change { table: table.to_owned(), key: key.to_owned(), value: None });
        self
    }
}

/// Encrypted documents by table and key. Clones share the same file.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
    seal: Arc<LessSafeKey>,
    entropy: SharedEntropy,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens or makes the file. One process at a time: a second one gets [`StoreError::InUse`].
    pub fn open(file: &Path, key: &StoreKey, entropy: &SharedEntropy) -> Result<Self, StoreError> {
        let database = Database::create(file).map_err(|source| match source {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { file: file.to_owned() },
            source => StoreError::Open { file: file.to_owned(), source: Box::new(source) },
        })?;
        Ok(Self::with(database, key, entropy))
    }

    /// A store that ends with the process.
    pub fn in_memory() -> Self {
        let entropy = SystemEntropy::shared();
        let database = Database::builder()
            .create_with_backend(redb::backends::InMemoryBackend::new())
            .expect("memory needs no file that could fail");
        Self::with(database, &StoreKey::generate(&entropy), &entropy)
    }

    fn with(database: Database, key: &StoreKey, entropy: &SharedEntropy) -> Self {
        let unbound = UnboundKey::new(&AES_256_GCM, &key.0).expect("a store key has the cipher's key length");
        Self {
            database: Arc::new(database),
            seal: Arc::new(LessSafeKey::new(unbound)),
            entropy: entropy.clone(),
        }
    }

    /// Reads a document.
    pub fn get<T: DeserializeOwned>(&self, table: &str, key: &str) -> Result<Option<T>, StoreError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Document {
            action: "read",
            table: table.to_owned(),
            key: key.to_owned(),
            source,
        };
        let transaction = self.database.begin_read().map_err(|e| failed(e.into()))?;
        let documents = match transaction.open_table(DOCUMENTS) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            opened => opened.map_err(|e| failed(e.into()))?,
        };
        let Some(sealed) = documents.get((table, key)).map_err(|e| failed(e.into()))? else {
            return Ok(None);
        };
        self.unseal(table, key, sealed.value()).map(Some).map_err(failed)
    }

    /// Reads all documents of a table, ordered by key.
    pub fn list<T: DeserializeOwned>(&self, table: &str) -> Result<Vec<(String, T)>, StoreError> {
        let failed = |key: &str, source: Box<dyn std::error::Error + Send + Sync>| StoreError::Document {
            action: "list",
            table: table.to_owned(),
            key: key.to_owned(),
            source,
        };
        let transaction = self.database.begin_read().map_err(|e| failed("", e.into()))?;
        let documents = match transaction.open_table(DOCUMENTS) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            opened => opened.map_err(|e| failed("", e.into()))?,
        };
        let mut found = Vec::new();
        for entry in documents.range((table, "")..).map_err(|e| failed("", e.into()))? {
            let (name, sealed) = entry.map_err(|e| failed("", e.into()))?;
            let (of, key) = name.value();
            if of != table {
                break;
            }
            found
                .push((key.to_owned(), self.unseal(table, key, sealed.value()).map_err(|e| failed(key, e))?));
        }
        Ok(found)
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
        let (table, key) = (first.table.clone(), first.key.clone());
        let failed =
            |source| StoreError::Document { action: "write", table: table.clone(), key: key.clone(), source };
        let transaction = self.database.begin_write().map_err(|e| failed(e.into()))?;
        {
            let mut documents = transaction.open_table(DOCUMENTS).map_err(|e| failed(e.into()))?;
            for change in &batch.0 {
                let name = (change.table.as_str(), change.key.as_str());
                match &change.value {
                    Some(value) => {
                        let sealed = self.sealed(name.0, name.1, value.clone());
                        documents.insert(name, sealed.as_slice()).map_err(|e| failed(e.into()))?;
                    }
                    None => {
                        documents.remove(name).map_err(|e| failed(e.into()))?;
                    }
                }
            }
        }
        transaction.commit().map_err(|e| failed(e.into()))
    }

    fn sealed(&self, table: &str, key: &str, mut value: Vec<u8>) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        self.entropy.fill(&mut nonce);
        let tag = self
            .seal
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(address(table, key)),
                &mut value,
            )
            .expect("a document is far below the cipher's length limit");
        [nonce.as_slice(), &value, tag.as_ref()].concat()
    }

    fn unseal<T: DeserializeOwned>(
        &self,
        table: &str,
        key: &str,
        sealed: &[u8],
    ) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or("the stored value is cut off")?;
        let mut rest = rest.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce)?;
        let plain = self
            .seal
            .open_in_place(nonce, Aad::from(address(table, key)), &mut rest)
            .map_err(|_| "the stored value was not sealed with this instance's key")?;
        Ok(serde_json::from_slice(plain)?)
    }
}

/// Binds a sealed value to its place, so that swapping two values is noticed.
fn address(table: &str, key: &str) -> Vec<u8> {
    format!("{table}\0{key}").into_bytes()
}

fn document(action: &'static str, table: &str, key: &str, source: serde_json::Error) -> StoreError {
    StoreError::Document { action, table: table.to_owned(), key: key.to_owned(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_survive_reopening_and_the_file_holds_no_plain_text() {
        let folder = tempfile::tempdir().unwrap();
        let (file, entropy) = (folder.path().join("state.redb"), SystemEntropy::shared());
        let key = StoreKey::load_or_create(&folder.path().join("key"), &entropy).unwrap();
        let store = Store::open(&file, &key, &entropy).unwrap();
        store.put("agents", "7", &"planted-secret-value").unwrap();
        store.put("agents", "70", &"b").unwrap();
        store.put("agentz", "1", &"c").unwrap();
        assert!(matches!(Store::open(&file, &key, &entropy), Err(StoreError::InUse { .. })));
        drop(store);

        let raw = fs_err::read(&file).unwrap();
        assert!(!raw.windows(14).any(|w| w == b"planted-secret"), "the file shows a secret");
        assert!(raw.windows(6).any(|w| w == b"agents"), "control: what is not sealed can be found");

        let key = StoreKey::load_or_create(&folder.path().join("key"), &entropy).unwrap();
        let store = Store::open(&file, &key, &entropy).unwrap();
        let listed: Vec<(String, String)> = store.list("agents").unwrap();
        assert_eq!(listed, [("7".into(), "planted-secret-value".into()), ("70".into(), "b".into())]);
        store.write(Batch::new().delete("agents", "7").put("x", "y", &1).unwrap()).unwrap();
        assert_eq!(store.get::<String>("agents", "7").unwrap(), None);
        assert_eq!(store.get::<i32>("x", "y").unwrap(), Some(1));
    }

    #[test]
    fn another_key_reads_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (file, entropy) = (folder.path().join("state.redb"), SystemEntropy::shared());
        let store = Store::open(&file, &StoreKey::generate(&entropy), &entropy).unwrap();
        store.put("t", "k", &"v").unwrap();
        drop(store);
        let other = Store::open(&file, &StoreKey::generate(&entropy), &entropy).unwrap();
        let error = other.get::<String>("t", "k").unwrap_err();
        assert_eq!(error.to_string(), "read document `k` of `t`");
    }
}
