//! Container groups. Status codes are those that the SDKs accept (`azure-mgmt-containerinstance: operations`): restart
//! and stop answer 204 and nothing else.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use container_groups::GroupId;
use serde_json::{Value, json};

use crate::app::Arm;
use crate::body::RawBody;
use crate::engine::operation::{AZURE_ASYNC_OPERATION, RETRY_AFTER, accepted};
use crate::error::ArmError;
use crate::fields::Fields;
use crate::providers::{self, Kind, aci, versions};
use crate::records::groups;
use crate::records::operations::{self, Subject};
use crate::request::{ApiVersion, Query};
use crate::resource_id::ResourceId;
use crate::routes::resource_groups::list_page;
use crate::routes::{container_locations, container_sessions};

type GroupPath = Path<(String, String, String)>;

pub(crate) fn routes() -> Router<Arm> {
    let provider = "/subscriptions/{subscription}/providers/microsoft.containerinstance";
    let groups = "/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.containerinstance/containergroups";
    let one = format!("{groups}/{{name}}");
    Router::new()
        .route(&format!("{provider}/containergroups"), get(list_all))
        .merge(container_locations::routes(provider))
        .route(groups, get(list))
        .route(&one, get(show).put(put).patch(patch).delete(delete))
        .route(&format!("{one}/start"), post(start))
        .route(&format!("{one}/stop"), post(stop))
        .route(&format!("{one}/restart"), post(restart))
        .route(&format!("{one}/containers/{{container}}/logs"), get(logs))
        .merge(container_sessions::routes(&one))
        .route(&format!("{one}/outboundnetworkdependenciesendpoints"), get(outbound))
}

fn id(arm: &Arm, group: &str, name: &str) -> Result<ResourceId, ArmError> {
    Kind::ContainerGroup.id(arm, group, name)
}

/// A group as the api-version shows it.
fn shown(view: Value, ApiVersion(version): &ApiVersion) -> Value {
    versions::shown(Kind::ContainerGroup, view, version)
}

/// Groups as a list shows them: without the instance views of groups and containers, in every api-version
/// (`Azure/azure-rest-api-specs#21280`, `Azure/azure-libraries-for-net#657` with 2018-10-01; the description says so since
/// 2024-11-01-preview, `ListResultContainerGroup`).
fn listed(views: Vec<Value>, version: &ApiVersion) -> Vec<Value> {
    let listed = views.into_iter().map(|view| versions::without_instance_views(shown(view, version)));
    listed.collect()
}

/// The id of a group that is there, as its provider takes it.
pub(crate) fn existing(arm: &Arm, group: &str, name: &str) -> Result<(ResourceId, GroupId), ArmError> {
    let id = id(arm, group, name)?;
    providers::existing(arm, Kind::ContainerGroup, &id)?;
    let group_id = aci::group_id(&id)?;
    Ok((id, group_id))
}

async fn list_all(
    State(arm): State<Arm>,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let views = providers::list(&arm, Kind::ContainerGroup, None)?;
    let path = format!("/subscriptions/{}/providers/{}", arm.subscription(), Kind::ContainerGroup.full());
    list_page(&arm, listed(views, &version), &query, &version, &path).map(Json)
}

async fn list(
    State(arm): State<Arm>,
    Path((_, group)): Path<(String, String)>,
    Extension(version): Extension<ApiVersion>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let group = groups::get(&arm, &group)?.name;
    let views = providers::list(&arm, Kind::ContainerGroup, Some(&group))?;
    let path = format!("{}/providers/{}", groups::id(&arm, &group), Kind::ContainerGroup.full());
    list_page(&arm, listed(views, &version), &query, &version, &path).map(Json)
}

async fn show(
    State(arm): State<Arm>,
    Path((_, group, name)): GroupPath,
    Extension(version): Extension<ApiVersion>,
) -> Result<Json<Value>, ArmError> {
    let id = id(&arm, &group, &name)?;
    Ok(Json(shown(providers::existing(&arm, Kind::ContainerGroup, &id)?, &version)))
}

