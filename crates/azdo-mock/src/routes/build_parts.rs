//! What belongs to a build: timeline, changes, artifacts, tags; and the latest of a definition.
//!
//! Shapes: azure-devops (PyPI): build_client.py; MicrosoftDocs/vsts-rest-api-specs: build/7.1.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::builds::BuildPart;
use super::extract::{Body, Items, Query, Values};
use super::in_project::InProject;
use crate::error::ApiError;
use crate::state::State;
use crate::state::build_refusal::BuildRefusal;
use crate::state::build_state::Outcome;
use crate::state::builds::Build;
use crate::state::definitions::Definition;
use crate::state::folders::folder_path;
use crate::state::run_jobs::BRANCH;
use crate::view::{self, builds, timeline};
use crate::wire::ids::{DefinitionId, RunId};
use crate::wire::project_bodies::TagsBody;

/// The part of the path that names a timeline.
#[derive(Debug, Deserialize)]
pub(crate) struct TimelinePart {
    timeline: Uuid,
}

/// The part of the path that names a tag.
#[derive(Debug, Deserialize)]
pub(crate) struct TagPart {
    tag: String,
}

/// The part of the path that names a definition, by its id or its name.
#[derive(Debug, Deserialize)]
pub(crate) struct LatestPart {
    pub(super) definition: String,
}

/// `GET builds/{buildId}/timeline`.
pub(crate) async fn timeline(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    query: Query,
) -> Result<Response, ApiError> {
    show_timeline(&project, build, None, &query)
}

/// `GET builds/{buildId}/timeline/{timelineId}`.
pub(crate) async fn one_timeline(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    Values(TimelinePart { timeline }): Values<TimelinePart>,
    query: Query,
) -> Result<Response, ApiError> {
    show_timeline(&project, build, Some(timeline), &query)
}

/// A build has one timeline over all its jobs. Who asks by a number of change gets what came after it, and 204 where
/// nothing did.
fn show_timeline(
    project: &InProject,
    build: RunId,
    wanted: Option<Uuid>,
    query: &Query,
) -> Result<Response, ApiError> {
    let since: Option<i64> = query.parsed(&["changeId"])?;
    let plan: Option<Uuid> = query.parsed(&["planId"])?;
    let shown = project.read(|state, addresses| {
        let found = state.build(build)?;
        if let Some(past) = wanted.and_then(|id| found.at_attempt(id)) {
            return Ok(timeline::timeline(addresses, &past, since.unwrap_or(0)));
        }
        for id in [wanted, plan].into_iter().flatten() {
            if id != found.plan().0 {
                return Err(BuildRefusal::TimelineNotFound { timeline: id, build });
            }
        }
        Ok(timeline::timeline(addresses, &found, since.unwrap_or(0)))
    })?;
    if since.is_some() && shown["records"].as_array().is_some_and(Vec::is_empty) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(Json(shown).into_response())
}

/// `GET builds/{buildId}/changes`, `GET` and `POST builds/{buildId}/workitems`: none, since nobody commits and there are no
/// work items.
pub(crate) async fn none_of_build(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| state.build(build).map(|_| Json(view::list(Vec::new()))))
}

/// `GET changes` and `GET workitems` between two builds: none, as for one.
pub(crate) async fn none_between(project: InProject, query: Query) -> Result<Json<Value>, ApiError> {
    let from: Option<RunId> = query.parsed(&["fromBuildId"])?;
    let to: Option<RunId> = query.parsed(&["toBuildId"])?;
    project.read(|state, _| {
        for build in [from, to].into_iter().flatten() {
            state.build(build)?;
        }
        Ok(Json(view::list(Vec::new())))
    })
}

/// `GET builds/{buildId}/artifacts`: what jobs said to have published, or the one that is named.
pub(crate) async fn artifacts(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    headers: HeaderMap,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let binary = ["application/zip", "application/octet-stream"].iter().any(|kind| accept.starts_with(kind));
    let content = binary || query.text(&["fileId"]).is_some() || query.text(&["$format"]) == Some("zip");
    project.read(|state, _| {
        let notes = state.build(build)?.notes;
        let mut all = notes.into_iter().flat_map(|notes| &notes.artifacts);
        match query.text(&["artifactName"]) {
            None => Ok(Json(view::list(all.map(|(_, artifact)| artifact.clone()).collect()))),
            Some(name) => match all.find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some(_) if content => Err(BuildRefusal::ArtifactContent { name: name.to_owned(), build }),
                Some((_, artifact)) => Ok(Json(artifact.clone())),
                None => Err(BuildRefusal::ArtifactNotFound { name: name.to_owned(), build }),
            },
        }
    })
}

