//! What can be asked of webhooks, and what a registry is asked that it does not do.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::body::RawBody;
use crate::error::ArmError;
use crate::providers::acr::{children, import};
use crate::providers::{self, Kind};
use crate::resource_id::ResourceId;

type RegistryPath = Path<(String, String, String)>;
type ChildPath = Path<(String, String, String, String)>;

/// Actions that the service has and this registry has not, and what to do instead.
const REFUSED: [(&str, &str); 3] = [
    ("scheduleRun", "nothing is built here: build the image elsewhere and push it"),
    ("listBuildSourceUploadUrl", "nothing is built here: build the image elsewhere and push it"),
    ("getBuildSourceUploadUrl", "nothing is built here: build the image elsewhere and push it"),
];

pub(crate) fn routes(registry: &str) -> Router<Arm> {
    let webhook = format!("{registry}/webhooks/{{child}}");
    let mut routes = Router::new()
        .route(&format!("{webhook}/ping"), post(ping))
        .route(&format!("{webhook}/listevents"), post(events))
        .route(&format!("{webhook}/getcallbackconfig"), post(callback_config))
        .route(&format!("{registry}/importimage"), post(import))
        .route(&format!("{registry}/privatelinkresources"), get(private_links));
    for refused @ (action, _) in REFUSED {
        let refuse = move |State(arm): State<Arm>, Path((_, group, name)): RegistryPath| async move {
            refuse(&arm, &Kind::Registry.id(&arm, &group, &name)?, refused)
        };
        routes = routes.route(&format!("{registry}/{}", action.to_lowercase()), post(refuse));
    }
    routes
}

fn webhook(arm: &Arm, group: &str, registry: &str, name: &str) -> Result<ResourceId, ArmError> {
    let registry = Kind::Registry.id(arm, group, registry)?;
    format!("{registry}/webhooks/{name}").parse().map_err(ArmError::internal)
}

async fn ping(
    State(arm): State<Arm>,
    Path((_, group, name, child)): ChildPath,
) -> Result<Json<Value>, ArmError> {
    children::ping(&arm, &webhook(&arm, &group, &name, &child)?).map(Json)
}

async fn events(
    State(arm): State<Arm>,
    Path((_, group, name, child)): ChildPath,
) -> Result<Json<Value>, ArmError> {
    children::events(&arm, &webhook(&arm, &group, &name, &child)?).map(Json)
}

async fn callback_config(
    State(arm): State<Arm>,
    Path((_, group, name, child)): ChildPath,
) -> Result<Json<Value>, ArmError> {
    children::callback_config(&arm, &webhook(&arm, &group, &name, &child)?).map(Json)
}

/// Answered once it is done.
async fn import(
    State(arm): State<Arm>,
    Path((_, group, name)): RegistryPath,
    body: RawBody,
) -> Result<(), ArmError> {
    import::import(&arm, &Kind::Registry.id(&arm, &group, &name)?, &body.json()?).await
}

/// There are no private endpoints here, so there is nothing to link.
async fn private_links(
    State(arm): State<Arm>,
    Path((_, group, name)): RegistryPath,
) -> Result<Json<Value>, ArmError> {
    providers::existing(&arm, Kind::Registry, &Kind::Registry.id(&arm, &group, &name)?)?;
    Ok(Json(json!({ "value": [] })))
}

fn refuse(arm: &Arm, id: &ResourceId, (action, instead): (&str, &str)) -> Result<(), ArmError> {
    providers::existing(arm, Kind::Registry, id)?;
    Err(ArmError::bad_request(
        "InvalidResourceOperation",
        format!("The action '{action}' of '{id}' is not supported by this emulator; {instead}."),
    ))
}