async fn put(
    State(arm): State<Arm>,
    Path((_, group, name)): GroupPath,
    Extension(version): Extension<ApiVersion>,
    body: RawBody,
) -> Result<Response, ArmError> {
    let id = id(&arm, &group, &name)?;
    let body = body.json()?;
    versions::check(Kind::ContainerGroup, &id, &body, &version.0)?;
    let put = providers::put(&arm, Kind::ContainerGroup, &id, &body).await?;
    let location = put.body["location"].as_str().unwrap_or_default();
    let operation = operations::start(&arm, Subject::Provisioning(id))?;
    let path = format!("{}/operations/{operation}?api-version={}", locations_path(&arm, location), version.0);
    let status = if put.created { StatusCode::CREATED } else { StatusCode::OK };
    let headers = [(AZURE_ASYNC_OPERATION, arm.url(&path)), ("retry-after", RETRY_AFTER.to_owned())];
    Ok((status, headers, Json(shown(put.body, &version))).into_response())
}

/// Tags are all that a PATCH changes; the containers go on running.
async fn patch(
    State(arm): State<Arm>,
    Path((_, group, name)): GroupPath,
    Extension(version): Extension<ApiVersion>,
    body: RawBody,
) -> Result<Json<Value>, ArmError> {
    let id = id(&arm, &group, &name)?;
    let body = body.json()?;
    let mut fields = Fields::of(&body, "")?;
    for echoed in ["id", "name", "type", "location"] {
        fields.value(echoed);
    }
    let tags = fields.tags()?;
    fields.unsupported("zones", "leave it out")?;
    fields.finish()?;
    let view = match tags {
        Some(tags) => providers::retag(&arm, Kind::ContainerGroup, &id, tags),
        None => providers::existing(&arm, Kind::ContainerGroup, &id),
    };
    Ok(Json(shown(view?, &version)))
}

/// 200 with what was deleted once its containers are gone, 204 where there was nothing.
async fn delete(
    State(arm): State<Arm>,
    Path((_, group, name)): GroupPath,
    Extension(version): Extension<ApiVersion>,
) -> Result<Response, ArmError> {
    let id = id(&arm, &group, &name)?;
    Ok(match providers::delete(&arm, &id).await? {
        Some(deleted) => Json(shown(deleted, &version)).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

async fn start(
    State(arm): State<Arm>,
    Path((_, group, name)): GroupPath,
    Extension(version): Extension<ApiVersion>,
) -> Result<Response, ArmError> {
    let (id, group_id) = existing(&arm, &group, &name)?;
    arm.settings().groups.start(&group_id).await.map_err(aci::error)?;
    let location = aci::view(&arm, &id)?.map(|view| view.location).unwrap_or_default();
    let operation = operations::start(&arm, Subject::Provisioning(id))?;
    let path = format!("{}/operationresults/{operation}", locations_path(&arm, &location));
    Ok(accepted(&arm, &path, &version).into_response())
}

async fn stop(State(arm): State<Arm>, Path((_, group, name)): GroupPath) -> Result<StatusCode, ArmError> {
    let (_, group_id) = existing(&arm, &group, &name)?;
    arm.settings().groups.stop(&group_id).await.map_err(aci::error)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn restart(State(arm): State<Arm>, Path((_, group, name)): GroupPath) -> Result<StatusCode, ArmError> {
    let (_, group_id) = existing(&arm, &group, &name)?;
    arm.settings().groups.restart(&group_id).await.map_err(aci::error)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn logs(
    State(arm): State<Arm>,
    Path((_, group, name, container)): Path<(String, String, String, String)>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let tail = query.number("tail")?;
    let timestamps = query.boolean("timestamps")?.unwrap_or_default();
    let (_, group_id) = existing(&arm, &group, &name)?;
    let groups = &arm.settings().groups;
    let content = if timestamps {
        groups.logs_with_times(&group_id, &container, tail).await
    } else {
        groups.logs(&group_id, &container, tail).await
    };
    let content = content.map_err(aci::error)?;
    Ok(Json(json!({ "content": content })))
}

/// Always an empty list, as at the service (`azure-rest-api-specs: containerInstance.json`).
async fn outbound(
    State(arm): State<Arm>,
    Path((_, group, name)): GroupPath,
) -> Result<Json<Value>, ArmError> {
    existing(&arm, &group, &name)?;
    Ok(Json(json!([])))
}

pub(crate) fn locations_path(arm: &Arm, location: &str) -> String {
    format!(
        "/subscriptions/{}/providers/Microsoft.ContainerInstance/locations/{location}",
        arm.subscription()
    )
}
