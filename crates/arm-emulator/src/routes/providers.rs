//! Resource providers: what exists, and whether the subscription is registered for it.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::location::LOCATIONS;
use crate::providers::{catalogue, namespaces, registration};

pub(crate) fn routes() -> Router<Arm> {
    Router::new()
        .route("/providers", get(list))
        .route("/subscriptions/{subscription}/providers", get(list))
        .route("/providers/{namespace}", get(show_globally))
        .route("/subscriptions/{subscription}/providers/{namespace}", get(show))
        .route("/subscriptions/{subscription}/providers/{namespace}/register", post(register))
        .route("/subscriptions/{subscription}/providers/{namespace}/unregister", post(unregister))
        .route("/providers/microsoft.containerinstance/operations", get(operations))
}

async fn list(State(arm): State<Arm>) -> Result<Json<Value>, ArmError> {
    let all: Result<Vec<_>, _> =
        catalogue::all(&arm)?.iter().map(|namespace| provider(&arm, namespace)).collect();
    Ok(Json(json!({ "value": all? })))
}

async fn show_globally(
    State(arm): State<Arm>,
    Path(namespace): Path<String>,
) -> Result<Json<Value>, ArmError> {
    find(&arm, &namespace).map(Json)
}

async fn register(
    State(arm): State<Arm>,
    Path((_, namespace)): Path<(String, String)>,
) -> Result<Json<Value>, ArmError> {
    find(&arm, &namespace)?;
    registration::register(&arm, &namespace)?;
    find(&arm, &namespace).map(Json)
}

/// Changes of its resources are refused from now on; what is there stays.
async fn unregister(
    State(arm): State<Arm>,
    Path((_, namespace)): Path<(String, String)>,
) -> Result<Json<Value>, ArmError> {
    find(&arm, &namespace)?;
    registration::unregister(&arm, &namespace)?;
    find(&arm, &namespace).map(Json)
}

async fn show(
    State(arm): State<Arm>,
    Path((_, namespace)): Path<(String, String)>,
) -> Result<Json<Value>, ArmError> {
    find(&arm, &namespace).map(Json)
}

async fn operations() -> Json<Value> {
    let operation = |name: &str, resource: &str, description: &str| {
        json!({
            "name": format!("Microsoft.ContainerInstance/{name}"),
            "display": {
                "provider": "Microsoft Container Instance",
                "resource": resource,
                "operation": description,
                "description": description,
            },
            "origin": "User",
        })
    };
    let all: Vec<Value> =
        OPERATIONS.iter().map(|(name, resource, text)| operation(name, resource, text)).collect();
    Json(json!({ "value": all }))
}

/// Name, resource, description (azure-docs: role-based-access-control/resource-provider-operations.md).
const OPERATIONS: [(&str, &str, &str); 14] = [
    ("containerGroups/read", "Container Group", "Get Container Groups"),
    ("containerGroups/write", "Container Group", "Create or Update Container Group"),
    ("containerGroups/delete", "Container Group", "Delete Container Group"),
    ("containerGroups/restart/action", "Container Group", "Restart Container Group"),
    ("containerGroups/stop/action", "Container Group", "Stop Container Group"),
    ("containerGroups/start/action", "Container Group", "Start Container Group"),
    ("containerGroups/containers/exec/action", "Container", "Exec into Container"),
    ("containerGroups/containers/attach/action", "Container", "Attach to Container"),
    ("containerGroups/containers/logs/read", "Container Logs", "Get Logs for Container"),
    (
        "containerGroups/outboundNetworkDependenciesEndpoints/read",
        "Container Group",
        "Get Outbound Network Dependencies",
    ),
    ("locations/usages/read", "Usage", "Get Usage"),
    ("locations/capabilities/read", "Capabilities", "Get Capabilities"),
    ("locations/cachedImages/read", "Cached Images", "Get Cached Images"),
    ("locations/operations/read", "Operation", "Get Async Operation"),
];

fn find(arm: &Arm, namespace: &str) -> Result<Value, ArmError> {
    let listed = catalogue::all(arm)?;
    match listed.iter().find(|(known, _)| known.eq_ignore_ascii_case(namespace)) {
        Some(known) => provider(arm, known),
        None if namespaces::is_namespace(namespace) => provider(arm, &(namespace.to_owned(), Vec::new())),
        None => Err(namespaces::no_such_namespace(namespace)),
    }
}

fn provider(arm: &Arm, (namespace, types): &catalogue::Listed) -> Result<Value, ArmError> {
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
    let state = if registration::is_registered(arm, namespace)? { "Registered" } else { "NotRegistered" };
    Ok(json!({
        "id": format!("/subscriptions/{}/providers/{namespace}", arm.subscription()),
        "namespace": namespace,
        "resourceTypes": types,
        "registrationState": state,
        "registrationPolicy": "RegistrationRequired",
    }))
}
