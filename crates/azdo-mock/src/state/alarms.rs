//! What points to a stolen key. Nothing is refused here: what a dead key may not do is refused where it asks. Each
//! sign is noted once for each key and address, so that a thief cannot drown one alarm in others.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sessions::User;
use super::{EventKind, Moment, Refusal, State};
use crate::wire::assertion::{SignedAssertion, TokenRefusal};
use crate::wire::bodies::SessionBody;
use crate::wire::crypto::PublicKey;
use crate::wire::ids::{AgentId, PoolId, SessionId};

/// What a key was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum KeyUse {
    /// To ask for an access token.
    Token,
    /// An access token that was made with it was shown.
    AccessToken,
}

/// What was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    SecondSession,
    Elsewhere(KeyUse),
    Dead(KeyUse),
}

/// A sign that was noted: of which agent and key, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sighting {
    agent: AgentId,
    generation: u32,
    sign: Sign,
    from: Option<IpAddr>,
}

/// One use of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    pub(crate) agent: AgentId,
    /// Which of the agent's keys.
    pub(crate) generation: u32,
    pub(crate) used_for: KeyUse,
    /// Where the connection came from, where that is known.
    pub(crate) from: Option<IpAddr>,
}

/// Who wants a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opener {
    /// Which of the agent's keys its access token was made with.
    pub(crate) generation: u32,
    /// Somebody who listens for an agent without a key.
    pub(crate) user: Option<User>,
    pub(crate) from: Option<IpAddr>,
}

impl State {
    /// Keeps where an agent was registered from: its container, as long as it registers itself.
    pub(crate) fn registered_from(&mut self, id: AgentId, from: Option<IpAddr>) {
        if let Some(agent) = self.agents.get_mut(&id) {
            agent.registered_from = from;
            self.dirty.insert(super::Document::Agent(id));
        }
    }

    /// Whether a use of a key is a sign of theft that was not noted yet.
    pub(crate) fn is_suspicious(&self, seen: Use) -> bool {
        self.sign(seen).is_some_and(|(sighting, _)| !self.sightings.contains(&sighting))
    }

    /// Notes a use of a key, if it is a sign of theft.
    pub(crate) fn watch(&mut self, seen: Use, now: Timestamp) {
        if let Some((sighting, alarm)) = self.sign(seen) {
            self.note_once(sighting, alarm, now);
        }
    }

    fn sign(&self, seen: Use) -> Option<(Sighting, EventKind)> {
        let Use { agent: id, generation, used_for, from } = seen;
        let agent = self.agents.get(&id)?;
        let name = agent.name.clone();
        let (sign, alarm) = if generation == agent.key_generation {
            let (from, registered_from) = (from?, agent.registered_from?);
            if from == registered_from {
                return None;
            }
            let alarm =
                EventKind::KeyUsedElsewhere { agent: name, agent_id: id, used_for, from, registered_from };
            (Sign::Elsewhere(used_for), alarm)
        } else {
            let key = agent.previous_keys.get(&generation).map(PublicKey::fingerprint).unwrap_or_default();
            (Sign::Dead(used_for), EventKind::DeadKeyUsed { agent: name, agent_id: id, used_for, key, from })
        };
        Some((Sighting { agent: id, generation, sign, from }, alarm))
    }

    fn note_once(&mut self, sighting: Sighting, alarm: EventKind, now: Timestamp) {
        if self.sightings.insert(sighting) {
            self.note(now, alarm);
        }
    }

    /// Opens a session and notes who was in the way.
    pub(crate) fn open_session_from(
        &mut self,
        pool: PoolId,
        body: SessionBody,
        opener: Opener,
        moment: Moment<'_>,
    ) -> Result<SessionId, Refusal> {
        let (agent, owner) = (AgentId(body.agent.id), body.owner_name.clone());
        let opened = self.open_session(pool, body, opener.generation, moment);
        match &opened {
            Ok(id) => {
                if let Some(session) = self.sessions.get_mut(id) {
                    session.from = opener.from;
                    session.user = opener.user;
                }
            }
            Err(Refusal::SessionConflict { .. }) => self.note_conflict(agent, owner, opener, moment.now),
            Err(_) => {}
        }
        opened
    }

    fn note_conflict(&mut self, id: AgentId, owner: String, opener: Opener, now: Timestamp) {
        let (Some(agent), Some(open)) = (self.agents.get(&id), self.session_of(id)) else { return };
        let (agent, agent_id, from) = (agent.name.clone(), id, opener.from);
        let (open_owner, open_from) = (open.owner_name.clone(), open.from);
        if open.generation == opener.generation && open.user.is_none() {
            let sighting =
                Sighting { agent: id, generation: opener.generation, sign: Sign::SecondSession, from };
            let alarm = EventKind::SecondSession { agent, agent_id, owner, from, open_owner, open_from };
            self.note_once(sighting, alarm, now);
        } else {
            self.note(
                now,
                EventKind::SessionConflict { agent, agent_id, owner, from, open_owner, open_from },
            );
        }
    }

    /// Exchanges an assertion for an access token and notes a key that is dead or somewhere else.
    pub(crate) fn issue_token_to(
        &mut self,
        assertion: &SignedAssertion,
        audience: &str,
        from: Option<IpAddr>,
        moment: Moment<'_>,
    ) -> Result<String, TokenRefusal> {
        let issued = self.issue_token(assertion, audience, moment);
        let client = assertion.claims.sub;
        let agent = self.agent_of_client(client);
        let signer = agent.and_then(|agent| match &issued {
            Ok(_) => Some((agent.id, agent.key_generation)),
            Err(_) => agent
                .previous_keys
                .iter()
                .find(|(_, key)| assertion.verify(key, audience, moment.now).is_ok())
                .map(|(generation, _)| (agent.id, *generation)),
        });
        if let Some((agent, generation)) = signer {
            self.watch(Use { agent, generation, used_for: KeyUse::Token, from }, moment.now);
        }
        issued
    }
}
