//! Azure in a file: given out, and taken up.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use service_kit::{ControlError, SnapshotFile, SnapshotReader, apart, snapshot_key, snapshot_received};

use crate::app::Arm;
use crate::engine::snapshot::{RestoreError, Restored, SNAPSHOT_HOLDS, SnapshotError};

impl IntoResponse for SnapshotError {
    fn into_response(self) -> Response {
        ControlError::failed(StatusCode::INTERNAL_SERVER_ERROR, &self).into_response()
    }
}

impl IntoResponse for RestoreError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::File(error) if error.is_foreign() => StatusCode::CONFLICT,
            Self::Elsewhere { .. } | Self::Registry(_) => StatusCode::CONFLICT,
            Self::File(_) | Self::Document(_) => StatusCode::BAD_REQUEST,
            Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Self::Images(_) | Self::Unchanged(_) | Self::Late(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        ControlError::failed(status, &self).into_response()
    }
}

impl Restored {
    /// What is answered to whoever restored.
    pub fn shown(&self) -> Value {
        json!({
            "resourceGroups": self.resource_groups,
            "registries": self.registries,
            "containerGroups": self.container_groups,
        })
    }
}

/// `POST snapshot`: the file.
pub(super) async fn take(State(arm): State<Arm>, headers: HeaderMap) -> Result<Response, Response> {
    let key = snapshot_key(&headers, arm.snapshot_key()).map_err(IntoResponse::into_response)?;
    let held = arm.hold().await.map_err(IntoResponse::into_response)?;
    apart(move || -> Result<_, SnapshotError> {
        let file = SnapshotFile::new_in(arm.settings().registries.folder())?;
        Ok(arm.write_snapshot(&held, file, &key)?.answer()?)
    })
    .await
}

/// `POST restore`: the file as body, which may hold more than this service's part.
pub(super) async fn restore(
    State(arm): State<Arm>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Response> {
    let key = snapshot_key(&headers, arm.snapshot_key()).map_err(IntoResponse::into_response)?;
    let folder = arm.settings().registries.folder();
    let file = snapshot_received(folder, body).await.map_err(IntoResponse::into_response)?;
    let reading = arm.clone();
    let incoming = apart(move || -> Result<_, RestoreError> {
        let mut file = SnapshotReader::open(file, &key)?;
        file.expect(SNAPSHOT_HOLDS)?;
        let incoming = reading.read_snapshot(&mut file)?;
        file.finish()?;
        Ok(incoming)
    });
    let restored = arm.restore_snapshot(incoming.await?).await.map_err(IntoResponse::into_response)?;
    Ok(Json(restored.shown()))
}