/// `POST builds/{buildId}/artifacts`.
pub(crate) async fn add_artifact(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    Body(mut body): Body<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    let name = body.get("name").and_then(Value::as_str).map(str::to_owned).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| BuildRefusal::InvalidBuild("The artifact has no name.".to_owned()))?;
    project.change(|state, moment| {
        let known = state.build(build)?.notes.map_or(0, |notes| notes.artifacts.len());
        body.insert("id".to_owned(), json!(known + 1));
        let artifact = Value::Object(body);
        state.add_artifact(build, &name, artifact.clone(), moment.now)?;
        Ok(Json(artifact))
    })
}

pub(super) fn list_tags<'a>(tags: impl IntoIterator<Item = &'a String>) -> Json<Value> {
    Json(view::list(tags.into_iter().map(|tag| json!(tag)).collect()))
}

fn change_tags(
    project: &InProject,
    build: RunId,
    add: Vec<String>,
    remove: Vec<String>,
) -> Result<Json<Value>, ApiError> {
    let by = project.person();
    project.change(|state, moment| {
        let tags = state.tag_build(build, (add, remove), Some(by), moment.now)?;
        Ok(list_tags(&tags))
    })
}

/// `GET builds/{buildId}/tags`.
pub(crate) async fn tags(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| Ok(list_tags(state.build(build)?.tags())))
}

/// `POST builds/{buildId}/tags`.
pub(crate) async fn add_tags(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    Items(tags): Items<String>,
) -> Result<Json<Value>, ApiError> {
    change_tags(&project, build, tags, Vec::new())
}

/// `PATCH builds/{buildId}/tags`.
pub(crate) async fn update_tags(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    Body(body): Body<TagsBody>,
) -> Result<Json<Value>, ApiError> {
    change_tags(&project, build, body.tags_to_add, body.tags_to_remove)
}

/// `PUT builds/{buildId}/tags/{tag}`.
pub(crate) async fn add_tag(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    Values(TagPart { tag }): Values<TagPart>,
) -> Result<Json<Value>, ApiError> {
    change_tags(&project, build, vec![tag], Vec::new())
}

/// `DELETE builds/{buildId}/tags/{tag}`.
pub(crate) async fn remove_tag(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    Values(TagPart { tag }): Values<TagPart>,
) -> Result<Json<Value>, ApiError> {
    change_tags(&project, build, Vec::new(), vec![tag])
}

/// `GET latest/{definition}`: the last build that has ended and was not cancelled.
pub(crate) async fn latest(
    project: InProject,
    Values(LatestPart { definition }): Values<LatestPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let branch = super::builds::branch(query.text(&["branchName"]));
    project.read(|state, addresses| {
        let id = find(state, &definition)?.id;
        let last = last_build(state, id, branch.as_deref(), |outcome| outcome != Outcome::Canceled);
        let last = last.ok_or(BuildRefusal::NoCompletedBuild(id))?;
        Ok(Json(builds::build(addresses, &last)))
    })
}

/// The build of a definition, and of a branch where one is named, that ended last with one of these outcomes.
pub(super) fn last_build<'a>(
    state: &'a State,
    definition: DefinitionId,
    branch: Option<&str>,
    wanted: impl Fn(Outcome) -> bool,
) -> Option<Build<'a>> {
    let of_branch = |build: &Build<'_>| {
        let own = build.order().and_then(|order| order.source_branch.as_deref());
        branch.is_none_or(|branch| own.unwrap_or(BRANCH) == branch)
    };
    let ended = state.builds().filter(|build| {
        build.definition() == definition
            && !build.is_deleted()
            && build.outcome().is_some_and(&wanted)
            && of_branch(build)
    });
    ended.max_by_key(|build| (build.finish_time(), build.id))
}

pub(super) fn find<'a>(state: &'a State, named: &str) -> Result<&'a Definition, BuildRefusal> {
    if let Ok(id) = named.parse::<DefinitionId>() {
        return state.definition(id);
    }
    // A name may have its folder before it.
    let (path, name) = named.rsplit_once(['\\', '/']).unwrap_or(("", named));
    let path = folder_path(path);
    let in_folder = |known: &&Definition| named == name || known.content.path.eq_ignore_ascii_case(&path);
    let mut all = state.project.definitions.values().filter(in_folder);
    all.find(|known| known.content.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| BuildRefusal::InvalidBuild(format!("There is no build definition named {named}.")))
}
