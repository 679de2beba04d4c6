//! Where `Location` and `Azure-AsyncOperation` addresses lead.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::engine::operation::{self, accepted};
use crate::error::ArmError;
use crate::records::operations::{Status, Subject};
use crate::request::ApiVersion;

pub(crate) fn routes() -> Router<Arm> {
    Router::new()
        .route("/subscriptions/{subscription}/operationresults/{operation}", get(result))
        .route(
            "/subscriptions/{subscription}/providers/{namespace}/locations/{location}/operations/{operation}",
            get(status),
        )
        .route(
            "/subscriptions/{subscription}/providers/{namespace}/locations/{location}/operationresults/{operation}",
            get(provider_result),
        )
}

/// The form of `Azure-AsyncOperation`: always 200 with a status.
async fn status(
    State(arm): State<Arm>,
    Path((_, namespace, location, id)): Path<(String, String, String, String)>,
) -> Result<Json<Value>, ArmError> {
    let (operation, outcome) = operation::outcome(&arm, &id)?;
    let path = format!("/subscriptions/{}/providers/{namespace}/locations/{location}", arm.subscription());
    let mut body = json!({
        "id": format!("{path}/operations/{id}"),
        "name": operation.id,
        "status": format!("{:?}", outcome.status),
        "startTime": operation.started.to_string(),
    });
    if let Some(ended) = outcome.ended {
        body["endTime"] = json!(ended.to_string());
    }
    if let Some(error) = outcome.error {
        body["error"] = json!(error);
    }
    Ok(Json(body))
}

async fn result(
    State(arm): State<Arm>,
    Path((_, id)): Path<(String, String)>,
    Extension(version): Extension<ApiVersion>,
) -> Result<Response, ArmError> {
    let path = format!("/subscriptions/{}/operationresults/{id}", arm.subscription());
    location_form(&arm, &id, &path, &version)
}

async fn provider_result(
    State(arm): State<Arm>,
    Path((_, namespace, location, id)): Path<(String, String, String, String)>,
    Extension(version): Extension<ApiVersion>,
) -> Result<Response, ArmError> {
    let subscription = arm.subscription();
    let path = format!(
        "/subscriptions/{subscription}/providers/{namespace}/locations/{location}/operationresults/{id}"
    );
    location_form(&arm, &id, &path, &version)
}

/// The form of `Location`: 202 while it runs, then 204, the answer where there is one, or the error.
fn location_form(arm: &Arm, id: &str, path: &str, version: &ApiVersion) -> Result<Response, ArmError> {
    let (operation, outcome) = operation::outcome(arm, id)?;
    if let Subject::Answer(answer) = operation.subject {
        return Ok(Json(answer).into_response());
    }
    match (outcome.status, outcome.error) {
        (Status::InProgress, _) => Ok(accepted(arm, path, version).into_response()),
        (Status::Succeeded, _) => Ok(StatusCode::NO_CONTENT.into_response()),
        (_, Some(error)) => Ok((StatusCode::CONFLICT, Json(error.envelope())).into_response()),
        (_, None) => {
            Err(ArmError::conflict("OperationFailed", format!("The operation '{id}' did not succeed.")))
        }
    }
}
