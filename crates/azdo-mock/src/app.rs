//! The service: one state behind one mutex, and what a request needs beside it.

pub(crate) mod lifecycle;
mod places;
pub(crate) mod snapshot;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use entra_tokens::Entra;
use jiff::{SignedDuration, Timestamp};
use service_kit::{SharedClock, SharedEntropy, Shutdown, Store};
use tokio::sync::watch;

use self::lifecycle::Beginning;
use crate::addresses::Addresses;
use crate::bells::Bells;
use crate::control;
use crate::control::faults::Faults;
use crate::error::{ApiError, StartError};
use crate::files::Files;
use crate::journal::Journal;
use crate::packages::{Package, Packages};
use crate::persist;
use crate::routes;
use crate::settings::{Settings, Switches};
use crate::state::documents::{Document, table};
use crate::state::event::Event;
use crate::state::{Moment, State};

/// How often sessions and locks are looked at while nobody asks.
const TICK: SignedDuration = SignedDuration::from_secs(1);

/// The emulated Azure DevOps organization as it is reached at one of its addresses. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AzureDevOps {
    inner: Arc<Inner>,
    /// What answers to those who came by this address name as theirs.
    addresses: Arc<Addresses>,
}

#[derive(Debug)]
struct Inner {
    /// The token endpoints of all addresses: an assertion may name any of them as its audience.
    token_endpoints: RwLock<Vec<String>>,
    switches: Switches,
    beginning: Beginning,
    /// Nothing was in the store when this process came.
    is_new: bool,
    state: Mutex<State>,
    /// Held from a change to the end of its write, so that writes come in the order of the changes while readers
    /// need not wait for the disk.
    order: Mutex<()>,
    store: Store,
    changed: watch::Sender<u64>,
    bells: Bells,
    journal: Mutex<Journal>,
    faults: Faults,
    entra: Option<Entra>,
    packages: Packages,
    files: Files,
    clock: SharedClock,
    entropy: SharedEntropy,
    shutdown: Shutdown,
}

impl AzureDevOps {
    /// Restores the organization from the store, or makes a new one, and starts its clockwork. Must be called
    /// inside a tokio runtime.
    pub fn new(settings: Settings) -> Result<Self, StartError> {
        let addresses = Addresses::new(&settings.base, &settings.organization)?;
        let moment = Moment { now: settings.clock.now(), entropy: settings.entropy.as_ref() };
        let mut state = persist::restore(&settings.store, settings.switches, moment)?;
        // What was read from the store need not be written.
        let is_new = state.dirty.contains(&Document::Meta);
        let packages = Packages::restore(&settings.packages, &mut state)?;
        let beginning = Beginning {
            pools: settings.pools,
            tokens: settings.personal_access_tokens,
            members: settings.members,
            packages: settings.packages,
        };
        beginning.make(&mut state, moment.now);
        let files = Files::open(settings.logs_dir).map_err(StartError::Logs)?;
        let waiting: Option<String> = settings.store.get(table::RESTORED, "logs")?;
        let placed = waiting.map_or(Ok(()), |name| files.adopt(&name)).and_then(|()| files.sweep_staged());
        placed.map_err(StartError::Logs)?;
        let inner = Inner {
            token_endpoints: RwLock::new(vec![addresses.token_endpoint()]),
            switches: settings.switches,
            beginning,
            is_new,
            state: Mutex::new(state),
            order: Mutex::new(()),
            changed: watch::Sender::new(0),
            bells: Bells::default(),
            journal: Mutex::new(Journal::with_events(persist::events(&settings.store)?)),
            faults: Faults::default(),
            entra: settings.entra,
            packages,
            files,
            clock: settings.clock,
            entropy: settings.entropy,
            store: settings.store,
            shutdown: settings.shutdown,
        };
        let service = Self { inner: Arc::new(inner), addresses: Arc::new(addresses) };
        service.save()?;
        service.start_clockwork();
        Ok(service)
    }

    /// The emulated wire: everything under `/{organization}` and nothing else.
    pub fn router(&self) -> Router {
        routes::router(self)
    }

    /// The control API. It checks nobody's right to use it: whoever mounts it does.
    pub fn control_router(&self) -> Router {
        control::router(self)
    }

    /// The part of the control API that shows the clock and moves it, for whoever shares it with other services.
    pub fn clock_router(&self) -> Router {
        control::clock_router(self)
    }

