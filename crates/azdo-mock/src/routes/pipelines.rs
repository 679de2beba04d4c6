//! Pipelines and their runs: definitions and builds as the newer area shows them.
//!
//! Shapes: azure-devops (PyPI): pipelines_client.py; MicrosoftDocs/vsts-rest-api-specs: pipelines/7.1.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::build_logs::RunPart;
use super::builds::{branch, texts};
use super::extract::{Body, Query, Values};
use super::in_project::InProject;
use crate::error::ApiError;
use crate::state::State;
use crate::state::build_refusal::BuildRefusal;
use crate::state::builds::Build;
use crate::state::definitions::{Content, Definition};
use crate::state::folders::folder_path;
use crate::state::project::Person;
use crate::state::runs::Order;
use crate::view::{self, builds, definitions, final_yaml};
use crate::wire::ids::{DefinitionId, RunId};
use crate::wire::job::Variable;
use crate::wire::project_bodies::{PipelineBody, RunBody};

/// The part of the path that names a pipeline.
#[derive(Debug, Deserialize)]
pub(crate) struct PipelinePart {
    pipeline: DefinitionId,
}

/// The most runs that are listed.
const MOST: usize = 10_000;

/// `GET pipelines`.
pub(crate) async fn list(project: InProject, query: Query) -> Result<(HeaderMap, Json<Value>), ApiError> {
    let order = query.text(&["orderBy"]).unwrap_or("name asc").to_ascii_lowercase();
    let descending = match order.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["name"] | ["name", "asc"] => false,
        ["name", "desc"] => true,
        _ => return Err(query.wrong("orderBy")),
    };
    let top: usize = query.parsed(&["$top"])?.unwrap_or(MOST);
    let after: usize = query.parsed(&["continuationToken"])?.unwrap_or(0);
    project.read_pipeline(|state, addresses| {
        let mut all: Vec<&Definition> = state.project.definitions.values().collect();
        all.sort_by_key(|one| one.content.name.to_lowercase());
        if descending {
            all.reverse();
        }
        let mut headers = HeaderMap::new();
        if all.len() > after.saturating_add(top) {
            headers.insert("x-ms-continuationtoken", after.saturating_add(top).into());
        }
        let page = all.into_iter().skip(after).take(top);
        Ok((
            headers,
            Json(view::list(page.map(|one| definitions::pipeline(state, addresses, one)).collect())),
        ))
    })
}

/// Only the present version of a pipeline is kept.
fn check_version(query: &Query, definition: &Definition) -> Result<(), BuildRefusal> {
    match query.text(&["pipelineVersion"]) {
        Some(wanted) if wanted != definition.revision.to_string() => {
            Err(BuildRefusal::PipelineNotFound(definition.id))
        }
        _ => Ok(()),
    }
}

/// `GET pipelines/{pipelineId}`.
pub(crate) async fn one(
    project: InProject,
    Values(PipelinePart { pipeline }): Values<PipelinePart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    project.read_pipeline(|state, addresses| {
        let found = state.definition(pipeline)?;
        check_version(&query, found)?;
        Ok(Json(definitions::whole_pipeline(state, addresses, found)))
    })
}

/// `POST pipelines`.
pub(crate) async fn add(project: InProject, Body(body): Body<PipelineBody>) -> Result<Json<Value>, ApiError> {
    project.require_person("Edit build pipeline")?;
    let author = project.person();
    let addresses = project.service.addresses();
    project.change_pipeline(|state, moment| {
        let wrong = |why: &str| BuildRefusal::InvalidDefinition(why.to_owned());
        let configuration = body.configuration.ok_or_else(|| wrong("The pipeline has no configuration."))?;
        let yaml = |kind: &Value| {
            kind.as_u64() == Some(1) || kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("yaml"))
        };
        if !configuration.kind.as_ref().is_some_and(yaml) {
            return Err(wrong("The configuration's type is not supported. Supported: yaml."));
        }
        let path = configuration.path.ok_or_else(|| wrong("The configuration has no path."))?;
        let name = body.name.ok_or_else(|| wrong("The pipeline has no name."))?;
        let mut content = Content::of(&name, path);
        content.path = folder_path(body.folder.as_deref().unwrap_or_default());
        let id = state.add_definition(content, Some(author), moment.now)?;
        Ok(Json(definitions::whole_pipeline(state, addresses, state.definition(id)?)))
    })
}

/// The run, if it is one of this pipeline.
pub(crate) fn find_run(state: &State, pipeline: DefinitionId, run: RunId) -> Result<Build<'_>, BuildRefusal> {
    state.definition(pipeline)?;
    let found = state.build(run).ok().filter(|build| build.definition() == pipeline);
    found.ok_or(BuildRefusal::RunNotFound { run, pipeline })
}

