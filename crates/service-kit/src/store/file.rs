//! Documents in one file, each sealed with AES-256-GCM under the instance's key.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use redb::{Database, DatabaseError, ReadableDatabase, TableDefinition, TableError};

use super::{Cause, Change, StoreDocument, StoreError, StoreKey};
use crate::entropy::SharedEntropy;

const DOCUMENTS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("documents");

/// How much of the file the process keeps in memory, in bytes. The system has its own cache of the same pages, and what
/// is looked for often is in the services' state.
const CACHE: usize = 8 << 20;

/// A document by its key.
type Found = (String, Vec<u8>);

/// The open file.
pub(super) struct SealedFile {
    database: Database,
    seal: LessSafeKey,
    entropy: SharedEntropy,
}

impl SealedFile {
    pub(super) fn open(file: &Path, key: &StoreKey, entropy: &SharedEntropy) -> Result<Self, StoreError> {
        let opened = Database::builder().set_cache_size(CACHE).create(file);
        let database = opened.map_err(|source| match source {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { file: file.to_owned() },
            source => StoreError::Open { file: file.to_owned(), source: Box::new(source) },
        })?;
        let unbound = UnboundKey::new(&AES_256_GCM, &key.0).expect("a store key has the cipher's key length");
        Ok(Self { database, seal: LessSafeKey::new(unbound), entropy: entropy.clone() })
    }

    pub(super) fn get(&self, table: &str, key: &str) -> Result<Option<Vec<u8>>, Cause> {
        let transaction = self.database.begin_read()?;
        let documents = match transaction.open_table(DOCUMENTS) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            opened => opened?,
        };
        let Some(sealed) = documents.get((table, key))? else { return Ok(None) };
        self.unsealed(table, key, sealed.value()).map(Some)
    }

    /// The documents of a table by key, or the key of the one that could not be read.
    pub(super) fn list(&self, table: &str) -> Result<Vec<Found>, (String, Cause)> {
        let found = self.scan(&[table], |of, table| of == table)?;
        Ok(found.into_iter().map(|document| (document.key, document.value)).collect())
    }

    /// The documents of all tables whose names begin so, or the key of the one that could not be read.
    pub(super) fn documents(&self, prefixes: &[&str]) -> Result<Vec<StoreDocument>, (String, Cause)> {
        self.scan(prefixes, |table, prefix| table.starts_with(prefix))
    }

    /// The documents of the tables from each of `firsts` on, as long as they are wanted for it; in one transaction.
    fn scan(
        &self,
        firsts: &[&str],
        wanted: impl Fn(&str, &str) -> bool,
    ) -> Result<Vec<StoreDocument>, (String, Cause)> {
        let failed = |cause: Cause| (String::new(), cause);
        let transaction = self.database.begin_read().map_err(|e| failed(e.into()))?;
        let documents = match transaction.open_table(DOCUMENTS) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            opened => opened.map_err(|e| failed(e.into()))?,
        };
        let mut found = Vec::new();
        for first in firsts {
            for entry in documents.range((*first, "")..).map_err(|e| failed(e.into()))? {
                let (name, sealed) = entry.map_err(|e| failed(e.into()))?;
                let (table, key) = name.value();
                if !wanted(table, first) {
                    break;
                }
                let value =
                    self.unsealed(table, key, sealed.value()).map_err(|cause| (key.to_owned(), cause))?;
                found.push(StoreDocument { table: table.to_owned(), key: key.to_owned(), value });
            }
        }
        Ok(found)
    }

    /// Makes all changes in one transaction.
    pub(super) fn write(&self, changes: Vec<Change>) -> Result<(), Cause> {
        let transaction = self.database.begin_write()?;
        {
            let mut documents = transaction.open_table(DOCUMENTS)?;
            for change in changes {
                let (table, key, value) = match change {
                    Change::Document { table, key, value } => (table, key, value),
                    Change::Clear(prefix) => {
                        documents.retain(|(table, _), _| !table.starts_with(prefix))?;
                        continue;
                    }
                };
                let name = (table.as_str(), key.as_str());
                match value {
                    Some(value) => drop(documents.insert(name, self.sealed(name, value).as_slice())?),
                    None => drop(documents.remove(name)?),
                }
            }
        }
        Ok(transaction.commit()?)
    }

    fn sealed(&self, (table, key): (&str, &str), mut value: Vec<u8>) -> Vec<u8> {
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

    fn unsealed(&self, table: &str, key: &str, sealed: &[u8]) -> Result<Vec<u8>, Cause> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or("the stored value is cut off")?;
        let mut rest = rest.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce)?;
        let plain = self
            .seal
            .open_in_place(nonce, Aad::from(address(table, key)), &mut rest)
            .map_err(|_| "the stored value was not sealed with this instance's key")?;
        let length = plain.len();
        rest.truncate(length);
        Ok(rest)
    }
}

/// Binds a sealed value to its place, so that swapping two values is noticed.
fn address(table: &str, key: &str) -> Vec<u8> {
    format!("{table}\0{key}").into_bytes()
}
