//! How control APIs refuse: all of them in one form.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::causes::with_causes;

/// An error of a control API: `{"error": "..."}`.
#[derive(Debug)]
pub struct ControlError(pub StatusCode, pub String);

impl ControlError {
    /// What was sent makes no sense.
    pub fn bad(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }

    /// What was asked for was not done.
    pub fn failed(status: StatusCode, error: &dyn std::error::Error) -> Self {
        Self(status, with_causes(error))
    }

    /// What was asked for is not there.
    pub fn missing(message: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, message.into())
    }
}

impl From<JsonRejection> for ControlError {
    fn from(rejection: JsonRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for ControlError {
    fn from(rejection: QueryRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

/// Does work that takes long on a thread of its own.
///
/// # Errors
/// What the work answers in its place; 500 where it ended without a word.
pub async fn apart<T: Send + 'static, E: IntoResponse + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Response> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(IntoResponse::into_response),
        Err(error) => {
            tracing::error!(%error, "work of the control API was given up");
            let why = "the work was given up; the log says why".to_owned();
            Err(ControlError(StatusCode::INTERNAL_SERVER_ERROR, why).into_response())
        }
    }
}

/// What becomes of the seeds at a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Seeds {
    /// They are applied again, in their order; tokens that were generated for them stay the same.
    #[default]
    Again,
    /// They are forgotten.
    #[serde(rename = "forget")]
    Forgotten,
}

/// The body of `POST reset`, which may be left away.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetBody {
    /// See [`Seeds`].
    #[serde(default)]
    pub seeds: Seeds,
}
