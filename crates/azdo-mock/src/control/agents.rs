//! Agents: who they are, asking them to update themselves to a package that is offered.

use std::path::PathBuf;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Input};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::packages::Package;
use crate::state::State as Organization;
use crate::state::agents::Agent;
use crate::view;
use crate::wire::crypto::PublicKey;
use crate::wire::ids::AgentId;

/// `GET /agents`.
pub(super) async fn list(State(service): State<AzureDevOps>) -> Result<Json<Value>, ControlError> {
    let agents: Vec<_> =
        service.read(|state| state.agents.values().map(|agent| show(state, agent)).collect())?;
    Ok(Json(json!(agents)))
}

fn show(state: &Organization, agent: &Agent) -> Value {
    let session = state.session_of(agent.id);
    json!({
        "id": agent.id,
        "name": agent.name,
        "pool": state.pool(agent.pool_id).map(|pool| pool.name.clone()).unwrap_or_default(),
        "enabled": agent.enabled,
        "online": state.online(agent.id),
        "polls": session.map_or(0, |session| session.polls),
        "sessionOwner": session.map(|session| session.owner_name.clone()),
        "version": agent.version,
        "key": agent.public_key.as_ref().map(PublicKey::fingerprint),
        "registrations": agent.key_generation,
        "registeredFrom": agent.registered_from,
        "pendingUpdate": view::pending_update(agent),
        "userCapabilities": agent.user_capabilities,
        "requestId": state.assigned_request(agent.id).map(|request| request.id),
    })
}

/// The agents of a name, in any pool and in any case.
fn named(state: &Organization, name: &str) -> Vec<AgentId> {
    let same = |agent: &&Agent| agent.name.eq_ignore_ascii_case(name);
    state.agents.values().filter(same).map(|agent| agent.id).collect()
}

fn nobody(name: &str) -> ControlError {
    ControlError::missing(format!("no agent is named `{name}`"))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct UpdateBody {
    /// The newest that is offered when absent.
    #[serde(default)]
    version: Option<String>,
    /// Whether each session of another version is told again.
    #[serde(default)]
    every_session: bool,
}

/// `POST /agents/{name}/update`.
pub(super) async fn update(
    State(service): State<AzureDevOps>,
    Path(name): Path<String>,
    body: Input<UpdateBody>,
) -> Result<Json<Value>, ControlError> {
    let Json(body) = body?;
    let offered: Vec<_> = service.packages().iter().map(|package| package.version_text()).collect();
    let version = body.version.as_ref().or_else(|| offered.first());
    let version = version.filter(|version| offered.contains(version)).ok_or_else(|| {
        let wanted = body.version.as_deref().unwrap_or("an update");
        ControlError::bad(format!("no package offers {wanted}; offered: {}", offered.join(", ")))
    })?;
    let told = service.change(|state, moment| {
        let named = named(state, &name);
        for agent in &named {
            state.request_update(*agent, version, body.every_session, moment.now);
        }
        Ok::<_, ApiError>(named.len())
    })?;
    if told == 0 { Err(nobody(&name)) } else { Ok(Json(json!({"agents": told, "version": version}))) }
}

/// `GET /packages`: what agents are offered, newest first.
pub(super) async fn packages(State(service): State<AzureDevOps>) -> Json<Value> {
    let shown = service.packages().iter().map(|package| summary(package)).collect();
    Json(Value::Array(shown))
}

fn summary(package: &Package) -> Value {
    json!({
        "filename": package.file_name,
        "platform": package.platform,
        "version": package.version_text(),
        "path": package.path,
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfferBody {
    path: PathBuf,
}

/// `POST /packages`: offers another package, a file on this host.
pub(super) async fn offer(
    State(service): State<AzureDevOps>,
    body: Input<OfferBody>,
) -> Result<(StatusCode, Json<Value>), ControlError> {
    let Json(body) = body?;
    let package = Package::named(&body.path).map_err(|error| ControlError::bad(error.to_string()))?;
    package.facts().await.map_err(|error| {
        ControlError::bad(format!("the package {} cannot be read: {error}", body.path.display()))
    })?;
    let shown = summary(&package);
    service.offer(package)?;
    Ok((StatusCode::CREATED, Json(shown)))
}
