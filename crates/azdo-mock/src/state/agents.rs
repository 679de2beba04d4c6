//! Registered agents.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::updates::PendingUpdate;
use super::{Document, EventKind, Moment, Refusal, State};
use crate::settings::SessionAfterReplace;
use crate::wire::bodies::{AgentBody, AgentPatch};
use crate::wire::capabilities::Capabilities;
use crate::wire::crypto::PublicKey;
use crate::wire::demand::{AGENT_VERSION, Demand};
use crate::wire::ids::{AgentId, PoolId};

/// An agent gets a key per job; so many of the old ones are known when they are shown again. All are refused.
const REMEMBERED_KEYS: usize = 16;

/// One registered worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Agent {
    pub(crate) id: AgentId,
    pub(crate) pool_id: PoolId,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) os_description: String,
    pub(crate) enabled: bool,
    pub(crate) max_parallelism: i32,
    pub(crate) created_on: Timestamp,
    pub(crate) status_changed_on: Timestamp,
    pub(crate) client_id: Uuid,
    /// `None`: it registered without one, and whoever manages its pool listens for it.
    #[serde(default)]
    pub(crate) public_key: Option<PublicKey>,
    /// Grows with each new key, so that what was given to an older one can be told apart.
    pub(crate) key_generation: u32,
    /// The latest keys before, by generation, to know them when a thief shows one.
    #[serde(default)]
    pub(crate) previous_keys: BTreeMap<u32, PublicKey>,
    /// Where it was registered from last.
    #[serde(default)]
    pub(crate) registered_from: Option<IpAddr>,
    pub(crate) system_capabilities: Capabilities,
    pub(crate) user_capabilities: Capabilities,
    /// Last text of a self-update, as the agent reported it.
    pub(crate) update_state: Option<String>,
    #[serde(default)]
    pub(crate) pending_update: Option<PendingUpdate>,
}

impl Agent {
    /// Whether the agent has all that is asked for.
    pub(crate) fn meets(&self, demands: &[Demand]) -> bool {
        // An agent that uploaded no capabilities has a version all the same.
        let version = || std::iter::once((AGENT_VERSION, self.version.as_str()));
        let all = || self.system_capabilities.iter().chain(self.user_capabilities.iter()).chain(version());
        demands.iter().all(|demand| demand.met_by(all()))
    }
}

/// A name of an agent or a pool.
pub(super) fn checked_name(what: &str, name: Option<String>) -> Result<Option<String>, Refusal> {
    match name {
        Some(name) if name.trim().is_empty() || name.len() > 128 || name.chars().any(char::is_control) => {
            Err(Refusal::Invalid(format!(
                "The {what} name must have 1 to 128 characters, none of them a control."
            )))
        }
        name => Ok(name),
    }
}

impl State {
    /// The agent of a pool.
    pub(crate) fn agent(&self, pool: PoolId, agent: AgentId) -> Result<&Agent, Refusal> {
        self.pool(pool)?;
        self.agents
            .get(&agent)
            .filter(|found| found.pool_id == pool)
            .ok_or(Refusal::AgentNotFound { agent, pool })
    }

    fn agent_mut(&mut self, pool: PoolId, id: AgentId) -> Result<&mut Agent, Refusal> {
        self.agent(pool, id)?;
        self.agents.get_mut(&id).ok_or(Refusal::AgentNotFound { agent: id, pool })
    }

    /// Registers a new agent.
    pub(crate) fn add_agent(
        &mut self,
        pool: PoolId,
        body: AgentBody,
        moment: Moment<'_>,
    ) -> Result<AgentId, Refusal> {
        self.own_pool(pool)?;
        let name = checked_name("agent", body.name)?
            .ok_or_else(|| Refusal::Invalid("The agent has no name.".into()))?;
        if self.agent_named(pool, &name).is_some() {
            return Err(Refusal::AgentExists { pool, name });
        }
        let public_key = body.authorization.and_then(|authorization| authorization.public_key);
        let id = AgentId(self.meta.next_agent);
        self.meta.next_agent += 1;
        let key = public_key.as_ref().map(PublicKey::fingerprint);
        let agent = Agent {
            id,
            pool_id: pool,
            name: name.clone(),
            version: body.version.unwrap_or_default(),
            os_description: body.os_description.unwrap_or_default(),
            enabled: true,
            max_parallelism: body.max_parallelism.unwrap_or(1),
            created_on: moment.now,
            status_changed_on: moment.now,
            client_id: moment.entropy.uuid(),
            public_key,
            key_generation: 1,
            previous_keys: BTreeMap::new(),
            registered_from: None,
            system_capabilities: body.system_capabilities.unwrap_or_default(),
            user_capabilities: Capabilities::default(),
            update_state: None,
            pending_update: None,
        };
        self.agents.insert(id, agent);
        self.dirty.extend([Document::Meta, Document::Agent(id)]);
        self.note(moment.now, EventKind::AgentRegistered { agent: name, agent_id: id, key });
        Ok(id)
    }

