//! Resource providers: what exists and that it is registered.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::location::LOCATIONS;
use crate::providers::{Kind, unknown_type};

pub(crate) fn routes() -> Router<Arm> {
    Router::new()
        .route("/providers", get(list))
        .route("/subscriptions/{subscription}/providers", get(list))
        .route("/providers/{namespace}", get(show_globally))
        .route("/subscriptions/{subscription}/providers/{namespace}", get(show))
        .route("/subscriptions/{subscription}/providers/{namespace}/register", post(show))
        .route("/providers/microsoft.containerinstance/operations", get(operations))
}

async fn list(State(arm): State<Arm>) -> Json<Value> {
    let all: Vec<_> = NAMESPACES.iter().map(|namespace| provider(&arm, namespace)).collect();
    Json(json!({ "value": all }))
}

async fn show_globally(
    State(arm): State<Arm>,
    Path(namespace): Path<String>,
) -> Result<Json<Value>, ArmError> {
    find(&arm, &namespace).map(Json)
}

/// Every provider is registered, so that registering one changes nothing.
async fn show(
    State(arm): State<Arm>,
    Path((_, namespace)): Path<(String, String)>,
) -> Result<Json<Value>, ArmError> {
    find(&arm, &namespace).map(Json)
}

async fn operations() -> Json<Value> {
    let operation = |name: &str, description: &str| {
        json!({
            "name": format!("Microsoft.ContainerInstance/{name}"),
            "display": {
                "provider": "Microsoft Container Instance",
                "resource": "Container Group",
                "operation": description,
                "description": description,
            },
            "origin": "User",
        })
    };
    Json(json!({ "value": [
        operation("containerGroups/read", "Get Container Groups"),
        operation("containerGroups/write", "Create or Update Container Group"),
        operation("containerGroups/delete", "Delete Container Group"),
        operation("containerGroups/restart/action", "Restart Container Group"),
        operation("containerGroups/stop/action", "Stop Container Group"),
        operation("containerGroups/start/action", "Start Container Group"),
        operation("containerGroups/containers/logs/read", "Get Logs for Container"),
        operation("locations/usages/read", "Get Usage"),
    ]}))
}

const NAMESPACES: [&str; 5] = [
    "Microsoft.Authorization",
    "Microsoft.ContainerInstance",
    "Microsoft.ContainerRegistry",
    "Microsoft.ManagedIdentity",
    "Microsoft.Resources",
];

fn find(arm: &Arm, namespace: &str) -> Result<Value, ArmError> {
    let found = NAMESPACES.iter().find(|known| known.eq_ignore_ascii_case(namespace));
    found.map(|known| provider(arm, known)).ok_or_else(|| unknown_type(namespace))
}

fn provider(arm: &Arm, namespace: &str) -> Value {
    let mut types: Vec<&str> =
        Kind::ALL.iter().filter(|kind| kind.namespace() == namespace).map(|kind| kind.short()).collect();
    match namespace {
        "Microsoft.Resources" => types.extend(["deployments", "resourceGroups", "subscriptions", "tenants"]),
        "Microsoft.ContainerInstance" => types.push("locations/usages"),
        "Microsoft.ContainerRegistry" => types.push("checkNameAvailability"),
        "Microsoft.Authorization" => types.push("roleAssignments"),
        _ => {}
    }
    let locations: Vec<_> = LOCATIONS.iter().map(|(_, display)| display).collect();
    let types: Vec<_> = types
        .iter()
        .map(|short| {
            json!({
                "resourceType": short,
                "locations": locations,
                // The newest that clients were seen to send; any well-formed one is taken.
                "apiVersions": ["2026-09-01-preview", "2025-09-01", "2025-04-01", "2024-11-01", "2023-05-01"],
                "capabilities": "SupportsTags, SupportsLocation",
            })
        })
        .collect();
    json!({
        "id": format!("/subscriptions/{}/providers/{namespace}", arm.subscription()),
        "namespace": namespace,
        "resourceTypes": types,
        "registrationState": "Registered",
        "registrationPolicy": "RegistrationRequired",
    })
}
