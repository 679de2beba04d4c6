//! Definitions.
//!
//! Shapes: azure-devops (PyPI): build_client.py; MicrosoftDocs/vsts-rest-api-specs: build/7.1.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::extract::{Body, Query, Values};
use super::in_project::InProject;
use super::pools::matches;
use crate::error::ApiError;
use crate::state::State;
use crate::state::build_refusal::BuildRefusal;
use crate::state::definitions::{Content, Definition, file_path};
use crate::state::folders::folder_path;
use crate::view::{self, builds, definitions};
use crate::wire::ids::{DefinitionId, QueueId};
use crate::wire::project_bodies::Named;
use crate::wire::words::{DEFINITION_ORDERS, QUEUE_STATUSES, word};

/// The part of the path that names a definition.
#[derive(Debug, Deserialize)]
pub(crate) struct DefinitionPart {
    pub(crate) definition: DefinitionId,
}

/// What of a definition is kept as it was written, without any effect here.
const KEPT: &[&str] = &[
    "badgeEnabled",
    "buildNumberFormat",
    "comment",
    "demands",
    "jobAuthorizationScope",
    "jobCancelTimeoutInMinutes",
    "jobTimeoutInMinutes",
    "options",
    "processParameters",
    "properties",
    "repository",
    "retentionRules",
    "triggers",
    "variableGroups",
];

/// `GET definitions`.
pub(crate) async fn list(project: InProject, query: Query) -> Result<(HeaderMap, Json<Value>), ApiError> {
    let name = query.text(&["name"]);
    let ids: Option<Vec<DefinitionId>> = query.numbers("definitionIds")?;
    let path = query.text(&["path"]).map(folder_path);
    let file = query.text(&["yamlFilename"]).map(file_path);
    let repository = query.text(&["repositoryId"]);
    let kind = query.text(&["repositoryType"]);
    let process: Option<u32> = query.parsed(&["processType"])?;
    let whole = query.flag("includeAllProperties")?;
    let latest = query.flag("includeLatestBuilds")?;
    let order = query.word("queryOrder", DEFINITION_ORDERS)?.unwrap_or("none");
    let top: usize = query.parsed(&["$top"])?.unwrap_or(10_000);
    let after: usize = query.parsed(&["continuationToken"])?.unwrap_or(0);
    project.read(|state, addresses| {
        let own = state.meta.project_id.to_string();
        let mut found: Vec<&Definition> = state
            .project
            .definitions
            .values()
            .filter(|one| name.is_none_or(|name| matches(name, &one.content.name)))
            .filter(|one| ids.as_ref().is_none_or(|ids| ids.contains(&one.id)))
            .filter(|one| path.as_ref().is_none_or(|path| one.content.path.eq_ignore_ascii_case(path)))
            .filter(|one| file.as_ref().is_none_or(|file| file_path(&one.content.yaml_filename) == *file))
            .filter(|_| repository.is_none_or(|id| id.eq_ignore_ascii_case(&own)))
            .filter(|_| kind.is_none_or(|kind| kind.eq_ignore_ascii_case("TfsGit")))
            .filter(|_| process.is_none_or(|process| process == 2))
            .collect();
        match order {
            "lastModifiedAscending" => found.sort_by_key(|one| one.changed_on),
            "lastModifiedDescending" => found.sort_by_key(|one| std::cmp::Reverse(one.changed_on)),
            "definitionNameDescending" => {
                found.sort_by_key(|one| std::cmp::Reverse(one.content.name.to_lowercase()));
            }
            "definitionNameAscending" => found.sort_by_key(|one| one.content.name.to_lowercase()),
            _ => {}
        }
        let mut headers = HeaderMap::new();
        if found.len() > after.saturating_add(top) {
            headers.insert("x-ms-continuationtoken", after.saturating_add(top).into());
        }
        let page = found.into_iter().skip(after).take(top);
        let shown = page.map(|one| {
            let mut shown = if whole {
                definitions::whole(state, addresses, one)
            } else {
                definitions::reference(state, addresses, one)
            };
            if latest {
                add_latest(&mut shown, state, addresses, one.id);
            }
            shown
        });
        Ok((headers, Json(view::list(shown.collect()))))
    })
}

fn add_latest(shown: &mut Value, state: &State, addresses: &crate::addresses::Addresses, id: DefinitionId) {
    let of = || state.builds().filter(move |build| build.definition() == id && !build.is_deleted());
    if let Some(last) = of().last() {
        shown["latestBuild"] = builds::build(addresses, &last);
    }
    if let Some(last) = of().filter(|build| build.finish_time().is_some()).last() {
        shown["latestCompletedBuild"] = builds::build(addresses, &last);
    }
}