    /// Registers an agent again. `id`, `enabled` and the user's capabilities stay as stored: the agent echoes what
    /// it read a moment before, which must not undo a disable that came between.
    pub(crate) fn replace_agent(
        &mut self,
        pool: PoolId,
        id: AgentId,
        body: AgentBody,
        moment: Moment<'_>,
    ) -> Result<(), Refusal> {
        let name = checked_name("agent", body.name)?;
        if let Some(name) = &name
            && self.agent_named(pool, name).is_some_and(|other| other.id != id)
        {
            return Err(Refusal::AgentExists { pool, name: name.clone() });
        }
        let agent = self.agent_mut(pool, id)?;
        agent.name = name.unwrap_or_else(|| agent.name.clone());
        agent.version = body.version.unwrap_or_else(|| agent.version.clone());
        agent.os_description = body.os_description.unwrap_or_else(|| agent.os_description.clone());
        agent.max_parallelism = body.max_parallelism.unwrap_or(agent.max_parallelism);
        if let Some(capabilities) = body.system_capabilities {
            agent.system_capabilities = capabilities;
        }
        let new_key = body
            .authorization
            .and_then(|authorization| authorization.public_key)
            .filter(|key| agent.public_key.as_ref() != Some(key));
        let replaced = new_key.map(|key| {
            let key_now = key.fingerprint();
            let previous = agent.public_key.replace(key);
            let previous_key = previous.as_ref().map(PublicKey::fingerprint);
            agent.previous_keys.extend(previous.map(|key| (agent.key_generation, key)));
            if agent.previous_keys.len() > REMEMBERED_KEYS {
                agent.previous_keys.pop_first();
            }
            agent.key_generation += 1;
            EventKind::AgentReplaced { agent: agent.name.clone(), agent_id: id, key: key_now, previous_key }
        });
        self.dirty.insert(Document::Agent(id));
        if let Some(event) = replaced {
            self.note(moment.now, event);
            if self.switches.session_after_replace == SessionAfterReplace::Dropped {
                self.end_sessions_of(id, moment.now, |agent, agent_id| EventKind::SessionReleased {
                    agent,
                    agent_id,
                });
            }
        }
        Ok(())
    }

    /// Changes what a user may change of an agent.
    pub(crate) fn patch_agent(
        &mut self,
        pool: PoolId,
        id: AgentId,
        patch: &AgentPatch,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let agent = self.agent_mut(pool, id)?;
        if patch.id.is_some_and(|named| named != id.0) {
            return Err(Refusal::Invalid("The agent id of the body is not that of the address.".into()));
        }
        agent.max_parallelism = patch.max_parallelism.unwrap_or(agent.max_parallelism);
        let before = agent.enabled;
        agent.enabled = patch.enabled.unwrap_or(before);
        let (name, enabled) = (agent.name.clone(), agent.enabled);
        self.dirty.insert(Document::Agent(id));
        if enabled != before {
            let kind = if enabled {
                EventKind::AgentEnabled { agent: name, agent_id: id }
            } else {
                EventKind::AgentDisabled { agent: name, agent_id: id }
            };
            self.note(now, kind);
        }
        Ok(())
    }

    /// Replaces the capabilities that a user gave an agent.
    pub(crate) fn set_user_capabilities(
        &mut self,
        pool: PoolId,
        id: AgentId,
        capabilities: Capabilities,
    ) -> Result<(), Refusal> {
        self.agent_mut(pool, id)?.user_capabilities = capabilities;
        self.dirty.insert(Document::Agent(id));
        Ok(())
    }

    /// Keeps what an agent says of its self-update.
    pub(crate) fn set_update_state(
        &mut self,
        pool: PoolId,
        id: AgentId,
        state: String,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let agent = self.agent_mut(pool, id)?;
        agent.update_state = Some(state.clone());
        let agent = agent.name.clone();
        self.dirty.insert(Document::Agent(id));
        self.note(now, EventKind::UpdateReported { agent, agent_id: id, state });
        Ok(())
    }

    /// Removes a registration. Refused while a job is the agent's.
    pub(crate) fn delete_agent(&mut self, pool: PoolId, id: AgentId, now: Timestamp) -> Result<(), Refusal> {
        let agent = self.agent(pool, id)?;
        if self.assigned_request(id).is_some() {
            let pool = self.pool(pool)?.name.clone();
            return Err(Refusal::AgentBusy { agent: agent.name.clone(), pool });
        }
        let name = agent.name.clone();
        self.end_sessions_of(id, now, |agent, agent_id| EventKind::SessionReleased { agent, agent_id });
        self.agents.remove(&id);
        self.dirty.insert(Document::Agent(id));
        self.note(now, EventKind::AgentDeleted { agent: name, agent_id: id });
        Ok(())
    }
}
