//! What pipelines may use. Everything here is open to all of them: queues and variable groups are authorized, and nobody can
//! take that away.
//!
//! Shapes: azure-devops (PyPI): build/models.py (`DefinitionResourceReference`).

use axum::Json;
use serde_json::{Value, json};

use super::definitions::DefinitionPart;
use super::extract::{Items, Query, Values};
use super::in_project::InProject;
use crate::error::ApiError;
use crate::state::State;
use crate::state::build_refusal::BuildRefusal;
use crate::view;
use crate::wire::project_bodies::ResourceBody;

/// Type, id and name of each.
fn all(state: &State) -> Vec<(&'static str, String, &str)> {
    let queues = state.project.queues.values();
    let queues = queues.map(|queue| ("queue", queue.id.to_string(), queue.name.as_str()));
    let groups = state.project.variable_groups.values();
    let groups = groups.map(|group| ("variablegroup", group.id.to_string(), group.content.name.as_str()));
    queues.chain(groups).collect()
}

fn shown((kind, id, name): &(&str, String, &str)) -> Value {
    json!({"type": kind, "id": id, "name": name, "authorized": true})
}

/// `GET authorizedresources?type=&id=`.
pub(crate) async fn of_project(project: InProject, query: Query) -> Result<Json<Value>, ApiError> {
    let (kind, id) = (query.text(&["type"]), query.text(&["id"]));
    project.read(|state, _| {
        let all = all(state);
        let found = all.iter().filter(|(of, own, _)| {
            kind.is_none_or(|kind| kind.eq_ignore_ascii_case(of)) && id.is_none_or(|id| id == own)
        });
        Ok(Json(view::list(found.map(shown).collect())))
    })
}

fn authorized(state: &State, wanted: &[ResourceBody]) -> Result<Json<Value>, BuildRefusal> {
    let all = all(state);
    let one = |wanted: &ResourceBody| {
        let kind = wanted.kind.as_deref().unwrap_or_default();
        let id = wanted.id.as_deref().unwrap_or_default();
        if wanted.authorized == Some(false) {
            return Err(BuildRefusal::InvalidBuild(format!(
                "The authorization of {kind} {id} cannot be taken away: all pipelines may use it. Supported: \
                 authorized true."
            )));
        }
        let found = all.iter().find(|(of, own, _)| of.eq_ignore_ascii_case(kind) && own == id);
        found.map(shown).ok_or_else(|| {
            BuildRefusal::InvalidBuild(format!(
                "There is no resource {id} of the type '{kind}'. Supported types: queue, variablegroup."
            ))
        })
    };
    Ok(Json(view::list(wanted.iter().map(one).collect::<Result<_, _>>()?)))
}

/// `PATCH authorizedresources`.
pub(crate) async fn authorize(
    project: InProject,
    Items(wanted): Items<ResourceBody>,
) -> Result<Json<Value>, ApiError> {
    project.require_person("Administer build permissions")?;
    project.read(|state, _| authorized(state, &wanted))
}

/// `GET definitions/{definitionId}/resources`.
pub(crate) async fn of_definition(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| {
        state.definition(definition)?;
        Ok(Json(view::list(all(state).iter().map(shown).collect())))
    })
}

/// `PATCH definitions/{definitionId}/resources`.
pub(crate) async fn authorize_definition(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
    Items(wanted): Items<ResourceBody>,
) -> Result<Json<Value>, ApiError> {
    project.require_person("Administer build permissions")?;
    project.read(|state, _| {
        state.definition(definition)?;
        authorized(state, &wanted)
    })
}
