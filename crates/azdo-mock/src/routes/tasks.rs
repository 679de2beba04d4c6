//! Tasks: those that run scripts, as metadata or as the archive that agents unpack.

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use uuid::Uuid;

use super::extract::Values;
use crate::error::ApiError;
use crate::state::secrets::Caller;
use crate::view;
use crate::wire::task::{self, TASK_VERSION, TASKS};

/// `GET tasks`.
pub(crate) async fn list(_: Caller) -> Json<Value> {
    Json(view::list(TASKS.iter().map(|task| task.manifest()).collect()))
}

/// `GET tasks/{taskId}`.
pub(crate) async fn versions(_: Caller, Values(id): Values<Uuid>) -> Result<Json<Value>, ApiError> {
    Ok(Json(view::list(vec![task::find(id).ok_or_else(|| unknown(id))?.manifest()])))
}

/// `GET tasks/{taskId}/{version}`: the archive for whoever accepts one.
pub(crate) async fn one(
    _: Caller,
    Values((id, version)): Values<(Uuid, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let task = task::find(id).ok_or_else(|| unknown(id))?;
    if version != TASK_VERSION {
        return Err(ApiError::task(format!("The task {id} has no version {version}, only {TASK_VERSION}.")));
    }
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.to_ascii_lowercase().contains("application/zip") {
        return Ok(Json(task.manifest()).into_response());
    }
    let archive = task.archive().map_err(|error| ApiError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, "application/zip")], archive).into_response())
}

fn unknown(id: Uuid) -> ApiError {
    let served: Vec<_> = TASKS.iter().map(|task| format!("{} ({})", task.name, task.id)).collect();
    ApiError::task(format!("The task {id} was not found. Only {} are served here.", served.join(", ")))
}