/// `GET runs`: the newest first.
pub(crate) async fn runs(
    project: InProject,
    Values(PipelinePart { pipeline }): Values<PipelinePart>,
) -> Result<Json<Value>, ApiError> {
    project.read_pipeline(|state, addresses| {
        state.definition(pipeline)?;
        let mut all: Vec<_> =
            state.builds().filter(|build| build.definition() == pipeline && !build.is_deleted()).collect();
        all.reverse();
        let shown = all.iter().take(MOST).map(|build| builds::run(addresses, build, false));
        Ok(Json(view::list(shown.collect())))
    })
}

/// `GET runs/{runId}`.
pub(crate) async fn run(
    project: InProject,
    Values(RunPart { pipeline, run }): Values<RunPart>,
) -> Result<Json<Value>, ApiError> {
    project.read_pipeline(|state, addresses| {
        Ok(Json(builds::run(addresses, &find_run(state, pipeline, run)?, true)))
    })
}

/// `GET runs/{runId}/artifacts?artifactName=`: what a job said to have published under that name.
pub(crate) async fn artifact(
    project: InProject,
    Values(RunPart { pipeline, run }): Values<RunPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let name = query.text(&["artifactName"]);
    let name = name.ok_or_else(|| ApiError::invalid("The parameter artifactName is required."))?;
    project.read(|state, addresses| {
        let notes = find_run(state, pipeline, run)?.notes;
        let known = notes.into_iter().flat_map(|notes| notes.artifacts.keys());
        let known = known.into_iter().find(|known| known.eq_ignore_ascii_case(name));
        let known =
            known.ok_or_else(|| BuildRefusal::ArtifactNotFound { name: name.to_owned(), build: run })?;
        let path = format!("{}/_apis/pipelines/{pipeline}/runs/{run}/artifacts", state.meta.project_id);
        let url = addresses.at(&format!("{path}?artifactName={known}"));
        Ok(Json(json!({"name": known, "url": url})))
    })
}

/// `POST runs`.
pub(crate) async fn queue(
    project: InProject,
    Values(PipelinePart { pipeline }): Values<PipelinePart>,
    query: Query,
    Body(body): Body<RunBody>,
) -> Result<Json<Value>, ApiError> {
    if body.preview_run == Some(true) {
        return show_preview(&project, pipeline, &query, &body);
    }
    if body.yaml_override.as_ref().is_some_and(|text| !text.is_empty()) {
        let why = "yamlOverride can only be given with previewRun.";
        return Err(ApiError::in_pipelines(BuildRefusal::Validation(vec![why.to_owned()])));
    }
    let by = project.person();
    let addresses = project.service.addresses();
    project.change_pipeline(|state, moment| {
        check_version(&query, state.definition(pipeline)?)?;
        let id = state.queue_build(order(pipeline, body, by), None, moment)?;
        state.settle(moment);
        Ok(Json(builds::run(addresses, &state.build(id)?, true)))
    })
}

/// `POST preview`.
pub(crate) async fn preview(
    project: InProject,
    Values(PipelinePart { pipeline }): Values<PipelinePart>,
    query: Query,
    Body(body): Body<RunBody>,
) -> Result<Json<Value>, ApiError> {
    show_preview(&project, pipeline, &query, &body)
}

/// What would run; nothing is queued.
fn show_preview(
    project: &InProject,
    pipeline: DefinitionId,
    query: &Query,
    body: &RunBody,
) -> Result<Json<Value>, ApiError> {
    let override_text = body.yaml_override.as_deref().filter(|text| !text.trim().is_empty());
    project.read_pipeline(|state, addresses| {
        check_version(query, state.definition(pipeline)?)?;
        let order = Order {
            definition: pipeline,
            template_parameters: texts(body.template_parameters.as_ref()),
            stages_to_skip: body.stages_to_skip.clone().unwrap_or_default(),
            ..Order::default()
        };
        let (plan, _) = state.compile(&order, None, override_text)?;
        Ok(Json(json!({
            "_links": {},
            "templateParameters": order.template_parameters,
            "pipeline": definitions::pipeline_reference(state, addresses, pipeline),
            "state": "unknown",
            "createdDate": "0001-01-01T00:00:00",
            "finalYaml": final_yaml::text(&plan),
            "id": -1,
            "name": null,
        })))
    })
}

fn order(definition: DefinitionId, body: RunBody, by: Person) -> Order {
    let own = body.resources.and_then(|resources| resources.repositories);
    let own = own.and_then(|mut repositories| repositories.remove("self"));
    let variables = body.variables.unwrap_or_default().into_iter().map(|(name, variable)| {
        let value = variable.value.unwrap_or_default();
        (name, Variable { value, is_secret: variable.is_secret == Some(true) })
    });
    Order {
        definition,
        variables: variables.collect::<BTreeMap<_, _>>(),
        template_parameters: texts(body.template_parameters.as_ref()),
        stages_to_skip: body.stages_to_skip.unwrap_or_default(),
        source_branch: own.as_ref().and_then(|own| branch(own.ref_name.as_deref())),
        source_version: own.and_then(|own| own.version).filter(|version| !version.is_empty()),
        requested_by: Some(by),
        ..Order::default()
    }
}
