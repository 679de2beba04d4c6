//! The description of this cloud, for whoever is about to log in.

use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::metadata;
use crate::request::ApiVersion;

pub(crate) fn routes() -> Router<Arm> {
    Router::new().route("/metadata/endpoints", get(endpoints))
}

/// One object from api-version 2022-09-01 on, an array of one before.
async fn endpoints(State(arm): State<Arm>, Extension(version): Extension<ApiVersion>) -> Json<Value> {
    let document = metadata::document(&arm);
    Json(if version.0.as_str() < "2022-09-01" { json!([document]) } else { document })
}
