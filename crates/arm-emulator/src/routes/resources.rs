//! Lists of resources of all types.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::filter::Filter;
use crate::providers::{self, Kind, stored};
use crate::records::groups;
use crate::request::{ApiVersion, Query};
use crate::routes::resource_groups::list_page;

/// `azure-rest-api-specs: resources.json, Resources_List`.
const FILTER_FIELDS: &[&str] = &[
    "resourceGroup",
    "resourceType",
    "name",
    "location",
    "tagName",
    "tagValue",
    "kind",
    "identity",
    "identity/principalId",
    "plan",
    "plan/publisher",
    "plan/product",
    "plan/name",
    "plan/version",
    "plan/promotionCode",
];
const EXPANDED: [&str; 3] = ["createdTime", "changedTime", "provisioningState"];

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
    let expanded = expanded(query.get("$expand"))?;
    let mut found = Vec::new();
    for kind in Kind::ALL {
        found.extend(providers::list(arm, kind, group)?.iter().map(generic));
    }
    found.extend(stored::tracked(arm, group)?.iter().map(stored::view::listed));
    found.retain(|view| filter.accepts(view));
    for view in &mut found {
        for (name, wanted) in EXPANDED.iter().zip(expanded) {
            if !wanted && let Some(members) = view.as_object_mut() {
                members.remove(*name);
            }
        }
    }
    list_page(arm, found, query, version, path).map(Json)
}

/// Which of [`EXPANDED`] the caller wants.
fn expanded(text: Option<&str>) -> Result<[bool; 3], ArmError> {
    let mut wanted = [false; 3];
    for word in text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let place = EXPANDED.iter().position(|known| known.eq_ignore_ascii_case(word)).ok_or_else(|| {
            ArmError::bad_request(
                "InvalidExpandInQueryString",
                format!(
                    "Invalid $expand '{word}' specified in the query string. The supported values are: {}.",
                    EXPANDED.join(", ")
                ),
            )
        })?;
        wanted[place] = true;
    }
    Ok(wanted)
}

/// What a list of all types shows of a resource of a type with behaviour.
fn generic(view: &Value) -> Value {
    let mut shown = json!({});
    for name in ["id", "name", "type", "location", "tags", "sku", "kind", "identity", "zones"] {
        if let Some(value) = view.get(name).filter(|value| !value.is_null()) {
            shown[name] = value.clone();
        }
    }
    let properties = &view["properties"];
    let state = properties.get("provisioningState").cloned().unwrap_or_else(|| json!("Succeeded"));
    shown["provisioningState"] = state;
    // Nothing else of these types tells when it was made.
    if let Some(created) = properties.get("creationDate") {
        shown["createdTime"] = created.clone();
    }
    shown
}
