//! Kinds of things of which there are none here, and calls of the service that are not served, each with the reason.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::Method;
use serde_json::Value;

use super::extract::Values;
use super::in_project::{self, InProject};
use crate::app::AzureDevOps;
use crate::error::{Absent, ApiError};
use crate::state::secrets::Caller;
use crate::view;

/// A call that the service has and that is not served here: what is asked, and what is to be said to whoever asks.
struct Refused {
    method: Method,
    path: &'static str,
    why: &'static str,
}

const fn refused(method: Method, path: &'static str, why: &'static str) -> Refused {
    Refused { method, path, why }
}

const ONE_PROJECT: &str = "There is one project, which is made with the organization. Supported: GET.";
const ONE_TEAM: &str = "A project has its default team and no other. Supported: GET.";
const NO_DEPLOYMENTS: &str = "Nothing is deployed here, so the list is always empty. Supported: GET.";
const YAML_ONLY: &str = "Pipelines are YAML files; the designer's templates are not there. Supported: GET.";
const NO_CLOUDS: &str = "There are no agent clouds; agents register themselves in pools. Supported: GET.";
const NO_FILES: &str =
    "Jobs cannot name secure files. Supported: GET, and secret variables of variable groups.";
const NO_ENDPOINTS: &str = "Jobs cannot name service connections. Supported: GET.";
const NO_PROXIES: &str = "There is no version control that a proxy could stand before. Supported: GET.";
const NO_AVATAR: &str = "Projects have no pictures.";
const NO_SCHEMA: &str = "There is no schema. `POST {project}/_apis/pipelines/{pipelineId}/preview` says what is wrong \
                         with a file, with line and column.";
const FIXED: &str = "Settings of the designer's pipelines are fixed. Supported: GET, and \
                     `PATCH {project}/_apis/build/retention`.";
const NO_HOOKS: &str = "There is no repository that could call. Supported: queueing builds.";

const DELETED: &str =
    "A definition that was deleted is gone. Supported: GET, PUT, DELETE, and POST of a new one.";

/// All of them. `docs/azdo-routes.md` has a row for each, and a test compares.
const REFUSED: &[Refused] = &[
    refused(Method::POST, "/_apis/distributedtask/agentclouds", NO_CLOUDS),
    refused(Method::GET, "/_apis/distributedtask/yamlschema", NO_SCHEMA),
    refused(Method::POST, "/{scope}/_apis/distributedtask/environments", NO_DEPLOYMENTS),
    refused(Method::POST, "/{scope}/_apis/distributedtask/deploymentgroups", NO_DEPLOYMENTS),
    refused(Method::POST, "/{scope}/_apis/distributedtask/taskgroups", YAML_ONLY),
    refused(Method::POST, "/{scope}/_apis/distributedtask/securefiles", NO_FILES),
    refused(Method::POST, "/{scope}/_apis/serviceendpoint/endpoints", NO_ENDPOINTS),
    refused(Method::PATCH, "/{scope}/_apis/build/settings", FIXED),
    refused(Method::PATCH, "/{scope}/_apis/build/definitions/{definition}", DELETED),
    refused(Method::PUT, "/{scope}/_apis/build/definitions/templates/{template}", YAML_ONLY),
    refused(Method::POST, "/{scope}/_apis/sourceproviders/{provider}/restorewebhooks", NO_HOOKS),
    refused(Method::POST, "/_apis/projects", ONE_PROJECT),
    refused(Method::PATCH, "/_apis/projects/{project}", ONE_PROJECT),
    refused(Method::DELETE, "/_apis/projects/{project}", ONE_PROJECT),
    refused(Method::PUT, "/_apis/projects/{project}/avatar", NO_AVATAR),
    refused(Method::DELETE, "/_apis/projects/{project}/avatar", NO_AVATAR),
    refused(Method::POST, "/_apis/projects/{project}/connectedservices", NO_ENDPOINTS),
    refused(Method::POST, "/_apis/projects/{project}/teams", ONE_TEAM),
    refused(Method::PATCH, "/_apis/projects/{project}/teams/{team}", ONE_TEAM),
    refused(Method::DELETE, "/_apis/projects/{project}/teams/{team}", ONE_TEAM),
    refused(Method::PUT, "/_apis/proxies", NO_PROXIES),
    refused(Method::DELETE, "/_apis/proxies", NO_PROXIES),
];

/// Why this method is not served at this path of the router.
pub(super) fn why(method: &Method, path: &str) -> Option<&'static str> {
    REFUSED.iter().find(|one| one.method == *method && one.path == path).map(|one| one.why)
}

/// Methods and paths of all that is refused.
#[cfg(test)]
pub(super) fn refused_calls() -> impl Iterator<Item = (&'static str, &'static str)> {
    REFUSED.iter().map(|one| (one.method.as_str(), one.path))
}

type Parts = Values<BTreeMap<String, String>>;

fn error(kind: Absent, Values(parts): &Parts) -> ApiError {
    kind.error(parts.get(kind.part()).map_or("", String::as_str))
}

/// One of a kind of the project, or what is below it.
pub(super) fn in_project(
    kind: Absent,
) -> impl Fn(InProject, Parts) -> std::future::Ready<ApiError> + Clone + Send + Sync + 'static {
    move |_, parts| std::future::ready(error(kind, &parts))
}

/// One of a kind of the organization.
pub(super) fn anywhere(
    kind: Absent,
) -> impl Fn(Caller, Parts) -> std::future::Ready<ApiError> + Clone + Send + Sync + 'static {
    move |_, parts| std::future::ready(error(kind, &parts))
}

/// A list of the project that is always empty.
pub(super) async fn none(_: InProject) -> Json<Value> {
    Json(view::list(Vec::new()))
}

/// A list of the organization that is always empty.
pub(super) async fn none_anywhere(_: Caller) -> Json<Value> {
    Json(view::list(Vec::new()))
}

/// `GET projects/{projectId}/connectedServices`: none.
pub(super) async fn connected_services(
    axum::extract::State(service): axum::extract::State<AzureDevOps>,
    _: Caller,
    Values(project): Values<String>,
) -> Result<Json<Value>, ApiError> {
    in_project::check(&service, &project)?;
    Ok(Json(view::list(Vec::new())))
}