    fn start_clockwork(&self) {
        let service = self.clone();
        self.inner.shutdown.spawn(async move {
            let clock = &service.inner.clock;
            loop {
                clock.wait_until(clock.now().saturating_add(TICK).unwrap_or(Timestamp::MAX)).await;
                if let Err(error) = service.read(|_| ()) {
                    tracing::warn!(?error, "the state could not be saved");
                }
            }
        });
    }

    /// Changes the state and saves what changed before returning.
    pub(crate) fn change<T, E>(
        &self,
        change: impl FnOnce(&mut State, Moment<'_>) -> Result<T, E>,
    ) -> Result<T, ApiError>
    where
        ApiError: From<E>,
    {
        let _order = self.inner.order.lock().unwrap_or_else(PoisonError::into_inner);
        let moment = Moment { now: self.inner.clock.now(), entropy: self.inner.entropy.as_ref() };
        let (outcome, batch, events) = {
            let mut state = self.state();
            state.settle(moment);
            let outcome = change(&mut state, moment);
            state.settle(moment);
            let dirty = std::mem::take(&mut state.dirty);
            let events = std::mem::take(&mut state.events);
            let batch = persist::batch(&state, dirty.iter())?;
            (outcome, (batch, dirty), events)
        };
        let (batch, dirty) = batch;
        if !dirty.is_empty() || !events.is_empty() {
            let batch = persist::with_events(batch, &events)?;
            if let Err(error) = self.inner.store.write(batch) {
                // The next change tries again.
                let mut state = self.state();
                state.dirty.extend(dirty);
                state.events.splice(..0, events);
                return Err(error.into());
            }
            self.tell(events);
            self.inner.changed.send_modify(|count| *count += 1);
            self.inner.bells.ring(&dirty);
        }
        outcome.map_err(ApiError::from)
    }

    /// As [`Self::change`] for changes whose errors are no `ApiError`.
    pub(crate) fn try_change<T, E>(
        &self,
        change: impl FnOnce(&mut State, Moment<'_>) -> Result<T, E>,
    ) -> Result<Result<T, E>, ApiError> {
        self.change(|state, moment| Ok::<_, ApiError>(change(state, moment)))
    }

    fn save(&self) -> Result<(), StartError> {
        let mut state = self.state();
        let dirty = std::mem::take(&mut state.dirty);
        let events = std::mem::take(&mut state.events);
        let batch = persist::with_events(persist::batch(&state, &dirty)?, &events)?;
        drop(state);
        self.inner.store.write(batch)?;
        self.tell(events);
        Ok(())
    }

    /// Shows what happened: in the list of events, and an alarm in the log too.
    fn tell(&self, events: Vec<Event>) {
        for event in events.iter().filter(|event| event.kind.is_alarm()) {
            tracing::warn!(event = ?event.kind, "an agent's key may be stolen");
        }
        self.journal().extend(events);
    }

    /// Reads the state as of now: whatever is overdue happens first.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Result<T, ApiError> {
        {
            let state = self.state();
            if state.at_rest(self.now()) {
                return Ok(read(&state));
            }
        }
        self.change(|state, _| Ok::<_, ApiError>(read(state)))
    }

    /// Looks at the state without letting time pass.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.inner.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when the state changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// Wakes the polls of sessions.
    pub(crate) fn bells(&self) -> &Bells {
        &self.inner.bells
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        &self.inner.clock
    }

    /// Ends when so much time of the service's clock has passed.
    pub(crate) async fn wait(&self, time: Duration) {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        self.inner.clock.wait_until(self.now().saturating_add(time).unwrap_or(Timestamp::MAX)).await;
    }

    pub(crate) fn entropy(&self) -> &SharedEntropy {
        &self.inner.entropy
    }

    pub(crate) fn switches(&self) -> &Switches {
        &self.inner.switches
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// Whose access tokens are taken.
    pub(crate) fn entra(&self) -> Option<&Entra> {
        self.inner.entra.as_ref()
    }

    /// The packages that are offered, newest first.
    pub(crate) fn packages(&self) -> Vec<Arc<Package>> {
        self.inner.packages.newest_first()
    }

    /// Offers a further package, or another file under the same name.
    pub(crate) fn offer(&self, package: Package) -> Result<(), ApiError> {
        self.change(|state, _| {
            state.offers.insert(package.file_name.clone(), package.path.clone());
            state.dirty.insert(Document::Offer(package.file_name.clone()));
            Ok::<_, ApiError>(())
        })?;
        self.inner.packages.add(package);
        Ok(())
    }

    pub(crate) fn files(&self) -> &Files {
        &self.inner.files
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.inner.shutdown
    }
}
