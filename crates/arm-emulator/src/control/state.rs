//! Azure as a whole: seeded from a file, put back to its beginning.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use service_kit::{ControlError, ResetBody};

use crate::app::Arm;
use crate::engine::reset::ResetError;
use crate::engine::seeding::{SeedError, Seeded};

impl IntoResponse for SeedError {
    fn into_response(self) -> Response {
        let error = self.to_string();
        match self {
            Self::Faults(faults) => {
                let error = error.lines().next().unwrap_or_default().trim_end_matches(':');
                (StatusCode::BAD_REQUEST, Json(json!({"error": error, "faults": faults.0}))).into_response()
            }
            Self::Failed(_) => ControlError(StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
        }
    }
}

impl IntoResponse for ResetError {
    fn into_response(self) -> Response {
        let error = service_kit::with_causes(&self);
        match self {
            Self::Seed { source: SeedError::Faults(faults), .. } => {
                let error = format!(
                    "{self_text}; everything is as it was, with its containers restarted; `{{\"seeds\": \"forget\"}}` goes back without it",
                    self_text = error.lines().next().unwrap_or_default().trim_end_matches(':')
                );
                (StatusCode::CONFLICT, Json(json!({"error": error, "faults": faults.0}))).into_response()
            }
            _ => ControlError(StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
        }
    }
}

/// `POST seed`: the text of Azure's part of a seed file. Secrets that were drawn are in this answer and nowhere else.
pub(super) async fn seed(State(arm): State<Arm>, body: Bytes) -> Result<(StatusCode, Json<Value>), Response> {
    let text = std::str::from_utf8(&body)
        .map_err(|error| ControlError::bad(format!("the seed file is no UTF-8: {error}")).into_response())?;
    let seeded = arm.seed(text).await.map_err(IntoResponse::into_response)?;
    Ok((StatusCode::CREATED, Json(seeded.shown())))
}

impl Seeded {
    /// What is answered to whoever seeded: the one place where secrets that were drawn are shown.
    pub fn shown(&self) -> Value {
        let applications = self.applications.iter().map(|one| {
            json!({
                "name": one.name,
                "clientId": one.client_id,
                "objectId": one.object_id,
                "clientSecret": one.client_secret.expose_secret(),
            })
        });
        json!({ "applications": applications.collect::<Vec<_>>(), "made": self.made })
    }
}

/// `POST reset`.
pub(super) async fn reset(
    State(arm): State<Arm>,
    body: Result<Option<Json<ResetBody>>, JsonRejection>,
) -> Result<Json<Value>, Response> {
    let body = body.map_err(|error| ControlError::from(error).into_response())?;
    let groups = arm.reset(body.unwrap_or_default().0.seeds).await.map_err(IntoResponse::into_response)?;
    Ok(Json(json!({ "containerGroups": groups })))
}
