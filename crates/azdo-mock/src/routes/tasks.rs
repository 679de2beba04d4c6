//! Tasks: the one that runs scripts, as metadata or as the archive that agents unpack.

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use uuid::Uuid;

use super::extract::Values;
use crate::error::ApiError;
use crate::state::secrets::Caller;
use crate::view;
use crate::wire::task::{self, TASK_ID, TASK_VERSION};

/// `GET tasks`.
pub(crate) async fn list(_: Caller) -> Json<Value> {
    Json(view::list(vec![task::manifest()]))
}

/// `GET tasks/{taskId}`.
pub(crate) async fn versions(_: Caller, Values(id): Values<Uuid>) -> Result<Json<Value>, ApiError> {
    if id == TASK_ID { Ok(Json(view::list(vec![task::manifest()]))) } else { Err(unknown(id)) }
}

/// `GET tasks/{taskId}/{version}`: the archive for whoever accepts one.
pub(crate) async fn one(
    _: Caller,
    Values((id, version)): Values<(Uuid, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if id != TASK_ID {
        return Err(unknown(id));
    }
    if version != TASK_VERSION {
        return Err(ApiError::task(format!("The task {id} has no version {version}, only {TASK_VERSION}.")));
    }
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.to_ascii_lowercase().contains("application/zip") {
        return Ok(Json(task::manifest()).into_response());
    }
    let archive = task::archive().map_err(|error| ApiError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, "application/zip")], archive).into_response())
}

fn unknown(id: Uuid) -> ApiError {
    ApiError::task(format!("The task {id} was not found. Only {TASK_ID} is served here."))
}
