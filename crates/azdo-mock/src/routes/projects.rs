//! Projects: there is one, with one team, one process and the collection that is the organization.
//!
//! Shapes: azure-devops (PyPI): core_client.py; MicrosoftDocs/vsts-rest-api-specs: core/7.1.

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::extract::{Query, Values};
use super::in_project;
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::secrets::Caller;
use crate::view::{self, projects};

/// States that projects are asked for by. The one there is is well-formed.
const STATES: &[(&str, bool)] = &[
    ("wellFormed", true),
    ("all", true),
    ("unchanged", false),
    ("new", false),
    ("createPending", false),
    ("deleting", false),
    ("deleted", false),
];

/// `GET projects`.
pub(crate) async fn list(
    State(service): State<AzureDevOps>,
    _: Caller,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let wanted = query.text(&["stateFilter"]).unwrap_or("wellFormed");
    let shows = STATES.iter().find(|(state, _)| state.eq_ignore_ascii_case(wanted)).map(|(_, shows)| *shows);
    let shows = shows.ok_or_else(|| {
        ApiError::invalid(format!("The value '{wanted}' is not valid for parameter stateFilter."))
    })?;
    let skip: usize = query.parsed(&["$skip", "continuationToken"])?.unwrap_or(0);
    let top: usize = query.parsed(&["$top"])?.unwrap_or(100);
    let shown = service.read(|state| projects::project(state, service.addresses()))?;
    let all = [shown].into_iter().filter(|_| shows);
    Ok(Json(view::list(all.skip(skip).take(top).collect())))
}

/// `GET projects/{projectId}`.
pub(crate) async fn one(
    State(service): State<AzureDevOps>,
    _: Caller,
    Values(project): Values<String>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    in_project::check(&service, &project)?;
    let capabilities = query.flag("includeCapabilities")?;
    let shown = service.read(|state| projects::whole_project(state, service.addresses(), capabilities))?;
    Ok(Json(shown))
}

/// The one thing of a list, if it is what the path names.
fn the_one(shown: Value, named: &str) -> Result<Json<Value>, ApiError> {
    let is = |field: &str| shown[field].as_str().is_some_and(|own| own.eq_ignore_ascii_case(named));
    if is("id") || is("name") {
        return Ok(Json(shown));
    }
    Err(ApiError::not_found(format!("{named} was not found. There is {}.", shown["name"])))
}

/// `GET projects/{projectId}/teams`.
pub(crate) async fn teams(
    State(service): State<AzureDevOps>,
    _: Caller,
    Values(project): Values<String>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    in_project::check(&service, &project)?;
    let skip: usize = query.parsed(&["$skip"])?.unwrap_or(0);
    let top: usize = query.parsed(&["$top"])?.unwrap_or(100);
    let team = service.read(|state| projects::team(state, service.addresses()))?;
    Ok(Json(view::list([team].into_iter().skip(skip).take(top).collect())))
}

/// `GET teams`: those of all projects.
pub(crate) async fn all_teams(
    State(service): State<AzureDevOps>,
    _: Caller,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let skip: usize = query.parsed(&["$skip"])?.unwrap_or(0);
    let top: usize = query.parsed(&["$top"])?.unwrap_or(100);
    let team = service.read(|state| projects::team(state, service.addresses()))?;
    Ok(Json(view::list([team].into_iter().skip(skip).take(top).collect())))
}

/// `GET projects/{projectId}/teams/{teamId}/members`.
pub(crate) async fn members(
    State(service): State<AzureDevOps>,
    _: Caller,
    Values((project, named)): Values<(String, String)>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    in_project::check(&service, &project)?;
    let skip: usize = query.parsed(&["$skip"])?.unwrap_or(0);
    let top: usize = query.parsed(&["$top"])?.unwrap_or(100);
    let (team, members) = service.read(|state| {
        (projects::team(state, service.addresses()), projects::team_members(state, service.addresses()))
    })?;
    let _: Json<Value> = the_one(team, &named)?;
    Ok(Json(view::list(members.into_iter().skip(skip).take(top).collect())))
}

/// `GET projects/{projectId}/teams/{teamId}`.
pub(crate) async fn team(
    State(service): State<AzureDevOps>,
    _: Caller,
    Values((project, named)): Values<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    in_project::check(&service, &project)?;
    the_one(service.read(|state| projects::team(state, service.addresses()))?, &named)
}

/// `GET process/processes`.
pub(crate) async fn processes(State(service): State<AzureDevOps>, _: Caller) -> Json<Value> {
    Json(view::list(vec![projects::process(service.addresses())]))
}

/// `GET process/processes/{processId}`.
pub(crate) async fn process(
    State(service): State<AzureDevOps>,
    _: Caller,
    Values(named): Values<String>,
) -> Result<Json<Value>, ApiError> {
    the_one(projects::process(service.addresses()), &named)
}

/// `GET projectCollections`.
pub(crate) async fn collections(
    State(service): State<AzureDevOps>,
    _: Caller,
) -> Result<Json<Value>, ApiError> {
    let shown = service.read(|state| projects::collection(state, service.addresses()))?;
    Ok(Json(view::list(vec![shown])))
}

/// `GET projectCollections/{collectionId}`.
pub(crate) async fn collection(
    State(service): State<AzureDevOps>,
    _: Caller,
    Values(named): Values<String>,
) -> Result<Json<Value>, ApiError> {
    the_one(service.read(|state| projects::collection(state, service.addresses()))?, &named)
}
