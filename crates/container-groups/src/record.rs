//! What the service knows of one group.

mod progress;
mod show;

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::GroupError;
use crate::group::{ContainerSpec, GroupSpec};
use crate::state::{NOT_STARTED, Phase};
use crate::view::{EventView, GroupState, ProvisioningState};

pub(crate) use progress::{Note, Progress};

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

    /// Whether its containers run, or are to.
    pub(crate) fn lives(&self) -> bool {
        match self.operation {
            Some(operation) => operation == Operation::Deploy,
            None => !self.stopped && self.containers.values().any(|one| one.machine.phase.lives()),
        }
    }

    /// None of its containers is there any more: those that ran, or were about to, are made anew.
    pub(crate) fn begin_anew(&mut self, now: Timestamp) {
        (self.holder, self.address) = (None, None);
        if !self.lives() {
            return;
        }
        for progress in self.containers.values_mut() {
            progress.container_id = None;
            progress.machine = progress.machine.anew();
        }
        self.begin(Operation::Deploy, ProvisioningState::Updating, now);
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
}

/// Requested processors of all containers of a group.
pub(crate) fn cores(spec: &GroupSpec) -> f64 {
    spec.containers.iter().map(|container| container.cpu).sum()
}
