//! Every route there is. `docs/azdo-routes.md` lists them, and a test compares.

mod without;

use axum::Router;
use axum::routing::{MethodRouter, delete, get, options, patch, post, put};

use super::{
    agents, build_attachments, build_logs, build_parts, builds, connection, definition_parts, definitions,
    folders, job_requests, logs, maintenance, messages, metrics, packages, pipelines, plans, pools,
    project_parts, projects, properties, queues, resources, retention, sessions, sources, tasks, telemetry,
    token, variable_groups,
};
use crate::app::AzureDevOps;
use crate::auth;
use crate::check::Check;

/// A router that knows the paths it has, which axum's own does not tell.
#[derive(Debug)]
pub(super) struct Table {
    prefix: String,
    pub(super) router: Router<AzureDevOps>,
    /// Without the prefix.
    #[cfg(test)]
    pub(super) paths: Vec<String>,
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

    /// A path where the service has something and nothing is served: `absent::why` says why.
    fn closed(self, path: &str) -> Self {
        self.unversioned(path, MethodRouter::new())
    }

    /// A route that is no REST resource and knows no version.
    fn unversioned(mut self, path: &str, methods: MethodRouter<AzureDevOps>) -> Self {
        self.router = self.router.route(&format!("{}{path}", self.prefix), methods);
        #[cfg(test)]
        self.paths.push(path.to_owned());
        self
    }
}

/// All of them.
pub(super) fn table(prefix: &str) -> Table {
    let parts = [
        of_connection,
        of_agents,
        of_listening,
        of_plans,
        of_core,
        of_library,
        of_definitions,
        of_project,
        of_builds,
        of_build_parts,
        of_pipelines,
        of_sources,
        without::of_absent,
    ];
    parts.into_iter().fold(Table::below(prefix), |table, part| part(table))
}

/// Below the area of agents and jobs.
fn task(path: &str) -> String {
    format!("/_apis/distributedtask{path}")
}

/// The same below the project.
fn task_in_project(path: &str) -> String {
    format!("/{{scope}}/_apis/distributedtask{path}")
}

/// Below the project's area of builds.
fn build(path: &str) -> String {
    format!("/{{scope}}/_apis/build{path}")
}

fn of_connection(table: Table) -> Table {
    table
        .route("/_apis", options(connection::locations))
        .route("/_apis/{area}", options(connection::area_locations))
        .route("/_apis/connectiondata", get(connection::data))
        .route("/_apis/resourceareas", get(connection::areas))
        .route("/_apis/resourceareas/{area}", get(connection::area))
        .unversioned("/_apis/oauth2/token", post(token::issue))
        .unversioned("/_signin", get(connection::sign_in))
        .route("/_apis/featureflags/{name}", get(telemetry::feature_flag))
        .route("/_apis/customerintelligence/events", post(telemetry::events))
        .unversioned("/_packages/agent/{version}/{file}", get(packages::download))
}

fn of_agents(table: Table) -> Table {
    table
        .route(&task("/packages/{kind}"), get(packages::list))
        .route(&task("/packages/{kind}/{platform}"), get(packages::list_platform))
        .route(&task("/packages/{kind}/{platform}/{version}"), get(packages::one))
        .route(&task("/tasks"), get(tasks::list))
        .route(&task("/tasks/{task}"), get(tasks::versions))
        .route(&task("/tasks/{task}/{version}"), get(tasks::one))
        .route(&task("/pools"), get(pools::list).post(pools::add))
        .route(&task("/pools/{pool}"), get(pools::one).patch(pools::update).delete(pools::delete))
        .route(&task("/pools/{pool}/agents"), get(agents::list).post(agents::add))
        .route(
            &task("/pools/{pool}/agents/{agent}"),
            get(agents::one).put(agents::replace).patch(agents::update).delete(agents::delete),
        )
        .route(&task("/pools/{pool}/agents/{agent}/usercapabilities"), put(agents::user_capabilities))
        .route(&task("/pools/{pool}/agents/{agent}/updates"), put(agents::update_state))
        .route(
            &task("/pools/{pool}/maintenancedefinitions"),
            get(maintenance::definitions).post(maintenance::define),
        )
        .route(
            &task("/pools/{pool}/maintenancedefinitions/{definition}"),
            get(maintenance::definition).put(maintenance::redefine).delete(maintenance::undefine),
        )
        .route(&task("/pools/{pool}/maintenancejobs"), get(maintenance::jobs).post(maintenance::queue))
        .route(
            &task("/pools/{pool}/maintenancejobs/{job}"),
            get(maintenance::job).patch(maintenance::update).delete(maintenance::delete),
        )
}

