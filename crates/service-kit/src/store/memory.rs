//! Documents that end with the process. They are as plain here as the state they are made of.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Change, StoreDocument};

type Tables = BTreeMap<String, BTreeMap<String, Box<[u8]>>>;

/// By table and key.
#[derive(Default)]
pub(super) struct Memory(Mutex<Tables>);

impl Memory {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, table: &str, key: &str) -> Option<Vec<u8>> {
        self.tables().get(table)?.get(key).map(|value| value.to_vec())
    }

    pub(super) fn list(&self, table: &str) -> Vec<(String, Vec<u8>)> {
        let tables = self.tables();
        let found = tables.get(table).into_iter().flatten();
        found.map(|(key, value)| (key.clone(), value.to_vec())).collect()
    }

    /// The documents of all tables whose names begin so, at one moment.
    pub(super) fn documents(&self, prefixes: &[&str]) -> Vec<StoreDocument> {
        let tables = self.tables();
        let found = prefixes.iter().flat_map(|prefix| {
            tables.range((*prefix).to_owned()..).take_while(move |(table, _)| table.starts_with(prefix))
        });
        let documents =
            found.flat_map(|(table, documents)| documents.iter().map(move |document| (table, document)));
        documents
            .map(|(table, (key, value))| StoreDocument {
                table: table.clone(),
                key: key.clone(),
                value: value.to_vec(),
            })
            .collect()
    }

    /// Makes all changes before anybody sees one of them.
    pub(super) fn write(&self, changes: Vec<Change>) {
        let mut tables = self.tables();
        for change in changes {
            let (table, key, value) = match change {
                Change::Document { table, key, value } => (table, key, value),
                Change::Clear(prefix) => {
                    tables.retain(|table, _| !table.starts_with(prefix));
                    continue;
                }
            };
            let documents = tables.entry(table).or_default();
            match value {
                Some(value) => drop(documents.insert(key, value.into_boxed_slice())),
                None => drop(documents.remove(&key)),
            }
        }
    }
}
