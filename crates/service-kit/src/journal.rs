//! What was asked of a service, without secrets, the newest of it. It ends with the process.

mod filter;
mod redact;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use crate::clock::SharedClock;
use crate::ring::Ring;

pub use filter::JournalFilter;
pub use redact::redacted;
use redact::shortened;

/// How many requests are kept.
pub const JOURNAL_BOUND: usize = 10_000;

/// One request. What a service has no word for is left out.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When it came.
    pub time: Timestamp,
    /// Which service was asked, where a journal is of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<&'static str>,
    /// As it was sent, shortened.
    pub method: String,
    /// Path and query, as far as they may be shown.
    pub path: String,
    /// Which of the service's routes it is for; `None` where it is for none.
    pub route: Option<String>,
    /// The version of the interface that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The id by which the answer names the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// `None` where nobody got an answer: the connection was cut, by a fault or by the client.
    pub status: Option<u16>,
    /// Who asked.
    pub caller: String,
    /// From the request to the answer's head, in milliseconds of the service's clock.
    pub duration_ms: i64,
    /// The fault that hit it.
    pub fault: Option<u64>,
}

impl Entry {
    /// A request that came just now, by its method and by its path as it may be shown.
    pub fn new(time: Timestamp, method: &str, shown_path: String) -> Self {
        Self {
            time,
            service: None,
            method: method.chars().take(32).collect(),
            path: shortened(shown_path),
            route: None,
            api_version: None,
            request_id: None,
            status: None,
            caller: "unknown".to_owned(),
            duration_ms: 0,
            fault: None,
        }
    }
}

/// The newest requests. Clones share them.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Mutex<Ring<Entry>>>);

impl Default for Journal {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Ring::new(JOURNAL_BOUND))))
    }
}

impl Journal {
    /// Begins to record a request.
    pub fn begin(&self, clock: &SharedClock, entry: Entry) -> Recording {
        Recording { journal: self.clone(), clock: clock.clone(), entry: Some(entry) }
    }

    /// All that is kept, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.ring().iter().cloned().collect()
    }

    /// What a filter lets through, oldest first. The error says what the filter does not know.
    pub fn filtered(&self, filter: &JournalFilter) -> Result<Vec<Entry>, String> {
        filter.check()?;
        let ring = self.ring();
        let mut found: Vec<_> =
            ring.iter().rev().filter(|entry| filter.fits(entry)).take(filter.most()).cloned().collect();
        found.reverse();
        Ok(found)
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.ring().clear();
    }

    fn ring(&self) -> MutexGuard<'_, Ring<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered. It is written down however it ends, also when the client goes away.
#[derive(Debug)]
pub struct Recording {
    journal: Journal,
    clock: SharedClock,
    entry: Option<Entry>,
}

impl Recording {
    /// Who asks, as soon as it is known.
    pub fn caller(&mut self, caller: String) {
        if let Some(entry) = &mut self.entry {
            entry.caller = caller;
        }
    }

    /// The fault that hits it.
    pub fn fault(&mut self, id: u64) {
        if let Some(entry) = &mut self.entry {
            entry.fault = Some(id);
        }
    }

    /// The end of a request that somebody got an answer to.
    pub fn answered(mut self, status: u16) {
        if let Some(entry) = &mut self.entry {
            entry.status = Some(status);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let Some(mut entry) = self.entry.take() else { return };
        let passed = self.clock.now().duration_since(entry.time).as_millis();
        entry.duration_ms = i64::try_from(passed).unwrap_or(i64::MAX);
        self.journal.ring().push(entry);
    }
}
