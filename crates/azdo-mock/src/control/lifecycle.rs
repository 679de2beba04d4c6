//! The organization as a whole: seeded from a file, put back to its beginning.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use service_kit::{ResetBody, apart};

use super::ControlError;
use crate::app::AzureDevOps;
use crate::app::lifecycle::{ResetError, SeedError, Seeded};

impl IntoResponse for SeedError {
    fn into_response(self) -> Response {
        let error = self.to_string();
        match self {
            Self::Faults(faults) => {
                let error = error.lines().next().unwrap_or_default().trim_end_matches(':');
                let body = json!({"error": error, "faults": faults.0});
                (StatusCode::BAD_REQUEST, Json(body)).into_response()
            }
            Self::Store(_) => ControlError(StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
        }
    }
}

impl IntoResponse for ResetError {
    fn into_response(self) -> Response {
        let error = self.to_string();
        match self {
            Self::Seed { faults, .. } => {
                let error = error.lines().next().unwrap_or_default().trim_end_matches(':').to_owned()
                    + "; `{\"seeds\": \"forget\"}` goes back without it";
                (StatusCode::CONFLICT, Json(json!({"error": error, "faults": faults.0}))).into_response()
            }
            Self::Packages(source) => {
                ControlError(StatusCode::CONFLICT, format!("{error}: {source}")).into_response()
            }
            Self::Store(source) => {
                tracing::error!(error = &source as &dyn std::error::Error, "the reset could not be stored");
                ControlError(StatusCode::INTERNAL_SERVER_ERROR, error).into_response()
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SeedQuery {
    /// Only where the organization is new; otherwise nothing happens, and the answer is `null`.
    #[serde(default)]
    if_new: bool,
}

/// `POST seed`: the text of a seed file. Tokens that were generated are in this answer and nowhere else.
pub(super) async fn seed(
    State(service): State<AzureDevOps>,
    query: Result<Query<SeedQuery>, QueryRejection>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Response> {
    let Query(query) = query.map_err(|error| ControlError::bad(error.body_text()).into_response())?;
    if query.if_new && !service.is_new() {
        return Ok((StatusCode::OK, Json(Value::Null)));
    }
    let text = std::str::from_utf8(&body)
        .map_err(|error| ControlError::bad(format!("the seed file is no UTF-8: {error}")).into_response())?;
    let text = text.to_owned();
    let seeded = apart(move || service.seed(&text)).await?;
    Ok((StatusCode::CREATED, Json(seeded.shown())))
}

impl Seeded {
    /// What is answered to whoever seeded: the one place where tokens that were generated are shown.
    pub fn shown(&self) -> Value {
        let tokens = self.tokens.iter();
        let tokens: Vec<_> =
            tokens.map(|(name, token)| json!({"name": name, "token": token.expose_secret()})).collect();
        json!({"personalAccessTokens": tokens, "agents": self.agents, "jobs": self.jobs})
    }
}

/// `POST reset`.
pub(super) async fn reset(
    State(service): State<AzureDevOps>,
    body: Result<Option<Json<ResetBody>>, JsonRejection>,
) -> Result<StatusCode, Response> {
    let body = body.map_err(|error| ControlError::from(error).into_response())?;
    let seeds = body.unwrap_or_default().0.seeds;
    apart(move || service.reset(seeds)).await?;
    Ok(StatusCode::NO_CONTENT)
}
