//! The organization in a file: given out, and taken up.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use service_kit::{SnapshotFile, apart, snapshot_key, snapshot_received};

use super::ControlError;
use crate::app::AzureDevOps;
use crate::app::snapshot::{RestoreError, Restored, SnapshotError};

impl IntoResponse for SnapshotError {
    fn into_response(self) -> Response {
        ControlError::failed(StatusCode::INTERNAL_SERVER_ERROR, &self).into_response()
    }
}

impl IntoResponse for RestoreError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::File(error) if error.is_foreign() => StatusCode::CONFLICT,
            Self::File(_) | Self::Start(_) => StatusCode::BAD_REQUEST,
            Self::Store(_) | Self::Logs(_) | Self::Late(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        ControlError::failed(status, &self).into_response()
    }
}

impl Restored {
    /// What is answered to whoever restored.
    pub fn shown(&self) -> Value {
        json!({"agents": self.agents, "jobs": self.jobs, "running": self.running})
    }
}

/// `POST snapshot`: the file.
pub(super) async fn take(
    State(service): State<AzureDevOps>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let key = snapshot_key(&headers, service.snapshot_key()).map_err(IntoResponse::into_response)?;
    apart(move || -> Result<_, SnapshotError> {
        let file = SnapshotFile::new_in(service.files().folder())?;
        Ok(service.snapshot(file, &key)?.answer()?)
    })
    .await
}

/// `POST restore`: the file as body, which may hold more than this service's part.
pub(super) async fn restore(
    State(service): State<AzureDevOps>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Response> {
    let key = snapshot_key(&headers, service.snapshot_key()).map_err(IntoResponse::into_response)?;
    let file =
        snapshot_received(service.files().folder(), body).await.map_err(IntoResponse::into_response)?;
    let restored = apart(move || service.restore(file, &key)).await?;
    Ok(Json(restored.shown()))
}
