//! Groups whose containers are not theirs: they are from another time, and go before the groups begin anew. The store says so
//! until it is done, so that a crash in between leaves no mix.

use serde::{Deserialize, Serialize};
use service_kit::{Batch, Store, StoreDocument, StoreError};

use super::{load_all, put};
use crate::record::Record;

const MARK: &str = "container-groups-anew";
const CONTAINERS: &str = "containers";
const LOGS: &str = "container-groups-logs";

/// What containers that are not there any more had written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedLog {
    pub(crate) group: String,
    pub(crate) container: String,
    pub(crate) generation: u64,
    /// Each line begins with its time.
    pub(crate) text: String,
}

impl SavedLog {
    pub(crate) fn new(group: &str, container: &str, generation: u64, log: &[u8]) -> Self {
        let text = String::from_utf8_lossy(log).into_owned();
        Self { group: group.to_owned(), container: container.to_owned(), generation, text }
    }
}

/// Whose logs are theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Logs {
    /// Those in the files.
    Kept,
    /// Those in the store.
    Replaced,
}

/// Whether a table is there only until something is done.
pub(crate) fn is_passing(table: &str) -> bool {
    table == MARK || table == LOGS
}

/// Whether a table holds logs that come with a state.
pub(crate) fn is_log(table: &str) -> bool {
    table == LOGS
}

/// Adds to a change of the state that what runs belongs to none of its groups.
pub(crate) fn mark(batch: Batch, logs: Logs) -> Result<Batch, StoreError> {
    batch.put(MARK, CONTAINERS, &logs)
}

/// Whether what runs belongs to none of the groups.
pub(crate) fn marked(store: &Store) -> Result<Option<Logs>, StoreError> {
    store.get(MARK, CONTAINERS)
}

/// Logs as documents of a state.
pub(crate) fn documents(logs: &[SavedLog]) -> Result<Vec<StoreDocument>, StoreError> {
    let read = Store::in_memory();
    let mut numbered = logs.iter().enumerate();
    read.write(
        numbered
            .try_fold(Batch::new(), |batch, (number, log)| batch.put(LOGS, &format!("{number:06}"), log))?,
    )?;
    read.documents(&[LOGS])
}

pub(crate) fn logs(store: &Store) -> Result<Vec<SavedLog>, StoreError> {
    Ok(store.list(LOGS)?.into_iter().map(|(_, log)| log).collect())
}

/// Everything of the groups' own that a store holds can be read.
pub(crate) fn check(store: &Store) -> Result<Vec<Record>, StoreError> {
    logs(store)?;
    load_all(store)
}

/// Keeps the groups as they begin anew; what runs from now on is theirs.
pub(crate) fn done(store: &Store, records: &[Record]) -> Result<(), StoreError> {
    let batch = Batch::new().clear(MARK).clear(LOGS);
    store.write(records.iter().try_fold(batch, put)?)
}
