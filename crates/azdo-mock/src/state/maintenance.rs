//! Maintenance of a pool's agents: definitions say what is cleaned, and each time that it is asked for every agent that
//! listens gets a job of its own, so many at once as the definition allows. Such a job is no build; the agent knows it by
//! its host type.
//!
//! Source: azure-devops (PyPI): task_agent/models.py (`TaskAgentPoolMaintenanceDefinition`, `…Job`); MicrosoftDocs/
//! azure-devops-docs: pools-queues.md ("Set up a maintenance job"); azure-pipelines-agent: MaintenanceJobExtension.cs (host
//! type, variables). A schedule is kept and shown, and nothing is queued by it.

mod turns;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::agents::Agent;
use super::project::Person;
use super::requests::Request;
use super::{Document, Refusal, State};
use crate::wire::demand::Demand;
use crate::wire::ids::{AgentId, MaintenanceId, MaintenanceJobId, PoolId, RequestId};
use crate::wire::result::TaskResult;

/// What is to be done to the agents of a pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MaintenanceDefinition {
    pub(crate) id: MaintenanceId,
    pub(crate) pool: PoolId,
    pub(crate) settings: MaintenanceSettings,
}

/// What people say of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MaintenanceSettings {
    pub(crate) enabled: bool,
    /// Of each agent's job; 0: without limit.
    pub(crate) timeout_minutes: u32,
    /// How many of the agents at once; at least one.
    pub(crate) percentage: u32,
    /// From when on a working folder that nobody used is removed; 0: none is.
    pub(crate) expiration_days: u32,
    /// How many ended jobs are kept; 0: all.
    pub(crate) history: u32,
    /// As it was written.
    pub(crate) schedule: Map<String, Value>,
}

/// Maintenance that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MaintenanceJob {
    pub(crate) id: MaintenanceJobId,
    pub(crate) pool: PoolId,
    pub(crate) definition: MaintenanceId,
    /// As they were when it was asked for.
    settings: MaintenanceSettings,
    pub(crate) requested_by: Person,
    pub(crate) queue_time: Timestamp,
    pub(crate) finish_time: Option<Timestamp>,
    pub(crate) cancelled: bool,
    pub(crate) targets: Vec<Target>,
}

/// An agent that is maintained.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    pub(crate) agent: AgentId,
    pub(crate) name: String,
    pub(crate) turn: Turn,
}

/// How far an agent's maintenance has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Turn {
    /// Others come first.
    Waits,
    /// Its request knows more.
    Queued(RequestId),
    /// It ended before its turn came: everything was cancelled, or the agent is gone.
    Dropped,
}

/// All maintenance.
#[derive(Debug, Clone, Default)]
pub(crate) struct Maintenance {
    pub(crate) definitions: BTreeMap<MaintenanceId, MaintenanceDefinition>,
    jobs: BTreeMap<MaintenanceJobId, MaintenanceJob>,
    /// Those that have not ended: only they cost anything.
    open: BTreeSet<MaintenanceJobId>,
}

impl Maintenance {
    /// As it was left.
    pub(crate) fn restored(
        definitions: BTreeMap<MaintenanceId, MaintenanceDefinition>,
        jobs: BTreeMap<MaintenanceJobId, MaintenanceJob>,
    ) -> Self {
        let open = jobs.values().filter(|job| job.finish_time.is_none()).map(|job| job.id).collect();
        Self { definitions, jobs, open }
    }

    /// The definition of a pool, or the refusal that says it is not there.
    pub(crate) fn definition(
        &self,
        pool: PoolId,
        id: MaintenanceId,
    ) -> Result<&MaintenanceDefinition, Refusal> {
        let found = self.definitions.get(&id).filter(|definition| definition.pool == pool);
        found.ok_or(Refusal::MaintenanceDefinitionNotFound(id))
    }

    /// The job, or the refusal that says it is not there.
    pub(crate) fn job(&self, id: MaintenanceJobId) -> Result<&MaintenanceJob, Refusal> {
        self.jobs.get(&id).ok_or(Refusal::MaintenanceJobNotFound(id))
    }

    /// The job of a pool.
    pub(crate) fn job_of(&self, pool: PoolId, id: MaintenanceJobId) -> Result<&MaintenanceJob, Refusal> {
        self.job(id).ok().filter(|job| job.pool == pool).ok_or(Refusal::MaintenanceJobNotFound(id))
    }

    /// The jobs of a pool, by their numbers.
    pub(crate) fn jobs_of(&self, pool: PoolId) -> impl Iterator<Item = &MaintenanceJob> {
        self.jobs.values().filter(move |job| job.pool == pool)
    }
}

impl MaintenanceJob {
    fn at_once(&self) -> usize {
        let share = self.targets.len() * self.settings.percentage as usize / 100;
        share.max(1)
    }

    /// The requests of its agents, as far as their turn has come.
    pub(crate) fn requests<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Request> {
        self.targets.iter().filter_map(|target| target.request(state))
    }
}

impl Target {
    pub(crate) fn request<'a>(&self, state: &'a State) -> Option<&'a Request> {
        let Turn::Queued(request) = self.turn else { return None };
        state.requests.get(&request)
    }

    /// How it ended; `None` while it has not.
    pub(crate) fn result(&self, state: &State) -> Option<TaskResult> {
        match self.turn {
            Turn::Waits => None,
            Turn::Dropped => Some(TaskResult::Canceled),
            Turn::Queued(_) => self.request(state).map_or(Some(TaskResult::Canceled), |one| one.result),
        }
    }
}

