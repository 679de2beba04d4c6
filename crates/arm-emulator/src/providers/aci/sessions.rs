//! Streams that were promised by `exec` and `attach` and wait for their WebSocket.
//!
//! What is promised is one connection: the address holds a random id, and the password that goes with it is good once
//! and for a short time. Neither is kept in the store: the promise dies with the process, as the stream would.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use container_groups::{ExecCommand, RunningContainer};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// How long a promise holds. The service's own time is not published.
const LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// Promises at a time; above it the oldest is dropped.
const MOST: usize = 1000;

/// What a connection gets.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// A terminal with a command.
    Exec(ExecCommand),
    /// What the container writes.
    Attach,
}

/// A stream that was promised.
pub(crate) struct Promise {
    pub(crate) container: RunningContainer,
    pub(crate) purpose: Purpose,
    password: SecretString,
    made: Timestamp,
}

impl fmt::Debug for Promise {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Promise").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

impl Promise {
    pub(crate) fn new(
        container: RunningContainer,
        purpose: Purpose,
        password: SecretString,
        now: Timestamp,
    ) -> Self {
        Self { container, purpose, password, made: now }
    }

    /// Whether this is the password; how long the comparison takes tells nothing of it.
    pub(crate) fn opens_with(&self, given: &[u8]) -> bool {
        Sha256::digest(self.password.expose_secret()) == Sha256::digest(given)
    }
}

/// All promises of this process, by id.
#[derive(Debug, Default)]
pub(crate) struct Promises(Mutex<HashMap<String, Promise>>);

impl Promises {
    pub(crate) fn keep(&self, id: String, promise: Promise) {
        let mut promises = self.lock();
        let now = promise.made;
        promises.retain(|_, one| now.duration_since(one.made) < LIFETIME);
        if promises.len() >= MOST
            && let Some(oldest) = promises.iter().min_by_key(|(_, one)| one.made).map(|(id, _)| id.clone())
        {
            promises.remove(&oldest);
        }
        promises.insert(id, promise);
    }

    /// Takes a promise: whoever comes second finds nothing.
    pub(crate) fn take(&self, id: &str, now: Timestamp) -> Option<Promise> {
        self.lock().remove(id).filter(|promise| now.duration_since(promise.made) < LIFETIME)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Promise>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
