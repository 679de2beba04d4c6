//! User-assigned identities.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::Value;

use crate::app::Arm;
use crate::body::RawBody;
use crate::error::ArmError;
use crate::providers::{self, Kind, msi};
use crate::records::groups;
use crate::request::{ApiVersion, Query};
use crate::resource_id::ResourceId;
use crate::routes::resource_groups::list_page;

const KIND: Kind = Kind::UserAssignedIdentity;

type IdentityPath = Path<(String, String, String)>;

pub(crate) fn routes() -> Router<Arm> {
    let provider = "providers/microsoft.managedidentity/userassignedidentities";
    let inside = format!("/subscriptions/{{subscription}}/resourcegroups/{{group}}/{provider}");
    Router::new()
        .route(&format!("/subscriptions/{{subscription}}/{provider}"), get(list_all))
        .route(&inside, get(list))
        .route(&format!("{inside}/{{name}}"), get(show).put(put).patch(patch).delete(delete))
}

fn id(arm: &Arm, group: &str, name: &str) -> Result<ResourceId, ArmError> {
    KIND.id(arm, group, name)
}

async fn list_all(
    State(arm): State<Arm>,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let views = providers::list(&arm, KIND, None)?;
    let path = format!("/subscriptions/{}/providers/{}", arm.subscription(), KIND.full());
    list_page(&arm, views, &query, &version, &path).map(Json)
}

async fn list(
    State(arm): State<Arm>,
    Path((_, group)): Path<(String, String)>,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let group = groups::get(&arm, &group)?.name;
    let views = providers::list(&arm, KIND, Some(&group))?;
    let path = format!("{}/providers/{}", groups::id(&arm, &group), KIND.full());
    list_page(&arm, views, &query, &version, &path).map(Json)
}

async fn show(State(arm): State<Arm>, Path((_, group, name)): IdentityPath) -> Result<Json<Value>, ArmError> {
    providers::existing(&arm, KIND, &id(&arm, &group, &name)?).map(Json)
}

async fn put(
    State(arm): State<Arm>,
    Path((_, group, name)): IdentityPath,
    body: RawBody,
) -> Result<Response, ArmError> {
    let put = providers::put(&arm, KIND, &id(&arm, &group, &name)?, &body.json()?).await?;
    let status = if put.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(put.body)).into_response())
}

async fn patch(
    State(arm): State<Arm>,
    Path((_, group, name)): IdentityPath,
    body: RawBody,
) -> Result<Json<Value>, ArmError> {
    msi::patch(&arm, &id(&arm, &group, &name)?, &body.json()?).map(Json)
}

async fn delete(
    State(arm): State<Arm>,
    Path((_, group, name)): IdentityPath,
) -> Result<StatusCode, ArmError> {
    let deleted = providers::delete(&arm, &id(&arm, &group, &name)?).await?;
    Ok(if deleted.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT })
}
