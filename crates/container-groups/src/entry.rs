//! One group, as its worker and its readers share it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::error::GroupError;
use crate::identity::PullLogins;
use crate::logs::LogFiles;
use crate::record::Record;
use crate::runtime::{Runtime, RuntimeError};
use crate::service::{GroupSettings, Switches};
use crate::stored;
use crate::worker;

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: GroupSettings,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) switches: Mutex<Switches>,
    pub(crate) logs: LogFiles,
    pub(crate) pull_logins: OnceLock<Arc<dyn PullLogins>>,
}

impl Shared {
    pub(crate) fn switches(&self) -> Switches {
        *self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.settings.clock.now()
    }

    /// Has the engine make something. The engine goes on with it when whoever asked is dropped, so a shutdown waits for
    /// it too: nothing appears on the engine after its end.
    pub(crate) async fn made<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, RuntimeError>> + Send + 'static,
    ) -> Result<T, RuntimeError> {
        let (done, made) = oneshot::channel();
        self.settings.shutdown.spawn_graceful(async move {
            // Who asked may have gone away.
            let _ = done.send(work.await);
        });
        made.await.unwrap_or_else(|_| {
            Err(RuntimeError::Unavailable {
                action: "make something".to_owned(),
                reason: "the service ends".to_owned(),
            })
        })
    }
}

/// One group, as its worker and its readers share it.
#[derive(Debug)]
pub(crate) struct Entry {
    record: Mutex<Record>,
    commands: mpsc::UnboundedSender<Command>,
    /// Ends the worker.
    pub(crate) cancel: CancellationToken,
    /// Cancelled once the worker has ended.
    pub(crate) ended: CancellationToken,
    changed: watch::Sender<u64>,
}

/// What a worker is asked to do. What is desired is in the record.
#[derive(Debug)]
pub(crate) enum Command {
    Deploy,
    Stop,
    /// Reconcile with the engine, then answer.
    Adopt(oneshot::Sender<()>),
}

impl Entry {
    /// Makes the entry and its worker; the worker runs until the shutdown or [`Entry::cancel`].
    pub(crate) fn start(shared: &Arc<Shared>, record: Record) -> Arc<Self> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let entry = Arc::new(Self {
            record: Mutex::new(record),
            commands,
            cancel: CancellationToken::new(),
            ended: CancellationToken::new(),
            changed: watch::Sender::new(0),
        });
        shared.settings.shutdown.spawn(worker::run(shared.clone(), entry.clone(), inbox));
        entry
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the record, keeps it, tells who waits.
    pub(crate) fn update<T>(&self, shared: &Shared, change: impl FnOnce(&mut Record) -> T) -> T {
        let mut record = self.record();
        let result = change(&mut record);
        if let Err(error) = stored::save(&shared.settings.store, &record) {
            GroupError::store(&error);
        }
        drop(record);
        self.notify();
        result
    }

    pub(crate) fn notify(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn send(&self, command: Command) {
        // A worker that has ended is being deleted or shut down; either takes care of the group.
        let _ = self.commands.send(command);
    }
}
