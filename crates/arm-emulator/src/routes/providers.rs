//! Resource providers: what exists, and whether the subscription is registered for it.

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::location::LOCATIONS;
use crate::providers::{catalogue, namespaces, operations, registration};
use crate::request::Query;

pub(crate) fn routes() -> Router<Arm> {
    Router::new()
        .route("/providers", get(list))
        .route("/subscriptions/{subscription}/providers", get(list))
        .route("/providers/{namespace}", get(show_globally))
        .route("/subscriptions/{subscription}/providers/{namespace}", get(show))
        .route("/subscriptions/{subscription}/providers/{namespace}/register", post(register))
        .route("/subscriptions/{subscription}/providers/{namespace}/unregister", post(unregister))
        .route("/subscriptions/{subscription}/providers/{namespace}/providerpermissions", get(permissions))
        .route("/subscriptions/{subscription}/providers/{namespace}/resourcetypes", get(resource_types))
        .route("/providers/{namespace}/operations", get(offered))
        .route("/providers/microsoft.authorization/provideroperations", get(all_operations))
        .route("/providers/microsoft.authorization/provideroperations/{namespace}", get(its_operations))
}

async fn list(State(arm): State<Arm>, query: Query) -> Result<Json<Value>, ArmError> {
    let aliases = Aliases::read(&query)?;
    let all: Result<Vec<_>, _> =
        catalogue::all(&arm)?.iter().map(|namespace| provider(&arm, namespace, aliases)).collect();
    Ok(Json(json!({ "value": all? })))
}

/// Whether each type is shown with its aliases. None are known: no policy runs here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aliases {
    Shown,
    Left,
}

impl Aliases {
    fn read(query: &Query) -> Result<Self, ArmError> {
        let text = query.get("$expand").unwrap_or_default();
        match text.to_ascii_lowercase().as_str() {
            "" | "metadata" | "resourcetypes" => Ok(Self::Left),
            "resourcetypes/aliases" => Ok(Self::Shown),
            _ => Err(ArmError::bad_request(
                "InvalidExpandInQueryString",
                format!(
                    "Invalid $expand '{text}' specified in the query string. The supported values are: metadata, \
                     resourceTypes, resourceTypes/aliases."
                ),
            )),
        }
    }
}

/// Nobody consents to anything here.
async fn permissions(
    State(arm): State<Arm>,
    Path((_, namespace)): Path<(String, String)>,
) -> Result<Json<Value>, ArmError> {
    find(&arm, &namespace, Aliases::Left)?;
    Ok(Json(json!({ "value": [] })))
}

async fn all_operations(State(arm): State<Arm>) -> Result<Json<Value>, ArmError> {
    Ok(Json(json!({ "value": operations::list(&arm)? })))
}

async fn its_operations(
    State(arm): State<Arm>,
    Path(namespace): Path<String>,
) -> Result<Json<Value>, ArmError> {
    operations::get(&arm, &namespace).map(Json)
}

async fn show_globally(
    State(arm): State<Arm>,
    Path(namespace): Path<String>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    find(&arm, &namespace, Aliases::read(&query)?).map(Json)
}

async fn register(
    State(arm): State<Arm>,
    Path((_, namespace)): Path<(String, String)>,
) -> Result<Json<Value>, ArmError> {
    find(&arm, &namespace, Aliases::Left)?;
    registration::register(&arm, &namespace)?;
    find(&arm, &namespace, Aliases::Left).map(Json)
}

/// Changes of its resources are refused from now on; what is there stays.
async fn unregister(
    State(arm): State<Arm>,
    Path((_, namespace)): Path<(String, String)>,
) -> Result<Json<Value>, ArmError> {
    find(&arm, &namespace, Aliases::Left)?;
    registration::unregister(&arm, &namespace)?;
    find(&arm, &namespace, Aliases::Left).map(Json)
}

async fn show(
    State(arm): State<Arm>,
    Path((_, namespace)): Path<(String, String)>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    find(&arm, &namespace, Aliases::read(&query)?).map(Json)
}

/// The types of one provider alone, as a list of their own.
async fn resource_types(
    State(arm): State<Arm>,
    Path((_, namespace)): Path<(String, String)>,
    query: Query,
) -> Result<Json<Value>, ArmError> {
    let mut provider = find(&arm, &namespace, Aliases::read(&query)?)?;
    Ok(Json(json!({ "value": provider["resourceTypes"].take() })))
}

async fn offered(State(arm): State<Arm>, Path(namespace): Path<String>) -> Result<Json<Value>, ArmError> {
    Ok(Json(json!({ "value": operations::offered(&arm, &namespace)? })))
}

fn find(arm: &Arm, namespace: &str, aliases: Aliases) -> Result<Value, ArmError> {
    let listed = catalogue::all(arm)?;
    match listed.iter().find(|(known, _)| known.eq_ignore_ascii_case(namespace)) {
        Some(known) => provider(arm, known, aliases),
        None if namespaces::is_namespace(namespace) => {
            provider(arm, &(namespace.to_owned(), Vec::new()), aliases)
        }
        None => Err(namespaces::no_such_namespace(namespace)),
    }
}

fn provider(arm: &Arm, (namespace, types): &catalogue::Listed, aliases: Aliases) -> Result<Value, ArmError> {
    let locations: Vec<_> = LOCATIONS.iter().map(|(_, display)| display).collect();
    let types: Vec<_> = types
        .iter()
        .map(|short| {
            let mut one = json!({
                "resourceType": short,
                "locations": locations,
                // The newest that clients were seen to send; any well-formed one is taken.
                "apiVersions": ["2026-09-01-preview", "2025-09-01", "2025-04-01", "2024-11-01", "2023-05-01"],
                "capabilities": "SupportsTags, SupportsLocation",
            });
            if aliases == Aliases::Shown {
                one["aliases"] = json!([]);
            }
            one
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
