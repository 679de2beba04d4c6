//! Sessions and the messages in them. A message is removed by `DELETE`, never by being read: the agent has a
//! second poller that throws away what it receives (azure-pipelines-agent: MessageListener.cs, KeepAlive).

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Document, EventKind, Moment, Refusal, State};
use crate::wire::bodies::SessionBody;
use crate::wire::crypto::SessionKey;
use crate::wire::ids::{AgentId, JobId, PoolId, RequestId, SessionId};

/// After its job an agent may be given another only when it polls this much later: one that runs `--once` has
/// ended its session by then.
const FINISHING: SignedDuration = SignedDuration::from_secs(2);

/// An agent's right to listen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) agent_id: AgentId,
    pub(crate) owner_name: String,
    /// `None` for an agent without a key of its own: its messages are plain.
    #[serde(default)]
    pub(crate) key: Option<SessionKey>,
    /// Who alone listens in it, where the agent has no identity of its own.
    #[serde(default)]
    pub(crate) user: Option<User>,
    /// The agent's key generation that opened it.
    pub(crate) generation: u32,
    /// Where it was opened from.
    #[serde(default)]
    pub(crate) from: Option<IpAddr>,
    pub(crate) created_on: Timestamp,
    next_message: i64,
    pub(crate) messages: BTreeMap<i64, Message>,
    /// No further job: the agent said that it shuts down, or let a job lie.
    pub(crate) retired: bool,
    /// When its last job ended, until it polls again.
    pub(crate) finished_at: Option<Timestamp>,
    /// Polls that are held right now. Not kept over a restart.
    #[serde(skip)]
    pub(crate) polls: u32,
    /// When a poll last began or ended. Set anew at a restart.
    #[serde(skip)]
    pub(crate) last_seen: Timestamp,
}

/// Somebody whose session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum User {
    /// The owner of the personal access tokens.
    Person,
    /// A principal of the directory.
    Member(Uuid),
}

/// What an agent is told. Bodies are made from the state when they are delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Message {
    Job {
        request: RequestId,
    },
    Cancel {
        job: JobId,
    },
    Refresh {
        version: String,
    },
    /// How often the job that runs sends what its console shows.
    ConsoleRate {
        job: JobId,
        milliseconds: u32,
    },
}

impl Message {
    /// Whether it says nothing to anybody once this job has ended.
    pub(super) fn is_of(&self, request: RequestId, job: JobId) -> bool {
        match self {
            Self::Job { request: id } => *id == request,
            Self::Cancel { job: id } | Self::ConsoleRate { job: id, .. } => *id == job,
            Self::Refresh { .. } => false,
        }
    }
}

impl Session {
    /// Adds a message to the queue.
    pub(super) fn push(&mut self, message: Message) {
        self.messages.insert(self.next_message, message);
        self.next_message += 1;
    }
}

impl State {
    /// Opens a session. Refused while another lives, and to a key that has been replaced.
    pub(crate) fn open_session(
        &mut self,
        pool: PoolId,
        body: SessionBody,
        generation: u32,
        moment: Moment<'_>,
    ) -> Result<SessionId, Refusal> {
        let agent_id = AgentId(body.agent.id);
        let agent = self.agent(pool, agent_id)?;
        if agent.key_generation != generation {
            return Err(Refusal::KeyReplaced);
        }
        let name = agent.name.clone();
        let key = agent.public_key.as_ref().map(|_| SessionKey::generate(moment.entropy));
        if let Some(session) = self.session_of(agent_id) {
            return Err(Refusal::SessionConflict { agent: name, owner: session.owner_name.clone() });
        }
        if let Some(agent) = self.agents.get_mut(&agent_id) {
            agent.system_capabilities =
                body.system_capabilities.unwrap_or_else(|| agent.system_capabilities.clone());
            agent.version = body.agent.version.unwrap_or_else(|| agent.version.clone());
            agent.os_description = body.agent.os_description.unwrap_or_else(|| agent.os_description.clone());
            agent.status_changed_on = moment.now;
        }
        let id = SessionId(moment.entropy.uuid());
        let session = Session {
            id,
            agent_id,
            owner_name: body.owner_name,
            key,
            user: None,
            generation,
            from: None,
            created_on: moment.now,
            next_message: 1,
            messages: BTreeMap::new(),
            retired: false,
            finished_at: None,
            polls: 0,
            last_seen: moment.now,
        };
        self.sessions.insert(id, session);
        self.dirty.extend([Document::Agent(agent_id), Document::Session(id)]);
        self.note(moment.now, EventKind::SessionCreated { agent: name, agent_id });
        self.remind_of_update(agent_id, id, moment.now);
        Ok(id)
    }

