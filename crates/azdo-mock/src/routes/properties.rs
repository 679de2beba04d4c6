//! Properties of builds, of definitions and of the project.
//!
//! Shapes: azure-devops (PyPI): build_client.py, core_client.py; a collection of properties is an object in `value`, as that
//! of pull requests is in MicrosoftDocs/vsts-rest-api-specs: git/7.1.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::builds::BuildPart;
use super::definitions::DefinitionPart;
use super::extract::{Patch, Query, Values};
use super::in_project::{self, InProject};
use super::pools::matches;
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::build_refusal::BuildRefusal;
use crate::state::secrets::Caller;
use crate::view::{self, projects};

fn collection(properties: Map<String, Value>) -> Json<Value> {
    Json(json!({"count": properties.len(), "value": properties}))
}

/// Those of them that are asked for, names joined by commas; all where none is.
pub(super) fn filtered(properties: &Map<String, Value>, filter: Option<&str>) -> Map<String, Value> {
    let names = filter.map(|filter| filter.split(',').map(str::trim).collect::<Vec<_>>());
    let wanted =
        |name: &str| names.as_ref().is_none_or(|names| names.iter().any(|wanted| matches(wanted, name)));
    let all = properties.iter().filter(|(name, _)| wanted(name));
    all.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// `GET builds/{buildId}/properties`.
pub(crate) async fn of_build(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| {
        let none = Map::new();
        let all = state.build(build)?.notes.map_or(&none, |notes| &notes.properties);
        Ok(collection(filtered(all, query.text(&["filter"]))))
    })
}

/// `PATCH builds/{buildId}/properties`.
pub(crate) async fn update_build(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    Patch(changes): Patch,
) -> Result<Json<Value>, ApiError> {
    let by = project.person();
    project.change(|state, moment| {
        let all = state.change_build_properties(build, changes, Some(by), moment.now)?;
        Ok::<_, BuildRefusal>(collection(all.clone()))
    })
}

/// `GET definitions/{definitionId}/properties`.
pub(crate) async fn of_definition(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| {
        let all = state.definition(definition)?.properties();
        Ok(collection(filtered(&all, query.text(&["filter"]))))
    })
}

/// `PATCH definitions/{definitionId}/properties`.
pub(crate) async fn update_definition(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
    Patch(changes): Patch,
) -> Result<Json<Value>, ApiError> {
    project.require_person("Edit build pipeline")?;
    project.change(|state, _| state.change_definition_properties(definition, changes).map(collection))
}

/// `GET projects/{projectId}/properties`: those of the process, and those that people added.
pub(crate) async fn of_project(
    State(service): State<AzureDevOps>,
    _: Caller,
    Values(project): Values<String>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    in_project::check(&service, &project)?;
    let shown = service.read(|state| {
        let own = projects::process_properties().into_iter();
        let own = own.map(|(name, value)| (name.to_owned(), json!({"$value": value})));
        let all: Map<_, _> = own.chain(state.project.settings.properties.clone()).collect();
        let shown = filtered(&all, query.text(&["keys"]));
        let one = |(name, value): (&String, &Value)| json!({"name": name, "value": value["$value"]});
        view::list(shown.iter().map(one).collect())
    })?;
    Ok(Json(shown))
}

/// `PATCH projects/{projectId}/properties`.
pub(crate) async fn update_project(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(project): Values<String>,
    Patch(changes): Patch,
) -> Result<StatusCode, ApiError> {
    in_project::check(&service, &project)?;
    in_project::require_person(caller, "Update project metadata")?;
    service.change(|state, _| state.change_project_properties(changes))?;
    Ok(StatusCode::NO_CONTENT)
}
