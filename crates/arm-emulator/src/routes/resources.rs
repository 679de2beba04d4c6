//! Lists of resources of all types.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::filter::Filter;
use crate::providers::{self, Kind};
use crate::records::groups;
use crate::request::{ApiVersion, Query};
use crate::routes::resource_groups::list_page;

const FILTER_FIELDS: &[&str] = &["resourceGroup", "resourceType", "name", "location", "tagName", "tagValue"];

pub(crate) fn routes() -> Router<Arm> {
    Router::new()
        .route("/subscriptions/{subscription}/resources", get(in_subscription))
        .route("/subscriptions/{subscription}/resourcegroups/{group}/resources", get(in_group))
}

async fn in_subscription(
    State(arm): State<Arm>,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let path = format!("/subscriptions/{}/resources", arm.subscription());
    list(&arm, None, &version, &query, &path)
}

async fn in_group(
    State(arm): State<Arm>,
    Path((_, group)): Path<(String, String)>,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let group = groups::get(&arm, &group)?.name;
    let path = format!("{}/resources", groups::id(&arm, &group));
    list(&arm, Some(&group), &version, &query, &path)
}

fn list(
    arm: &Arm,
    group: Option<&str>,
    version: &ApiVersion,
    query: &Query,
    path: &str,
) -> Result<Json<Value>, ArmError> {
    let filter = Filter::parse(query.get("$filter"), FILTER_FIELDS)?;
    let with_state = query.get("$expand").is_some_and(|text| {
        text.split(',').any(|word| word.trim().eq_ignore_ascii_case("provisioningState"))
    });
    let mut found = Vec::new();
    for kind in Kind::ALL {
        found.extend(providers::list(arm, kind, group)?);
    }
    let views =
        found.iter().filter(|view| filter.accepts(view)).map(|view| generic(view, with_state)).collect();
    list_page(arm, views, query, version, path).map(Json)
}

/// What a list of all types shows of a resource.
fn generic(view: &Value, with_state: bool) -> Value {
    let mut shown = json!({});
    for name in ["id", "name", "type", "location", "tags", "sku"] {
        if let Some(value) = view.get(name) {
            shown[name] = value.clone();
        }
    }
    if with_state {
        shown["provisioningState"] = view["properties"]["provisioningState"].clone();
    }
    shown
}
