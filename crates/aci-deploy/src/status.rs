//! `status`: fleet, pool and queue side by side.

use std::fmt;

use comfy_table::{ContentArrangement, Table, presets};
use futures_util::future::join_all;
use serde::Serialize;

use crate::arm::{ArmError, ContainerGroup};
use crate::azdo::{Agent, AzdoError, JobSummary};
use crate::context::Context;
use crate::error::{ExitClass, Explain, counted};
use crate::fleet::AgentName;
use crate::observe::{self, ObservedAgent, ObservedFleet};
use crate::settings::Target;

/// The state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// A call to Azure failed.
    #[error(transparent)]
    Arm(#[from] ArmError),
    /// A call to Azure DevOps failed.
    #[error(transparent)]
    Azdo(#[from] AzdoError),
}

impl Explain for StatusError {
    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Arm(error) => error.exit_class(),
            Self::Azdo(error) => error.exit_class(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Arm(error) => error.hint(),
            Self::Azdo(error) => error.hint(),
        }
    }
}

/// One agent: its container group and its registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentStatus {
    /// The agent.
    pub agent: AgentName,
    /// `not registered`, `offline`, `idle`, `busy`, `disabled` or `draining`.
    pub state: String,
    /// Has a session.
    pub online: bool,
    /// May be given jobs.
    pub enabled: bool,
    /// Runs now.
    pub job: Option<JobSummary>,
    /// State of the container, or of the group's provisioning where there is none yet.
    pub container: String,
    /// How often the container has been restarted, which is after each job.
    pub restarts: u32,
    /// Exit code of its last end.
    pub last_exit_code: Option<i64>,
    /// Image it runs.
    pub image: String,
    /// Another image was deployed last.
    pub older_image: bool,
    /// Full id of the container group.
    pub group_id: String,
}

/// The pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// Registrations in it, of whomever.
    pub agents: usize,
    /// Of these, online.
    pub online: usize,
    /// Of these, with a job.
    pub busy: usize,
}

/// The jobs of the pool that have not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueStatus {
    /// Waiting for an agent.
    pub waiting: usize,
    /// Given to an agent.
    pub running: usize,
    /// When the longest waiting one was queued, as the service writes it.
    pub oldest: Option<String>,
}

/// A registration under a name of the fleet without a container group: a key that still works and nobody uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrphanRegistration {
    /// Its name.
    pub name: String,
    /// Has a session, so it is some other fleet's or a container somewhere else.
    pub online: bool,
    /// A mark says that it is this fleet's: the next `scale` or `deploy` removes it.
    pub proven: bool,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// Target.
    pub target: Target,
    /// Fleet.
    pub fleet: String,
    /// Resource group.
    pub resource_group: String,
    /// Image of the last deployment.
    pub image: Option<String>,
    /// Agents by index.
    pub agents: Vec<AgentStatus>,
    /// The pool.
    pub pool: PoolStatus,
    /// Its queue.
    pub queue: QueueStatus,
    /// Registrations without a group.
    pub orphans: Vec<OrphanRegistration>,
}

/// Reads everything; changes nothing.
pub async fn status(context: &Context) -> Result<StatusReport, StatusError> {
    let settings = &context.settings;
    let pool = context.azdo.pool(&settings.pool).await?;
    let agents = context.azdo.agents(pool.id).await?;
    let groups = context.arm.container_groups().await?;
    let requests = context.azdo.unfinished_requests(pool.id).await?;
    let last = context.arm.deployment(&settings.resource_group, &settings.fleet.deployment()).await?;
    let observed = observe::assemble(&settings.fleet, context.arm.container_groups_path(), &groups, &agents);
    // A list leaves out the instance views.
    let views = join_all(observed.groups.iter().map(|group| context.arm.container_group(&group.id))).await;
    let views: Vec<ContainerGroup> =
        views.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    let waiting: Vec<_> = requests.iter().filter(|request| !request.is_assigned()).collect();
    Ok(StatusReport {
        target: settings.target,
        fleet: settings.fleet.to_string(),
        resource_group: settings.resource_group.clone(),
        image: last.as_ref().and_then(|last| last.parameter("image")).map(str::to_owned),
        agents: rows(&observed, &views, last.as_ref().and_then(|last| last.parameter("image"))),
        pool: PoolStatus {
            name: pool.name,
            agents: agents.len(),
            online: agents.iter().filter(|agent| agent.is_online()).count(),
            busy: agents.iter().filter(|agent: &&Agent| agent.assigned_request.is_some()).count(),
        },
        queue: QueueStatus {
            waiting: waiting.len(),
            running: requests.len() - waiting.len(),
            oldest: waiting.iter().filter_map(|request| request.queue_time.clone()).min(),
        },
        orphans: observed.orphans().map(|agent| orphan(&observed, agent)).collect(),
    })
}

