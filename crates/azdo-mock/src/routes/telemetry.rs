//! Feature flags, all off, and usage reports, which are read and dropped.

use axum::Json;
use axum::body::Bytes;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::extract::Values;
use crate::state::secrets::Caller;

/// `GET _apis/FeatureFlags/{name}`.
pub(crate) async fn feature_flag(_: Caller, Values(name): Values<String>) -> Json<Value> {
    Json(json!({
        "name": name,
        "description": "",
        "uri": "",
        "effectiveState": "Off",
        "explicitState": "Off",
    }))
}

/// `POST _apis/customerintelligence/Events`.
pub(crate) async fn events(_: Caller, _: Bytes) -> StatusCode {
    StatusCode::NO_CONTENT
}
