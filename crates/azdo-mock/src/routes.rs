//! The emulated wire: one file per resource, small handlers.

mod agents;
mod build_filter;
mod build_logs;
mod build_parts;
mod builds;
mod connection;
mod definition_parts;
mod definitions;
pub(crate) mod extract;
mod in_plan;
mod in_project;
mod job_requests;
mod logs;
mod messages;
mod packages;
mod pipelines;
mod plans;
mod pools;
mod project_parts;
mod projects;
mod queues;
mod sessions;
mod tasks;
mod telemetry;
#[cfg(test)]
mod tests;
mod token;
mod variable_groups;

use axum::Router;
use axum::extract::{OriginalUri, Request};
use axum::http::{Method, Uri, uri::PathAndQuery};
use axum::middleware;
use axum::routing::{MethodRouter, get, options, patch, post, put};
use tower::Layer;
use tower::util::MapRequestLayer;

use crate::app::AzureDevOps;
use crate::auth;
use crate::check::Check;
use crate::error::ApiError;
use crate::watch;
use crate::wire::paths;

/// A router that knows the paths it has, which axum's own does not tell.
#[derive(Debug)]
struct Table {
    prefix: String,
    router: Router<AzureDevOps>,
    /// Without the prefix.
    #[cfg(test)]
    paths: Vec<String>,
}

impl Table {
    fn below(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            router: Router::new(),
            #[cfg(test)]
            paths: Vec::new(),
        }
    }

    fn route(self, path: &str, methods: MethodRouter<AzureDevOps>) -> Self {
        self.unversioned(path, methods.route_layer(Check(auth::versioned)))
    }

    /// A route that is no REST resource and knows no version.
    fn unversioned(mut self, path: &str, methods: MethodRouter<AzureDevOps>) -> Self {
        self.router = self.router.route(&format!("{}{path}", self.prefix), methods);
        #[cfg(test)]
        self.paths.push(path.to_owned());
        self
    }
}

/// Everything under the organization's address; what is not there gets the service's own error.
pub(crate) fn router(service: &AzureDevOps) -> Router {
    let prefix = service.addresses().prefix().to_owned();
    let routes = table(&prefix).router;
    let watching = service.clone();
    let token = service.addresses().token_path();
    let routes = if token.starts_with(&prefix) { routes } else { routes.route(&token, post(token::issue)) };
    let routes = routes
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(service.clone(), auth::gate))
        .layer(Check(move |request: &Request| {
            watch::access_tokens(&watching, request);
            Ok(())
        }))
        .with_state(service.clone());
    // Paths are brought to one form before they are routed.
    let canonical = MapRequestLayer::new(move |request: Request| canonical(request, &prefix));
    Router::new().fallback_service(canonical.layer(routes))
}

