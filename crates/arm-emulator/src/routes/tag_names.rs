//! The tag names of the subscription.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Extension, Json, Router};
use serde_json::Value;

use crate::app::Arm;
use crate::error::ArmError;
use crate::providers::tag_names;
use crate::request::{ApiVersion, Query};
use crate::routes::resource_groups::list_page;

pub(crate) fn routes() -> Router<Arm> {
    let all = "/subscriptions/{subscription}/tagnames";
    Router::new()
        .route(all, get(list))
        .route(&format!("{all}/{{name}}"), put(define).delete(delete))
        .route(&format!("{all}/{{name}}/tagvalues/{{value}}"), put(define_value).delete(delete_value))
}

async fn list(
    State(arm): State<Arm>,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let path = format!("/subscriptions/{}/tagNames", arm.subscription());
    list_page(&arm, tag_names::list(&arm)?, &query, &version, &path).map(Json)
}

async fn define(
    State(arm): State<Arm>,
    Path((_, name)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Value>), ArmError> {
    tag_names::put(&arm, &name).map(created)
}

async fn define_value(
    State(arm): State<Arm>,
    Path((_, name, value)): Path<(String, String, String)>,
) -> Result<(StatusCode, Json<Value>), ArmError> {
    tag_names::put_value(&arm, &name, &value).map(created)
}

async fn delete(
    State(arm): State<Arm>,
    Path((_, name)): Path<(String, String)>,
) -> Result<StatusCode, ArmError> {
    tag_names::delete(&arm, &name).map(gone)
}

async fn delete_value(
    State(arm): State<Arm>,
    Path((_, name, value)): Path<(String, String, String)>,
) -> Result<StatusCode, ArmError> {
    tag_names::delete_value(&arm, &name, &value).map(gone)
}

fn created((view, is_new): (Value, bool)) -> (StatusCode, Json<Value>) {
    (if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(view))
}

fn gone(was_there: bool) -> StatusCode {
    if was_there { StatusCode::OK } else { StatusCode::NO_CONTENT }
}
