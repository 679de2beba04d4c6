//! Builds, and the same as runs.
//!
//! Shapes: azure-devops (PyPI): build/models.py, pipelines/models.py; MicrosoftDocs/vsts-rest-api-specs: build/7.1,
//! pipelines/7.1.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{definitions, projects};
use crate::addresses::Addresses;
use crate::state::build_state::{BuildLog, Outcome, Status};
use crate::state::builds::Build;
use crate::state::run_jobs::BRANCH;
use crate::wire::job::{COMMIT, PROJECT, Variable};
use crate::wire::time::stamp;

/// Where a build is found.
pub(crate) fn url(addresses: &Addresses, build: &Build<'_>) -> String {
    addresses.at(&format!("{}/_apis/build/Builds/{}", build.state.meta.project_id, build.id))
}

/// A build.
pub(crate) fn build(addresses: &Addresses, build: &Build<'_>) -> Value {
    let (state, order) = (build.state, build.order());
    let said =
        |field: fn(&crate::state::runs::Order) -> Option<&String>| order.and_then(field).map(String::as_str);
    let url = url(addresses, build);
    let plan = json!({"planId": build.plan()});
    let mut shown = json!({
        "_links": links(addresses, build, &url),
        "properties": {},
        "tags": build.tags().collect::<Vec<_>>(),
        "validationResults": [],
        "plans": [plan],
        "triggerInfo": {},
        "id": build.id,
        "buildNumber": build.number(),
        "status": build.status().word(),
        "queueTime": stamp(build.queue_time()),
        "url": url,
        "definition": definitions::brief(state, addresses, build.definition()),
        "project": projects::project(state, addresses),
        "uri": format!("vstfs:///Build/Build/{}", build.id),
        "sourceBranch": said(|order| order.source_branch.as_ref()).unwrap_or(BRANCH),
        "sourceVersion": said(|order| order.source_version.as_ref()).unwrap_or(COMMIT),
        "priority": said(|order| order.priority.as_ref()).unwrap_or("normal"),
        "reason": said(|order| order.reason.as_ref()).unwrap_or("manual"),
        "requestedFor": projects::identity(addresses, order.and_then(|order| {
            order.requested_for.as_ref().or(order.requested_by.as_ref())
        })),
        "requestedBy": projects::identity(addresses, order.and_then(|order| order.requested_by.as_ref())),
        "lastChangedDate": stamp(build.changed_on()),
        "lastChangedBy": projects::identity(addresses, build.notes.and_then(|notes| {
            notes.changed.as_ref()?.by.as_ref()
        })),
        "orchestrationPlan": plan,
        "logs": {"id": 0, "type": "Container", "url": format!("{url}/logs")},
        "repository": definitions::repository(state, addresses),
        "keepForever": build.notes.is_some_and(|notes| notes.keep_forever),
        "retainedByRelease": false,
        "triggeredByBuild": null,
        "appendCommitMessageToRunName": true,
    });
    let mut set = |name: &str, value: Value| shown[name] = value;
    for (name, time) in [("startTime", build.start_time()), ("finishTime", build.finish_time())] {
        if let Some(time) = time {
            set(name, json!(stamp(time)));
        }
    }
    if let Some(outcome) = build.outcome() {
        set("result", json!(outcome.word()));
    }
    if let Some(queue) = state.queue_of(build.pool()) {
        set("queue", projects::queue_reference(state, addresses, queue));
    }
    let parameters = parameters(build);
    if !parameters.is_empty() {
        set("parameters", json!(json!(parameters).to_string()));
    }
    if let Some(revision) = build.number().rsplit_once('.').and_then(|(_, last)| last.parse::<u32>().ok()) {
        set("buildNumberRevision", json!(revision));
    }
    if let Some(deleted) = build.notes.and_then(|notes| notes.deleted.as_ref()) {
        set("deleted", json!(true));
        set("deletedDate", json!(stamp(deleted.time)));
        set("deletedBy", projects::identity(addresses, deleted.by.as_ref()));
    }
    shown
}

fn links(addresses: &Addresses, build: &Build<'_>, url: &str) -> Value {
    let (project, id) = (build.state.meta.project_id, build.id);
    let badge = format!("_apis/build/status/{}", build.definition());
    json!({
        "self": {"href": url},
        "web": {"href": addresses.at(&format!("{PROJECT}/_build/results?buildId={id}"))},
        "sourceVersionDisplayUri": {"href": format!("{url}/sources")},
        "timeline": {"href": format!("{url}/Timeline")},
        "badge": {"href": addresses.at(&format!("{project}/{badge}"))},
    })
}

