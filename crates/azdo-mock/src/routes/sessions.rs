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
        let agent_id = AgentId(body.agent.id);
        let (generation, user) = state.listener_for(pool, agent_id, caller)?;
        let id = state.open_session_from(pool, body, Opener { generation, user, from }, moment)?;
        let (session, agent) = (state.session(pool, id, agent_id)?, state.agent(pool, agent_id)?);
        let mut shown = json!({
            "sessionId": id,
            "ownerName": session.owner_name,
            "agent": view::agent_reference(state, service.addresses(), agent),
        });
        if let (Some(public), Some(key)) = (&agent.public_key, &session.key) {
            let value = public.wrap(key).map_err(|error| Refusal::Invalid(error.to_string()))?;
            shown["encryptionKey"] = json!({"encrypted": true, "value": value});
        }
        Ok::<_, Refusal>(Json(shown))
    })
}

/// `DELETE sessions/{sessionId}`.
pub(crate) async fn delete(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, session)): Values<(PoolId, SessionId)>,
) -> Result<StatusCode, ApiError> {
    service.change(|state, moment| {
        let agent = state.listener_in(session, caller)?;
        state.delete_session(pool, session, agent, moment.now)
    })?;
    Ok(StatusCode::NO_CONTENT)
}