fn of_listening(table: Table) -> Table {
    table
        .route(&task("/pools/{pool}/sessions"), post(sessions::open))
        .route(&task("/pools/{pool}/sessions/{session}"), delete(sessions::delete))
        .route(&task("/pools/{pool}/messages"), get(messages::poll))
        .route(&task("/pools/{pool}/messages/{message}"), delete(messages::delete))
        .route(&task("/pools/{pool}/jobrequests"), get(job_requests::list))
        .route(
            &task("/pools/{pool}/jobrequests/{request}"),
            get(job_requests::one).patch(job_requests::update),
        )
}

fn of_plans(table: Table) -> Table {
    let plan = |path: &str| task_in_project(&format!("/hubs/{{hub}}/plans/{{plan}}{path}"));
    table
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

fn of_core(table: Table) -> Table {
    let project = |path: &str| format!("/_apis/projects/{{project}}{path}");
    table
        .route("/_apis/projects", get(projects::list))
        .route(&project(""), get(projects::one))
        .route(&project("/properties"), get(properties::of_project).patch(properties::update_project))
        .route(&project("/teams"), get(projects::teams))
        .route(&project("/teams/{team}"), get(projects::team))
        .route(&project("/teams/{team}/members"), get(projects::members))
        .route("/_apis/process/processes", get(projects::processes))
        .route("/_apis/process/processes/{process}", get(projects::process))
        .route("/_apis/projectcollections", get(projects::collections))
        .route("/_apis/projectcollections/{collection}", get(projects::collection))
        .route("/_apis/teams", get(projects::all_teams))
}

/// Queues and variable groups.
fn of_library(table: Table) -> Table {
    table
        .route(&task_in_project("/queues"), get(queues::list).post(queues::add))
        .route(&task_in_project("/queues/{queue}"), get(queues::one).delete(queues::delete))
        .route(&task("/variablegroups"), post(variable_groups::add).patch(variable_groups::share))
        .route(&task("/variablegroups/{group}"), put(variable_groups::update).delete(variable_groups::delete))
        .route(&task_in_project("/variablegroups"), get(variable_groups::list))
        .route(&task_in_project("/variablegroups/{group}"), get(variable_groups::one))
}

fn of_definitions(table: Table) -> Table {
    let definition = |path: &str| build(&format!("/definitions/{{definition}}{path}"));
    table
        .route(&build("/definitions"), get(definitions::list).post(definitions::add))
        .route(&definition(""), get(definitions::one).put(definitions::update).delete(definitions::delete))
        .route(&definition("/revisions"), get(definition_parts::revisions))
        .route(&definition("/yaml"), get(definition_parts::yaml))
        .route(&definition("/metrics"), get(metrics::of_definition))
        .route(
            &definition("/properties"),
            get(properties::of_definition).patch(properties::update_definition),
        )
        .route(
            &definition("/resources"),
            get(resources::of_definition).patch(resources::authorize_definition),
        )
        .route(
            &definition("/tags"),
            get(definition_parts::tags).post(definition_parts::add_tags).patch(definition_parts::update_tags),
        )
        .route(
            &definition("/tags/{tag}"),
            put(definition_parts::add_tag).delete(definition_parts::remove_tag),
        )
        .route(
            &build("/folders"),
            get(folders::list).put(folders::add).post(folders::update).delete(folders::delete),
        )
        .route(&build("/folders/{*path}"), get(folders::one))
}

/// What builds and definitions have in common.
fn of_project(table: Table) -> Table {
    table
        .route(&build("/settings"), get(project_parts::settings))
        .route(
            &build("/generalsettings"),
            get(project_parts::general_settings).patch(project_parts::update_general_settings),
        )
        .route(&build("/retention"), get(retention::settings).patch(retention::update_settings))
        .route(
            &build("/retention/leases"),
            get(retention::list).post(retention::add).delete(retention::delete),
        )
        .route(&build("/retention/leases/{lease}"), get(retention::one).patch(retention::update))
        .route("/_apis/build/retention/history", get(retention::history))
        .route(&build("/status/{definition}"), get(project_parts::badge))
        .route(&build("/repos/{kind}/badge"), get(project_parts::repository_badge))
        .route(&build("/tags"), get(definition_parts::all_tags))
        .route(&build("/tags/{tag}"), delete(definition_parts::forget_tag))
        .route(&build("/latest/{definition}"), get(build_parts::latest))
        .route(&build("/authorizedresources"), get(resources::of_project).patch(resources::authorize))
        .route(&build("/metrics"), get(metrics::of_project_by_day))
        .route(&build("/metrics/{aggregation}"), get(metrics::of_project))
        .route(&build("/changes"), get(build_parts::none_between))
        .route(&build("/workitems"), get(build_parts::none_between))
        .route("/_apis/build/resourceusage", get(metrics::usage))
}

fn of_builds(table: Table) -> Table {
    let one = |path: &str| build(&format!("/builds/{{build}}{path}"));
    table
        .route(&build("/builds"), get(builds::list).post(builds::queue).patch(builds::update_several))
        .route(&one(""), get(builds::one).patch(builds::update).delete(builds::delete))
        .route(&one("/stages/{stage}"), patch(builds::update_stage))
        .route(&one("/timeline"), get(build_parts::timeline))
        .route(&one("/timeline/{timeline}"), get(build_parts::one_timeline))
        .route(&one("/logs"), get(build_logs::list))
        .route(&one("/logs/{log}"), get(build_logs::one))
}

fn of_build_parts(table: Table) -> Table {
    let one = |path: &str| build(&format!("/builds/{{build}}{path}"));
    table
        .route(&one("/workitems"), get(build_parts::none_of_build).post(build_parts::none_of_build))
        .route(&one("/changes"), get(build_parts::none_of_build))
        .route(&one("/artifacts"), get(build_parts::artifacts).post(build_parts::add_artifact))
        .route(&one("/attachments/{kind}"), get(build_attachments::list))
        .route(&one("/{timeline}/{record}/attachments/{kind}/{name}"), get(build_attachments::one))
        .route(&one("/leases"), get(retention::of_build))
        .route(&one("/properties"), get(properties::of_build).patch(properties::update_build))
        .route(&one("/report"), get(build_attachments::report))
        .route(
            &one("/tags"),
            get(build_parts::tags).post(build_parts::add_tags).patch(build_parts::update_tags),
        )
        .route(&one("/tags/{tag}"), put(build_parts::add_tag).delete(build_parts::remove_tag))
}

fn of_pipelines(table: Table) -> Table {
    let pipeline = |path: &str| format!("/{{scope}}/_apis/pipelines{path}");
    table
        .route(&pipeline(""), get(pipelines::list).post(pipelines::add))
        .route(&pipeline("/{pipeline}"), get(pipelines::one))
        .route(&pipeline("/{pipeline}/runs"), get(pipelines::runs).post(pipelines::queue))
        .route(&pipeline("/{pipeline}/runs/{run}"), get(pipelines::run))
        .route(&pipeline("/{pipeline}/runs/{run}/artifacts"), get(pipelines::artifact))
        .route(&pipeline("/{pipeline}/runs/{run}/logs"), get(build_logs::list_of_run))
        .route(&pipeline("/{pipeline}/runs/{run}/logs/{log}"), get(build_logs::one_of_run))
        .route(&pipeline("/{pipeline}/preview"), post(pipelines::preview))
}

fn of_sources(table: Table) -> Table {
    let source = |path: &str| format!("/{{scope}}/_apis/sourceproviders/{{provider}}{path}");
    table
        .route("/{scope}/_apis/sourceproviders", get(sources::providers))
        .route(&source("/repositories"), get(sources::repositories))
        .route(&source("/branches"), get(sources::branches))
        .route(&source("/filecontents"), get(sources::file))
        .route(&source("/pathcontents"), get(sources::path))
        .route(&source("/webhooks"), get(sources::webhooks))
        .route(&source("/pullrequests/{pullrequest}"), get(sources::pull_request))
        .closed(&source("/restorewebhooks"))
}
