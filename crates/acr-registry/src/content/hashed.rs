//! Uploads are hashed as they come: a layer of gigabytes need not be read again at its end.
//!
//! The state of a hash is in memory alone. What a process before this one took is read again from its file.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::digest::{Algorithm, Digest, Hasher};

/// The hash of the first bytes of an upload.
#[derive(Clone)]
pub(super) struct Progress {
    hasher: Hasher,
    size: u64,
}

impl Progress {
    fn new(algorithm: Algorithm) -> Self {
        Self { hasher: Hasher::new(algorithm), size: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
    }
}

/// The hashes of uploads that this process took from their first byte on.
#[derive(Debug, Clone, Default)]
pub(super) struct Hashed(Arc<Mutex<HashMap<Uuid, Progress>>>);

impl Hashed {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, id: Uuid, algorithm: Algorithm) {
        self.lock().insert(id, Progress::new(algorithm));
    }

    /// The hash of an upload's file of this size, for whoever is about to write to it. Put it back when it fits again.
    pub(super) fn take(&self, id: Uuid, size: u64) -> Option<Progress> {
        self.lock().remove(&id).filter(|progress| progress.size == size)
    }

    pub(super) fn put(&self, id: Uuid, progress: Option<Progress>) {
        if let Some(progress) = progress {
            self.lock().insert(id, progress);
        }
    }

    /// The digest of an upload's file of this size, if it was hashed by this algorithm.
    pub(super) fn digest(&self, id: Uuid, size: u64, algorithm: Algorithm) -> Option<Digest> {
        let known = self.lock().get(&id).filter(|progress| progress.size == size).cloned()?;
        (known.hasher.algorithm() == algorithm).then(|| known.hasher.finish())
    }

    pub(super) fn forget(&self, id: Uuid) {
        self.lock().remove(&id);
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").field("size", &self.size).finish_non_exhaustive()
    }
}