    /// The session, if it lives and is this agent's.
    pub(crate) fn session(&self, pool: PoolId, id: SessionId, agent: AgentId) -> Result<&Session, Refusal> {
        self.agent(pool, agent)?;
        let session = self.sessions.get(&id).ok_or(Refusal::SessionExpired)?;
        if session.agent_id != agent {
            return Err(Refusal::Denied("The session belongs to another agent.".into()));
        }
        Ok(session)
    }

    /// Ends a session that its agent deletes.
    pub(crate) fn delete_session(
        &mut self,
        pool: PoolId,
        id: SessionId,
        agent: AgentId,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.session(pool, id, agent)?;
        self.end_session(id, now, |agent, agent_id| EventKind::SessionDeleted { agent, agent_id });
        Ok(())
    }

    /// Notes that a poll begins.
    pub(crate) fn poll_begins(
        &mut self,
        pool: PoolId,
        id: SessionId,
        agent: AgentId,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.session(pool, id, agent)?;
        let Some(session) = self.sessions.get_mut(&id) else { return Err(Refusal::SessionExpired) };
        session.polls += 1;
        session.last_seen = now;
        let rested = |end: Timestamp| end.saturating_add(FINISHING).unwrap_or(Timestamp::MAX) <= now;
        if session.finished_at.is_some_and(rested) {
            session.finished_at = None;
            self.dirty.insert(Document::Session(id));
        }
        Ok(())
    }

    /// Notes that a poll ended, in whatever way.
    pub(crate) fn poll_ends(&mut self, id: SessionId, now: Timestamp) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.polls = session.polls.saturating_sub(1);
            session.last_seen = now;
        }
    }

    /// The oldest message that was not deleted and is newer than `last`.
    pub(crate) fn next_message(
        &self,
        pool: PoolId,
        id: SessionId,
        agent: AgentId,
        last: Option<i64>,
    ) -> Result<Option<(i64, Message)>, Refusal> {
        let session = self.session(pool, id, agent)?;
        let newer = session.messages.iter().find(|(number, _)| last.is_none_or(|last| **number > last));
        Ok(newer.map(|(number, message)| (*number, message.clone())))
    }

    /// Removes a message. For a job's message this is when the agent has taken the job.
    pub(crate) fn delete_message(
        &mut self,
        pool: PoolId,
        id: SessionId,
        agent: AgentId,
        number: i64,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.session(pool, id, agent)?;
        let removed = self.sessions.get_mut(&id).and_then(|session| session.messages.remove(&number));
        if removed.is_some() {
            self.dirty.insert(Document::Session(id));
        }
        match removed {
            Some(Message::Job { request }) => self.receive(request, id, now),
            Some(Message::Refresh { .. }) => self.update_taken(agent),
            Some(Message::Cancel { .. } | Message::ConsoleRate { .. }) | None => {}
        }
        Ok(())
    }

    /// Ends all sessions of an agent; how many there were.
    pub(crate) fn end_sessions_of(
        &mut self,
        agent: AgentId,
        now: Timestamp,
        event: fn(String, AgentId) -> EventKind,
    ) -> usize {
        let mut ended = 0;
        while let Some(id) = self.session_of(agent).map(|session| session.id) {
            self.end_session(id, now, event);
            ended += 1;
        }
        ended
    }

    /// Ends a session; a job that its agent has not taken goes back into the queue.
    pub(crate) fn end_session(
        &mut self,
        id: SessionId,
        now: Timestamp,
        event: fn(String, AgentId) -> EventKind,
    ) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.dirty.insert(Document::Session(id));
        if let Some(agent) = self.agents.get_mut(&session.agent_id) {
            agent.status_changed_on = now;
            let event = event(agent.name.clone(), agent.id);
            self.dirty.insert(Document::Agent(session.agent_id));
            self.note(now, event);
        }
        for message in session.messages.into_values() {
            if let Message::Job { request } = message {
                self.requeue_unreceived(request, id, now);
            }
        }
    }

    /// Ends all sessions as time does.
    pub(crate) fn end_all_sessions(&mut self, now: Timestamp) {
        let all: Vec<_> = self.sessions.keys().copied().collect();
        for id in all {
            self.end_session(id, now, |agent, agent_id| EventKind::SessionExpired { agent, agent_id });
        }
    }

    /// When a session ends that was polled last at `seen`.
    pub(super) fn expires(&self, seen: Timestamp) -> Timestamp {
        let life = SignedDuration::try_from(self.switches.session_expiry).unwrap_or(SignedDuration::MAX);
        seen.saturating_add(life).unwrap_or(Timestamp::MAX)
    }

    pub(super) fn expire_sessions(&mut self, now: Timestamp) {
        let dead: Vec<_> = self
            .silent_sessions(now)
            .filter(|session| session.polls == 0 && self.expires(session.last_seen) < now)
            .map(|session| session.id)
            .collect();
        for id in dead {
            self.end_session(id, now, |agent, agent_id| EventKind::SessionExpired { agent, agent_id });
        }
    }
}
