//! Sessions: who listens, and ending that from outside, as an administrator or as time does.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Input};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::State as Organization;
use crate::state::event::EventKind;
use crate::state::sessions::Session;
use crate::wire::ids::{AgentId, SessionId};
use crate::wire::time::stamp;

/// `GET /sessions`.
pub(super) async fn list(State(service): State<AzureDevOps>) -> Result<Json<Value>, ControlError> {
    let sessions: Vec<_> =
        service.read(|state| state.sessions.values().map(|session| show(state, session)).collect())?;
    Ok(Json(json!(sessions)))
}

fn show(state: &Organization, session: &Session) -> Value {
    json!({
        "id": session.id,
        "agentId": session.agent_id,
        "agent": state.agents.get(&session.agent_id).map(|agent| agent.name.clone()),
        "owner": session.owner_name,
        "createdOn": stamp(session.created_on),
        "lastSeen": stamp(session.last_seen),
        "polls": session.polls,
        "messages": session.messages.len(),
    })
}

/// Which sessions are meant: those that all given fields fit. At least one is needed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// The agent's name, in any case, in any pool.
    #[serde(default)]
    agent: Option<String>,
    /// The name of the machine that opened it, in any case.
    #[serde(default)]
    owner: Option<String>,
    /// The session's own id.
    #[serde(default)]
    session: Option<SessionId>,
}

impl Which {
    fn find(&self, state: &Organization) -> Result<Vec<SessionId>, ControlError> {
        if self.agent.is_none() && self.owner.is_none() && self.session.is_none() {
            return Err(ControlError::bad("say which sessions: `agent`, `owner` or `session` is needed"));
        }
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        let name_of = |id: AgentId| state.agents.get(&id).map_or("", |agent| agent.name.as_str());
        if let Some(name) = &self.agent
            && !state.agents.values().any(|agent| same(&agent.name, name))
        {
            return Err(ControlError::missing(format!("no agent is named `{name}`")));
        }
        let found: Vec<_> = state
            .sessions
            .values()
            .filter(|session| self.agent.as_ref().is_none_or(|name| same(name, name_of(session.agent_id))))
            .filter(|session| self.owner.as_ref().is_none_or(|owner| same(owner, &session.owner_name)))
            .filter(|session| self.session.is_none_or(|id| id == session.id))
            .map(|session| session.id)
            .collect();
        if found.is_empty() && self.agent.is_none() {
            let open = state.sessions.values().map(|session| {
                format!("{} of `{}` by `{}`", session.id, name_of(session.agent_id), session.owner_name)
            });
            let open = open.take(20).collect::<Vec<_>>().join(", ");
            return Err(ControlError::missing(format!("no such session is open; open are: {open}")));
        }
        Ok(found)
    }
}

/// `POST /sessions/release`: ends sessions as an administrator of the service would.
pub(super) async fn release(
    State(service): State<AzureDevOps>,
    body: Input<Which>,
) -> Result<Json<Value>, ControlError> {
    let event = |agent, agent_id| EventKind::SessionReleased { agent, agent_id };
    end(&service, &body?.0, event).map(|count| Json(json!({"released": count})))
}

/// `POST /sessions/expire`: ends sessions as if their agents had not polled for too long.
pub(super) async fn expire(
    State(service): State<AzureDevOps>,
    body: Input<Which>,
) -> Result<Json<Value>, ControlError> {
    let event = |agent, agent_id| EventKind::SessionExpired { agent, agent_id };
    end(&service, &body?.0, event).map(|count| Json(json!({"expired": count})))
}

fn end(
    service: &AzureDevOps,
    which: &Which,
    event: fn(String, AgentId) -> EventKind,
) -> Result<usize, ControlError> {
    service.change(|state, moment| {
        let found = which.find(state);
        for id in found.iter().flatten() {
            state.end_session(*id, moment.now, event);
        }
        Ok::<_, ApiError>(found.map(|found| found.len()))
    })?
}
