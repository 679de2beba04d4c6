//! What there is now: the fleet's container groups and the registrations under its names.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::arm::ContainerGroup;
use crate::azdo::{Agent, AgentId, DRAIN_MARK, JobSummary, OWNER_MARK, PoolId};
use crate::context::Context;
use crate::error::RolloutError;
use crate::fleet::{AgentName, FleetName};
use crate::settings::OsType;

/// Tag with the name of the fleet: what carries it is ours.
pub(crate) const FLEET_TAG: &str = "mayfly-fleet";

/// A container group of the fleet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObservedGroup {
    /// Name of the group and of its agent.
    pub name: AgentName,
    /// Full id.
    pub id: String,
    /// Index within the fleet; a group made from somebody's own template may have another kind of name.
    pub index: Option<u32>,
    /// Image of its container.
    pub image: String,
    /// CPU cores asked for.
    pub cpu: f64,
    /// Memory asked for, in GB.
    pub memory_gb: f64,
    /// Operating system of its containers.
    pub os_type: OsType,
    /// Provisioning failed: there is nothing in it that could run a job.
    pub failed: bool,
}

/// What a drain of ours wrote on an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DrainMark {
    pub(crate) group: String,
    pub(crate) was_enabled: bool,
}

impl DrainMark {
    pub(crate) fn new(group: &str, was_enabled: bool) -> Self {
        Self { group: group.to_ascii_lowercase(), was_enabled }
    }

    pub(crate) fn text(&self) -> String {
        format!("{};enabled={}", self.group, self.was_enabled)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (group, enabled) = text.rsplit_once(";enabled=")?;
        Some(Self::new(group, enabled.parse().ok()?))
    }
}

/// A registration of the pool under one of the fleet's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObservedAgent {
    pub(crate) id: AgentId,
    /// Its name.
    pub name: String,
    /// It has a session.
    pub online: bool,
    /// It may be given jobs.
    pub enabled: bool,
    /// What it runs now.
    pub job: Option<JobSummary>,
    pub(crate) drain: Option<DrainMark>,
    /// Id of the container group, in lower case, that a deployer wrote on it.
    pub(crate) owner: Option<String>,
}

impl ObservedAgent {
    pub(crate) fn new(agent: &Agent) -> Self {
        Self {
            id: agent.id,
            name: agent.name.clone(),
            online: agent.is_online(),
            enabled: agent.enabled,
            job: agent.job(),
            drain: agent.capability(DRAIN_MARK).and_then(DrainMark::parse),
            owner: agent.capability(OWNER_MARK).map(str::to_ascii_lowercase),
        }
    }

    /// Whether something of ours says that this registration belongs to the container group with this id.
    pub(crate) fn is_proven(&self, group_id: &str) -> bool {
        let drained = self.drain.as_ref().map(|mark| mark.group.as_str());
        drained.or(self.owner.as_deref()).is_some_and(|group| group.eq_ignore_ascii_case(group_id))
    }

    /// Whether something says that it belongs to another container group.
    pub(crate) fn is_foreign(&self, group_id: &str) -> bool {
        (self.owner.is_some() || self.drain.is_some()) && !self.is_proven(group_id)
    }
}

/// The fleet as it was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObservedFleet {
    /// Name of the fleet.
    pub fleet: FleetName,
    /// Its container groups.
    pub groups: Vec<ObservedGroup>,
    /// Registrations under its names, whether they have a group or not.
    pub agents: Vec<ObservedAgent>,
    /// Names of the resource group's container groups that are not ours.
    pub strangers: BTreeSet<String>,
    /// Id of the resource group's container groups, without a name.
    pub(crate) groups_path: String,
}

impl ObservedFleet {
    pub(crate) fn agent(&self, name: &AgentName) -> Option<&ObservedAgent> {
        self.agents.iter().find(|agent| name.is(&agent.name))
    }

    pub(crate) fn group(&self, name: &str) -> Option<&ObservedGroup> {
        self.groups.iter().find(|group| group.name.is(name))
    }

    pub(crate) fn group_id(&self, name: &str) -> String {
        format!("{}/{name}", self.groups_path)
    }

    /// Registrations under the fleet's names whose container group is not there.
    pub(crate) fn orphans(&self) -> impl Iterator<Item = &ObservedAgent> {
        self.agents.iter().filter(|agent| self.group(&agent.name).is_none())
    }

    /// Whether a new container group may take this name: no group has it, and no living agent of somebody else.
    pub(crate) fn is_free(&self, name: &AgentName) -> bool {
        if self.group(name.as_str()).is_some() || self.strangers.iter().any(|stranger| name.is(stranger)) {
            return false;
        }
        let id = self.group_id(name.as_str());
        self.agent(name).is_none_or(|agent| {
            // A registration that still counts a job cannot be removed, and a new container would inherit it.
            agent.job.is_none() && (agent.is_proven(&id) || (!agent.online && !agent.is_foreign(&id)))
        })
    }
}

/// Reads the fleet's groups and the pool's agents.
pub(crate) async fn observe(context: &Context, pool: PoolId) -> Result<ObservedFleet, RolloutError> {
    // In this order: a container's group is there before its registration, so one that is seen without a group has none.
    let agents = context.azdo.agents(pool).await?;
    let groups = context.arm.container_groups().await?;
    Ok(assemble(&context.settings.fleet, context.arm.container_groups_path(), &groups, &agents))
}

pub(crate) fn assemble(
    fleet: &FleetName,
    groups_path: String,
    groups: &[ContainerGroup],
    agents: &[Agent],
) -> ObservedFleet {
    let (own, strangers): (Vec<_>, Vec<_>) =
        groups.iter().partition(|group| group.tag(FLEET_TAG) == Some(fleet.as_str()));
    let groups: Vec<ObservedGroup> = own.into_iter().map(|group| observed_group(fleet, group)).collect();
    let of_fleet = |agent: &&Agent| {
        fleet.index_of(&agent.name).is_some() || groups.iter().any(|group| group.name.is(&agent.name))
    };
    let agents = agents.iter().filter(of_fleet).map(ObservedAgent::new).collect();
    let strangers = strangers.into_iter().map(|group| group.name.clone()).collect();
    ObservedFleet { fleet: fleet.clone(), groups, agents, strangers, groups_path }
}

fn observed_group(fleet: &FleetName, group: &ContainerGroup) -> ObservedGroup {
    let container = group.container();
    let requests = container.and_then(|container| container.properties.resources.as_ref());
    ObservedGroup {
        name: AgentName::new(group.name.clone()),
        id: group.id.clone(),
        index: fleet.index_of(&group.name),
        image: container.map(|container| container.properties.image.clone()).unwrap_or_default(),
        cpu: requests.map_or(0.0, |resources| resources.requests.cpu),
        memory_gb: requests.map_or(0.0, |resources| resources.requests.memory_gb),
        os_type: if group.properties.os_type.eq_ignore_ascii_case("windows") {
            OsType::Windows
        } else {
            OsType::Linux
        },
        failed: matches!(group.properties.provisioning_state.as_str(), "Failed" | "Canceled" | "Unhealthy"),
    }
}
