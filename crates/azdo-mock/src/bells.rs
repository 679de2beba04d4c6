//! Wakes the polls of a session when there is something for it: ten thousand agents sleep through what one is told.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::state::documents::Document;
use crate::wire::ids::SessionId;

/// One bell per session that is polled.
#[derive(Debug, Default)]
pub(crate) struct Bells(Mutex<HashMap<SessionId, watch::Sender<()>>>);

impl Bells {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when a session changed, from now on.
    pub(crate) fn listen(&self, session: SessionId) -> watch::Receiver<()> {
        self.lock().entry(session).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// A poll ended: the bell goes when nobody listens any more.
    pub(crate) fn leave(&self, session: SessionId) {
        let mut bells = self.lock();
        if bells.get(&session).is_some_and(|bell| bell.receiver_count() == 0) {
            bells.remove(&session);
        }
    }

    /// Wakes everybody: nothing is as it was.
    pub(crate) fn ring_all(&self) {
        for bell in self.lock().values() {
            bell.send_modify(|()| ());
        }
    }

    /// Wakes those whose sessions are among what changed.
    pub(crate) fn ring<'a>(&self, changed: impl IntoIterator<Item = &'a Document>) {
        let bells = self.lock();
        for document in changed {
            if let Document::Session(id) = document
                && let Some(bell) = bells.get(id)
            {
                bell.send_modify(|()| ());
            }
        }
    }
}
