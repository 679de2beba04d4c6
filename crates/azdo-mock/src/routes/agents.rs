//! Agents. Source: azure-pipelines-agent: ConfigurationManager.cs; MicrosoftDocs/vsts-rest-api-specs:
//! distributedTask/7.1.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;

use super::extract::{Body, Peer, Query, Values};
use super::pools::require_manager;
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::refusal::Refusal;
use crate::state::secrets::Caller;
use crate::state::{self};
use crate::view::{self, AgentParts};
use crate::wire::bodies::{AgentBody, AgentPatch};
use crate::wire::capabilities::Capabilities;
use crate::wire::demand::Demand;
use crate::wire::ids::{AgentId, PoolId};

fn parts(query: &Query) -> Result<AgentParts, ApiError> {
    Ok(AgentParts {
        capabilities: query.flag("includeCapabilities")?,
        assigned_request: query.flag("includeAssignedRequest")?,
        last_completed_request: query.flag("includeLastCompletedRequest")?,
    })
}

/// `GET agents`.
pub(crate) async fn list(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(pool): Values<PoolId>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    caller.pools()?.see(pool)?;
    let (parts, name) = (parts(&query)?, query.text(&["agentName"]));
    let demands = query
        .text(&["demands"])
        .map(|text| text.split(',').map(str::parse).collect::<Result<Vec<Demand>, _>>())
        .transpose()
        .map_err(|error| ApiError::invalid(error.to_string()))?
        .unwrap_or_default();
    let agents = service.read(|state| {
        state.pool(pool)?;
        let agents = state
            .agents
            .values()
            .filter(|agent| agent.pool_id == pool && agent.meets(&demands))
            .filter(|agent| name.is_none_or(|name| agent.name.eq_ignore_ascii_case(name)));
        Ok::<_, Refusal>(agents.map(|agent| view::agent(state, service.addresses(), agent, parts)).collect())
    })?;
    Ok(Json(view::list(agents?)))
}

/// `GET agents/{agentId}`.
pub(crate) async fn one(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, agent)): Values<(PoolId, AgentId)>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    caller.pools()?.see(pool)?;
    let parts = parts(&query)?;
    let shown = service.read(|state| {
        state.agent(pool, agent).map(|agent| view::agent(state, service.addresses(), agent, parts))
    })?;
    Ok(Json(shown?))
}

/// `POST agents`.
pub(crate) async fn add(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Peer(from): Peer,
    Values(pool): Values<PoolId>,
    Body(body): Body<AgentBody>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, moment| {
        require_manager(state, pool, caller)?;
        let id = state.add_agent(pool, body, moment)?;
        state.registered_from(id, from);
        show(&service, state, pool, id)
    })
}

/// `PUT agents/{agentId}`.
pub(crate) async fn replace(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Peer(from): Peer,
    Values((pool, agent)): Values<(PoolId, AgentId)>,
    Body(body): Body<AgentBody>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, moment| {
        require_manager(state, pool, caller)?;
        state.replace_agent(pool, agent, body, moment)?;
        state.registered_from(agent, from);
        show(&service, state, pool, agent)
    })
}

/// `PATCH agents/{agentId}`.
pub(crate) async fn update(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, agent)): Values<(PoolId, AgentId)>,
    Body(patch): Body<AgentPatch>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, moment| {
        require_manager(state, pool, caller)?;
        state.patch_agent(pool, agent, &patch, moment.now)?;
        show(&service, state, pool, agent)
    })
}

/// `DELETE agents/{agentId}`.
pub(crate) async fn delete(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, agent)): Values<(PoolId, AgentId)>,
) -> Result<StatusCode, ApiError> {
    service.change(|state, moment| {
        require_manager(state, pool, caller)?;
        state.delete_agent(pool, agent, moment.now)
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT agents/{agentId}/usercapabilities`.
pub(crate) async fn user_capabilities(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, agent)): Values<(PoolId, AgentId)>,
    Body(capabilities): Body<Capabilities>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, _| {
        require_manager(state, pool, caller)?;
        state.set_user_capabilities(pool, agent, capabilities)?;
        show(&service, state, pool, agent)
    })
}

/// `PUT agents/{agentId}/updates`: an agent tells how its self-update goes.
pub(crate) async fn update_state(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, agent)): Values<(PoolId, AgentId)>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let current = query.text(&["currentState"]).unwrap_or_default().to_owned();
    service.change(|state, moment| {
        state.listener_for(pool, agent, caller)?;
        state.set_update_state(pool, agent, current, moment.now)?;
        show(&service, state, pool, agent)
    })
}

fn show(
    service: &AzureDevOps,
    state: &state::State,
    pool: PoolId,
    agent: AgentId,
) -> Result<Json<Value>, Refusal> {
    let parts = AgentParts { capabilities: true, ..AgentParts::default() };
    Ok(Json(view::agent(state, service.addresses(), state.agent(pool, agent)?, parts)))
}
