//! What became of one container.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state::{Ended, Machine, Phase};
use crate::view::{ContainerStatus, EventKind, EventView, StatusKind};

/// Events beyond this number drop the oldest.
const MOST_EVENTS: usize = 100;

/// What became of one container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) machine: Machine,
    /// The engine's id of the image that was pulled.
    pub(crate) image: Option<String>,
    /// The engine's id of the present container.
    pub(crate) container_id: Option<String>,
    pub(crate) events: Vec<EventView>,
}

/// Something worth an event.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) name: &'static str,
    pub(crate) kind: EventKind,
    pub(crate) message: String,
}

impl Note {
    pub(crate) fn normal(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, kind: EventKind::Normal, message: message.into() }
    }

    pub(crate) fn warning(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, kind: EventKind::Warning, message: message.into() }
    }
}

impl Progress {
    /// Adds an event, or counts it up when its like is there.
    pub(crate) fn note(&mut self, note: Note, now: Timestamp) {
        if let Some(like) = self.events.iter_mut().find(|e| e.name == note.name && e.message == note.message)
        {
            like.count += 1;
            like.last_timestamp = now;
            return;
        }
        if self.events.len() >= MOST_EVENTS {
            self.events.remove(0);
        }
        self.events.push(EventView {
            name: note.name.to_owned(),
            message: note.message,
            kind: note.kind,
            count: 1,
            first_timestamp: now,
            last_timestamp: now,
        });
    }

    pub(super) fn current_state(&self) -> Option<ContainerStatus> {
        let waiting = |detail: &str| ContainerStatus {
            state: StatusKind::Waiting,
            start_time: None,
            exit_code: None,
            finish_time: None,
            detail_status: detail.to_owned(),
        };
        match &self.machine.phase {
            Phase::Waiting if self.machine.allotted == 0 => None,
            Phase::Waiting | Phase::Held | Phase::Creating | Phase::Starting => Some(waiting("")),
            Phase::BackingOff { .. } => Some(waiting("CrashLoopBackOff: Back-off restarting failed")),
            Phase::Running { since } => {
                Some(ContainerStatus { state: StatusKind::Running, start_time: Some(*since), ..waiting("") })
            }
            Phase::Ended(ended) => Some(terminated(ended)),
            Phase::Stopped => Some(ContainerStatus { state: StatusKind::Terminated, ..waiting("") }),
        }
    }
}

pub(super) fn terminated(ended: &Ended) -> ContainerStatus {
    ContainerStatus {
        state: StatusKind::Terminated,
        start_time: ended.started,
        exit_code: Some(ended.code),
        finish_time: Some(ended.finished),
        detail_status: match ended {
            Ended { out_of_memory: true, .. } => "OOMKilled",
            Ended { code: 0, .. } => "Completed",
            Ended { .. } => "Error",
        }
        .to_owned(),
    }
}
