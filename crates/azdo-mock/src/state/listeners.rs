//! Who listens as an agent: the agent's own identity, and for an agent that registered without a public key whoever
//! manages its pool. A session of such an agent is that of the user who opened it.

use super::members::PoolRights;
use super::sessions::User;
use super::{Refusal, State};
use crate::state::secrets::Caller;
use crate::wire::ids::{AgentId, PoolId, RequestId, SessionId};

impl State {
    /// The key generation that a caller may listen with as an agent, and the user that it is.
    pub(crate) fn listener_for(
        &self,
        pool: PoolId,
        agent: AgentId,
        caller: Caller,
    ) -> Result<(u32, Option<User>), Refusal> {
        if let Caller::Agent { id, generation } = caller {
            return if id == agent { Ok((generation, None)) } else { Err(not_its_own()) };
        }
        let user = manager(caller)?;
        let agent = self.agent(pool, agent)?;
        if agent.public_key.is_some() {
            Err(only_the_agent())
        } else {
            Ok((agent.key_generation, Some(user)))
        }
    }

    /// The agent that a caller listens as in a session.
    pub(crate) fn listener_in(&self, session: SessionId, caller: Caller) -> Result<AgentId, Refusal> {
        if let Caller::Agent { id, .. } = caller {
            return Ok(id);
        }
        let user = manager(caller)?;
        let session = self.sessions.get(&session).ok_or(Refusal::SessionExpired)?;
        if session.user == Some(user) { Ok(session.agent_id) } else { Err(only_the_agent()) }
    }

    /// The agent, and its key generation, that a caller holds a job as.
    pub(crate) fn listener_of(
        &self,
        pool: PoolId,
        request: RequestId,
        caller: Caller,
    ) -> Result<(AgentId, u32), Refusal> {
        if let Caller::Agent { id, generation } = caller {
            self.request(pool, request)?;
            return Ok((id, generation));
        }
        let user = manager(caller)?;
        let held = self.request(pool, request)?.assignment.as_ref();
        let session = held.and_then(|held| self.session_of(held.agent_id));
        let own = session.filter(|session| session.user == Some(user)).ok_or_else(only_the_agent)?;
        Ok((own.agent_id, own.generation))
    }
}

/// The user, if it is one who may listen at all: a message carries the secrets of its job.
fn manager(caller: Caller) -> Result<User, Refusal> {
    match caller {
        Caller::User { pools: PoolRights::Manage, member, .. } => {
            Ok(member.map_or(User::Person, User::Member))
        }
        Caller::User { .. } | Caller::Agent { .. } | Caller::Job { .. } => Err(only_the_agent()),
    }
}

fn only_the_agent() -> Refusal {
    Refusal::Denied("Only an agent's own identity may listen and renew.".to_owned())
}

fn not_its_own() -> Refusal {
    Refusal::Denied("An agent opens only its own session and reports only its own updates.".to_owned())
}