/// Every route there is. `docs/azdo-routes.md` lists them, and a test compares.
fn table(prefix: &str) -> Table {
    let at = str::to_owned;
    let task = |path: &str| format!("/_apis/distributedtask{path}");
    let plan = |path: &str| format!("/{{scope}}/_apis/distributedtask/hubs/{{hub}}/plans/{{plan}}{path}");
    of_project(Table::below(prefix))
        .route(&at("/_apis"), options(connection::locations))
        .route(&at("/_apis/{area}"), options(connection::area_locations))
        .route(&at("/_apis/connectiondata"), get(connection::data))
        .route(&at("/_apis/resourceareas"), get(connection::areas))
        .route(&at("/_apis/resourceareas/{area}"), get(connection::area))
        .unversioned(&at("/_apis/oauth2/token"), post(token::issue))
        .unversioned(&at("/_signin"), get(connection::sign_in))
        .route(&at("/_apis/featureflags/{name}"), get(telemetry::feature_flag))
        .route(&at("/_apis/customerintelligence/events"), post(telemetry::events))
        .unversioned(&at("/_packages/agent/{version}/{file}"), get(packages::download))
        .route(&task("/packages/{kind}"), get(packages::list))
        .route(&task("/packages/{kind}/{platform}"), get(packages::list_platform))
        .route(&task("/packages/{kind}/{platform}/{version}"), get(packages::one))
        .route(&task("/tasks"), get(tasks::list))
        .route(&task("/tasks/{task}"), get(tasks::versions))
        .route(&task("/tasks/{task}/{version}"), get(tasks::one))
        .route(&task("/agentclouds"), get(pools::clouds))
        .route(&task("/pools"), get(pools::list).post(pools::add))
        .route(&task("/pools/{pool}"), get(pools::one).patch(pools::update).delete(pools::delete))
        .route(&task("/pools/{pool}/agents"), get(agents::list).post(agents::add))
        .route(
            &task("/pools/{pool}/agents/{agent}"),
            get(agents::one).put(agents::replace).patch(agents::update).delete(agents::delete),
        )
        .route(&task("/pools/{pool}/agents/{agent}/usercapabilities"), put(agents::user_capabilities))
        .route(&task("/pools/{pool}/agents/{agent}/updates"), put(agents::update_state))
        .route(&task("/pools/{pool}/sessions"), post(sessions::open))
        .route(&task("/pools/{pool}/sessions/{session}"), axum::routing::delete(sessions::delete))
        .route(&task("/pools/{pool}/messages"), get(messages::poll))
        .route(&task("/pools/{pool}/messages/{message}"), axum::routing::delete(messages::delete))
        .route(&task("/pools/{pool}/jobrequests"), get(job_requests::list))
        .route(
            &task("/pools/{pool}/jobrequests/{request}"),
            get(job_requests::one).patch(job_requests::update),
        )
        .route(&plan(""), get(plans::one))
        .route(&plan("/events"), post(plans::event))
        .route(&plan("/timelines"), get(plans::timelines).post(plans::add_timeline))
        .route(&plan("/timelines/{timeline}"), get(plans::timeline))
        .route(&plan("/timelines/{timeline}/records"), patch(plans::update_records).get(plans::records))
        .route(&plan("/timelines/{timeline}/records/{record}/feed"), post(logs::feed))
        .route(
            &plan("/timelines/{timeline}/records/{record}/attachments/{kind}/{name}"),
            put(logs::attach).get(logs::attachment),
        )
        .route(
            &plan("/timelines/{timeline}/records/{record}/attachments/{kind}"),
            get(logs::record_attachments),
        )
        .route(&plan("/attachments/{kind}"), get(logs::attachments))
        .route(&plan("/logs"), get(logs::list).post(logs::add))
        .route(&plan("/logs/{log}"), get(logs::read).post(logs::append))
}

