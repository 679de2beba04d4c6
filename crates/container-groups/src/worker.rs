//! The task that owns one group: it feeds the containers' state machines and applies their effects.
//!
//! It may be dropped at any await. That is a crash like any other: the state was stored before the engine was told, and
//! the next worker reconciles both.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use service_kit::SharedClock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::GroupError;
use crate::group::{ContainerSpec, EnvValue, GroupId, GroupSpec, VolumeSource};
use crate::image;
use crate::logs::{ENDED_BYTES, LogFiles, short_hash};
use crate::record::{Note, Operation, Progress, Record};
use crate::restart::Rules;
use crate::runtime::{
    CreateContainer, CreateHolder, ExitStatus, Labels, MountSource, MountSpec, NetworkMode, Runtime,
    RuntimeError, Seen, SeenStatus,
};
use crate::service::{GroupSettings, Switches};
use crate::state::{Effect, Ended, Event, Found, NOT_STARTED, Phase, step};
use crate::stored;
use crate::view::ProvisioningState;

/// The name of the container that holds a group's network: none that a caller could give.
const HOLDER: &str = "";
/// Pause before an engine that failed is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// How often a clock that may be moved by hand is looked at.
const CLOCK_POLL: Duration = Duration::from_millis(100);

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: GroupSettings,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) switches: Mutex<Switches>,
    pub(crate) logs: LogFiles,
}

impl Shared {
    pub(crate) fn switches(&self) -> Switches {
        *self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.settings.clock.now()
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
        let worker = Worker { shared: shared.clone(), entry: entry.clone(), signals: JoinSet::new() };
        shared.settings.shutdown.spawn(worker.run(inbox));
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

/// What a look at the engine found.
enum Reconciled {
    /// All is as it should be, or on its way.
    Whole,
    /// The network that several containers shared is gone: all of them must be made anew.
    NetworkLost,
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
                Operation::Stop => self.stop().await,
                Operation::Deploy | Operation::Delete => self.deploy().await,
            };
            let outcome = match outcome {
                Ok(()) => Ok(()),
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
            tracing::info!(group = %id, ?operation, succeeded = outcome.is_ok(), "container group operation ended");
            self.entry.update(&self.shared, |record| record.finish(outcome));
            return;
        }
    }

    /// Brings all containers up anew, whatever was there.
    async fn deploy(&mut self) -> Result<(), Trouble> {
        self.signals = JoinSet::new();
        let spec = self.entry.update(&self.shared, |record| {
            if record.provisioning == ProvisioningState::Pending {
                record.provisioning = ProvisioningState::Creating;
            }
            record.stopped = false;
            record.spec.clone()
        });
        if self.is_deployed(&spec).await? {
            self.reconcile_once().await?;
            return Ok(());
        }
        for container in &spec.containers {
            self.pull(&spec, container).await?;
        }
        let instance = &self.shared.settings.instance;
        for volume in spec.volumes.iter().filter(|volume| matches!(volume.source, VolumeSource::EmptyDir)) {
            let name = self.volume_name(&volume.name);
            self.shared.runtime.create_volume(&name, instance, spec.id.key()).await?;
        }
        self.ensure_holder(&spec).await?;
        for container in &spec.containers {
            self.feed(&container.name, Event::Deploy).await?;
        }
        self.watch_holder();
        self.remove_strangers(&spec).await?;
        let record = self.entry.record();
        let broken = record.spec.containers.iter().find_map(|container| {
            let progress = record.containers.get(&container.name)?;
            let never_ran = match &progress.machine.phase {
                Phase::Ended(ended) => ended.code == NOT_STARTED && ended.started.is_none(),
                Phase::BackingOff { .. } => {
                    progress.machine.previous.is_some_and(|ended| ended.started.is_none())
                }
                _ => false,
            };
            never_ran.then(|| {
                let why = progress.events.iter().rev().find(|event| event.name == "Failed");
                (container.name.clone(), why.map(|event| event.message.clone()).unwrap_or_default())
            })
        });
        match broken {
            None => Ok(()),
            // The real service keeps trying for half an hour first; its code for this is not known.
            Some((container, why)) => Err(Trouble::Failed(GroupError::new(
                400,
                "ContainerStartFailed",
                format!(
                    "The container '{container}' in container group '{}' could not be started. {why}",
                    spec.name
                ),
            ))),
        }
    }

