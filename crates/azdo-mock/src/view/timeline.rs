//! The timeline of a build: one view over the records of all its jobs, which each have a timeline of their own.
//!
//! Shape: azure-devops (PyPI): build/models.py (`TimelineRecord`). The service sends empty fields of records as null.

use std::collections::BTreeSet;

use jiff::Timestamp;
use pipeline_yaml::JobResult;
use serde_json::{Map, Value, json};

use super::builds;
use crate::addresses::Addresses;
use crate::state::attempts::Before;
use crate::state::build_state::{BuildJob, number};
use crate::state::builds::Build;
use crate::state::plans::{Plan, Record};
use crate::state::runs::RunJob;
use crate::wire::ids::LogId;
use crate::wire::record_id::{ONLY_STAGE, record_id};
use crate::wire::result::RecordState;
use crate::wire::task::TASK_VERSION;
use crate::wire::time::stamp;

/// Fields that are taken from a record as its agent sent them.
const FIELDS: &[&str] = &[
    "id",
    "parentId",
    "type",
    "name",
    "startTime",
    "finishTime",
    "currentOperation",
    "percentComplete",
    "state",
    "result",
    "resultCode",
    "changeId",
    "lastModified",
    "workerName",
    "order",
    "details",
    "errorCount",
    "warningCount",
];

/// The timeline; with `since` only records that changed after that number.
pub(crate) fn timeline(addresses: &Addresses, build: &Build<'_>, since: i64) -> Value {
    let records = records(addresses, build);
    let change = |record: &Value| record["changeId"].as_i64().unwrap_or(0);
    let newest = records.iter().map(change).max().unwrap_or(1);
    let changed_on = records.iter().filter_map(|record| record["lastModified"].as_str()).max();
    let changed_on = changed_on.map_or_else(|| stamp(build.changed_on()), str::to_owned);
    let shown: Vec<_> = records.into_iter().filter(|record| change(record) > since).collect();
    let id = match build.attempt {
        Some(past) => build.state.attempt_timeline(build.id, past.number()),
        None => build.plan().0,
    };
    json!({
        "records": shown,
        "lastChangedBy": "00000002-0000-8888-8000-000000000000",
        "lastChangedOn": changed_on,
        "id": id,
        "changeId": newest,
        "url": format!("{}/Timeline/{id}", builds::url(addresses, build)),
    })
}

fn records(addresses: &Addresses, build: &Build<'_>) -> Vec<Value> {
    let jobs = build.jobs();
    let mut phases: Vec<(&str, Vec<&BuildJob<'_>>)> = Vec::new();
    for job in &jobs {
        match phases.iter_mut().find(|(name, _)| *name == job.phase) {
            Some((_, of)) => of.push(job),
            None => phases.push((job.phase, vec![job])),
        }
    }
    let mut below = Vec::new();
    for (place, (name, jobs)) in (1..).zip(&phases) {
        let records: Vec<_> = jobs.iter().flat_map(|job| job_records(addresses, build, job)).collect();
        let title = jobs.first().map_or(*name, |job| job.phase_display_name);
        let head = Head { id: name, title, kind: "Phase", parent: Some(record_id(ONLY_STAGE)), order: place };
        below.push(summary(build, &head, jobs, &records));
        below.extend(records);
    }
    let head = Head { id: ONLY_STAGE, title: ONLY_STAGE, kind: "Stage", parent: None, order: 1 };
    let all: Vec<_> = jobs.iter().collect();
    let mut records = vec![summary(build, &head, &all, &below)];
    records.extend(below);
    records
}

/// What a record over jobs is called.
struct Head<'a> {
    id: &'a str,
    title: &'a str,
    kind: &'a str,
    parent: Option<uuid::Uuid>,
    order: i64,
}

