//! The control API: queues jobs, shows what happened, makes faults. Never under an emulated path.

pub(crate) mod faults;
mod jobs;
mod log;
mod members;
mod pipelines;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::event::EventKind;
use crate::state::members::PoolRights;
use faults::NewFault;

/// The routes, to be nested where the sandbox wants them.
pub(crate) fn router(service: &AzureDevOps) -> Router {
    Router::new()
        .route("/jobs", get(jobs::list).post(jobs::queue))
        .route("/jobs/{job}", get(jobs::one))
        .route("/jobs/{job}/log", get(log::read))
        .route("/jobs/{job}/cancel", post(jobs::cancel))
        .route("/pipelines/runs", get(pipelines::list).post(pipelines::queue))
        .route("/pipelines/runs/{run}", get(pipelines::one))
        .route("/pipelines/runs/{run}/cancel", post(pipelines::cancel))
        .route("/agents", get(agents))
        .route("/members", get(members::list).post(members::put))
        .route("/members/{member}", axum::routing::delete(members::remove))
        .route("/tokens", post(add_token))
        .route("/tokens/revoke", post(revoke_token))
        .route("/sessions/release", post(release_session))
        .route("/faults", get(list_faults).post(add_faults).delete(clear_faults))
        .route("/journal", get(journal))
        .route("/events", get(events))
        .with_state(service.clone())
}

/// An error of the control API: `{"error": "..."}`.
#[derive(Debug)]
pub(crate) struct ControlError(StatusCode, String);

impl ControlError {
    fn bad(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }

    fn missing(message: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, message.into())
    }
}

impl From<ApiError> for ControlError {
    fn from(error: ApiError) -> Self {
        Self(error.status(), error.message().to_owned())
    }
}

impl From<JsonRejection> for ControlError {
    fn from(rejection: JsonRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

/// A JSON body of the control API.
type Input<T> = Result<Json<T>, JsonRejection>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    token: SecretString,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    token: SecretString,
    /// All scopes when absent.
    scope: Option<Scope>,
}

/// What a personal access token was made for, as far as pools are concerned.
#[derive(Debug, Clone, Copy, Deserialize)]
enum Scope {
    #[serde(rename = "vso.agentpools")]
    Pools,
    #[serde(rename = "vso.agentpools_manage")]
    PoolsManage,
    /// Something without pools.
    #[serde(rename = "vso.code")]
    Code,
}

impl Scope {
    fn pools(self) -> PoolRights {
        match self {
            Self::Pools => PoolRights::Read,
            Self::PoolsManage => PoolRights::Manage,
            Self::Code => PoolRights::None,
        }
    }
}

async fn add_token(
    State(service): State<AzureDevOps>,
    body: Input<NewToken>,
) -> Result<StatusCode, ControlError> {
    let Json(body) = body?;
    if body.token.expose_secret().is_empty() {
        return Err(ControlError::bad("the token is empty"));
    }
    service.change(|state, moment| {
        let pools = body.scope.map_or(PoolRights::Manage, Scope::pools);
        state.add_pat(body.token.expose_secret(), pools, moment.now);
        Ok::<_, ApiError>(())
    })?;
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke_token(
    State(service): State<AzureDevOps>,
    body: Input<TokenBody>,
) -> Result<StatusCode, ControlError> {
    let Json(body) = body?;
    let known = service.change(|state, moment| {
        Ok::<_, ApiError>(state.revoke_pat(body.token.expose_secret(), moment.now))
    })?;
    if known { Ok(StatusCode::NO_CONTENT) } else { Err(ControlError::missing("no such token")) }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseBody {
    agent: String,
}

async fn release_session(
    State(service): State<AzureDevOps>,
    body: Input<ReleaseBody>,
) -> Result<Json<Value>, ControlError> {
    let Json(body) = body?;
    let released = service.change(|state, moment| {
        let named: Vec<_> = state
            .agents
            .values()
            .filter(|agent| agent.name.eq_ignore_ascii_case(&body.agent))
            .map(|agent| agent.id)
            .collect();
        let release = |agent| {
            state.end_sessions_of(agent, moment.now, |agent, agent_id| EventKind::SessionReleased {
                agent,
                agent_id,
            })
        };
        Ok::<_, ApiError>((!named.is_empty()).then(|| named.into_iter().map(release).sum::<usize>()))
    })?;
    match released {
        Some(count) => Ok(Json(json!({"released": count}))),
        None => Err(ControlError::missing(format!("no agent is named `{}`", body.agent))),
    }
}

async fn agents(State(service): State<AzureDevOps>) -> Result<Json<Value>, ControlError> {
    let agents: Vec<_> = service.read(|state| {
        let show = |agent: &crate::state::agents::Agent| {
            json!({
                "id": agent.id,
                "name": agent.name,
                "pool": state.pool(agent.pool_id).map(|pool| pool.name.clone()).unwrap_or_default(),
                "enabled": agent.enabled,
                "online": state.online(agent.id),
                "polls": state.session_of(agent.id).map_or(0, |session| session.polls),
                "sessionOwner": state.session_of(agent.id).map(|session| session.owner_name.clone()),
                "version": agent.version,
                "key": agent.public_key.fingerprint(),
                "registrations": agent.key_generation,
                "userCapabilities": agent.user_capabilities,
                "requestId": state.assigned_request(agent.id).map(|request| request.id),
            })
        };
        state.agents.values().map(show).collect()
    })?;
    Ok(Json(json!(agents)))
}

async fn list_faults(State(service): State<AzureDevOps>) -> Json<Value> {
    Json(json!(service.faults().list()))
}

async fn add_faults(
    State(service): State<AzureDevOps>,
    body: Input<Vec<NewFault>>,
) -> Result<StatusCode, ControlError> {
    let Json(new) = body?;
    service.faults().add(new).map_err(ControlError::bad)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_faults(State(service): State<AzureDevOps>) -> StatusCode {
    service.faults().clear();
    StatusCode::NO_CONTENT
}

async fn journal(State(service): State<AzureDevOps>) -> Json<Value> {
    Json(json!(service.journal().entries()))
}

async fn events(State(service): State<AzureDevOps>) -> Result<Json<Value>, ControlError> {
    service.read(|_| ())?;
    Ok(Json(json!(service.journal().events())))
}