    /// Whether all containers of this very deployment run already: a process before this one died just before it could
    /// say so. They may have taken work since.
    async fn is_deployed(&self, spec: &GroupSpec) -> Result<bool, RuntimeError> {
        let hash = self.hash(&self.entry.record());
        let seen = self.list().await?;
        if !self.holder_runs(&seen) {
            return Ok(false);
        }
        Ok(spec.containers.iter().all(|container| {
            seen.iter().any(|one| {
                one.labels.container == container.name
                    && Some(&one.labels.spec_hash) == hash.as_ref()
                    && matches!(one.status, SeenStatus::Running { .. })
            })
        }))
    }

    async fn pull(&mut self, spec: &GroupSpec, container: &ContainerSpec) -> Result<(), Trouble> {
        let image = &container.image;
        self.note(&container.name, Note::normal("Pulling", format!("pulling image \"{image}\"")));
        let login = image::login(image, &spec.registry_credentials);
        let pulled = tokio::select! {
            pulled = self.shared.runtime.pull(image, login) => pulled,
            () = self.entry.cancel.cancelled() => return Err(Trouble::Cancelled),
        };
        match pulled {
            Ok(id) => {
                self.note(
                    &container.name,
                    Note::normal("Pulled", format!("Successfully pulled image \"{image}\"")),
                );
                self.entry.update(&self.shared, |record| {
                    record.containers.entry(container.name.clone()).or_default().image = Some(id);
                });
                Ok(())
            }
            Err(error @ RuntimeError::Unavailable { .. }) => Err(error.into()),
            Err(error) => {
                let text = format!("Failed to pull image \"{image}\": {error}");
                self.note(&container.name, Note::warning("Failed", text));
                Err(Trouble::Failed(GroupError::image(image, &spec.name)))
            }
        }
    }

    async fn stop(&mut self) -> Result<(), Trouble> {
        self.signals = JoinSet::new();
        let containers: Vec<String> = self.entry.record().containers.keys().cloned().collect();
        for container in containers {
            self.feed(&container, Event::Stop).await?;
        }
        let seen = self.list().await?;
        for one in seen.iter().filter(|one| one.labels.container == HOLDER) {
            self.remove_one(one).await?;
        }
        self.entry.update(&self.shared, |record| {
            record.holder = None;
            record.stopped = true;
        });
        Ok(())
    }

    /// Several containers of a group share one network, which a container of its own holds: theirs come and go.
    async fn ensure_holder(&mut self, spec: &GroupSpec) -> Result<(), RuntimeError> {
        if spec.containers.len() < 2 {
            self.entry.update(&self.shared, |record| record.holder = None);
            return Ok(());
        }
        let settings = &self.shared.settings;
        let (deployment, hash) = {
            let record = self.entry.record();
            (record.deployments, self.hash(&record).unwrap_or_default())
        };
        // A half-made one of an earlier try would be in the way.
        for one in self.list().await?.iter().filter(|one| is_holder(one, deployment)) {
            self.shared.runtime.remove(&one.id).await?;
        }
        let request = CreateHolder {
            name: format!("mayfly-{}-{}-network-{deployment}", settings.instance, short_hash(spec.id.key())),
            labels: Labels {
                instance: settings.instance.clone(),
                group: spec.id.key().to_owned(),
                container: HOLDER.to_owned(),
                generation: deployment,
                spec_hash: hash,
            },
            network: settings.network.clone(),
        };
        let id = self.shared.runtime.create_holder(&request).await?;
        self.shared.runtime.start(&id).await?;
        self.entry.update(&self.shared, |record| record.holder = Some(id));
        Ok(())
    }

    fn watch_holder(&mut self) {
        let id = {
            let record = self.entry.record();
            record.holder.clone().filter(|_| record.needs_holder())
        };
        let Some(id) = id else { return };
        let runtime = self.shared.runtime.clone();
        self.signals.spawn(async move {
            // However it ended, what shares its network must be made anew.
            let _ = runtime.wait(&id).await;
            Signal::HolderEnded
        });
    }

    /// Whether the network of this deployment is held, where it has to be.
    fn holder_runs(&self, seen: &[Seen]) -> bool {
        let (deployment, needed) = {
            let record = self.entry.record();
            (record.deployments, record.needs_holder())
        };
        let runs =
            |one: &Seen| is_holder(one, deployment) && matches!(one.status, SeenStatus::Running { .. });
        !needed || seen.iter().any(runs)
    }