/// The record of a stage or a phase, from its jobs and from the records below it.
fn summary(build: &Build<'_>, head: &Head<'_>, jobs: &[&BuildJob<'_>], below: &[Value]) -> Value {
    let ended = jobs.iter().all(|job| job.result.is_some());
    let begun = jobs.iter().any(|job| job.request.is_some() || job.result.is_some());
    let state = match (ended, begun) {
        (true, _) => RecordState::Completed,
        (false, true) => RecordState::InProgress,
        (false, false) => RecordState::Pending,
    };
    let result = jobs.iter().map(|job| job.result).collect::<Option<Vec<_>>>();
    let result = result.and_then(|results| results.into_iter().reduce(JobResult::worse));
    let start = jobs.iter().filter_map(|job| job.request?.receive_time).min();
    let finish = jobs.iter().filter_map(|job| job.request?.finish_time).max().filter(|_| ended);
    let change = below.iter().filter_map(|record| record["changeId"].as_i64()).max().unwrap_or(1);
    let count = |name: &str| {
        below.iter().filter(|one| one["type"] == "Job").filter_map(|one| one[name].as_i64()).sum::<i64>()
    };
    let modified = below.iter().filter_map(|record| record["lastModified"].as_str()).max();
    finished(json!({
        "id": record_id(head.id),
        "parentId": head.parent,
        "type": head.kind,
        "name": head.title,
        "startTime": start.map(stamp),
        "finishTime": finish.map(stamp),
        "state": state.name(),
        "result": result,
        "changeId": change,
        "lastModified": modified.map_or_else(|| stamp(build.queue_time()), str::to_owned),
        "order": head.order,
        "errorCount": count("errorCount"),
        "warningCount": count("warningCount"),
        "identifier": head.id,
        "attempt": jobs.iter().map(|job| job.attempt).max().unwrap_or(1),
        "previousAttempts": previous_of_all(build, head, jobs),
    }))
}

/// A job's record and those of its steps. One that was never queued has only its own.
fn job_records(addresses: &Addresses, build: &Build<'_>, job: &BuildJob<'_>) -> Vec<Value> {
    let plan = job.request.and_then(|request| build.state.plans.get(&request.plan_id));
    let Some(plan) = plan else { return vec![waiting(build, job)] };
    let own = job.id.to_string();
    let records = build.state.records(plan.id, plan.main_timeline()).unwrap_or_default();
    let mut shown = Vec::new();
    for record in records {
        let mut one = from_agent(addresses, build, plan, record);
        if record.get("id").and_then(Value::as_str) == Some(&own) {
            job_record(build, job, &mut one);
            shown.insert(0, finished(one));
        } else {
            step_record(build, job, &mut one);
            shown.push(finished(one));
        }
    }
    shown
}

fn from_agent(addresses: &Addresses, build: &Build<'_>, plan: &Plan, record: &Record) -> Value {
    let field = |name: &&str| record.get(*name).cloned().map(|value| ((*name).to_owned(), value));
    let mut shown: Map<_, _> = FIELDS.iter().filter_map(field).collect();
    for name in ["attempt", "identifier", "issues", "task"] {
        if let Some(value) = record.get(name).filter(|value| !value.is_null()) {
            shown.insert(name.to_owned(), value.clone());
        }
    }
    let log = record.get("log").and_then(|log| log.get("id")).and_then(Value::as_i64);
    if let Some(log) = log.and_then(|log| plan.logs.get(&LogId(log))) {
        let id = number(log);
        let url = format!("{}/logs/{id}", builds::url(addresses, build));
        shown.insert("log".to_owned(), json!({"id": id, "type": "Container", "url": url}));
    }
    Value::Object(shown)
}

fn job_record(build: &Build<'_>, job: &BuildJob<'_>, record: &mut Value) {
    record["parentId"] = json!(record_id(job.phase));
    record["order"] = json!(job.position);
    record["identifier"] = json!(job.identifier);
    record["previousAttempts"] = previous(build, job);
    if let Some(result) = job.result {
        record["result"] = json!(result);
    }
    let Some(request) = job.request else { return };
    let queue = build.state.queue_of(request.pool_id);
    record["queueId"] = json!(queue.map(|queue| queue.id));
    if let Some(held) = &request.assignment
        && record["workerName"].is_null()
    {
        record["workerName"] = json!(held.agent_name);
    }
    let mut time = |name: &str, time: Option<Timestamp>| {
        if record[name].is_null() {
            record[name] = json!(time.map(stamp));
        }
    };
    time("startTime", request.receive_time);
    time("finishTime", request.finish_time);
}

/// A step's record; the agent does not say which task it runs.
fn step_record(build: &Build<'_>, job: &BuildJob<'_>, record: &mut Value) {
    let spec = job.request.and_then(|request| build.state.jobs.get(&request.id));
    let id = record["id"].as_str().unwrap_or_default();
    let step = spec.and_then(|spec| spec.steps.iter().find(|step| step.id.to_string() == id));
    if let Some(step) = step
        && record["task"].is_null()
    {
        let task = step.shell.task();
        record["task"] = json!({"id": task.id, "name": task.name, "version": TASK_VERSION});
    }
}

/// Where a job is found in the attempts before.
fn previous(build: &Build<'_>, job: &BuildJob<'_>) -> Value {
    let state = build.state;
    let record = |before: &Before| match before.job {
        RunJob::Queued(request) => state.requests.get(&request).map(|request| request.job_id),
        RunJob::Ended(_) => Some(state.job_id(build.id, &job.identifier, before.attempt)),
    };
    let one = |before: &Before| {
        json!({
            "attempt": before.attempt,
            "timelineId": state.attempt_timeline(build.id, before.attempt),
            "recordId": record(before),
        })
    };
    job.before.iter().map(one).collect()
}

/// The attempts before of a stage or a phase: those of its jobs, each once.
fn previous_of_all(build: &Build<'_>, head: &Head<'_>, jobs: &[&BuildJob<'_>]) -> Value {
    let attempts: BTreeSet<_> =
        jobs.iter().flat_map(|job| &job.before).map(|before| before.attempt).collect();
    let one = |attempt: u32| {
        json!({
            "attempt": attempt,
            "timelineId": build.state.attempt_timeline(build.id, attempt),
            "recordId": record_id(head.id),
        })
    };
    attempts.into_iter().map(one).collect()
}

fn waiting(build: &Build<'_>, job: &BuildJob<'_>) -> Value {
    finished(json!({
        "id": job.id,
        "parentId": record_id(job.phase),
        "type": "Job",
        "name": job.display_name,
        "state": job.state().name(),
        "result": job.result,
        "changeId": build.change_id(),
        "lastModified": stamp(build.changed_on()),
        "order": job.position,
        "identifier": job.identifier,
        "attempt": job.attempt,
        "previousAttempts": previous(build, job),
    }))
}

/// Adds what every record has.
fn finished(record: Value) -> Value {
    let mut all = json!({
        "previousAttempts": [], "id": null, "parentId": null, "type": null, "name": null, "startTime": null,
        "finishTime": null, "currentOperation": null, "percentComplete": null, "state": "pending", "result": null,
        "resultCode": null, "changeId": 1, "lastModified": null, "workerName": null, "order": null,
        "details": null, "errorCount": 0, "warningCount": 0, "url": null, "log": null, "task": null, "attempt": 1,
        "identifier": null,
    });
    if let (Some(all), Value::Object(record)) = (all.as_object_mut(), record) {
        // What is null in the record keeps what stands for it.
        all.extend(record.into_iter().filter(|(_, value)| !value.is_null()));
    }
    all
}
