//! Builds: listed, queued, looked at, cancelled, deleted.
//!
//! Shapes: azure-devops (PyPI): build_client.py; MicrosoftDocs/vsts-rest-api-specs: build/7.1.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::build_filter::Filter;
use super::definitions::find_queue;
use super::extract::{Body, Items, OptionalBody, Query, Values};
use super::in_project::InProject;
use super::properties::filtered;
use crate::error::ApiError;
use crate::state::State;
use crate::state::attempts::Again;
use crate::state::build_refusal::BuildRefusal;
use crate::state::builds::BuildPatch;
use crate::state::project::Person;
use crate::state::runs::Order;
use crate::state::{self};
use crate::view::{self, builds};
use crate::wire::ids::{DefinitionId, RunId};
use crate::wire::job::Variable;
use crate::wire::project_bodies::{BuildBody, BuildPatchBody, StageBody};
use crate::wire::record_id::ONLY_STAGE;
use crate::wire::words::{PRIORITIES, REASONS, STAGE_UPDATES, STATUSES, word};

/// The part of the path that names a build.
#[derive(Debug, Deserialize)]
pub(crate) struct BuildPart {
    pub(crate) build: RunId,
}

/// `GET builds`.
pub(crate) async fn list(project: InProject, query: Query) -> Result<(HeaderMap, Json<Value>), ApiError> {
    let filter = Filter::read(&query)?;
    project.read(|state, addresses| {
        let (found, more) = filter.apply(state);
        let mut headers = HeaderMap::new();
        if let Some(more) = more.and_then(|token| token.parse().ok()) {
            headers.insert("x-ms-continuationtoken", more);
        }
        let shown = found.iter().map(|build| builds::build(addresses, build)).collect();
        Ok((headers, Json(view::list(shown))))
    })
}

/// `GET builds/{buildId}`.
pub(crate) async fn one(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, addresses| {
        let build = state.build(build)?;
        let mut shown = builds::build(addresses, &build);
        if let (Some(filter), Some(notes)) = (query.text(&["propertyFilters"]), build.notes) {
            shown["properties"] = Value::Object(filtered(&notes.properties, Some(filter)));
        }
        Ok(Json(shown))
    })
}

/// `POST builds`. The definition may be in the query instead of a body.
pub(crate) async fn queue(
    project: InProject,
    query: Query,
    OptionalBody(body): OptionalBody<BuildBody>,
) -> Result<Json<Value>, ApiError> {
    if query.text(&["sourceBuildId"]).is_some() || query.text(&["checkInTicket"]).is_some() {
        return Err(BuildRefusal::InvalidBuild(
            "sourceBuildId and checkInTicket are not supported. Supported: a body with a definition."
                .to_owned(),
        )
        .into());
    }
    let named: Option<DefinitionId> = query.parsed(&["definitionId"])?;
    let by = project.person();
    let addresses = project.service.addresses();
    project.change(|state, moment| {
        let (order, queue) = if let Some(body) = &body {
            (order(state, body, named, by)?, body.queue.as_ref())
        } else {
            let definition = named.ok_or_else(no_definition)?;
            (Order { definition, requested_by: Some(by), ..Order::default() }, None)
        };
        let queue = queue.map(|queue| find_queue(state, queue)).transpose()?.flatten();
        let id = state.queue_build(order, queue, moment)?;
        // Its first jobs are queued with it.
        state.settle(moment);
        Ok(Json(builds::build(addresses, &state.build(id)?)))
    })
}

fn no_definition() -> BuildRefusal {
    BuildRefusal::InvalidBuild("The build has no definition. Specify definition.id.".to_owned())
}

fn order(
    state: &State,
    body: &BuildBody,
    named: Option<DefinitionId>,
    by: Person,
) -> Result<Order, BuildRefusal> {
    let wanted = body.definition.as_ref();
    let by_name = |name: &String| {
        let mut all = state.project.definitions.values();
        all.find(|known| known.content.name.eq_ignore_ascii_case(name)).map(|known| known.id)
    };
    let definition = wanted
        .and_then(|wanted| wanted.id.filter(|id| *id != 0).map(DefinitionId))
        .or_else(|| wanted.and_then(|wanted| by_name(wanted.name.as_ref()?)))
        .or(named)
        .ok_or_else(no_definition)?;
    let known = |value: &Option<Value>, words, name: &str| match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match word(value, words) {
            Some(word) => Ok(Some(word.to_owned())),
            None => Err(BuildRefusal::InvalidBuild(format!("The value {value} is not valid for {name}."))),
        },
    };
    let wanted_for = body.requested_for.as_ref().and_then(|person| {
        let name = person.display_name.clone();
        Some(Person {
            id: person.id?,
            name: name.unwrap_or_else(|| person.id.unwrap_or_default().to_string()),
        })
    });
    Ok(Order {
        definition,
        variables: parameters(body.parameters.as_deref())?,
        demands: body.demands.iter().flatten().map(|demand| demand.0.clone()).collect(),
        template_parameters: texts(body.template_parameters.as_ref()),
        source_branch: branch(body.source_branch.as_deref()),
        source_version: body.source_version.clone().filter(|version| !version.is_empty()),
        reason: known(&body.reason, REASONS, "reason")?.filter(|reason| reason != "none"),
        priority: known(&body.priority, PRIORITIES, "priority")?,
        requested_by: Some(by),
        requested_for: wanted_for,
        ..Order::default()
    })
}