/// The variables that whoever queued it said, without secret ones.
fn parameters<'a>(build: &Build<'a>) -> BTreeMap<&'a String, &'a String> {
    let Some(order) = build.order() else { return BTreeMap::new() };
    let said = |name: &String| order.set.iter().any(|set| set.eq_ignore_ascii_case(name));
    let plain = order.variables.iter().filter(|(name, variable)| said(name) && !variable.is_secret);
    plain.map(|(name, variable)| (name, &variable.value)).collect()
}

/// A log of a build.
pub(crate) fn log(addresses: &Addresses, build: &Build<'_>, log: &BuildLog<'_>) -> Value {
    json!({
        "lineCount": log.log.lines,
        "createdOn": stamp(log.log.created_on),
        "lastChangedOn": stamp(log.log.last_changed_on),
        "id": log.number,
        "type": "Container",
        "url": format!("{}/logs/{}", url(addresses, build), log.number),
    })
}

/// Where a run is found.
pub(crate) fn run_url(addresses: &Addresses, build: &Build<'_>) -> String {
    let (project, pipeline) = (build.state.meta.project_id, build.definition());
    addresses.at(&format!("{project}/_apis/pipelines/{pipeline}/runs/{}", build.id))
}

/// A build as a run of its pipeline.
pub(crate) fn run(addresses: &Addresses, build: &Build<'_>, whole: bool) -> Value {
    let (state, order) = (build.state, build.order());
    let url = run_url(addresses, build);
    let pipeline = definitions::pipeline_reference(state, addresses, build.definition());
    let web = |path: String| json!({"href": addresses.at(&format!("{PROJECT}/_build/{path}"))});
    let mut shown = json!({
        "_links": {
            "self": {"href": url},
            "web": web(format!("results?buildId={}", build.id)),
            "pipeline.web": web(format!("definition?definitionId={}", build.definition())),
            "pipeline": {"href": pipeline["url"]},
        },
        "templateParameters": order.map(|order| &order.template_parameters).cloned().unwrap_or_default(),
        "pipeline": pipeline,
        "state": match build.status() {
            Status::Completed => "completed",
            Status::Cancelling => "canceling",
            Status::InProgress | Status::NotStarted => "inProgress",
        },
        "createdDate": stamp(build.queue_time()),
        "url": url,
        "id": build.id,
        "name": build.number(),
    });
    if let Some(outcome) = build.outcome() {
        shown["result"] = json!(match outcome {
            Outcome::Succeeded | Outcome::PartiallySucceeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Canceled => "canceled",
        });
    }
    if let Some(time) = build.finish_time() {
        shown["finishedDate"] = json!(stamp(time));
    }
    if whole {
        let branch = order.and_then(|order| order.source_branch.as_deref()).unwrap_or(BRANCH);
        let version = order.and_then(|order| order.source_version.as_deref()).unwrap_or(COMMIT);
        let repository = json!({"id": state.meta.project_id, "type": "azureReposGit"});
        let own = json!({"repository": repository, "refName": branch, "version": version});
        shown["resources"] = json!({"repositories": {"self": own}});
        if let Some(order) = order.filter(|order| !order.set.is_empty()) {
            let said = |name: &String| order.set.iter().any(|set| set.eq_ignore_ascii_case(name));
            let variables = order.variables.iter().filter(|(name, _)| said(name));
            let shown_ones = variables.map(|(name, variable)| (name.clone(), run_variable(variable)));
            shown["variables"] = Value::Object(shown_ones.collect::<Map<_, _>>());
        }
    }
    shown
}

fn run_variable(variable: &Variable) -> Value {
    if variable.is_secret {
        json!({"value": null, "isSecret": true})
    } else {
        json!({"value": variable.value})
    }
}

/// A log of a run.
pub(crate) fn run_log(
    addresses: &Addresses,
    build: &Build<'_>,
    log: &BuildLog<'_>,
    signed: Option<Value>,
) -> Value {
    let mut shown = json!({
        "createdOn": stamp(log.log.created_on),
        "lastChangedOn": stamp(log.log.last_changed_on),
        "id": log.number,
        "lineCount": log.log.lines,
        "url": format!("{}/logs/{}", run_url(addresses, build), log.number),
    });
    if let Some(signed) = signed {
        shown["signedContent"] = signed;
    }
    shown
}
