//! Everything on the engine that belongs to an instance, by label.

use std::collections::BTreeMap;

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, ImageSummary};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder,
    ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveImageOptionsBuilder,
};

use super::DockerRuntime;
use super::failure::failed;
use super::labels::{INSTANCE_LABEL, by_label, label_of};
use crate::logs;
use crate::runtime::{Runtime, RuntimeError};

/// Objects of an instance on the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceObjects {
    /// Ids of containers.
    pub containers: Vec<String>,
    /// Names of networks.
    pub networks: Vec<String>,
    /// Names of volumes.
    pub volumes: Vec<String>,
    /// References (or ids, where there is none) of images.
    pub images: Vec<String>,
    /// The labels of the instance's network, which say more about the instance.
    pub labels: BTreeMap<String, String>,
}

impl InstanceObjects {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty()
            && self.networks.is_empty()
            && self.volumes.is_empty()
            && self.images.is_empty()
    }
}

/// A container that runs one command and goes.
#[derive(Debug, Clone)]
pub struct RunOnce {
    /// The instance that it belongs to.
    pub instance: String,
    /// The image, which must be there.
    pub image: String,
    /// Replaces the image's entrypoint and command.
    pub command: Vec<String>,
    /// The network it is attached to.
    pub network: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOutput {
    /// The exit code.
    pub code: i32,
    /// What it wrote, both streams, 16 KB at most.
    pub log: String,
}

impl DockerRuntime {
    /// All instances that have anything on the engine, by name.
    pub async fn instances(&self) -> Result<BTreeMap<String, InstanceObjects>, RuntimeError> {
        self.objects(&[INSTANCE_LABEL.to_owned()]).await
    }

    /// Removes everything of an instance: containers, networks, volumes, images with its label, and what was tagged or
    /// pulled under the addresses of its registries (`localhost:5000`). Returns what was removed. Safe to repeat.
    pub async fn remove_instance(
        &self,
        instance: &str,
        registries: &[String],
    ) -> Result<InstanceObjects, RuntimeError> {
        let mut objects = self.objects(&[label_of(instance)]).await?.remove(instance).unwrap_or_default();
        for id in &objects.containers {
            self.remove(id).await?;
        }
        for name in &objects.volumes {
            self.remove_volume(name).await?;
        }
        for name in &objects.networks {
            self.remove_network(name).await?;
        }
        let of_registries = self.images(None).await?.into_iter().flat_map(|image| {
            let references = image.repo_tags.into_iter().chain(image.repo_digests);
            references
                .filter(|reference| registries.iter().any(|host| reference.starts_with(&format!("{host}/"))))
        });
        objects.images.extend(of_registries);
        for reference in &objects.images {
            self.remove_image(reference).await?;
        }
        Ok(objects)
    }

    /// Removes what is left of instances that are dead by the caller's judgement. Returns their names.
    pub async fn sweep(
        &self,
        is_dead: impl Fn(&str, &InstanceObjects) -> bool,
    ) -> Result<Vec<String>, RuntimeError> {
        let mut swept = Vec::new();
        for (instance, objects) in self.instances().await? {
            if is_dead(&instance, &objects) {
                self.remove_instance(&instance, &[]).await?;
                swept.push(instance);
            }
        }
        Ok(swept)
    }

    /// Runs one command in a container of its own, and removes it.
    pub async fn run_once(&self, run: &RunOnce) -> Result<RunOutput, RuntimeError> {
        let action = format!("run a container of image `{}`", run.image);
        let body = ContainerCreateBody {
            image: Some(run.image.clone()),
            entrypoint: Some(run.command.clone()),
            labels: Some([(INSTANCE_LABEL.to_owned(), run.instance.clone())].into()),
            host_config: Some(HostConfig {
                network_mode: Some(run.network.clone()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().build();
        let created = self.docker.create_container(Some(options), body).await;
        let id = created.map_err(|error| failed(&action, error))?.id;
        let output = async {
            self.start(&id).await?;
            let exit = self.wait(&id).await?;
            let log = self.read_log(&id, logs::ended_request(false)).await?;
            Ok(RunOutput { code: exit.code, log: String::from_utf8_lossy(&log).into_owned() })
        };
        let output = output.await;
        self.remove(&id).await?;
        output
    }

    async fn objects(&self, labels: &[String]) -> Result<BTreeMap<String, InstanceObjects>, RuntimeError> {
        let filters = by_label(labels);
        let mut found: BTreeMap<String, InstanceObjects> = BTreeMap::new();
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let containers = self.docker.list_containers(Some(options)).await;
        for one in containers.map_err(|error| failed("list containers", error))? {
            if let (Some(instance), Some(id)) =
                (one.labels.and_then(|mut l| l.remove(INSTANCE_LABEL)), one.id)
            {
                found.entry(instance).or_default().containers.push(id);
            }
        }
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let networks = self.docker.list_networks(Some(options)).await;
        for one in networks.map_err(|error| failed("list networks", error))? {
            let labels = one.labels.unwrap_or_default();
            if let (Some(instance), Some(name)) = (labels.get(INSTANCE_LABEL).cloned(), one.name) {
                let objects = found.entry(instance).or_default();
                objects.networks.push(name);
                objects.labels.extend(labels);
            }
        }
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let volumes =
            self.docker.list_volumes(Some(options)).await.map_err(|error| failed("list volumes", error))?;
        for one in volumes.volumes.unwrap_or_default() {
            if let Some(instance) = one.labels.get(INSTANCE_LABEL) {
                found.entry(instance.clone()).or_default().volumes.push(one.name);
            }
        }
        for one in self.images(Some(labels)).await? {
            if let Some(instance) = one.labels.get(INSTANCE_LABEL) {
                let references =
                    if one.repo_tags.is_empty() { vec![one.id.clone()] } else { one.repo_tags.clone() };
                found.entry(instance.clone()).or_default().images.extend(references);
            }
        }
        Ok(found)
    }

    async fn images(&self, labels: Option<&[String]>) -> Result<Vec<ImageSummary>, RuntimeError> {
        let mut options = ListImagesOptionsBuilder::new();
        if let Some(labels) = labels {
            options = options.filters(&by_label(labels));
        }
        let listed = self.docker.list_images(Some(options.build())).await;
        listed.map_err(|error| failed("list images", error))
    }

    async fn remove_image(&self, reference: &str) -> Result<(), RuntimeError> {
        let options = RemoveImageOptionsBuilder::new().force(true).build();
        match self.docker.remove_image(reference, Some(options), None).await {
            // Went with another of its references.
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            removed => {
                removed.map(|_| ()).map_err(|error| failed(&format!("remove image `{reference}`"), error))
            }
        }
    }

    async fn remove_network(&self, name: &str) -> Result<(), RuntimeError> {
        match self.docker.remove_network(name).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            removed => removed.map_err(|error| failed(&format!("remove network `{name}`"), error)),
        }
    }
}
