//! What can be done with a resource group as a whole: its template, and moves out of it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde_json::json;

use crate::app::Arm;
use crate::body::RawBody;
use crate::engine::export::{self, Wanted};
use crate::engine::operation::accepted;
use crate::error::ArmError;
use crate::providers::moves;
use crate::records::groups;
use crate::records::operations::{self, Subject};
use crate::request::ApiVersion;

/// The service exports more than this many resources in the background (Azure/azure-powershell#13275).
const AT_ONCE: usize = 20;

pub(crate) fn routes() -> Router<Arm> {
    let group = "/subscriptions/{subscription}/resourcegroups/{group}";
    Router::new()
        .route(&format!("{group}/exporttemplate"), post(export))
        .route(&format!("{group}/moveresources"), post(move_resources))
        .route(&format!("{group}/validatemoveresources"), post(validate_move))
}

async fn export(
    State(arm): State<Arm>,
    Path((_, group)): Path<(String, String)>,
    Extension(version): Extension<ApiVersion>,
    body: RawBody,
) -> Result<Response, ArmError> {
    let wanted = Wanted::read(&body.json()?)?;
    let group = groups::get(&arm, &group)?.name;
    let (template, count) = export::template(&arm, &group, &wanted)?;
    let answer = json!({ "template": template });
    if count <= AT_ONCE {
        return Ok(Json(answer).into_response());
    }
    let id = operations::start(&arm, Subject::Answer(answer))?;
    Ok(accepted(&arm, &result(&arm, &id), &version).into_response())
}

/// Made before it is answered; the operation that is answered has ended.
async fn move_resources(
    State(arm): State<Arm>,
    Path((_, group)): Path<(String, String)>,
    Extension(version): Extension<ApiVersion>,
    body: RawBody,
) -> Result<Response, ArmError> {
    let wanted = moves::check(&arm, &group, &body.json()?)?;
    let id = operations::start_work(&arm)?;
    let outcome = moves::run(&arm, &wanted);
    operations::finish(&arm, &id, outcome)?;
    Ok(accepted(&arm, &result(&arm, &id), &version).into_response())
}

/// 204 for a move that may be made (`azure-docs: validate-move-resources`), 409 for one that may not.
async fn validate_move(
    State(arm): State<Arm>,
    Path((_, group)): Path<(String, String)>,
    body: RawBody,
) -> Result<StatusCode, ArmError> {
    moves::check(&arm, &group, &body.json()?).map(|_| StatusCode::NO_CONTENT)
}

fn result(arm: &Arm, id: &str) -> String {
    format!("/subscriptions/{}/operationresults/{id}", arm.subscription())
}
