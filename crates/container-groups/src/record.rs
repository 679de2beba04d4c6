//! What the service knows of one group, and how it looks to a reader.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::GroupError;
use crate::group::{ContainerSpec, EnvValue, GroupSpec, VolumeSource, VolumeSpec};
use crate::state::{Ended, Machine, NOT_STARTED, Phase};
use crate::view::{
    AzureFileView, ContainerStatus, ContainerView, EnvView, EventKind, EventView, GroupState, GroupView,
    LogAnalyticsView, ProvisioningState, RegistryCredentialView, StatusKind, VolumeKind, VolumeView,
};

/// Events beyond this number drop the oldest.
const MOST_EVENTS: usize = 100;

/// What is under way on a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Operation {
    /// All containers are made anew.
    Deploy,
    /// All containers are removed.
    Stop,
    /// The group is removed.
    Delete,
}

#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) spec: GroupSpec,
    pub(crate) provisioning: ProvisioningState,
    pub(crate) failure: Option<GroupError>,
    pub(crate) operation: Option<Operation>,
    /// Deployments begun so far; tells their volumes and containers apart.
    pub(crate) deployments: u64,
    pub(crate) stopped: bool,
    /// When the operation under way, or the last one, began.
    pub(crate) began: Option<Timestamp>,
    /// The engine's id of the container that holds the network, where several share one.
    pub(crate) holder: Option<String>,
    /// The address in the engine's network, of a group that asked for one.
    pub(crate) address: Option<IpAddr>,
    pub(crate) events: Vec<EventView>,
    pub(crate) containers: BTreeMap<String, Progress>,
}

/// What a deployment has to do next, where containers run one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Wait.
    Nothing,
    /// Start this one.
    Begin(String),
    /// Give up: this one ended with this code for good.
    Fail(String, i32),
    /// All have been started.
    Conclude,
}

/// What became of one container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) machine: Machine,
    /// The engine's id of the image that was pulled.
    pub(crate) image: Option<String>,
    /// The engine's id of the present container.
    pub(crate) container_id: Option<String>,
    pub(crate) events: Vec<EventView>,
}

/// Something worth an event.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) name: &'static str,
    pub(crate) kind: EventKind,
    pub(crate) message: String,
}

impl Note {
    pub(crate) fn normal(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, kind: EventKind::Normal, message: message.into() }
    }

    pub(crate) fn warning(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, kind: EventKind::Warning, message: message.into() }
    }
}

impl Progress {
    /// Adds an event, or counts it up when its like is there.
    pub(crate) fn note(&mut self, note: Note, now: Timestamp) {
        if let Some(like) = self.events.iter_mut().find(|e| e.name == note.name && e.message == note.message)
        {
            like.count += 1;
            like.last_timestamp = now;
            return;
        }
        if self.events.len() >= MOST_EVENTS {
            self.events.remove(0);
        }
        self.events.push(EventView {
            name: note.name.to_owned(),
            message: note.message,
            kind: note.kind,
            count: 1,
            first_timestamp: now,
            last_timestamp: now,
        });
    }

    fn current_state(&self) -> Option<ContainerStatus> {
        let waiting = |detail: &str| ContainerStatus {
            state: StatusKind::Waiting,
            start_time: None,
            exit_code: None,
            finish_time: None,
            detail_status: detail.to_owned(),
        };
        match &self.machine.phase {
            Phase::Waiting if self.machine.allotted == 0 => None,
            Phase::Waiting | Phase::Held | Phase::Creating | Phase::Starting => Some(waiting("")),
            Phase::BackingOff { .. } => Some(waiting("CrashLoopBackOff: Back-off restarting failed")),
            Phase::Running { since } => {
                Some(ContainerStatus { state: StatusKind::Running, start_time: Some(*since), ..waiting("") })
            }
            Phase::Ended(ended) => Some(terminated(ended)),
            Phase::Stopped => Some(ContainerStatus { state: StatusKind::Terminated, ..waiting("") }),
        }
    }
}

fn terminated(ended: &Ended) -> ContainerStatus {
    ContainerStatus {
        state: StatusKind::Terminated,
        start_time: ended.started,
        exit_code: Some(ended.code),
        finish_time: Some(ended.finished),
        detail_status: match ended {
            Ended { out_of_memory: true, .. } => "OOMKilled",
            Ended { code: 0, .. } => "Completed",
            Ended { .. } => "Error",
        }
        .to_owned(),
    }
}

impl Record {
    pub(crate) fn new(spec: GroupSpec) -> Self {
        let containers = spec.all_containers().map(|c| (c.name.clone(), Progress::default())).collect();
        Self {
            spec,
            provisioning: ProvisioningState::Pending,
            failure: None,
            operation: None,
            deployments: 0,
            stopped: false,
            began: None,
            holder: None,
            address: None,
            events: Vec::new(),
            containers,
        }
    }

