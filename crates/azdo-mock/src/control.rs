//! The control API: queues jobs, shows what happened, makes faults. Never under an emulated path.

mod agents;
mod clock;
mod definitions;
pub(crate) mod faults;
mod jobs;
mod lifecycle;
mod log;
mod members;
mod pipelines;
mod sessions;
mod snapshot;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::{JournalFilter, fault_routes};

use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::wire::scopes::{Scopes, UnknownScope};

pub(crate) use service_kit::ControlError;

/// The routes, to be nested where the sandbox wants them.
pub(crate) fn router(service: &AzureDevOps) -> Router {
    Router::new()
        .route("/jobs", get(jobs::list).post(jobs::queue))
        .route("/parallel-jobs", get(jobs::parallelism).put(jobs::set_parallelism))
        .route("/jobs/{job}", get(jobs::one))
        .route("/jobs/{job}/log", get(log::read))
        .route("/jobs/{job}/cancel", post(jobs::cancel))
        .route("/jobs/{job}/console-rate", post(jobs::set_console_rate))
        .route(
            "/pipelines/runs",
            get(pipelines::list).post(pipelines::queue).layer(DefaultBodyLimit::max(pipelines::LONGEST)),
        )
        .route("/pipelines/runs/{run}", get(pipelines::one))
        .route("/pipelines/runs/{run}/cancel", post(pipelines::cancel))
        .route("/definitions", get(definitions::list))
        .route("/definitions/{name}", axum::routing::put(definitions::put))
        .route("/files", get(definitions::files))
        .route("/files/{*path}", axum::routing::put(definitions::put_file))
        .route("/agents", get(agents::list))
        .route("/agents/{agent}/update", post(agents::update))
        .route("/packages", get(agents::packages).post(agents::offer))
        .route("/members", get(members::list).post(members::put))
        .route("/members/{member}", axum::routing::delete(members::remove))
        .route("/tokens", post(add_token))
        .route("/tokens/revoke", post(revoke_token))
        .route("/sessions", get(sessions::list))
        .route("/sessions/release", post(sessions::release))
        .route("/sessions/expire", post(sessions::expire))
        .route("/seed", post(lifecycle::seed))
        .route("/reset", post(lifecycle::reset))
        .route("/snapshot", post(snapshot::take))
        .route("/restore", post(snapshot::restore))
        .route("/journal", get(journal))
        .route("/events", get(events))
        .with_state(service.clone())
        .nest("/clock", clock_router(service))
        .merge(fault_routes(service.faults().clone()))
}

/// The routes of the clock alone.
pub(crate) fn clock_router(service: &AzureDevOps) -> Router {
    let router = Router::new().route("/", get(clock::show)).route("/advance", post(clock::advance));
    router.with_state(service.clone())
}

impl From<ApiError> for ControlError {
    fn from(error: ApiError) -> Self {
        Self(error.status(), error.message().to_owned())
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
    /// What it is made for, parted by blanks; all scopes when absent.
    scope: Option<String>,
    /// From when on it is refused; never when absent.
    expires: Option<Timestamp>,
}

async fn add_token(
    State(service): State<AzureDevOps>,
    body: Input<NewToken>,
) -> Result<StatusCode, ControlError> {
    let Json(body) = body?;
    if body.token.expose_secret().is_empty() {
        return Err(ControlError::bad("the token is empty"));
    }
    let scopes = body.scope.as_deref().map_or(Ok(Scopes::FULL), str::parse);
    let scopes = scopes.map_err(|error: UnknownScope| ControlError::bad(error.to_string()))?;
    service.change(|state, moment| {
        state.add_pat_until(body.token.expose_secret(), scopes, body.expires, moment.now);
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

async fn journal(
    State(service): State<AzureDevOps>,
    filter: Result<Query<JournalFilter>, QueryRejection>,
) -> Result<Json<Value>, ControlError> {
    let entries = service.journal().requests.filtered(&filter?.0).map_err(ControlError::bad)?;
    Ok(Json(json!(entries)))
}

async fn events(State(service): State<AzureDevOps>) -> Result<Json<Value>, ControlError> {
    service.read(|_| ())?;
    let shown = service.journal().events().into_iter().map(|event| {
        let mut shown = json!(event);
        if event.kind.is_alarm() {
            shown["alarm"] = true.into();
        }
        shown
    });
    Ok(Json(shown.collect()))
}
