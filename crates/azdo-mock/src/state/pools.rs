//! Pools of the organization. One is the service's own: it is hosted, nobody registers agents there or changes it.
//!
//! Source: MicrosoftDocs/azure-devops-docs: pools-queues.md; azure-devops (PyPI): task_agent/models.py (`TaskAgentPool`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::agents::checked_name;
use super::project::Person;
use super::properties::typed;
use super::{Document, EventKind, Refusal, State};
use crate::wire::bodies::{PoolBody, PoolType};
use crate::wire::ids::{AgentId, PoolId};

/// The hosted pool, and the number that organizations commonly have it under.
const HOSTED: (PoolId, &str) = (PoolId(9), "Azure Pipelines");

/// Whose agents a pool has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PoolKind {
    /// The organization's own.
    #[default]
    SelfHosted,
    /// The service's.
    Hosted,
    /// Machines that releases go to. No queue leads there.
    Deployment,
}

/// A named group of agents.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pool {
    pub(crate) id: PoolId,
    pub(crate) name: String,
    pub(crate) created_on: Timestamp,
    #[serde(default)]
    pub(crate) kind: PoolKind,
    #[serde(default)]
    pub(crate) settings: PoolSettings,
    /// Who made it; `None`: the service.
    #[serde(default)]
    pub(crate) owner: Option<Person>,
}

/// What callers may say of a pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PoolSettings {
    pub(crate) auto_provision: bool,
    pub(crate) auto_update: bool,
    pub(crate) auto_size: bool,
    pub(crate) target_size: Option<i32>,
    /// By name, as `{"$type": …, "$value": …}`.
    pub(crate) properties: Map<String, Value>,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            auto_provision: true,
            auto_update: true,
            auto_size: true,
            target_size: None,
            properties: Map::new(),
        }
    }
}

impl PoolSettings {
    fn take(&mut self, body: &PoolBody) {
        self.auto_provision = body.auto_provision.unwrap_or(self.auto_provision);
        self.auto_update = body.auto_update.unwrap_or(self.auto_update);
        self.auto_size = body.auto_size.unwrap_or(self.auto_size);
        self.target_size = body.target_size.or(self.target_size);
        for (name, value) in body.properties.iter().flatten() {
            match typed(value) {
                Some(value) => drop(self.properties.insert(name.clone(), value)),
                None => drop(self.properties.remove(name)),
            }
        }
    }
}

impl State {
    /// Makes sure that a pool of this name exists. Names match in any case.
    pub(crate) fn ensure_pool(&mut self, name: &str, now: Timestamp) {
        if self.pool_named(name).is_none() {
            let id = self.next_pool_id();
            self.insert_pool(Pool {
                id,
                name: name.to_owned(),
                created_on: now,
                kind: PoolKind::default(),
                settings: PoolSettings::default(),
                owner: None,
            });
        }
    }

    /// Makes sure that there is the hosted pool, unless another one has its name.
    pub(crate) fn ensure_hosted_pool(&mut self, now: Timestamp) {
        let (wanted, name) = HOSTED;
        if self.pool_named(name).is_some() || self.pools.values().any(|pool| pool.kind == PoolKind::Hosted) {
            return;
        }
        let id = if self.pools.contains_key(&wanted) { self.next_pool_id() } else { wanted };
        self.insert_pool(Pool {
            id,
            name: name.to_owned(),
            created_on: now,
            kind: PoolKind::Hosted,
            settings: PoolSettings::default(),
            owner: None,
        });
    }

    fn next_pool_id(&mut self) -> PoolId {
        while self.pools.contains_key(&PoolId(self.meta.next_pool)) {
            self.meta.next_pool += 1;
        }
        let id = PoolId(self.meta.next_pool);
        self.meta.next_pool += 1;
        id
    }

    /// A pool whose agents are provisioned to all projects brings its queue with it, unless the project has one of that
    /// name.
    fn insert_pool(&mut self, pool: Pool) {
        let (id, name, kind) = (pool.id, pool.name.clone(), pool.kind);
        let provisioned = pool.settings.auto_provision;
        self.pools.insert(id, pool);
        self.dirty.extend([Document::Meta, Document::Pool(id)]);
        let taken = self.project.queues.values().any(|queue| queue.name.eq_ignore_ascii_case(&name));
        if provisioned && kind != PoolKind::Deployment && !taken {
            self.open_queue(id, name);
        }
    }

