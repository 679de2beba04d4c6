//! The record as its readers see it.

use super::Record;
use super::progress::terminated;
use crate::group::{ContainerSpec, EnvValue, VolumeSource, VolumeSpec};
use crate::view::{
    AzureFileView, ContainerView, EnvView, GroupView, LogAnalyticsView, RegistryCredentialView, VolumeKind,
    VolumeView,
};

impl Record {
    pub(crate) fn view(&self) -> GroupView {
        let spec = &self.spec;
        GroupView {
            id: spec.id.clone(),
            name: spec.name.clone(),
            location: spec.location.clone(),
            tags: spec.tags.clone(),
            os_type: spec.os_type,
            restart_policy: spec.restart_policy,
            registry_credentials: spec
                .registry_credentials
                .iter()
                .map(|login| RegistryCredentialView {
                    server: login.server.clone(),
                    username: login.username.clone(),
                })
                .collect(),
            registry_identities: spec.registry_identities.clone(),
            identity: spec.identity.clone(),
            volumes: spec.volumes.iter().filter_map(volume_view).collect(),
            ip_address: spec.ip_address.clone(),
            address: self.address,
            zones: spec.placement.zones.clone(),
            priority: spec.placement.priority,
            subnets: spec.placement.subnets.clone(),
            dns: spec.placement.dns.clone(),
            log_analytics: spec.placement.log_analytics.as_ref().map(|logs| LogAnalyticsView {
                workspace_id: logs.workspace_id.clone(),
                log_type: logs.log_type.clone(),
                metadata: logs.metadata.clone(),
                workspace_resource_id: logs.workspace_resource_id.clone(),
            }),
            provisioning_state: self.provisioning,
            failure: self.failure.clone(),
            state: self.state(),
            events: self.events.clone(),
            init_containers: spec.init_containers.iter().map(|one| self.container_view(one)).collect(),
            containers: spec.containers.iter().map(|container| self.container_view(container)).collect(),
        }
    }

    fn container_view(&self, spec: &ContainerSpec) -> ContainerView {
        let progress = self.containers.get(&spec.name).cloned().unwrap_or_default();
        ContainerView {
            name: spec.name.clone(),
            image: spec.image.clone(),
            command: spec.command.clone(),
            environment: spec
                .environment
                .iter()
                .map(|variable| EnvView {
                    name: variable.name.clone(),
                    value: match &variable.value {
                        EnvValue::Plain(value) => Some(value.clone()),
                        EnvValue::Secure(_) => None,
                    },
                })
                .collect(),
            ports: spec.ports.clone(),
            cpu: spec.cpu,
            memory_gb: spec.memory_gb,
            cpu_limit: spec.cpu_limit,
            memory_limit_gb: spec.memory_limit_gb,
            volume_mounts: spec.volume_mounts.clone(),
            liveness_probe: spec.liveness_probe.clone(),
            readiness_probe: spec.readiness_probe.clone(),
            restart_count: progress.machine.restarts,
            current_state: progress.current_state(),
            previous_state: progress.machine.previous.as_ref().map(terminated),
            container_id: progress.container_id,
            generation: progress.machine.current,
            events: progress.events,
        }
    }
}

fn volume_view(volume: &VolumeSpec) -> Option<VolumeView> {
    let kind = match &volume.source {
        VolumeSource::EmptyDir => VolumeKind::EmptyDir,
        VolumeSource::Secret(files) => VolumeKind::Secret(files.keys().cloned().collect()),
        VolumeSource::AzureFile(share) => VolumeKind::AzureFile(AzureFileView {
            share_name: share.share_name.clone(),
            account_name: share.account_name.clone(),
            read_only: share.read_only,
        }),
        // Refused before there is anything to show.
        VolumeSource::GitRepo(_) => return None,
    };
    Some(VolumeView { name: volume.name.clone(), kind })
}
