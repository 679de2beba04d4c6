//! Subscriptions, tenants and locations.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::location::LOCATIONS;

pub(crate) fn routes() -> Router<Arm> {
    Router::new()
        .route("/subscriptions", get(list))
        .route("/subscriptions/{subscription}", get(show))
        .route("/subscriptions/{subscription}/locations", get(locations))
        .route("/tenants", get(tenants))
}

async fn list(State(arm): State<Arm>) -> Json<Value> {
    Json(json!({ "value": [subscription(&arm)], "count": { "type": "Total", "value": 1 } }))
}

async fn show(State(arm): State<Arm>) -> Json<Value> {
    Json(subscription(&arm))
}

async fn locations(State(arm): State<Arm>) -> Json<Value> {
    let subscription = arm.subscription();
    let value: Vec<_> = LOCATIONS
        .iter()
        .map(|(name, display)| {
            json!({
                "id": format!("/subscriptions/{subscription}/locations/{name}"),
                "name": name,
                "type": "Region",
                "displayName": display,
                "regionalDisplayName": display,
                "metadata": { "regionType": "Physical", "regionCategory": "Recommended" },
            })
        })
        .collect();
    Json(json!({ "value": value }))
}

async fn tenants(State(arm): State<Arm>) -> Json<Value> {
    let tenant = arm.settings().tenant_id;
    Json(json!({ "value": [{
        "id": format!("/tenants/{tenant}"),
        "tenantId": tenant,
        "displayName": "Sandbox",
        "defaultDomain": "sandbox.onmicrosoft.com",
        "countryCode": "US",
        "tenantCategory": "Home",
    }]}))
}

fn subscription(arm: &Arm) -> Value {
    let id = arm.subscription();
    json!({
        "id": format!("/subscriptions/{id}"),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": id,
        "tenantId": arm.settings().tenant_id,
        "displayName": "Sandbox",
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    })
}
