//! Connection data, resource locations and resource areas.
//!
//! Source: actions/runner: ConnectionData.cs, ServerDataProvider.cs; azure-devops (PyPI): connection.py.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use uuid::Uuid;

use super::extract::Values;
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::secrets::Caller;
use crate::view;
use crate::wire::locations;

/// `OPTIONS _apis`: a plain answer, not one for a browser.
pub(crate) async fn locations() -> Json<Value> {
    Json(view::list(locations::rows(None)))
}

/// `OPTIONS _apis/{area}`.
pub(crate) async fn area_locations(Values(area): Values<String>) -> Json<Value> {
    Json(view::list(locations::rows(Some(&area))))
}

/// `GET _apis/connectionData`. No service definitions and no service owner: typed clients then ask `OPTIONS` and
/// stay with the organization's own address.
pub(crate) async fn data(State(service): State<AzureDevOps>, caller: Caller) -> Json<Value> {
    let state = service.state();
    let instance = state.meta.instance_id;
    let user = identity(instance, caller);
    let mapping = |moniker: &str| {
        json!({
            "displayName": moniker,
            "moniker": moniker,
            "accessPoint": service.addresses().organization_url(),
            "virtualDirectory": "",
        })
    };
    Json(json!({
        "authenticatedUser": user,
        "authorizedUser": user,
        "instanceId": instance,
        "deploymentId": instance,
        "deploymentType": "hosted",
        "locationServiceData": {
            "accessMappings": [mapping("PublicAccessMapping")],
            "defaultAccessMappingMoniker": "PublicAccessMapping",
            "clientCacheFresh": false,
            "clientCacheTimeToLive": 1,
            "lastChangeId": 1,
            "lastChangeId64": 1,
            "serviceDefinitions": [],
        },
    }))
}

/// Who asks; the same on every connection, since a client refuses a descriptor that changes.
fn identity(instance: Uuid, caller: Caller) -> Value {
    let (kind, name) = match caller {
        Caller::User { member: None, .. } => {
            ("Microsoft.IdentityModel.Claims.ClaimsIdentity", "user".to_owned())
        }
        Caller::User { member: Some(id), .. } => {
            ("Microsoft.VisualStudio.Services.Claims.AadServicePrincipal", id.to_string())
        }
        Caller::Agent { id, .. } => ("Microsoft.TeamFoundation.ServiceIdentity", format!("agent-{id}")),
        Caller::Job { request, .. } => ("Microsoft.TeamFoundation.ServiceIdentity", format!("job-{request}")),
    };
    json!({
        "id": Uuid::new_v5(&instance, name.as_bytes()),
        "descriptor": format!("{kind};{instance}\\{name}"),
        "providerDisplayName": name,
        "isActive": true,
        "properties": {"Account": {"$type": "System.String", "$value": name}},
        "resourceVersion": 2,
        "metaTypeId": 0,
    })
}

fn area_row(service: &AzureDevOps, id: &str, name: &str) -> Value {
    json!({"id": id, "name": name, "locationUrl": service.addresses().organization_url()})
}

/// `GET _apis/resourceAreas`.
pub(crate) async fn areas(State(service): State<AzureDevOps>) -> Json<Value> {
    Json(view::list(locations::AREAS.iter().map(|(id, name)| area_row(&service, id, name)).collect()))
}

/// `GET _apis/resourceAreas/{areaId}`.
pub(crate) async fn area(
    State(service): State<AzureDevOps>,
    Values(wanted): Values<Uuid>,
) -> Result<Json<Value>, ApiError> {
    let wanted = wanted.to_string();
    locations::AREAS
        .iter()
        .find(|(id, _)| *id == wanted)
        .map(|(id, name)| Json(area_row(&service, id, name)))
        .ok_or_else(|| ApiError::not_found(format!("Resource area {wanted} was not found.")))
}
