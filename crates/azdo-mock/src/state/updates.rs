//! Updates of agents that were asked for (azure-pipelines-agent: SelfUpdater.cs; actions/runner: AgentRefreshMessage.cs).
//!
//! The message goes to the agent's open session, else to the next one; an agent that ended before it took the message
//! gets it again. When an agent opens a session with the wanted version, nothing is pending any more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sessions::Message;
use super::{Document, EventKind, State};
use crate::wire::ids::{AgentId, SessionId};

/// An update that was asked for and has not happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PendingUpdate {
    /// The wanted version.
    pub(crate) target: String,
    /// The agent's version when it was asked for.
    pub(crate) source: String,
    pub(crate) requested_on: Timestamp,
    /// Each session of another version is told again, not only the first.
    pub(crate) every_session: bool,
    /// A session took the message.
    taken: bool,
}

impl State {
    /// Asks an agent to update itself.
    pub(crate) fn request_update(&mut self, id: AgentId, target: &str, every_session: bool, now: Timestamp) {
        let session = self.session_of(id).map(|session| session.id);
        let Some(agent) = self.agents.get_mut(&id) else { return };
        agent.update_state = None;
        agent.pending_update = Some(PendingUpdate {
            target: target.to_owned(),
            source: agent.version.clone(),
            requested_on: now,
            every_session,
            taken: false,
        });
        let (agent, version) = (agent.name.clone(), target.to_owned());
        self.dirty.insert(Document::Agent(id));
        self.note(now, EventKind::UpdateRequested { agent, agent_id: id, version });
        if let Some(session) = session {
            self.send_update(session, target);
        }
    }

    /// What an agent that just opened a session is told, before any job.
    pub(super) fn remind_of_update(&mut self, id: AgentId, session: SessionId, now: Timestamp) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        let Some(pending) = &agent.pending_update else { return };
        if pending.target == agent.version {
            let (name, version) = (agent.name.clone(), agent.version.clone());
            (agent.pending_update, agent.update_state) = (None, None);
            self.dirty.insert(Document::Agent(id));
            self.note(now, EventKind::AgentUpdated { agent: name, agent_id: id, version });
        } else if pending.every_session || !pending.taken {
            let target = pending.target.clone();
            self.send_update(session, &target);
        }
    }

    fn send_update(&mut self, session: SessionId, version: &str) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.push(Message::Refresh { version: version.to_owned() });
            self.dirty.insert(Document::Session(session.id));
        }
    }

    /// A session took the message: later ones are not told again.
    pub(super) fn update_taken(&mut self, id: AgentId) {
        if let Some(pending) = self.agents.get_mut(&id).and_then(|agent| agent.pending_update.as_mut()) {
            pending.taken = true;
            self.dirty.insert(Document::Agent(id));
        }
    }
}