/// What people and programs use on top of pools.
fn of_project(table: Table) -> Table {
    let build = |path: &str| format!("/{{scope}}/_apis/build{path}");
    let pipeline = |path: &str| format!("/{{scope}}/_apis/pipelines{path}");
    let queue = |path: &str| format!("/{{scope}}/_apis/distributedtask/queues{path}");
    let group = |path: &str| format!("/{{scope}}/_apis/distributedtask/variablegroups{path}");
    table
        .route("/_apis/projects", get(projects::list))
        .route("/_apis/projects/{project}", get(projects::one))
        .route("/_apis/projects/{project}/teams", get(projects::teams))
        .route("/_apis/projects/{project}/teams/{team}", get(projects::team))
        .route("/_apis/process/processes", get(projects::processes))
        .route("/_apis/process/processes/{process}", get(projects::process))
        .route("/_apis/projectcollections", get(projects::collections))
        .route("/_apis/projectcollections/{collection}", get(projects::collection))
        .route("/_apis/teams", get(projects::all_teams))
        .route("/{scope}/_apis/distributedtask/environments", get(project_parts::none))
        .route("/{scope}/_apis/distributedtask/deploymentgroups", get(project_parts::none))
        .route("/{scope}/_apis/distributedtask/taskgroups", get(project_parts::none))
        .route("/{scope}/_apis/serviceendpoint/endpoints", get(project_parts::none))
        .route("/_apis/build/controllers", get(projects::controllers))
        .route(&build("/folders"), get(project_parts::folders))
        .route(&build("/settings"), get(project_parts::settings))
        .route(&build("/generalsettings"), get(project_parts::general_settings))
        .route(&build("/retention"), get(project_parts::retention))
        .route(&build("/status/{definition}"), get(project_parts::badge))
        .route(&build("/definitions/{definition}/revisions"), get(definition_parts::revisions))
        .route(&queue(""), get(queues::list).post(queues::add))
        .route(&queue("/{queue}"), get(queues::one).delete(queues::delete))
        .route(
            "/_apis/distributedtask/variablegroups",
            post(variable_groups::add).patch(variable_groups::share),
        )
        .route(
            "/_apis/distributedtask/variablegroups/{group}",
            put(variable_groups::update).delete(variable_groups::delete),
        )
        .route(&group(""), get(variable_groups::list))
        .route(&group("/{group}"), get(variable_groups::one))
        .route(&build("/definitions"), get(definitions::list).post(definitions::add))
        .route(
            &build("/definitions/{definition}"),
            get(definitions::one).put(definitions::update).delete(definitions::delete),
        )
        .route(&build("/definitions/{definition}/yaml"), get(definition_parts::yaml))
        .route(
            &build("/definitions/{definition}/tags"),
            get(definition_parts::tags).post(definition_parts::add_tags).patch(definition_parts::update_tags),
        )
        .route(
            &build("/definitions/{definition}/tags/{tag}"),
            put(definition_parts::add_tag).delete(definition_parts::remove_tag),
        )
        .route(&build("/tags"), get(definition_parts::all_tags))
        .route(&build("/tags/{tag}"), axum::routing::delete(definition_parts::forget_tag))
        .route(&build("/latest/{definition}"), get(build_parts::latest))
        .route(&build("/builds"), get(builds::list).post(builds::queue).patch(builds::update_several))
        .route(&build("/builds/{build}"), get(builds::one).patch(builds::update).delete(builds::delete))
        .route(&build("/builds/{build}/stages/{stage}"), patch(builds::update_stage))
        .route(&build("/builds/{build}/timeline"), get(build_parts::timeline))
        .route(&build("/builds/{build}/timeline/{timeline}"), get(build_parts::one_timeline))
        .route(&build("/builds/{build}/logs"), get(build_logs::list))
        .route(&build("/builds/{build}/logs/{log}"), get(build_logs::one))
        .route(
            &build("/builds/{build}/workitems"),
            get(build_parts::work_items).post(build_parts::work_items),
        )
        .route(&build("/builds/{build}/changes"), get(build_parts::changes))
        .route(
            &build("/builds/{build}/artifacts"),
            get(build_parts::artifacts).post(build_parts::add_artifact),
        )
        .route(
            &build("/builds/{build}/tags"),
            get(build_parts::tags).post(build_parts::add_tags).patch(build_parts::update_tags),
        )
        .route(
            &build("/builds/{build}/tags/{tag}"),
            put(build_parts::add_tag).delete(build_parts::remove_tag),
        )
        .route(&pipeline(""), get(pipelines::list).post(pipelines::add))
        .route(&pipeline("/{pipeline}"), get(pipelines::one))
        .route(&pipeline("/{pipeline}/runs"), get(pipelines::runs).post(pipelines::queue))
        .route(&pipeline("/{pipeline}/runs/{run}"), get(pipelines::run))
        .route(&pipeline("/{pipeline}/runs/{run}/artifacts"), get(pipelines::artifact))
        .route(&pipeline("/{pipeline}/runs/{run}/logs"), get(build_logs::list_of_run))
        .route(&pipeline("/{pipeline}/runs/{run}/logs/{log}"), get(build_logs::one_of_run))
        .route(&pipeline("/{pipeline}/preview"), post(pipelines::preview))
}

fn canonical(mut request: Request, prefix: &str) -> Request {
    let path = paths::canonical(request.uri().path(), prefix);
    let joined = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    if let Ok(path) = PathAndQuery::try_from(joined) {
        *request.uri_mut() = Uri::from(path);
    }
    request
}

async fn unknown_route(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::unknown_route(uri.path())
}

async fn wrong_method(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::wrong_method(method.as_str(), uri.path())
}
