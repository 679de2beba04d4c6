//! Scope maps and tokens of container registries.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::body::RawBody;
use crate::engine::operation::accepted;
use crate::error::ArmError;
use crate::providers::acr::access;
use crate::providers::{Kind, Put};
use crate::records::groups;
use crate::records::operations::{self, Subject};
use crate::request::ApiVersion;
use crate::resource_id::ResourceId;

type RegistryPath = Path<(String, String, String)>;
type ChildPath = Path<(String, String, String, String)>;

pub(crate) fn routes(registry: &str) -> Router<Arm> {
    let map = get(show_map).put(put_map).patch(patch_map).delete(delete_map);
    let token = get(show_token).put(put_token).patch(patch_token).delete(delete_token);
    Router::new()
        .route(&format!("{registry}/scopemaps"), get(list_maps))
        .route(&format!("{registry}/scopemaps/{{child}}"), map)
        .route(&format!("{registry}/tokens"), get(list_tokens))
        .route(&format!("{registry}/tokens/{{child}}"), token)
        .route(&format!("{registry}/generatecredentials"), post(generate))
}

fn readable(arm: &Arm, group: &str, name: &str) -> Result<ResourceId, ArmError> {
    Kind::Registry.id(arm, group, name)
}

/// A registry in a group that is not being deleted.
fn writable(arm: &Arm, group: &str, name: &str) -> Result<ResourceId, ArmError> {
    groups::writable(arm, group)?;
    readable(arm, group, name)
}

fn put_answer(put: Put) -> Response {
    let status = if put.created { StatusCode::CREATED } else { StatusCode::OK };
    (status, Json(put.body)).into_response()
}

fn delete_answer(deleted: bool) -> StatusCode {
    if deleted { StatusCode::OK } else { StatusCode::NO_CONTENT }
}

async fn list_maps(
    State(arm): State<Arm>,
    Path((_, group, name)): RegistryPath,
) -> Result<Json<Value>, ArmError> {
    let maps = access::scope_maps(&arm, &readable(&arm, &group, &name)?)?;
    Ok(Json(json!({ "value": maps })))
}

async fn show_map(
    State(arm): State<Arm>,
    Path((_, group, name, child)): ChildPath,
) -> Result<Json<Value>, ArmError> {
    access::scope_map(&arm, &readable(&arm, &group, &name)?, &child).map(Json)
}

async fn put_map(
    State(arm): State<Arm>,
    Path((_, group, name, child)): ChildPath,
    body: RawBody,
) -> Result<Response, ArmError> {
    access::put_scope_map(&arm, &writable(&arm, &group, &name)?, &child, &body.json()?).map(put_answer)
}

async fn patch_map(
    State(arm): State<Arm>,
    Path((_, group, name, child)): ChildPath,
    body: RawBody,
) -> Result<Json<Value>, ArmError> {
    access::patch_scope_map(&arm, &writable(&arm, &group, &name)?, &child, &body.json()?).map(Json)
}

async fn delete_map(
    State(arm): State<Arm>,
    Path((_, group, name, child)): ChildPath,
) -> Result<StatusCode, ArmError> {
    access::delete_scope_map(&arm, &readable(&arm, &group, &name)?, &child).map(delete_answer)
}

async fn list_tokens(
    State(arm): State<Arm>,
    Path((_, group, name)): RegistryPath,
) -> Result<Json<Value>, ArmError> {
    let tokens = access::tokens(&arm, &readable(&arm, &group, &name)?)?;
    Ok(Json(json!({ "value": tokens })))
}

async fn show_token(
    State(arm): State<Arm>,
    Path((_, group, name, child)): ChildPath,
) -> Result<Json<Value>, ArmError> {
    access::token(&arm, &readable(&arm, &group, &name)?, &child).map(Json)
}

async fn put_token(
    State(arm): State<Arm>,
    Path((_, group, name, child)): ChildPath,
    body: RawBody,
) -> Result<Response, ArmError> {
    access::put_token(&arm, &writable(&arm, &group, &name)?, &child, &body.json()?).map(put_answer)
}

async fn patch_token(
    State(arm): State<Arm>,
    Path((_, group, name, child)): ChildPath,
    body: RawBody,
) -> Result<Json<Value>, ArmError> {
    access::patch_token(&arm, &writable(&arm, &group, &name)?, &child, &body.json()?).map(Json)
}

async fn delete_token(
    State(arm): State<Arm>,
    Path((_, group, name, child)): ChildPath,
) -> Result<StatusCode, ArmError> {
    access::delete_token(&arm, &readable(&arm, &group, &name)?, &child).map(delete_answer)
}

/// Answers 202; the passwords are where `Location` leads.
async fn generate(
    State(arm): State<Arm>,
    Path((_, group, name)): RegistryPath,
    Extension(version): Extension<ApiVersion>,
    body: RawBody,
) -> Result<Response, ArmError> {
    let (location, answer) = access::generate(&arm, &writable(&arm, &group, &name)?, &body.json()?)?;
    let operation = operations::start(&arm, Subject::Answer(answer))?;
    let path = format!(
        "/subscriptions/{}/providers/Microsoft.ContainerRegistry/locations/{location}/operationresults/{operation}",
        arm.subscription()
    );
    Ok(accepted(&arm, &path, &version).into_response())
}
