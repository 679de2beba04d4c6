//! Routes of what nobody can make here.

use axum::routing::{get, post};

use super::{Table, build, task, task_in_project};
use crate::error::Absent;
use crate::routes::{absent, pools};

/// Kinds of things of which there are none: lists that are empty, and the error for each that is asked for.
pub(super) fn of_absent(table: Table) -> Table {
    let environment = absent::in_project(Absent::Environment);
    let group = absent::in_project(Absent::DeploymentGroup);
    let tasks = absent::in_project(Absent::TaskGroup);
    let file = absent::in_project(Absent::SecureFile);
    let endpoint = absent::in_project(Absent::ServiceEndpoint);
    let template = absent::in_project(Absent::DefinitionTemplate);
    let cloud = absent::anywhere(Absent::AgentCloud);
    table
        .route(&task("/agentclouds"), get(pools::clouds))
        .route(&task("/agentclouds/{cloud}"), get(cloud.clone()).patch(cloud.clone()).delete(cloud.clone()))
        .route(&task("/agentclouds/{cloud}/requests"), get(cloud))
        .route(&task("/agentcloudtypes"), get(pools::clouds))
        .closed(&task("/yamlschema"))
        .route(&task_in_project("/environments"), get(absent::none))
        .route(
            &task_in_project("/environments/{environment}"),
            get(environment.clone()).patch(environment.clone()).delete(environment.clone()),
        )
        .route(
            &task_in_project("/environments/{environment}/environmentdeploymentrecords"),
            get(environment.clone()),
        )
        .route(
            &task_in_project("/environments/{environment}/providers/kubernetes"),
            post(environment.clone()),
        )
        .route(
            &task_in_project("/environments/{environment}/providers/kubernetes/{resource}"),
            get(environment.clone()).delete(environment),
        )
        .route(&task_in_project("/deploymentgroups"), get(absent::none))
        .route(
            &task_in_project("/deploymentgroups/{group}"),
            get(group.clone()).patch(group.clone()).delete(group.clone()),
        )
        .route(&task_in_project("/deploymentgroups/{group}/targets"), get(group.clone()).patch(group.clone()))
        .route(
            &task_in_project("/deploymentgroups/{group}/targets/{target}"),
            get(group.clone()).delete(group),
        )
        .route(&task_in_project("/taskgroups"), get(absent::none))
        .route(&task_in_project("/taskgroups/{group}"), get(tasks.clone()).put(tasks.clone()).delete(tasks))
        .route(&task_in_project("/securefiles"), get(absent::none))
        .route(&task_in_project("/securefiles/{file}"), get(file.clone()).patch(file.clone()).delete(file))
        .route("/{scope}/_apis/serviceendpoint/endpoints", get(absent::none))
        .route("/{scope}/_apis/serviceendpoint/endpoints/{endpoint}", get(endpoint))
        .route(&build("/definitions/templates"), get(absent::none))
        .route(&build("/definitions/templates/{template}"), get(template.clone()).delete(template))
        .route(&build("/options"), get(absent::none))
        .route("/_apis/build/controllers", get(absent::none_anywhere))
        .route("/_apis/build/controllers/{controller}", get(absent::anywhere(Absent::BuildController)))
        .route("/_apis/projects/{project}/connectedservices", get(absent::connected_services))
        .route(
            "/_apis/projects/{project}/connectedservices/{name}",
            get(absent::anywhere(Absent::ConnectedService)),
        )
        .closed("/_apis/projects/{project}/avatar")
        .route("/_apis/proxies", get(absent::none_anywhere))
}
