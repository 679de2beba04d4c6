//! The task that owns one group: it feeds the containers' state machines and applies their effects.
//!
//! It may be dropped at any await. That is a crash like any other: the state was stored before the engine was told, and
//! the next worker reconciles both. Only what the engine is asked to make is waited for at the end ([`Shared::made`]).

mod deploy;
mod effects;
mod initialise;
mod probes;
mod reconcile;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::entry::{Command, Entry, Shared};
use crate::error::GroupError;
use crate::group::GroupId;
use crate::logs::short_hash;
use crate::record::{Note, Operation, Progress, Record};
use crate::runtime::{ExitStatus, RuntimeError, Seen};
use crate::state::{Ended, Event, Phase};
use crate::stored;

pub(crate) use effects::remove_container;

/// The name of the container that holds a group's network: none that a caller could give.
pub(crate) const HOLDER: &str = "";
/// Pause before an engine that failed is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// Runs a group's worker until the group is deleted.
pub(crate) async fn run(shared: Arc<Shared>, entry: Arc<Entry>, inbox: mpsc::UnboundedReceiver<Command>) {
    Worker { shared, entry, signals: JoinSet::new() }.run(inbox).await;
}

/// What came of waiting.
enum Signal {
    Ended {
        container: String,
        generation: u64,
        result: Result<ExitStatus, RuntimeError>,
    },
    Due {
        container: String,
    },
    /// The container that holds the network ended, or cannot be watched.
    HolderEnded,
    /// The generation failed its liveness probe too often.
    Unhealthy {
        container: String,
        generation: u64,
    },
    /// A deployment may have taken too long.
    Overdue,
    /// What was waited for is of no interest any more.
    Nothing,
}

/// Why an operation did not get through.
enum Trouble {
    /// It failed for good.
    Failed(GroupError),
    /// The engine did not do its part; try again once it answers.
    Engine(RuntimeError),
    /// The group is being deleted.
    Cancelled,
}

impl From<RuntimeError> for Trouble {
    fn from(error: RuntimeError) -> Self {
        Self::Engine(error)
    }
}

/// How far an operation got.
enum Reached {
    End,
    /// Containers run that have to end before others begin.
    Waiting,
}

struct Worker {
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    /// Waits for exits and delays. Dropped with the worker.
    signals: JoinSet<Signal>,
}

impl Worker {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        let cancel = self.entry.cancel.clone();
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some(command) = inbox.recv() => self.obey(command).await,
                Some(Ok(signal)) = self.signals.join_next(), if !self.signals.is_empty() => self.hear(signal).await,
            }
        }
        self.entry.ended.cancel();
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Adopt(done) => {
                self.reconcile().await;
                // Who asked may have gone away.
                let _ = done.send(());
            }
            Command::Deploy => self.operate(Operation::Deploy).await,
            Command::Stop => self.operate(Operation::Stop).await,
        }
    }

    async fn operate(&mut self, operation: Operation) {
        let id = self.entry.record().spec.id.clone();
        loop {
            let outcome = match operation {
                Operation::Stop => self.stop().await.map(|()| Reached::End),
                Operation::Deploy | Operation::Delete => self.deploy().await,
            };
            let outcome = match outcome {
                Ok(Reached::Waiting) => return,
                Ok(Reached::End) => Ok(()),
                Err(Trouble::Failed(error)) => {
                    tracing::warn!(group = %id, code = %error.code, error = %error.message, "container group failed");
                    Err(error)
                }
                Err(Trouble::Engine(error)) => {
                    tracing::warn!(group = %id, %error, "container engine failed; trying again");
                    if self.pause().await {
                        continue;
                    }
                    return;
                }
                Err(Trouble::Cancelled) => return,
            };
            self.finish(operation, outcome);
            return;
        }
    }

    fn finish(&self, operation: Operation, outcome: Result<(), GroupError>) {
        let succeeded = outcome.is_ok();
        let group = self.entry.update(&self.shared, |record| {
            record.finish(outcome);
            record.spec.id.clone()
        });
        tracing::info!(%group, ?operation, succeeded, "container group operation ended");
    }

    async fn hear(&mut self, signal: Signal) {
        let outcome = match signal {
            Signal::Due { container } => self.feed(&container, Event::Due).await,
            Signal::Ended { container, generation, result: Ok(exit) } => {
                let ended = self.seen_to_end(&container, exit);
                self.feed(&container, Event::Exited { generation, ended }).await
            }
            Signal::Unhealthy { container, generation } => self.kill_unhealthy(&container, generation).await,
            Signal::Overdue => return self.give_up_waiting(),
            Signal::Nothing => return,
            Signal::Ended { result: Err(error), .. } => Err(error),
            Signal::HolderEnded => return self.reconcile().await,
        };
        let outcome = match outcome {
            Ok(()) => self.advance().await,
            failed => failed,
        };
        if let Err(error) = outcome {
            let group = self.entry.record().spec.id.clone();
            tracing::warn!(%group, %error, "container engine failed; reconciling");
            self.reconcile().await;
        }
    }

    fn seen_to_end(&self, container: &str, exit: ExitStatus) -> Ended {
        let record = self.entry.record();
        let started = record.containers.get(container).and_then(|progress| match progress.machine.phase {
            Phase::Running { since } => Some(since),
            _ => None,
        });
        Ended { out_of_memory: exit.out_of_memory, ..Ended::with(started, exit.finished, exit.code) }
    }

    /// Waits a little; `false` when the group is being deleted.
    async fn pause(&self) -> bool {
        tokio::select! {
            () = tokio::time::sleep(RETRY) => true,
            () = self.entry.cancel.cancelled() => false,
        }
    }

    async fn list(&self) -> Result<Vec<Seen>, RuntimeError> {
        let group = self.entry.record().spec.id.key().to_owned();
        self.shared.runtime.list(&self.shared.settings.instance, Some(&group)).await
    }

    fn hash(&self, record: &Record) -> Option<String> {
        let settings = &self.shared.settings;
        match stored::hash_key(&settings.store, &settings.entropy) {
            Ok(key) => Some(stored::deployment_hash(&key, record)),
            Err(error) => {
                GroupError::store(&error);
                None
            }
        }
    }

    fn volume_name(&self, volume: &str) -> String {
        let record = self.entry.record();
        self.volume_name_of(&record, volume)
    }

    fn volume_name_of(&self, record: &Record, volume: &str) -> String {
        let prefix = volume_prefix(&self.shared.settings.instance, &record.spec.id);
        format!("{prefix}{volume}-{}", record.deployments)
    }

    fn container_id(&self, container: &str) -> String {
        let record = self.entry.record();
        record
            .containers
            .get(container)
            .and_then(|progress| progress.container_id.clone())
            .unwrap_or_default()
    }

    fn note(&self, container: &str, note: Note) {
        let now = self.shared.now();
        self.entry.update(&self.shared, |record| {
            let progress: &mut Progress = record.containers.entry(container.to_owned()).or_default();
            progress.note(note, now);
        });
    }
}

fn is_holder(one: &Seen, deployment: u64) -> bool {
    one.labels.container == HOLDER && one.labels.generation == deployment
}

/// What the names of an instance's file shares begin with: none of a group's volumes does, whose names go on with hex digits.
pub(crate) fn share_prefix(instance: &str) -> String {
    format!("mayfly-{instance}-share-")
}

/// What the names of a group's volumes begin with.
pub(crate) fn volume_prefix(instance: &str, id: &GroupId) -> String {
    format!("mayfly-{instance}-{}-", short_hash(id.key()))
}
