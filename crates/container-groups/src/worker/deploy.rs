//! Bringing a group up and down: images, volumes, the shared network, then the containers.

use tokio::task::JoinSet;

use crate::error::GroupError;
use crate::group::{ContainerSpec, GroupSpec, VolumeSource};
use crate::identity;
use crate::logs::short_hash;
use crate::record::Note;
use crate::runtime::{CreateHolder, Labels, RuntimeError, Seen, SeenStatus};
use crate::state::{Event, NOT_STARTED, Phase};
use crate::view::ProvisioningState;
use crate::worker::effects::share_volume;
use crate::worker::{HOLDER, Reached, Signal, Trouble, Worker, is_holder, volume_prefix};

impl Worker {
    /// Brings all containers up anew, whatever was there.
    pub(super) async fn deploy(&mut self) -> Result<Reached, Trouble> {
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
            return Ok(Reached::End);
        }
        for container in spec.all_containers() {
            self.pull(&spec, container).await?;
        }
        self.create_volumes(&spec).await?;
        self.ensure_holder(&spec).await?;
        if !spec.init_containers.is_empty() {
            return self.initialise(&spec).await;
        }
        for container in &spec.containers {
            self.feed(&container.name, Event::Deploy).await?;
        }
        self.watch_holder();
        self.remove_strangers(&spec).await?;
        self.note_address(&spec).await?;
        self.check_started().map(|()| Reached::End).map_err(Trouble::Failed)
    }

    async fn create_volumes(&self, spec: &GroupSpec) -> Result<(), RuntimeError> {
        let instance = &self.shared.settings.instance;
        for volume in &spec.volumes {
            // A share belongs to no group.
            let (name, group) = match &volume.source {
                VolumeSource::EmptyDir => (self.volume_name(&volume.name), spec.id.key()),
                VolumeSource::AzureFile(share) => (share_volume(instance, share), ""),
                VolumeSource::Secret(_) | VolumeSource::GitRepo(_) => continue,
            };
            let (runtime, instance, group) =
                (self.shared.runtime.clone(), instance.clone(), group.to_owned());
            self.shared.made(async move { runtime.create_volume(&name, &instance, &group).await }).await?;
        }
        Ok(())
    }

    /// Remembers the address of a group that asked for one.
    pub(super) async fn note_address(&self, spec: &GroupSpec) -> Result<(), RuntimeError> {
        let holder = self.entry.record().holder.clone();
        let id = match (&spec.ip_address, holder, spec.containers.first()) {
            (None, ..) => None,
            (Some(_), Some(holder), _) => Some(holder),
            (Some(_), None, first) => first.map(|first| self.container_id(&first.name)),
        };
        let address = match id {
            Some(id) => self.shared.runtime.address(&id).await?,
            None => None,
        };
        self.entry.update(&self.shared, |record| record.address = address);
        Ok(())
    }

    /// Whether every container could be started.
    pub(super) fn check_started(&self) -> Result<(), GroupError> {
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
            Some((container, why)) => Err(GroupError::new(
                400,
                "ContainerStartFailed",
                format!(
                    "The container '{container}' in container group '{}' could not be started. {why}",
                    record.spec.name
                ),
            )),
        }
    }

    /// Whether all containers of this very deployment run already: a process before this one died just before it could
    /// say so. They may have taken work since.
    pub(super) async fn is_deployed(&self, spec: &GroupSpec) -> Result<bool, RuntimeError> {
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

    pub(super) async fn pull(&mut self, spec: &GroupSpec, container: &ContainerSpec) -> Result<(), Trouble> {
        let image = &container.image;
        self.note(&container.name, Note::normal("Pulling", format!("pulling image \"{image}\"")));
        let login = identity::login(&self.shared, spec, image);
        let pulled = tokio::select! {
            pulled = self.shared.runtime.pull(image, login.as_ref()) => pulled,
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
                Err(Trouble::Failed(GroupError::registry(image, &spec.name, &error.to_string())))
            }
        }
    }

    pub(super) async fn stop(&mut self) -> Result<(), Trouble> {
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
            record.address = None;
            record.stopped = true;
        });
        Ok(())
    }

    /// Where several containers share a network, or the group has an address, a container of its own holds the network:
    /// the others come and go.
    pub(super) async fn ensure_holder(&mut self, spec: &GroupSpec) -> Result<(), RuntimeError> {
        if !spec.holds_network() {
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
        let runtime = self.shared.runtime.clone();
        let id = self.shared.made(async move { runtime.create_holder(&request).await }).await?;
        self.shared.runtime.start(&id).await?;
        self.entry.update(&self.shared, |record| record.holder = Some(id));
        Ok(())
    }

    pub(super) fn watch_holder(&mut self) {
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
    pub(super) fn holder_runs(&self, seen: &[Seen]) -> bool {
        let (deployment, needed) = {
            let record = self.entry.record();
            (record.deployments, record.needs_holder())
        };
        let runs =
            |one: &Seen| is_holder(one, deployment) && matches!(one.status, SeenStatus::Running { .. });
        !needed || seen.iter().any(runs)
    }

    /// Removes containers of names that the group no longer has, and volumes of earlier deployments.
    pub(super) async fn remove_strangers(&self, spec: &GroupSpec) -> Result<(), RuntimeError> {
        let holder = self.entry.record().holder.clone();
        let known = |one: &&Seen| match one.labels.container.as_str() {
            HOLDER => holder.as_ref() == Some(&one.id),
            name => spec.all_containers().any(|container| container.name == name),
        };
        for one in self.list().await?.iter().filter(|one| !known(one)) {
            self.remove_one(one).await?;
        }
        self.entry.update(&self.shared, |record| {
            record
                .containers
                .retain(|name, _| spec.all_containers().any(|container| container.name == *name));
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
}