/// A branch by its whole name; people leave out what is the same in all.
pub(crate) fn branch(name: Option<&str>) -> Option<String> {
    let name = name.filter(|name| !name.is_empty())?;
    Some(if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") })
}

/// Values as text: what is no text is its JSON.
pub(crate) fn texts(values: Option<&BTreeMap<String, Value>>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    values.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// Reads `parameters`: a JSON object as text, variables by name.
fn parameters(text: Option<&str>) -> Result<BTreeMap<String, Variable>, BuildRefusal> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(BTreeMap::new()) };
    let read: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        BuildRefusal::InvalidBuild(format!("The parameters are no JSON object as text: {error}"))
    })?;
    let values = read.into_iter().collect::<BTreeMap<_, _>>();
    let variable = |(name, value): (String, String)| (name, Variable { value, is_secret: false });
    Ok(texts(Some(&values)).into_iter().map(variable).collect())
}

/// `PATCH builds/{buildId}`.
pub(crate) async fn update(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    query: Query,
    Body(body): Body<BuildPatchBody>,
) -> Result<Json<Value>, ApiError> {
    let retry = query.flag("retry")?;
    let by = project.person();
    let addresses = project.service.addresses();
    project.change(|state, moment| {
        apply(state, build, body, &by, moment)?;
        if retry {
            state.retry_build(build, Again::Failed, Some(by), moment.now)?;
            state.settle(moment);
        }
        Ok(Json(builds::build(addresses, &state.build(build)?)))
    })
}

/// The part of the path that names a stage.
#[derive(Debug, Deserialize)]
pub(crate) struct StagePart {
    stage: String,
}

/// `PATCH builds/{buildId}/stages/{stageRefName}`: the only stage there is is the whole run.
pub(crate) async fn update_stage(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    Values(StagePart { stage }): Values<StagePart>,
    Body(body): Body<StageBody>,
) -> Result<StatusCode, ApiError> {
    let by = project.person();
    project.change(|state, moment| {
        state.build(build)?;
        if !stage.eq_ignore_ascii_case(ONLY_STAGE) {
            return Err(BuildRefusal::StageNotFound { stage, build });
        }
        match body.state.as_ref().and_then(|wanted| word(wanted, STAGE_UPDATES)) {
            Some("cancel") => state.cancel_build(build, Some(by), moment.now)?,
            Some("retry") => {
                let again = if body.force_retry_all_jobs { Again::All } else { Again::Failed };
                state.retry_build(build, again, Some(by), moment.now)?;
            }
            _ => {
                let why = "The state of the stage is not valid. Supported: cancel, retry.";
                return Err(BuildRefusal::InvalidBuild(why.to_owned()));
            }
        }
        state.settle(moment);
        Ok(())
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PATCH builds`: several at once. The first that is refused ends it; what was done before it stays done.
pub(crate) async fn update_several(
    project: InProject,
    Items(bodies): Items<BuildPatchBody>,
) -> Result<Json<Value>, ApiError> {
    let by = project.person();
    let addresses = project.service.addresses();
    project.change(|state, moment| {
        let mut ids = Vec::new();
        for body in bodies {
            let id = body
                .id
                .map(RunId)
                .ok_or_else(|| BuildRefusal::InvalidBuild("A build has no id.".to_owned()))?;
            apply(state, id, body, &by, moment)?;
            ids.push(id);
        }
        let shown = ids.into_iter().map(|id| Ok(builds::build(addresses, &state.build(id)?)));
        Ok(Json(view::list(shown.collect::<Result<_, BuildRefusal>>()?)))
    })
}

fn apply(
    state: &mut State,
    id: RunId,
    body: BuildPatchBody,
    by: &Person,
    moment: state::Moment<'_>,
) -> Result<(), BuildRefusal> {
    let current = state.build(id)?.status().word();
    if body.id.is_some_and(|named| named != id.0) {
        let why = "The id of the build in the body is not that of the address.";
        return Err(BuildRefusal::InvalidBuild(why.to_owned()));
    }
    if body.keep_forever.is_some() || body.build_number.is_some() || body.tags.is_some() {
        let patch = BuildPatch {
            keep_forever: body.keep_forever,
            number: body.build_number,
            tags: body.tags.map(|tags| tags.into_iter().collect::<BTreeSet<_>>()),
        };
        state.patch_build(id, patch, Some(by.clone()), moment.now)?;
    }
    let Some(wanted) = body.status.filter(|status| !status.is_null()) else { return Ok(()) };
    match word(&wanted, STATUSES) {
        Some("cancelling") => {
            state.cancel_build(id, Some(by.clone()), moment.now)?;
            // What waited for nothing else ends at once.
            state.settle(moment);
            Ok(())
        }
        // Who sends the whole build back asks for no change.
        Some(word) if word == current || word == "none" => Ok(()),
        Some(to) => Err(BuildRefusal::StatusChange { build: id, from: current, to }),
        None => Err(BuildRefusal::InvalidBuild(format!("The value {wanted} is not valid for status."))),
    }
}

/// `DELETE builds/{buildId}`.
pub(crate) async fn delete(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
) -> Result<StatusCode, ApiError> {
    project.require_person("Delete builds")?;
    let by = project.person();
    project.change(|state, moment| state.delete_build(build, Some(by), moment.now))?;
    Ok(StatusCode::NO_CONTENT)
}