    async fn hear(&mut self, signal: Signal) {
        let outcome = match signal {
            Signal::Due { container } => self.feed(&container, Event::Due).await,
            Signal::Ended { container, generation, result: Ok(exit) } => {
                let started = self.entry.record().containers.get(&container).and_then(|progress| {
                    match progress.machine.phase {
                        Phase::Running { since } => Some(since),
                        _ => None,
                    }
                });
                let ended = Ended { started, finished: exit.finished, code: exit.code };
                self.feed(&container, Event::Exited { generation, ended }).await
            }
            Signal::Ended { result: Err(error), .. } => Err(error),
            Signal::HolderEnded => return self.reconcile().await,
        };
        if let Err(error) = outcome {
            let group = self.entry.record().spec.id.clone();
            tracing::warn!(%group, %error, "container engine failed; reconciling");
            self.reconcile().await;
        }
    }

    /// Looks at what the engine has and goes on from there; tries until the engine answers or the group is deleted.
    async fn reconcile(&mut self) {
        loop {
            self.signals = JoinSet::new();
            match self.reconcile_once().await {
                Ok(Reconciled::Whole) => return,
                Ok(Reconciled::NetworkLost) => {
                    self.entry.update(&self.shared, |record| {
                        record.begin(Operation::Deploy, ProvisioningState::Updating);
                    });
                    return self.operate(Operation::Deploy).await;
                }
                Err(error) => tracing::debug!(%error, "container engine does not answer yet"),
            }
            if !self.pause().await {
                return;
            }
        }
    }

    async fn reconcile_once(&mut self) -> Result<Reconciled, RuntimeError> {
        self.shared.runtime.ping().await?;
        let spec = self.entry.record().spec.clone();
        let seen = self.list().await?;
        if !self.holder_runs(&seen) {
            return Ok(Reconciled::NetworkLost);
        }
        for container in &spec.containers {
            let mut found = Vec::new();
            for one in seen.iter().filter(|one| one.labels.container == container.name) {
                let state = match one.status {
                    SeenStatus::Created => Found::Created,
                    SeenStatus::Running { started } => Found::Running { since: started },
                    SeenStatus::Exited { started, exit } => Found::Exited(Ended {
                        started: Some(started),
                        finished: exit.finished,
                        code: exit.code,
                    }),
                };
                found.push((one.labels.generation, state));
            }
            // The id that is watched is that of the generation that the machine settles on.
            let ids: BTreeMap<u64, String> = seen
                .iter()
                .filter(|one| one.labels.container == container.name)
                .map(ids_by_generation)
                .collect();
            self.feed_with(&container.name, Event::Found(found), &ids).await?;
        }
        self.watch_holder();
        self.remove_strangers(&spec).await?;
        Ok(Reconciled::Whole)
    }

    /// Waits a little; `false` when the group is being deleted.
    async fn pause(&self) -> bool {
        tokio::select! {
            () = tokio::time::sleep(RETRY) => true,
            () = self.entry.cancel.cancelled() => false,
        }
    }

    async fn feed(&mut self, container: &str, event: Event) -> Result<(), RuntimeError> {
        self.feed_with(container, event, &BTreeMap::new()).await
    }

