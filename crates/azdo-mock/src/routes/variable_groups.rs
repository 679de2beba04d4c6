//! Variable groups: they are changed at the organization and read in the project.
//!
//! Forms: azure-devops (PyPI): task_agent_client.py.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::extract::{Body, Items, Query, Values};
use super::in_project::{self, InProject};
use super::pools::matches;
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::refusal::Refusal;
use crate::state::secrets::Caller;
use crate::state::variable_groups::{GroupContent, GroupVariable};
use crate::view::{self, variable_groups};
use crate::wire::ids::GroupId;
use crate::wire::project_bodies::{GroupBody, GroupProject, RunVariable};
use crate::wire::words::GROUP_ORDERS;

/// The part of the path that names a group.
#[derive(Debug, Deserialize)]
pub(crate) struct GroupPart {
    group: GroupId,
}

/// `GET {project}/variablegroups`.
pub(crate) async fn list(project: InProject, query: Query) -> Result<(HeaderMap, Json<Value>), ApiError> {
    let name = query.text(&["groupName"]);
    let ids: Option<Vec<GroupId>> = query.numbers("groupIds")?;
    // Who may read groups may use and manage them here.
    super::pools::needed(&query)?;
    let ascending = query.word("queryOrder", GROUP_ORDERS)? == Some("idAscending");
    let top: usize = query.parsed(&["$top"])?.unwrap_or(usize::MAX);
    let after: Option<GroupId> = query.parsed(&["continuationToken"])?;
    project.read(|state, addresses| {
        let mut groups: Vec<_> = state
            .project
            .variable_groups
            .values()
            .filter(|group| name.is_none_or(|name| matches(name, &group.content.name)))
            .filter(|group| ids.as_ref().is_none_or(|ids| ids.contains(&group.id)))
            .filter(|group| after.is_none_or(|after| (group.id > after) == ascending && group.id != after))
            .collect();
        if !ascending {
            groups.reverse();
        }
        let mut headers = HeaderMap::new();
        if groups.len() > top {
            groups.truncate(top);
            if let Some(last) = groups.last() {
                headers.insert("x-ms-continuationtoken", last.id.0.into());
            }
        }
        let shown = groups.into_iter().map(|group| variable_groups::group(state, addresses, group));
        Ok((headers, Json(view::list(shown.collect()))))
    })
}

/// `GET {project}/variablegroups/{groupId}`.
pub(crate) async fn one(
    project: InProject,
    Values(GroupPart { group }): Values<GroupPart>,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, addresses| {
        Ok(Json(variable_groups::group(state, addresses, state.variable_group(group)?)))
    })
}

/// `POST variablegroups`.
pub(crate) async fn add(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Body(body): Body<GroupBody>,
) -> Result<Json<Value>, ApiError> {
    let content = content(&service, caller, body)?;
    service.change(|state, moment| {
        let by = state.person(caller);
        let id = state.add_variable_group(content, by, moment.now)?;
        Ok::<_, Refusal>(Json(variable_groups::group(state, service.addresses(), state.variable_group(id)?)))
    })
}

/// `PUT variablegroups/{groupId}`.
pub(crate) async fn update(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(id): Values<GroupId>,
    Body(body): Body<GroupBody>,
) -> Result<Json<Value>, ApiError> {
    let content = content(&service, caller, body)?;
    service.change(|state, moment| {
        let by = state.person(caller);
        state.update_variable_group(id, content, by, moment.now)?;
        Ok::<_, Refusal>(Json(variable_groups::group(state, service.addresses(), state.variable_group(id)?)))
    })
}

/// `DELETE variablegroups/{groupId}?projectIds=`.
pub(crate) async fn delete(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(id): Values<GroupId>,
    query: Query,
) -> Result<StatusCode, ApiError> {
    require_person(caller)?;
    let projects = query
        .text(&["projectIds"])
        .ok_or_else(|| ApiError::invalid("The parameter projectIds is required."))?;
    for project in projects.split(',') {
        in_project::check(&service, project.trim())?;
    }
    service.change(|state, _| state.delete_variable_group(id))?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PATCH variablegroups?variableGroupId=`: shares a group with projects, of which there is one.
pub(crate) async fn share(
    State(service): State<AzureDevOps>,
    caller: Caller,
    query: Query,
    Items(projects): Items<GroupProject>,
) -> Result<StatusCode, ApiError> {
    require_person(caller)?;
    let id: GroupId = query
        .parsed(&["variableGroupId"])?
        .ok_or_else(|| ApiError::invalid("The parameter variableGroupId is required."))?;
    check_projects(&service, &projects)?;
    service.read(|state| state.variable_group(id).map(|_| ()))??;
    Ok(StatusCode::NO_CONTENT)
}

fn require_person(caller: Caller) -> Result<(), Refusal> {
    match caller {
        Caller::User { .. } => Ok(()),
        Caller::Agent { .. } | Caller::Job { .. } => {
            Err(Refusal::Denied("Only people manage variable groups.".to_owned()))
        }
    }
}

/// The projects that a group is for, each by its id or its name.
fn check_projects(service: &AzureDevOps, projects: &[GroupProject]) -> Result<(), ApiError> {
    if projects.is_empty() {
        return Err(ApiError::body("At least one variable group project reference is required."));
    }
    for project in projects {
        let named = project.project_reference.as_ref();
        let named = named.and_then(|named| named.id.as_deref().or(named.name.as_deref()));
        let named = named
            .ok_or_else(|| ApiError::body("Project information name is not valid for variable group."))?;
        in_project::check(service, named)?;
    }
    Ok(())
}

fn content(service: &AzureDevOps, caller: Caller, body: GroupBody) -> Result<GroupContent, ApiError> {
    require_person(caller)?;
    check_projects(service, &body.variable_group_project_references.unwrap_or_default())?;
    if let Some(kind) = body.kind.filter(|kind| !kind.eq_ignore_ascii_case("Vsts")) {
        let why = format!("The variable group type '{kind}' is not supported. Supported: Vsts.");
        return Err(ApiError::invalid(why));
    }
    let name = body.name.filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| ApiError::invalid("The variable group has no name."))?;
    let variables = body.variables.unwrap_or_default();
    if variables.is_empty() {
        return Err(ApiError::invalid("The variable group has no variables."));
    }
    let variable = |(name, given): (String, Option<RunVariable>)| {
        let flag = |said: fn(&RunVariable) -> Option<bool>| given.as_ref().and_then(said).unwrap_or(false);
        let (is_secret, is_read_only) = (flag(|given| given.is_secret), flag(|given| given.is_read_only));
        (name, GroupVariable { value: given.and_then(|given| given.value), is_secret, is_read_only })
    };
    let variables = variables.into_iter().map(variable).collect();
    Ok(GroupContent { name, description: body.description, variables })
}
