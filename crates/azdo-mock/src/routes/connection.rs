//! Connection data, resource locations and resource areas.
//!
//! Source: actions/runner: ConnectionData.cs, ServerDataProvider.cs; azure-devops (PyPI): connection.py.

use axum::Json;
use axum::extract::State;
use axum::response::Html;
use serde_json::{Value, json};
use uuid::Uuid;

use super::extract::{Query, Values};
use crate::addresses::Deployment;
use crate::app::AzureDevOps;
use crate::auth::SIGN_IN;
use crate::error::ApiError;
use crate::state::secrets::Caller;
use crate::view;
use crate::wire::locations;
use crate::wire::time::stamp;

/// Flags of `connectOptions` (actions/runner: Constants.cs).
const INCLUDE_SERVICES: u32 = 1;
const INCLUDE_LAST_USER_ACCESS: u32 = 2;

/// `OPTIONS _apis`: a plain answer, not one for a browser.
pub(crate) async fn locations() -> Json<Value> {
    Json(view::list(locations::rows(None)))
}

/// `OPTIONS _apis` above the organization: nothing. azure-devops (PyPI `client.py`) looks there for what the organization
/// does not have, and says itself what is missing.
pub(crate) async fn above() -> Json<Value> {
    Json(view::list(Vec::new()))
}

/// `OPTIONS _apis/{area}`.
pub(crate) async fn area_locations(Values(area): Values<String>) -> Json<Value> {
    Json(view::list(locations::rows(Some(&area))))
}

/// `GET _apis/connectionData`. There is no service owner: typed clients then stay with the organization's own address.
/// Who asks for services gets all locations, or is told that what it kept on its disk is still good.
pub(crate) async fn data(
    State(service): State<AzureDevOps>,
    caller: Caller,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let options: u32 = query.parsed(&["connectOptions"])?.unwrap_or(0);
    let kept: i64 = query.parsed(&["lastChangeId64", "lastChangeId"])?.unwrap_or(-1);
    let change = locations::change_id();
    let services = options & INCLUDE_SERVICES != 0;
    let fresh = services && kept == change;
    let definitions = if services && !fresh { locations::definitions() } else { Vec::new() };
    let instance = service.state().meta.instance_id;
    let user = identity(instance, caller);
    let mapping = |moniker: &str| {
        json!({
            "displayName": moniker,
            "moniker": moniker,
            "accessPoint": service.addresses().organization_url(),
            "virtualDirectory": "",
        })
    };
    let deployment = match service.addresses().deployment() {
        Deployment::Hosted => "hosted",
        Deployment::OnPremises => "onPremises",
    };
    let mut data = json!({
        "authenticatedUser": user,
        "authorizedUser": user,
        "instanceId": instance,
        "deploymentId": instance,
        "deploymentType": deployment,
        "webApplicationRelativeDirectory": "",
        "locationServiceData": {
            "accessMappings": [mapping("PublicAccessMapping")],
            "defaultAccessMappingMoniker": "PublicAccessMapping",
            "clientCacheFresh": fresh,
            "clientCacheTimeToLive": 3600,
            "lastChangeId": change,
            "lastChangeId64": change,
            "serviceDefinitions": definitions,
        },
    });
    if options & INCLUDE_LAST_USER_ACCESS != 0 {
        data["lastUserAccess"] = json!(stamp(service.now()));
    }
    Ok(Json(data))
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
        "subjectDescriptor": format!("svc.{}", hex::encode(&name)),
        "providerDisplayName": name,
        "customDisplayName": null,
        "members": [],
        "memberOf": [],
        "memberIds": [],
        "isActive": true,
        "properties": {"Account": {"$type": "System.String", "$value": name}},
        "resourceVersion": 2,
        "metaTypeId": 0,
    })
}

fn area_row(service: &AzureDevOps, id: &str, name: &str) -> Value {
    json!({"id": id, "name": name, "locationUrl": service.addresses().organization_url()})
}

/// `GET _apis/resourceAreas`. None on a server of one's own: clients then use the address they have.
pub(crate) async fn areas(State(service): State<AzureDevOps>) -> Json<Value> {
    if service.addresses().deployment() == Deployment::OnPremises {
        return Json(view::list(Vec::new()));
    }
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

/// `GET _signin`: where a browser would sign in. A script that follows the redirect finds no JSON here.
pub(crate) async fn sign_in() -> Html<&'static str> {
    Html(SIGN_IN)
}
