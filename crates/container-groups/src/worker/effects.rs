//! Feeding a container's state machine and doing what it asks for.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use service_kit::SharedClock;

use crate::entry::Shared;
use crate::group::{AzureFile, ContainerSpec, EnvValue, GroupSpec, RestartPolicy, VolumeSource};
use crate::identity;
use crate::logs::{ended_request, short_hash};
use crate::record::{Note, Record};
use crate::restart::Rules;
use crate::runtime::{
    CreateContainer, Labels, MountSource, MountSpec, NetworkMode, RuntimeError, Seen, SeenStatus,
};
use crate::state::{Effect, Event, step};
use crate::worker::{HOLDER, Signal, Worker, share_prefix};

/// How often a clock that may be moved by hand is looked at.
const CLOCK_POLL: Duration = Duration::from_millis(100);

impl Worker {
    pub(super) async fn feed(&mut self, container: &str, event: Event) -> Result<(), RuntimeError> {
        self.feed_with(container, event, &BTreeMap::new()).await
    }

    /// Feeds an event and what follows from it. `ids`: containers that are there already.
    pub(super) async fn feed_with(
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
    pub(super) fn transition(
        &self,
        container: &str,
        event: Event,
        ids: &BTreeMap<u64, String>,
    ) -> Vec<Effect> {
        let (now, backoff) = (self.shared.now(), self.shared.switches().restart_backoff);
        self.entry.update(&self.shared, |record| {
            let rules = Rules { policy: policy(&record.spec, container), backoff };
            let progress = record.containers.entry(container.to_owned()).or_default();
            let (machine, effects) = step(progress.machine.clone(), event, rules, now);
            progress.machine = machine;
            if let Some(id) = ids.get(&progress.machine.current) {
                progress.container_id = Some(id.clone());
            }
            effects
        })
    }

    pub(super) async fn apply(
        &mut self,
        container: &str,
        effect: Effect,
    ) -> Result<Option<Event>, RuntimeError> {
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
                self.start_probes(container, generation);
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

    pub(super) async fn create(&self, container: &str, generation: u64) -> Result<Event, RuntimeError> {
        let Some(request) = self.request(container, generation) else {
            return Ok(Event::Broken(generation));
        };
        let runtime = self.shared.runtime.clone();
        match self.shared.made(async move { runtime.create(&request).await }).await {
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

    pub(super) async fn start(&self, container: &str, generation: u64) -> Result<Event, RuntimeError> {
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
    pub(super) async fn remove(
        &self,
        container: &str,
        goes: impl Fn(u64) -> bool,
    ) -> Result<(), RuntimeError> {
        let mut seen = self.list().await?;
        seen.sort_by_key(|one| one.labels.generation);
        for one in seen.iter().filter(|one| one.labels.container == container && goes(one.labels.generation))
        {
            self.remove_one(one).await?;
        }
        Ok(())
    }

    pub(super) async fn remove_one(&self, one: &Seen) -> Result<(), RuntimeError> {
        if one.labels.container != HOLDER && matches!(one.status, SeenStatus::Running { .. }) {
            self.note(
                &one.labels.container,
                Note::normal("Killing", format!("Killing container with id {}", one.id)),
            );
        }
        remove_container(&self.shared, one).await
    }

    pub(super) fn request(&self, container: &str, generation: u64) -> Option<CreateContainer> {
        let record = self.entry.record();
        let spec = record.spec.all_containers().find(|spec| spec.name == container)?;
        let progress = record.containers.get(container)?;
        let settings = &self.shared.settings;
        let group = &record.spec.id;
        let hash = self.hash(&record)?;
        let network = match &record.holder {
            Some(id) if record.spec.holds_network() => NetworkMode::Share(id.clone()),
            _ => NetworkMode::Attach(settings.network.clone()),
        };
        let identity = identity::variables(&self.shared, &record.spec, container, generation);
        let (cpu, memory) = resources(&record.spec, spec);
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
                // The platform's own win.
                .filter(|variable| !identity.iter().any(|(name, _)| *name == variable.name))
                .map(|variable| {
                    let value = match &variable.value {
                        EnvValue::Plain(value) => SecretString::from(value.clone()),
                        EnvValue::Secure(value) => value.clone(),
                    };
                    (variable.name.clone(), value)
                })
                .chain(identity.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())))
                .collect(),
            cpu,
            memory_bytes: (memory * f64::from(1 << 30)) as i64,
            network,
            mounts: mounts(&record, spec, &settings.instance, |volume| self.volume_name_of(&record, volume)),
        })
    }
}

/// When a container is started again: one that runs before the others has to get through, so `Always` means `OnFailure` to it.
fn policy(spec: &GroupSpec, container: &str) -> RestartPolicy {
    match spec.restart_policy {
        RestartPolicy::Always if spec.is_init(container) => RestartPolicy::OnFailure,
        policy => policy,
    }
}

/// Processors and GB of memory that a container may use; one that runs before the others has the whole group's.
fn resources(group: &GroupSpec, spec: &ContainerSpec) -> (f64, f64) {
    if group.is_init(&spec.name) {
        let sum = |what: fn(&ContainerSpec) -> f64| group.containers.iter().map(what).sum();
        return (sum(|one| one.cpu), sum(|one| one.memory_gb));
    }
    (spec.cpu_limit.unwrap_or(spec.cpu), spec.memory_limit_gb.unwrap_or(spec.memory_gb))
}

/// The volume that stands for a file share: one for each share, whoever mounts it.
pub(super) fn share_volume(instance: &str, share: &AzureFile) -> String {
    let AzureFile { account_name, share_name, .. } = share;
    format!("{}{}", share_prefix(instance), short_hash(&format!("{account_name}/{share_name}")))
}

fn mounts(
    record: &Record,
    spec: &ContainerSpec,
    instance: &str,
    volume_name: impl Fn(&str) -> String,
) -> Vec<MountSpec> {
    let mounted = spec.volume_mounts.iter().filter_map(|mount| {
        let volume = record.spec.volumes.iter().find(|volume| volume.name == mount.name)?;
        let (source, read_only) = match &volume.source {
            VolumeSource::EmptyDir => (MountSource::Volume(volume_name(&volume.name)), false),
            VolumeSource::Secret(files) => (MountSource::Files(files.clone()), false),
            VolumeSource::AzureFile(share) => {
                (MountSource::Volume(share_volume(instance, share)), share.read_only)
            }
            // Refused before anything is run.
            VolumeSource::GitRepo(_) => return None,
        };
        let read_only = read_only || mount.read_only;
        Some(MountSpec { target: mount.mount_path.clone(), read_only, source })
    });
    mounted.collect()
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
        match shared.runtime.logs(&one.id, ended_request(true)).await {
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
pub(super) async fn sleep_until(clock: &SharedClock, until: Timestamp) {
    loop {
        let left = until.duration_since(clock.now());
        if left <= SignedDuration::ZERO {
            return;
        }
        tokio::time::sleep(left.unsigned_abs().min(CLOCK_POLL)).await;
    }
}