fn rows(observed: &ObservedFleet, views: &[ContainerGroup], current: Option<&str>) -> Vec<AgentStatus> {
    let mut groups: Vec<_> = observed.groups.iter().collect();
    groups.sort_by_key(|group| (group.index.unwrap_or(u32::MAX), group.name.clone()));
    let row = |group: &&observe::ObservedGroup| {
        let view = views.iter().find(|view| group.name.is(&view.name));
        let container = view.and_then(ContainerGroup::container).and_then(|container| container.view());
        let now = container.and_then(|view| view.current_state.as_ref());
        let ended = container.and_then(|view| view.previous_state.as_ref()).and_then(|state| state.exit_code);
        let registration = observed.agent(&group.name);
        AgentStatus {
            agent: group.name.clone(),
            state: registration.map_or("not registered", word).to_owned(),
            online: registration.is_some_and(|agent| agent.online),
            enabled: registration.is_some_and(|agent| agent.enabled),
            job: registration.and_then(|agent| agent.job.clone()),
            container: container_state(view, now),
            restarts: container.map_or(0, |view| view.restart_count),
            last_exit_code: now.and_then(|state| state.exit_code).or(ended),
            image: group.image.clone(),
            older_image: current.is_some_and(|current| current != group.image),
            group_id: group.id.clone(),
        }
    };
    groups.iter().map(row).collect()
}

fn container_state(view: Option<&ContainerGroup>, now: Option<&crate::arm::ContainerState>) -> String {
    match (view, now) {
        (_, Some(state)) if !state.state.is_empty() => {
            let detail = state.detail_status.as_deref().filter(|detail| detail.contains("BackOff"));
            let back_off = if detail.is_some() { " (back-off)" } else { "" };
            format!("{}{back_off}", state.state.to_lowercase())
        }
        (Some(view), _) => view.state().unwrap_or(&view.properties.provisioning_state).to_lowercase(),
        (None, _) => "gone".to_owned(),
    }
}

fn word(agent: &ObservedAgent) -> &'static str {
    match agent {
        ObservedAgent { drain: Some(_), .. } => "draining",
        ObservedAgent { enabled: false, .. } => "disabled",
        ObservedAgent { job: Some(_), .. } => "busy",
        ObservedAgent { online: true, .. } => "idle",
        _ => "offline",
    }
}

fn orphan(observed: &ObservedFleet, agent: &ObservedAgent) -> OrphanRegistration {
    OrphanRegistration {
        name: agent.name.clone(),
        online: agent.online,
        proven: agent.is_proven(&observed.group_id(&agent.name)),
    }
}

/// One table, with what is unusual below it.
impl fmt::Display for StatusReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["AGENT", "STATE", "JOB", "CONTAINER", "RESTARTS", "IMAGE"]);
        for agent in &self.agents {
            let age = if agent.older_image { " (older)" } else { "" };
            table.add_row([
                agent.agent.to_string(),
                agent.state.clone(),
                agent.job.as_ref().map_or("-".to_owned(), ToString::to_string),
                agent.container.clone(),
                agent.restarts.to_string(),
                format!("{}{age}", short(&agent.image)),
            ]);
        }
        let rows: Vec<String> = table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
        let pool = &self.pool;
        let oldest = self.queue.oldest.as_ref();
        let oldest =
            oldest.map_or_else(String::new, |oldest| format!("; the longest waiting since {oldest}"));
        let mut lines = vec![
            format!(
                "fleet {} ({}, group {}): {}",
                self.fleet,
                self.target,
                self.resource_group,
                counted(self.agents.len())
            ),
            format!(
                "pool  {}: {} registered, {} online, {} busy",
                pool.name, pool.agents, pool.online, pool.busy
            ),
            format!("queue {} waiting, {} running{oldest}", self.queue.waiting, self.queue.running),
        ];
        if !self.agents.is_empty() {
            lines.push(String::new());
            lines.extend(rows);
        }
        let older = self.agents.iter().filter(|agent| agent.older_image).count();
        if older > 0 {
            lines.push(String::new());
            let current = self.image.as_deref().map_or_else(String::new, short);
            let all = self.agents.len();
            lines.push(format!(
                "{older} of {all} agents run another image than the one deployed last, {current}"
            ));
        }
        for orphan in &self.orphans {
            let what = match (orphan.proven, orphan.online) {
                (true, _) => "its container group is gone; the next scale or deploy removes it",
                (false, true) => "online, but not in this resource group: another fleet of the same name?",
                (false, false) => {
                    "offline and without a container group: delete it in the pool if nobody uses it"
                }
            };
            lines.push(format!("registration {}: {what}", orphan.name));
        }
        writeln!(formatter, "{}", lines.join("\n"))
    }
}

fn short(image: &str) -> String {
    image.parse::<crate::ImageRef>().map_or_else(|_| image.to_owned(), |image| image.short())
}

#[cfg(test)]
mod tests;
