//! Sessions. Source: azure-pipelines-agent: MessageListener.cs; actions/runner: TaskAgentSession.cs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::extract::{Body, Peer, Values};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::alarms::Opener;
use crate::state::refusal::Refusal;
use crate::state::secrets::Caller;
use crate::view;
use crate::wire::bodies::SessionBody;
use crate::wire::ids::{AgentId, PoolId, SessionId};

/// `POST sessions`.
pub(crate) async fn open(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Peer(from): Peer,
    Values(pool): Values<PoolId>,
    Body(body): Body<SessionBody>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, moment| {
        let (agent_id, generation) = caller.require_agent()?;
        if agent_id != AgentId(body.agent.id) {
            return Err(Refusal::Denied("An agent opens only its own session.".to_owned()));
        }
        let id = state.open_session_from(pool, body, Opener { generation, from }, moment)?;
        let (session, agent) = (state.session(pool, id, agent_id)?, state.agent(pool, agent_id)?);
        let key = agent.public_key.wrap(&session.key).map_err(|error| Refusal::Invalid(error.to_string()))?;
        Ok(Json(json!({
            "sessionId": id,
            "ownerName": session.owner_name,
            "agent": view::agent_reference(state, service.addresses(), agent),
            "encryptionKey": {"encrypted": true, "value": key},
        })))
    })
}

/// `DELETE sessions/{sessionId}`.
pub(crate) async fn delete(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, session)): Values<(PoolId, SessionId)>,
) -> Result<StatusCode, ApiError> {
    service.change(|state, moment| {
        let (agent, _) = caller.require_agent()?;
        state.delete_session(pool, session, agent, moment.now)
    })?;
    Ok(StatusCode::NO_CONTENT)
}