    /// Makes a pool that a caller describes.
    pub(crate) fn add_pool(
        &mut self,
        body: &PoolBody,
        owner: Person,
        now: Timestamp,
    ) -> Result<PoolId, Refusal> {
        let name = checked_name("pool", body.name.clone())?
            .ok_or_else(|| Refusal::Invalid("The pool has no name.".to_owned()))?;
        if body.is_hosted == Some(true) {
            return Err(Refusal::Denied("Only the service makes hosted pools.".to_owned()));
        }
        if body.agent_cloud_id.is_some() {
            return Err(Refusal::Invalid(
                "agentCloudId: there are no agent clouds here; pools have agents that register themselves."
                    .to_owned(),
            ));
        }
        self.free_name(&name, None)?;
        let mut settings = PoolSettings { auto_provision: false, ..PoolSettings::default() };
        settings.take(body);
        let kind = match body.pool_type {
            None | Some(PoolType::Automation) => PoolKind::SelfHosted,
            Some(PoolType::Deployment) => PoolKind::Deployment,
        };
        let id = self.next_pool_id();
        self.note(now, EventKind::PoolAdded { pool: name.clone() });
        self.insert_pool(Pool { id, name, created_on: now, kind, settings, owner: Some(owner) });
        Ok(id)
    }

    fn free_name(&self, name: &str, own: Option<PoolId>) -> Result<(), Refusal> {
        match self.pool_named(name) {
            Some(other) if Some(other.id) != own => Err(Refusal::PoolExists(name.to_owned())),
            _ => Ok(()),
        }
    }

    /// A pool that callers may change and register agents in.
    pub(super) fn own_pool(&self, id: PoolId) -> Result<&Pool, Refusal> {
        let pool = self.pool(id)?;
        if pool.kind == PoolKind::Hosted {
            return Err(Refusal::Denied(format!("Pool {} is managed by the service.", pool.name)));
        }
        Ok(pool)
    }

    /// Changes what the body names and nothing else.
    pub(crate) fn change_pool(&mut self, id: PoolId, body: &PoolBody) -> Result<(), Refusal> {
        let pool = self.own_pool(id)?;
        let deployment = pool.kind == PoolKind::Deployment;
        let other_type = body.pool_type.is_some_and(|kind| (kind == PoolType::Deployment) != deployment);
        if other_type || body.is_hosted == Some(true) {
            return Err(Refusal::Invalid("The type of a pool cannot be changed.".to_owned()));
        }
        if body.id.is_some_and(|named| named != 0 && named != id.0) {
            return Err(Refusal::Invalid("The pool id of the body is not that of the address.".to_owned()));
        }
        let name = checked_name("pool", body.name.clone())?;
        if let Some(name) = &name {
            self.free_name(name, Some(id))?;
        }
        let Some(pool) = self.pools.get_mut(&id) else { return Err(Refusal::PoolNotFound(id)) };
        pool.name = name.unwrap_or_else(|| pool.name.clone());
        pool.settings.take(body);
        self.dirty.insert(Document::Pool(id));
        Ok(())
    }

    /// Removes a pool with its agents and queues. What waits for it is cancelled, since nobody could ever run it; refused
    /// while an agent has a job.
    pub(crate) fn delete_pool(&mut self, id: PoolId, now: Timestamp) -> Result<(), Refusal> {
        let name = self.own_pool(id)?.name.clone();
        self.reindex();
        let agents: Vec<AgentId> =
            self.agents.values().filter(|agent| agent.pool_id == id).map(|agent| agent.id).collect();
        let busy = agents.iter().find(|agent| self.assigned_request(**agent).is_some());
        if let Some(agent) = busy.and_then(|busy| self.agents.get(busy)) {
            return Err(Refusal::AgentBusy { agent: agent.name.clone(), pool: name });
        }
        let waiting: Vec<_> = self.open_requests(id).map(|request| request.id).collect();
        for request in waiting {
            self.cancel(request, now)?;
        }
        for agent in agents {
            self.delete_agent(id, agent, now)?;
        }
        let queues: Vec<_> =
            self.project.queues.values().filter(|queue| queue.pool_id == id).map(|queue| queue.id).collect();
        for queue in queues {
            self.delete_queue(queue)?;
        }
        self.forget_maintenance(id);
        self.pools.remove(&id);
        self.dirty.insert(Document::Pool(id));
        self.note(now, EventKind::PoolDeleted { pool: name });
        Ok(())
    }

    /// The pool of a name, in any case.
    pub(crate) fn pool_named(&self, name: &str) -> Option<&Pool> {
        self.pools.values().find(|pool| pool.name.eq_ignore_ascii_case(name))
    }

    /// The pools that jobs can be queued for, to tell somebody who names another.
    pub(crate) fn pool_names(&self) -> String {
        let queued = self.pools.values().filter(|pool| pool.kind == PoolKind::SelfHosted);
        queued.map(|pool| pool.name.as_str()).collect::<Vec<_>>().join("`, `")
    }

    /// The pool, or the refusal that says it is not there.
    pub(crate) fn pool(&self, id: PoolId) -> Result<&Pool, Refusal> {
        self.pools.get(&id).ok_or(Refusal::PoolNotFound(id))
    }
}
