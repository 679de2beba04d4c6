//! A container engine in memory, for tests of services.

mod controls;
mod runtime;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use service_kit::SharedClock;
use tokio::sync::watch;

use crate::group::{OsType, RegistryCredential};
use crate::runtime::{ContainerId, CreateContainer, RuntimeError, Seen, SeenStatus};

/// A container engine in memory. Clones share the same containers.
#[derive(Debug, Clone)]
pub struct FakeRuntime {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    clock: SharedClock,
}

#[derive(Debug)]
struct State {
    os: OsType,
    down: bool,
    pulls_held: bool,
    creations_held: bool,
    creations_waiting: u32,
    refused_images: BTreeMap<String, String>,
    logins: BTreeMap<String, (String, String)>,
    containers: Vec<Held>,
    volumes: BTreeMap<String, String>,
    broken_starts: u32,
    unanswered: u32,
    created: u64,
    kills: Vec<(ContainerId, Duration)>,
    most_running: BTreeMap<(String, String), usize>,
    addresses: BTreeMap<ContainerId, IpAddr>,
    logins_seen: Vec<RegistryCredential>,
    probe_code: i64,
    probes: u64,
}

#[derive(Debug, Clone)]
struct Held {
    seen: Seen,
    request: CreateContainer,
    log: Vec<u8>,
}

impl FakeRuntime {
    /// An engine without containers that has every image.
    pub fn new(clock: SharedClock) -> Self {
        let state = State {
            os: OsType::Linux,
            down: false,
            pulls_held: false,
            creations_held: false,
            creations_waiting: 0,
            refused_images: BTreeMap::new(),
            logins: BTreeMap::new(),
            containers: Vec::new(),
            volumes: BTreeMap::new(),
            broken_starts: 0,
            unanswered: 0,
            created: 0,
            kills: Vec::new(),
            most_running: BTreeMap::new(),
            addresses: BTreeMap::new(),
            logins_seen: Vec::new(),
            probe_code: 0,
            probes: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), changed: watch::Sender::new(0), clock }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
        result
    }

    fn up(&self, action: &str) -> Result<MutexGuard<'_, State>, RuntimeError> {
        let mut state = self.lock();
        if state.down {
            state.unanswered += 1;
            return Err(RuntimeError::Unavailable {
                action: action.to_owned(),
                reason: "it is down".to_owned(),
            });
        }
        Ok(state)
    }

    /// Fails unless the container runs.
    fn run_state(&self, id: &str, action: &str) -> Result<(), RuntimeError> {
        let state = self.up(action)?;
        let held = state.containers.iter().find(|held| held.seen.id == id).ok_or_else(|| gone(action))?;
        if matches!(held.seen.status, SeenStatus::Running { .. }) {
            return Ok(());
        }
        Err(RuntimeError::Refused { action: action.to_owned(), reason: "it does not run".to_owned() })
    }

    /// What a container wrote after the first `seen` bytes, and the new count; `None` once it has ended.
    async fn written(&self, id: &str, seen: usize) -> Option<(Bytes, usize)> {
        self.until(|| {
            let state = self.lock();
            let Some(held) = state.containers.iter().find(|held| held.seen.id == id) else {
                return Some(None);
            };
            let fresh = held.log.get(seen..).filter(|fresh| !fresh.is_empty());
            let ended = !matches!(held.seen.status, SeenStatus::Running { .. });
            match fresh {
                Some(fresh) => Some(Some((Bytes::copy_from_slice(fresh), held.log.len()))),
                None => ended.then_some(None),
            }
        })
        .await
    }

    /// Waits until `ready` gives something.
    async fn until<T>(&self, mut ready: impl FnMut() -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        loop {
            if let Some(value) = ready() {
                return value;
            }
            // The sender lives in `self`.
            let _ = changes.changed().await;
        }
    }
}

/// Whether a fake engine is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// It does not answer.
    Yes,
    /// It answers.
    No,
}

fn gone(action: &str) -> RuntimeError {
    RuntimeError::Gone { action: action.to_owned() }
}