/// What keeps an agent's job from the others.
fn only(agent: &str) -> Demand {
    Demand::Equals("Agent.Name".to_owned(), agent.to_owned())
}

impl State {
    /// Makes a definition.
    pub(crate) fn add_maintenance(
        &mut self,
        pool: PoolId,
        settings: MaintenanceSettings,
    ) -> Result<&MaintenanceDefinition, Refusal> {
        self.own_pool(pool)?;
        let id = MaintenanceId(self.meta.next_maintenance.max(1));
        self.meta.next_maintenance = id.0 + 1;
        self.dirty.extend([Document::Meta, Document::MaintenanceDefinition(id)]);
        Ok(self.maintenance.definitions.entry(id).or_insert(MaintenanceDefinition { id, pool, settings }))
    }

    /// Writes a definition anew. What was asked for before goes on as it was asked for.
    pub(crate) fn update_maintenance(
        &mut self,
        pool: PoolId,
        id: MaintenanceId,
        settings: MaintenanceSettings,
    ) -> Result<&MaintenanceDefinition, Refusal> {
        self.maintenance.definition(pool, id)?;
        if let Some(definition) = self.maintenance.definitions.get_mut(&id) {
            definition.settings = settings;
        }
        self.dirty.insert(Document::MaintenanceDefinition(id));
        self.maintenance.definition(pool, id)
    }

    /// Takes a definition away. Its jobs stay.
    pub(crate) fn delete_maintenance(&mut self, pool: PoolId, id: MaintenanceId) -> Result<(), Refusal> {
        self.maintenance.definition(pool, id)?;
        self.maintenance.definitions.remove(&id);
        self.dirty.insert(Document::MaintenanceDefinition(id));
        Ok(())
    }

    /// Asks for maintenance of the agents that listen and are enabled. The first of their jobs are queued when the state
    /// settles.
    pub(crate) fn queue_maintenance(
        &mut self,
        pool: PoolId,
        id: MaintenanceId,
        requested_by: Person,
        now: Timestamp,
    ) -> Result<MaintenanceJobId, Refusal> {
        let definition = self.maintenance.definition(pool, id)?;
        if !definition.settings.enabled {
            return Err(Refusal::MaintenanceNotEnabled(self.pool(pool)?.name.clone()));
        }
        let settings = definition.settings.clone();
        let able = |agent: &&Agent| {
            agent.pool_id == pool
                && agent.enabled
                && self.online(agent.id)
                && agent.meets(&[only(&agent.name)])
        };
        let target = |agent: &Agent| Target { agent: agent.id, name: agent.name.clone(), turn: Turn::Waits };
        let targets = self.agents.values().filter(able).map(target).collect();
        let job = MaintenanceJobId(self.meta.next_maintenance_job.max(1));
        self.meta.next_maintenance_job = job.0 + 1;
        self.maintenance.jobs.insert(
            job,
            MaintenanceJob {
                id: job,
                pool,
                definition: id,
                settings,
                requested_by,
                queue_time: now,
                finish_time: None,
                cancelled: false,
                targets,
            },
        );
        self.maintenance.open.insert(job);
        self.dirty.extend([Document::Meta, Document::MaintenanceJob(job)]);
        Ok(job)
    }

    /// Asks for the end of maintenance: no further agent begins, and those that have begun are cancelled.
    pub(crate) fn cancel_maintenance(
        &mut self,
        pool: PoolId,
        id: MaintenanceJobId,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let job = self.maintenance.job_of(pool, id)?;
        if job.finish_time.is_some() {
            return Err(Refusal::Invalid(format!("The maintenance job {id} is already completed.")));
        }
        let running: Vec<_> =
            job.requests(self).filter(|one| one.finish_time.is_none()).map(|one| one.id).collect();
        if let Some(job) = self.maintenance.jobs.get_mut(&id) {
            job.cancelled = true;
        }
        self.dirty.insert(Document::MaintenanceJob(id));
        for request in running {
            self.cancel(request, now)?;
        }
        Ok(())
    }

    /// Forgets maintenance that has ended.
    pub(crate) fn delete_maintenance_job(
        &mut self,
        pool: PoolId,
        id: MaintenanceJobId,
    ) -> Result<(), Refusal> {
        if self.maintenance.job_of(pool, id)?.finish_time.is_none() {
            return Err(Refusal::MaintenanceRuns(id));
        }
        self.forget_job(id);
        Ok(())
    }

    fn forget_job(&mut self, id: MaintenanceJobId) {
        self.maintenance.jobs.remove(&id);
        self.maintenance.open.remove(&id);
        self.dirty.insert(Document::MaintenanceJob(id));
    }

    /// All maintenance of a pool that goes.
    pub(super) fn forget_maintenance(&mut self, pool: PoolId) {
        let jobs: Vec<_> = self.maintenance.jobs_of(pool).map(|job| job.id).collect();
        for job in jobs {
            self.forget_job(job);
        }
        let of_pool = |one: &&MaintenanceDefinition| one.pool == pool;
        let ids: Vec<_> = self.maintenance.definitions.values().filter(of_pool).map(|one| one.id).collect();
        for id in ids {
            self.maintenance.definitions.remove(&id);
            self.dirty.insert(Document::MaintenanceDefinition(id));
        }
    }
}