    /// Takes over a new desired state; containers that keep their name keep their history of generations.
    pub(crate) fn respecify(&mut self, mut spec: GroupSpec) {
        spec.id = self.spec.id.clone();
        spec.name.clone_from(&self.spec.name);
        for container in spec.all_containers() {
            self.containers.entry(container.name.clone()).or_default();
        }
        self.spec = spec;
    }

    /// Begins an operation.
    pub(crate) fn begin(&mut self, operation: Operation, state: ProvisioningState, now: Timestamp) {
        if operation == Operation::Deploy {
            self.deployments += 1;
        }
        self.operation = Some(operation);
        self.began = Some(now);
        self.provisioning = state;
        self.failure = None;
    }

    /// Ends the operation under way.
    pub(crate) fn finish(&mut self, outcome: Result<(), GroupError>) {
        self.operation = None;
        match outcome {
            Ok(()) => self.provisioning = ProvisioningState::Succeeded,
            Err(error) => {
                self.provisioning = ProvisioningState::Failed;
                self.failure = Some(error);
            }
        }
    }

    /// Requested processors of all containers.
    pub(crate) fn cores(&self) -> f64 {
        cores(&self.spec)
    }

    /// Whether the network is held by a container of its own and some container still runs or will.
    pub(crate) fn needs_holder(&self) -> bool {
        let live = |progress: &Progress| {
            !matches!(progress.machine.phase, Phase::Ended(_) | Phase::Stopped | Phase::Waiting)
        };
        self.spec.holds_network() && !self.stopped && self.containers.values().any(live)
    }

    fn phase(&self, container: &str) -> Option<&Phase> {
        self.containers.get(container).map(|progress| &progress.machine.phase)
    }

    /// What a deployment with containers that run before the others has to do next.
    pub(crate) fn next_step(&self) -> NextStep {
        if self.operation != Some(Operation::Deploy) || self.spec.init_containers.is_empty() {
            return NextStep::Nothing;
        }
        for init in &self.spec.init_containers {
            match self.phase(&init.name) {
                Some(Phase::Held) => return NextStep::Begin(init.name.clone()),
                Some(Phase::Ended(ended)) if ended.code == 0 => {}
                Some(Phase::Ended(ended)) => return NextStep::Fail(init.name.clone(), ended.code),
                _ => return NextStep::Nothing,
            }
        }
        let held = |one: &&ContainerSpec| matches!(self.phase(&one.name), Some(Phase::Held));
        match self.spec.containers.iter().find(held) {
            Some(container) => NextStep::Begin(container.name.clone()),
            None => NextStep::Conclude,
        }
    }

    /// Whether the containers that run before the others are at it: the group can be stopped then.
    pub(crate) fn is_initialising(&self) -> bool {
        let held = |one: &ContainerSpec| matches!(self.phase(&one.name), Some(Phase::Held));
        self.operation == Some(Operation::Deploy)
            && !self.spec.init_containers.is_empty()
            && self.spec.containers.iter().all(held)
    }

    pub(crate) fn state(&self) -> GroupState {
        if self.stopped {
            return GroupState::Stopped;
        }
        let phases = self.spec.init_containers.iter().filter_map(|init| self.phase(&init.name));
        for phase in phases {
            match phase {
                Phase::Ended(ended) if ended.code == 0 => {}
                Phase::Ended(_) => return GroupState::Failed,
                _ => return GroupState::Pending,
            }
        }
        let present: Vec<&Progress> = self
            .spec
            .containers
            .iter()
            .filter_map(|container| self.containers.get(&container.name))
            .collect();
        let mut ended = present.iter().filter_map(|progress| match progress.machine.phase {
            Phase::Ended(ended) => Some(ended.code),
            _ => None,
        });
        if ended.clone().count() == present.len() && !present.is_empty() {
            return if ended.all(|code| code == 0) { GroupState::Succeeded } else { GroupState::Failed };
        }
        let ran = |progress: &&Progress| match progress.machine.phase {
            Phase::Running { .. } | Phase::Ended(_) => true,
            Phase::BackingOff { .. } | Phase::Creating | Phase::Starting => {
                progress.machine.previous.is_some_and(|ended| ended.code != NOT_STARTED)
            }
            Phase::Waiting | Phase::Held | Phase::Stopped => false,
        };
        if present.iter().all(ran) { GroupState::Running } else { GroupState::Pending }
    }

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

/// Requested processors of all containers of a group.
pub(crate) fn cores(spec: &GroupSpec) -> f64 {
    spec.containers.iter().map(|container| container.cpu).sum()
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
