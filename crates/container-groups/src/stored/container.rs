//! A container of a group, as it is kept.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::group::{ContainerPort, ContainerSpec, EnvValue, EnvVar, Probe, VolumeMount};

#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct StoredContainer {
    name: String,
    image: String,
    command: Vec<String>,
    environment: Vec<StoredVariable>,
    ports: Vec<ContainerPort>,
    cpu: f64,
    memory_gb: f64,
    cpu_limit: Option<f64>,
    memory_limit_gb: Option<f64>,
    volume_mounts: Vec<VolumeMount>,
    #[serde(default)]
    liveness_probe: Option<Probe>,
    #[serde(default)]
    readiness_probe: Option<Probe>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct StoredVariable {
    name: String,
    value: String,
    secure: bool,
}

pub(super) fn container_out(container: &ContainerSpec) -> StoredContainer {
    StoredContainer {
        name: container.name.clone(),
        image: container.image.clone(),
        command: container.command.clone(),
        environment: container
            .environment
            .iter()
            .map(|variable| {
                let (value, secure) = match &variable.value {
                    EnvValue::Plain(value) => (value.clone(), false),
                    EnvValue::Secure(value) => (value.expose_secret().to_owned(), true),
                };
                StoredVariable { name: variable.name.clone(), value, secure }
            })
            .collect(),
        ports: container.ports.clone(),
        cpu: container.cpu,
        memory_gb: container.memory_gb,
        cpu_limit: container.cpu_limit,
        memory_limit_gb: container.memory_limit_gb,
        volume_mounts: container.volume_mounts.clone(),
        liveness_probe: container.liveness_probe.clone(),
        readiness_probe: container.readiness_probe.clone(),
    }
}

pub(super) fn container_in(container: StoredContainer) -> ContainerSpec {
    ContainerSpec {
        name: container.name,
        image: container.image,
        command: container.command,
        environment: container
            .environment
            .into_iter()
            .map(|variable| EnvVar {
                name: variable.name,
                value: if variable.secure {
                    EnvValue::Secure(variable.value.into())
                } else {
                    EnvValue::Plain(variable.value)
                },
            })
            .collect(),
        ports: container.ports,
        cpu: container.cpu,
        memory_gb: container.memory_gb,
        cpu_limit: container.cpu_limit,
        memory_limit_gb: container.memory_limit_gb,
        // Never kept: a group that asks for some is refused.
        gpu: None,
        volume_mounts: container.volume_mounts,
        liveness_probe: container.liveness_probe,
        readiness_probe: container.readiness_probe,
    }
}
