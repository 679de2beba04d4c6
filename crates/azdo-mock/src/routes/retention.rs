//! What keeps builds from being deleted: leases; and the settings and the history of retention.
//!
//! Shapes: azure-devops (PyPI): build_client.py; MicrosoftDocs/vsts-rest-api-specs: build/7.1.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::builds::BuildPart;
use super::extract::{Body, Items, Query, Values};
use super::in_project::InProject;
use crate::error::ApiError;
use crate::state::State;
use crate::state::build_refusal::BuildRefusal;
use crate::state::leases::{Claim, Lease, NewLease};
use crate::state::project_settings::RETENTION;
use crate::state::secrets::Caller;
use crate::view;
use crate::wire::ids::{DefinitionId, LeaseId, RunId};
use crate::wire::project_bodies::{LeaseBody, LeasePatchBody, MinimalLease};
use crate::wire::time::stamp;

/// The part of the path that names a lease.
#[derive(Debug, Deserialize)]
pub(crate) struct LeasePart {
    lease: LeaseId,
}

fn shown(lease: &Lease) -> Value {
    json!({
        "leaseId": lease.id,
        "ownerId": lease.claim.owner,
        "runId": lease.claim.run,
        "definitionId": lease.claim.definition,
        "createdOn": stamp(lease.created_on),
        "validUntil": stamp(lease.valid_until),
        "protectPipeline": lease.protect_pipeline,
    })
}

fn list_of(state: &State, wanted: impl Fn(&Lease) -> bool) -> Json<Value> {
    Json(view::list(state.project.leases.values().filter(|lease| wanted(lease)).map(shown).collect()))
}

/// `POST retention/leases`.
pub(crate) async fn add(
    project: InProject,
    Items(wanted): Items<LeaseBody>,
) -> Result<Json<Value>, ApiError> {
    let new = |body: LeaseBody| NewLease {
        claim: Claim {
            owner: body.owner_id,
            definition: DefinitionId(body.definition_id),
            run: RunId(body.run_id),
        },
        days_valid: body.days_valid,
        protect_pipeline: body.protect_pipeline,
    };
    let wanted: Vec<_> = wanted.into_iter().map(new).collect();
    project.change(|state, moment| {
        let ids = state.add_leases(&wanted, moment.now)?;
        let leases = ids.into_iter().map(|id| state.lease(id).map(shown));
        Ok(Json(view::list(leases.collect::<Result<_, _>>()?)))
    })
}

/// `GET retention/leases`: those of an owner, of a person, or exactly those that are named. One of them must be.
pub(crate) async fn list(project: InProject, query: Query) -> Result<Json<Value>, ApiError> {
    if let Some(text) = query.text(&["leasesToFetch"]) {
        let wanted = named(text)?;
        return project.read(|state, _| Ok(list_of(state, |lease| wanted.contains(&lease.claim))));
    }
    let owner = query.text(&["ownerId"]).map(str::to_owned);
    let owner = owner.or_else(|| query.text(&["userOwnerId"]).map(|id| format!("User:{id}")));
    let definition: Option<DefinitionId> = query.parsed(&["definitionId"])?;
    let run: Option<RunId> = query.parsed(&["runId"])?;
    if owner.is_none() && definition.is_none() && run.is_none() {
        let why =
            "Retention leases are asked for by ownerId, userOwnerId, definitionId, runId or leasesToFetch.";
        return Err(ApiError::invalid(why));
    }
    project.read(|state, _| {
        Ok(list_of(state, |Lease { claim, .. }| {
            owner.as_ref().is_none_or(|owner| claim.owner.eq_ignore_ascii_case(owner))
                && definition.is_none_or(|definition| claim.definition == definition)
                && run.is_none_or(|run| claim.run == run)
        }))
    })
}

/// Reads claims: JSON objects, parted by `|`.
fn named(text: &str) -> Result<Vec<Claim>, ApiError> {
    let one = |text: &str| {
        let read: MinimalLease = serde_json::from_str(text.trim()).map_err(|error| {
            ApiError::invalid(format!("The value '{text}' of leasesToFetch is no retention lease: {error}"))
        })?;
        let (definition, run) = (DefinitionId(read.definition), RunId(read.run));
        Ok(Claim { owner: read.owner, definition, run })
    };
    text.split('|').map(one).collect()
}

/// `GET retention/leases/{leaseId}`.
pub(crate) async fn one(
    project: InProject,
    Values(LeasePart { lease }): Values<LeasePart>,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| state.lease(lease).map(|lease| Json(shown(lease))))
}

/// `PATCH retention/leases/{leaseId}`.
pub(crate) async fn update(
    project: InProject,
    Values(LeasePart { lease }): Values<LeasePart>,
    Body(body): Body<LeasePatchBody>,
) -> Result<Json<Value>, ApiError> {
    project.change(|state, moment| {
        state
            .update_lease(lease, body.days_valid, body.protect_pipeline, moment.now)
            .map(|lease| Json(shown(lease)))
    })
}

/// `DELETE retention/leases?ids=`.
pub(crate) async fn delete(project: InProject, query: Query) -> Result<StatusCode, ApiError> {
    let ids: Option<Vec<LeaseId>> = query.numbers("ids")?;
    let ids = ids.ok_or_else(|| ApiError::invalid("The parameter ids is required."))?;
    project.change(|state, _| state.delete_leases(&ids))?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET builds/{buildId}/leases`.
pub(crate) async fn of_build(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| {
        state.build(build)?;
        Ok(list_of(state, |lease| lease.claim.run == build))
    })
}

/// `GET build/retention`.
pub(crate) async fn settings(project: InProject) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| Ok(Json(settings_of(state))))
}

fn settings_of(state: &State) -> Value {
    let shown = RETENTION.iter().map(|rule| {
        let value = state.project.settings.retention(rule);
        (rule.name.to_owned(), json!({"min": rule.min, "max": rule.max, "value": value}))
    });
    Value::Object(shown.collect())
}

/// `PATCH build/retention`: kept and shown. Nothing is ever removed here, whatever they say.
pub(crate) async fn update_settings(
    project: InProject,
    Body(body): Body<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    project.require_person("Administer build permissions")?;
    project.change(|state, _| {
        state.change_retention(&body)?;
        Ok::<_, BuildRefusal>(Json(settings_of(state)))
    })
}

/// `GET build/retention/history`: no samples are taken.
pub(crate) async fn history(_: Caller) -> Json<Value> {
    Json(json!({"buildRetentionSamples": []}))
}
