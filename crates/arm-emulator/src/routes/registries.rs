//! Container registries, control plane.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde_json::Value;

use crate::app::Arm;
use crate::body::RawBody;
use crate::error::ArmError;
use crate::providers::{self, Kind, acr, versions};
use crate::records::groups;
use crate::request::{ApiVersion, Query};
use crate::resource_id::ResourceId;
use crate::routes::resource_groups::list_page;
use crate::routes::{registry_access, registry_children};

type RegistryPath = Path<(String, String, String)>;

pub(crate) fn routes() -> Router<Arm> {
    let provider = "/subscriptions/{subscription}/providers/microsoft.containerregistry";
    let registries = "/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.containerregistry/registries";
    let one = format!("{registries}/{{name}}");
    Router::new()
        .route(&format!("{provider}/registries"), get(list_all))
        .route(&format!("{provider}/checknameavailability"), post(check_name))
        .route(registries, get(list))
        .route(&one, get(show).put(put).patch(patch).delete(delete))
        .route(&format!("{one}/listcredentials"), post(credentials))
        .route(&format!("{one}/regeneratecredential"), post(regenerate))
        .route(&format!("{one}/listusages"), get(usages))
        .merge(registry_access::routes(&one))
        .merge(registry_children::routes(&one))
}

fn id(arm: &Arm, group: &str, name: &str) -> Result<ResourceId, ArmError> {
    Kind::Registry.id(arm, group, name)
}

/// A registry as the api-version shows it.
fn shown(view: Value, ApiVersion(version): &ApiVersion) -> Value {
    versions::shown(Kind::Registry, view, version)
}

async fn list_all(
    State(arm): State<Arm>,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let views = providers::list(&arm, Kind::Registry, None)?;
    let path = format!("/subscriptions/{}/providers/{}", arm.subscription(), Kind::Registry.full());
    let views = views.into_iter().map(|view| shown(view, &version)).collect();
    list_page(&arm, views, &query, &version, &path).map(Json)
}

async fn list(
    State(arm): State<Arm>,
    Path((_, group)): Path<(String, String)>,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let group = groups::get(&arm, &group)?.name;
    let views = providers::list(&arm, Kind::Registry, Some(&group))?;
    let path = format!("{}/providers/{}", groups::id(&arm, &group), Kind::Registry.full());
    let views = views.into_iter().map(|view| shown(view, &version)).collect();
    list_page(&arm, views, &query, &version, &path).map(Json)
}

async fn show(
    State(arm): State<Arm>,
    Path((_, group, name)): RegistryPath,
    Extension(version): Extension<ApiVersion>,
) -> Result<Json<Value>, ArmError> {
    let id = id(&arm, &group, &name)?;
    Ok(Json(shown(providers::existing(&arm, Kind::Registry, &id)?, &version)))
}

async fn put(
    State(arm): State<Arm>,
    Path((_, group, name)): RegistryPath,
    Extension(version): Extension<ApiVersion>,
    body: RawBody,
) -> Result<Response, ArmError> {
    let (id, body) = (id(&arm, &group, &name)?, body.json()?);
    versions::check(Kind::Registry, &id, &body, &version.0)?;
    let put = providers::put(&arm, Kind::Registry, &id, &body).await?;
    let status = if put.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(shown(put.body, &version))).into_response())
}

async fn patch(
    State(arm): State<Arm>,
    Path((_, group, name)): RegistryPath,
    Extension(version): Extension<ApiVersion>,
    body: RawBody,
) -> Result<Json<Value>, ArmError> {
    let (id, body) = (id(&arm, &group, &name)?, body.json()?);
    versions::check(Kind::Registry, &id, &body, &version.0)?;
    Ok(Json(shown(acr::patch(&arm, &id, &body).await?, &version)))
}

async fn delete(
    State(arm): State<Arm>,
    Path((_, group, name)): RegistryPath,
) -> Result<StatusCode, ArmError> {
    let id = id(&arm, &group, &name)?;
    let deleted = providers::delete(&arm, &id).await?;
    Ok(if deleted.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT })
}

async fn credentials(
    State(arm): State<Arm>,
    Path((_, group, name)): RegistryPath,
) -> Result<Json<Value>, ArmError> {
    let id = id(&arm, &group, &name)?;
    acr::credentials(&arm, &id).map(Json)
}

async fn regenerate(
    State(arm): State<Arm>,
    Path((_, group, name)): RegistryPath,
    body: RawBody,
) -> Result<Json<Value>, ArmError> {
    let id = id(&arm, &group, &name)?;
    acr::regenerate(&arm, &id, &body.json()?).map(Json)
}

async fn usages(
    State(arm): State<Arm>,
    Path((_, group, name)): RegistryPath,
) -> Result<Json<Value>, ArmError> {
    let id = id(&arm, &group, &name)?;
    acr::usages(&arm, &id).map(Json)
}

async fn check_name(State(arm): State<Arm>, body: RawBody) -> Result<Json<Value>, ArmError> {
    acr::name_availability(&arm, &body.json()?).map(Json)
}