/// `GET definitions/{definitionId}`.
pub(crate) async fn one(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let latest = query.flag("includeLatestBuilds")?;
    let revision: Option<i32> = query.parsed(&["revision"])?;
    project.read(|state, addresses| {
        let found = state.definition(definition)?;
        // Only the present revision is kept.
        if revision.is_some_and(|wanted| wanted != found.revision) {
            return Err(BuildRefusal::DefinitionNotFound(definition));
        }
        let mut shown = definitions::whole(state, addresses, found);
        if latest {
            add_latest(&mut shown, state, addresses, definition);
        }
        Ok(Json(shown))
    })
}

/// `POST definitions`.
pub(crate) async fn add(
    project: InProject,
    Body(body): Body<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    project.require_person("Edit build pipeline")?;
    let author = project.person();
    let addresses = project.service.addresses();
    project.change(|state, moment| {
        let content = content(state, &body)?;
        let id = state.add_definition(content, Some(author), moment.now)?;
        Ok(Json(definitions::whole(state, addresses, state.definition(id)?)))
    })
}

/// `PUT definitions/{definitionId}`.
pub(crate) async fn update(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
    Body(body): Body<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    project.require_person("Edit build pipeline")?;
    let author = project.person();
    let addresses = project.service.addresses();
    project.change(|state, moment| {
        state.definition(definition)?;
        if body.get("id").and_then(Value::as_i64).is_some_and(|id| id != i64::from(definition.0)) {
            let why = "The id of the definition in the body is not that of the address.";
            return Err(BuildRefusal::InvalidDefinition(why.to_owned()));
        }
        let revision =
            body.get("revision").and_then(Value::as_i64).and_then(|number| i32::try_from(number).ok());
        let content = content(state, &body)?;
        state.update_definition(definition, revision, content, Some(author), moment.now)?;
        Ok(Json(definitions::whole(state, addresses, state.definition(definition)?)))
    })
}

/// `DELETE definitions/{definitionId}`.
pub(crate) async fn delete(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
) -> Result<StatusCode, ApiError> {
    project.require_person("Delete build pipeline")?;
    project.change(|state, moment| state.delete_definition(definition, moment))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads what a definition is to be.
fn content(state: &State, body: &Map<String, Value>) -> Result<Content, BuildRefusal> {
    let wrong = |why: String| BuildRefusal::InvalidDefinition(why);
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let process = body.get("process").cloned().unwrap_or_default();
    if process["type"].as_u64() != Some(2) {
        return Err(wrong(format!(
            "The process {process} is not supported. Supported: {{\"type\": 2, \"yamlFilename\": \"...\"}}."
        )));
    }
    let name = text("name").ok_or_else(|| wrong("The definition has no name.".to_owned()))?;
    let mut content = Content::of(name, process["yamlFilename"].as_str().unwrap_or_default().to_owned());
    content.path = folder_path(text("path").unwrap_or_default());
    content.description = text("description").map(str::to_owned);
    content.queue = queue(state, body.get("queue"))?;
    content.disabled = match body.get("queueStatus").filter(|status| !status.is_null()) {
        None => false,
        Some(status) => match word(status, QUEUE_STATUSES) {
            Some("enabled") => false,
            Some("disabled") => true,
            _ => {
                return Err(wrong(format!(
                    "The queueStatus {status} is not supported. Supported: enabled, disabled."
                )));
            }
        },
    };
    if let Some(variables) = body.get("variables").filter(|variables| !variables.is_null()) {
        content.variables = serde_json::from_value(variables.clone())
            .map_err(|error| wrong(format!("The variables cannot be read: {error}")))?;
    }
    let kept = KEPT.iter().filter_map(|name| Some(((*name).to_owned(), body.get(*name)?.clone())));
    content.rest = kept.filter(|(_, value)| *value != json!(null)).collect();
    Ok(content)
}

fn queue(state: &State, wanted: Option<&Value>) -> Result<Option<QueueId>, BuildRefusal> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_null()) else { return Ok(None) };
    let named: Named = serde_json::from_value(wanted.clone())
        .map_err(|error| BuildRefusal::InvalidDefinition(format!("The queue cannot be read: {error}")))?;
    find_queue(state, &named)
}

/// The queue that somebody means.
pub(crate) fn find_queue(state: &State, wanted: &Named) -> Result<Option<QueueId>, BuildRefusal> {
    if let Some(id) = wanted.id.filter(|id| *id != 0) {
        return Ok(Some(state.queue(QueueId(id))?.id));
    }
    let Some(name) = &wanted.name else { return Ok(None) };
    let found = state.project.queues.values().find(|queue| queue.name.eq_ignore_ascii_case(name));
    let found =
        found.ok_or_else(|| BuildRefusal::InvalidBuild(format!("There is no agent queue named {name}.")))?;
    Ok(Some(found.id))
}