    /// Feeds an event and what follows from it. `ids`: containers that are there already.
    async fn feed_with(
        &mut self,
        container: &str,
        event: Event,
        ids: &BTreeMap<u64, String>,
    ) -> Result<(), RuntimeError> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.transition(container, event, ids) {
                events.extend(self.apply(container, effect).await?);
            }
        }
        Ok(())
    }

    /// One step of the machine, stored before anything is done about it.
    fn transition(&self, container: &str, event: Event, ids: &BTreeMap<u64, String>) -> Vec<Effect> {
        let (now, backoff) = (self.shared.now(), self.shared.switches().restart_backoff);
        self.entry.update(&self.shared, |record| {
            let rules = Rules { policy: record.spec.restart_policy, backoff };
            let progress = record.containers.entry(container.to_owned()).or_default();
            let (machine, effects) = step(progress.machine.clone(), event, rules, now);
            progress.machine = machine;
            if let Some(id) = ids.get(&progress.machine.current) {
                progress.container_id = Some(id.clone());
            }
            effects
        })
    }

    async fn apply(&mut self, container: &str, effect: Effect) -> Result<Option<Event>, RuntimeError> {
        match effect {
            Effect::Create(generation) => self.create(container, generation).await.map(Some),
            Effect::Start(generation) => self.start(container, generation).await.map(Some),
            Effect::Keep(generation) => {
                self.remove(container, |other| other != generation).await?;
                Ok(None)
            }
            Effect::RemoveAll => {
                self.remove(container, |_| true).await?;
                self.entry.update(&self.shared, |record| {
                    record.containers.entry(container.to_owned()).or_default().container_id = None;
                });
                Ok(None)
            }
            Effect::Watch(generation) => {
                let id = self.container_id(container);
                let (runtime, container) = (self.shared.runtime.clone(), container.to_owned());
                self.signals.spawn(async move {
                    Signal::Ended { result: runtime.wait(&id).await, container, generation }
                });
                Ok(None)
            }
            Effect::WakeAt(until) => {
                self.note(container, Note::warning("BackOff", "Back-off restarting failed container"));
                let (clock, container) = (self.shared.settings.clock.clone(), container.to_owned());
                self.signals.spawn(async move {
                    sleep_until(&clock, until).await;
                    Signal::Due { container }
                });
                Ok(None)
            }
        }
    }

    async fn create(&self, container: &str, generation: u64) -> Result<Event, RuntimeError> {
        let Some(request) = self.request(container, generation) else {
            return Ok(Event::Broken(generation));
        };
        match self.shared.runtime.create(&request).await {
            Ok(id) => {
                self.note(container, Note::normal("Created", format!("Created container with id {id}")));
                self.entry.update(&self.shared, |record| {
                    record.containers.entry(container.to_owned()).or_default().container_id = Some(id);
                });
                Ok(Event::Created(generation))
            }
            Err(error @ RuntimeError::Unavailable { .. }) => Err(error),
            Err(error) => {
                self.note(container, Note::warning("Failed", format!("Failed to create container: {error}")));
                Ok(Event::Broken(generation))
            }
        }
    }

    async fn start(&self, container: &str, generation: u64) -> Result<Event, RuntimeError> {
        let id = self.container_id(container);
        match self.shared.runtime.start(&id).await {
            Ok(()) => {
                self.note(container, Note::normal("Started", format!("Started container with id {id}")));
                Ok(Event::Started(generation))
            }
            Err(error @ (RuntimeError::Unavailable { .. } | RuntimeError::Gone { .. })) => Err(error),
            Err(error) => {
                self.note(container, Note::warning("Failed", format!("Failed to start container: {error}")));
                Ok(Event::Broken(generation))
            }
        }
    }

    /// Removes the generations of a container that are to go, and saves what they wrote.
    async fn remove(&self, container: &str, goes: impl Fn(u64) -> bool) -> Result<(), RuntimeError> {
        let mut seen = self.list().await?;
        seen.sort_by_key(|one| one.labels.generation);
        for one in seen.iter().filter(|one| one.labels.container == container && goes(one.labels.generation))
        {
            self.remove_one(one).await?;
        }
        Ok(())
    }

    async fn remove_one(&self, one: &Seen) -> Result<(), RuntimeError> {
        if one.labels.container != HOLDER && matches!(one.status, SeenStatus::Running { .. }) {
            self.note(
                &one.labels.container,
                Note::normal("Killing", format!("Killing container with id {}", one.id)),
            );
        }
        remove_container(&self.shared, one).await
    }

    /// Removes containers of names that the group no longer has, and volumes of earlier deployments.
    async fn remove_strangers(&self, spec: &GroupSpec) -> Result<(), RuntimeError> {
        let holder = self.entry.record().holder.clone();
        let known = |one: &&Seen| match one.labels.container.as_str() {
            HOLDER => holder.as_ref() == Some(&one.id),
            name => spec.containers.iter().any(|container| container.name == name),
        };
        for one in self.list().await?.iter().filter(|one| !known(one)) {
            self.remove_one(one).await?;
        }
        self.entry.update(&self.shared, |record| {
            record
                .containers
                .retain(|name, _| spec.containers.iter().any(|container| container.name == *name));
        });
        let current: Vec<String> = spec.volumes.iter().map(|volume| self.volume_name(&volume.name)).collect();
        let prefix = volume_prefix(&self.shared.settings.instance, &spec.id);
        for volume in self.shared.runtime.list_volumes(&self.shared.settings.instance).await? {
            if volume.starts_with(&prefix) && !current.contains(&volume) {
                self.shared.runtime.remove_volume(&volume).await?;
            }
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Seen>, RuntimeError> {
        let group = self.entry.record().spec.id.key().to_owned();
        self.shared.runtime.list(&self.shared.settings.instance, Some(&group)).await
    }

    fn request(&self, container: &str, generation: u64) -> Option<CreateContainer> {
        let record = self.entry.record();
        let spec = record.spec.containers.iter().find(|spec| spec.name == container)?;
        let progress = record.containers.get(container)?;
        let settings = &self.shared.settings;
        let group = &record.spec.id;
        let hash = self.hash(&record)?;
        let network = match &record.holder {
            Some(id) if record.spec.containers.len() > 1 => NetworkMode::Share(id.clone()),
            _ => NetworkMode::Attach(settings.network.clone()),
        };
        let memory = spec.memory_limit_gb.unwrap_or(spec.memory_gb);
        Some(CreateContainer {
            name: format!(
                "mayfly-{}-{}-{container}-{generation}",
                settings.instance,
                short_hash(group.key())
            ),
            image: progress.image.clone()?,
            labels: Labels {
                instance: settings.instance.clone(),
                group: group.key().to_owned(),
                container: container.to_owned(),
                generation,
                spec_hash: hash,
            },
            command: spec.command.clone(),
            environment: spec
                .environment
                .iter()
                .map(|variable| {
                    let value = match &variable.value {
                        EnvValue::Plain(value) => SecretString::from(value.clone()),
                        EnvValue::Secure(value) => value.clone(),
                    };
                    (variable.name.clone(), value)
                })
                .collect(),
            cpu: spec.cpu_limit.unwrap_or(spec.cpu),
            memory_bytes: (memory * f64::from(1 << 30)) as i64,
            network,
            mounts: mounts(&record, spec, |volume| self.volume_name_of(&record, volume)),
        })
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

fn ids_by_generation(one: &Seen) -> (u64, String) {
    (one.labels.generation, one.id.clone())
}

fn mounts(record: &Record, spec: &ContainerSpec, volume_name: impl Fn(&str) -> String) -> Vec<MountSpec> {
    let mounted = spec.volume_mounts.iter().filter_map(|mount| {
        let volume = record.spec.volumes.iter().find(|volume| volume.name == mount.name)?;
        let source = match &volume.source {
            VolumeSource::EmptyDir => MountSource::Volume(volume_name(&volume.name)),
            VolumeSource::Secret(files) => MountSource::Files(files.clone()),
        };
        Some(MountSpec { target: mount.mount_path.clone(), read_only: mount.read_only, source })
    });
    mounted.collect()
}

/// What the names of a group's volumes begin with.
pub(crate) fn volume_prefix(instance: &str, id: &GroupId) -> String {
    format!("mayfly-{instance}-{}-", short_hash(id.key()))
}

/// Ends a container, saves what it wrote, removes it.
pub(crate) async fn remove_container(shared: &Shared, one: &Seen) -> Result<(), RuntimeError> {
    if one.labels.container == HOLDER {
        return shared.runtime.remove(&one.id).await;
    }
    if matches!(one.status, SeenStatus::Running { .. }) {
        match shared.runtime.kill(&one.id, shared.switches().stop_grace).await {
            Ok(()) | Err(RuntimeError::Gone { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if one.status != SeenStatus::Created {
        match shared.runtime.logs(&one.id, ENDED_BYTES).await {
            Ok(log) => {
                let labels = &one.labels;
                if let Err(error) =
                    shared.logs.keep(&labels.group, &labels.container, labels.generation, &log)
                {
                    tracing::warn!(container = %one.id, %error, "container log could not be saved");
                }
            }
            Err(error @ RuntimeError::Unavailable { .. }) => return Err(error),
            Err(error) => tracing::warn!(container = %one.id, %error, "container log could not be read"),
        }
    }
    shared.runtime.remove(&one.id).await
}

/// Sleeps until the clock, which may be moved by hand, shows the moment.
async fn sleep_until(clock: &SharedClock, until: Timestamp) {
    loop {
        let left = until.duration_since(clock.now());
        if left <= SignedDuration::ZERO {
            return;
        }
        tokio::time::sleep(left.unsigned_abs().min(CLOCK_POLL)).await;
    }
}
