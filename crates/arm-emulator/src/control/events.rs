//! What happened to resource groups, deployments and resources, in order, for those who write tests. Holds names, ids and
//! codes only; it ends with the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use service_kit::{JOURNAL_BOUND, Ring};
use uuid::Uuid;

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Event {
    /// Grows by one with each event of this process.
    number: u64,
    time: Timestamp,
    #[serde(flatten)]
    kind: EventKind,
}

/// What it was.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum EventKind {
    ResourceGroupCreated {
        id: String,
    },
    ResourceGroupDeletionStarted {
        id: String,
    },
    ResourceGroupDeleted {
        id: String,
    },
    /// What a client asked for, or a resource of another deployment.
    DeploymentStarted {
        id: String,
    },
    DeploymentEnded {
        id: String,
        state: &'static str,
        /// Of its error.
        code: Option<String>,
    },
    /// A step of a deployment: a resource of its template, or a deletion of Complete mode.
    StepEnded {
        deployment: String,
        id: String,
        operation: String,
        state: &'static str,
        code: Option<String>,
    },
    /// A provider took a PUT; it may still be at work.
    ResourcePut {
        id: String,
        created: bool,
    },
    ResourceDeleted {
        id: String,
    },
    /// A webhook's address was called, or could not be.
    WebhookCalled {
        id: String,
        /// As `listEvents` has it.
        event: Uuid,
        action: String,
        /// Of the answer, if there was one.
        status: Option<u16>,
    },
    /// What a resource became in another resource group.
    ResourceMoved {
        /// As it was before.
        from: String,
        id: String,
    },
    /// An image was copied into a registry.
    ImageImported {
        id: String,
        /// `repository:tag` or `repository@digest` of the source.
        image: String,
    },
}

/// The newest events.
#[derive(Debug)]
pub(crate) struct Events(Mutex<List>);

#[derive(Debug)]
struct List {
    ring: Ring<Event>,
    last: u64,
}

impl Default for Events {
    fn default() -> Self {
        Self(Mutex::new(List { ring: Ring::new(JOURNAL_BOUND), last: 0 }))
    }
}

impl Events {
    pub(crate) fn add(&self, time: Timestamp, kind: EventKind) {
        let mut list = self.list();
        list.last += 1;
        let number = list.last;
        list.ring.push(Event { number, time, kind });
    }

    /// Oldest first.
    pub(crate) fn all(&self) -> Vec<Event> {
        self.list().ring.iter().cloned().collect()
    }

    /// Forgets everything and counts from 1 again.
    pub(crate) fn clear(&self) {
        let mut list = self.list();
        list.ring.clear();
        list.last = 0;
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
