//! Pools' maintenance. Shapes: azure-devops (PyPI): task_agent/models.py.

use serde_json::{Value, json};

use super::{agent_reference, pools, projects};
use crate::addresses::Addresses;
use crate::state::State;
use crate::state::maintenance::{MaintenanceDefinition, MaintenanceJob, Target};
use crate::wire::result::TaskResult;
use crate::wire::time::stamp;

/// A definition.
pub(crate) fn definition(state: &State, definition: &MaintenanceDefinition) -> Value {
    let settings = &definition.settings;
    json!({
        "id": definition.id,
        "enabled": settings.enabled,
        "pool": state.pools.get(&definition.pool).map(|pool| pools::reference(state, pool)),
        "jobTimeoutInMinutes": settings.timeout_minutes,
        "maxConcurrentAgentsPercentage": settings.percentage,
        "options": {"workingDirectoryExpirationInDays": settings.expiration_days},
        "retentionPolicy": {"numberOfHistoryRecordsToKeep": settings.history},
        "scheduleSetting": settings.schedule,
    })
}

/// The word of a maintenance's status (`TaskAgentPoolMaintenanceJobStatus`).
pub(crate) fn status(state: &State, job: &MaintenanceJob) -> &'static str {
    if job.finish_time.is_some() {
        "completed"
    } else if job.cancelled {
        "cancelling"
    } else if job.requests(state).any(|request| request.receive_time.is_some()) {
        "inProgress"
    } else {
        "queued"
    }
}

/// There are three words for how it ended (`TaskAgentPoolMaintenanceJobResult`).
fn word(result: TaskResult) -> &'static str {
    match result {
        TaskResult::Succeeded | TaskResult::SucceededWithIssues | TaskResult::Skipped => "succeeded",
        TaskResult::Failed | TaskResult::Abandoned => "failed",
        TaskResult::Canceled => "canceled",
    }
}

/// Maintenance that was asked for.
pub(crate) fn job(state: &State, addresses: &Addresses, job: &MaintenanceJob) -> Value {
    let results: Vec<_> = job.targets.iter().filter_map(|target| target.result(state)).collect();
    let count = |wanted: fn(TaskResult) -> bool| results.iter().filter(|result| wanted(**result)).count();
    let path = format!("_apis/distributedtask/pools/{}/maintenancejobs/{}", job.pool, job.id);
    let mut shown = json!({
        "jobId": job.id,
        "definitionId": job.definition,
        "pool": state.pools.get(&job.pool).map(|pool| pools::reference(state, pool)),
        "requestedBy": projects::identity(addresses, Some(&job.requested_by)),
        "queueTime": stamp(job.queue_time),
        "status": status(state, job),
        "targetAgents": job.targets.iter().map(|one| target(state, addresses, job, one)).collect::<Vec<_>>(),
        "errorCount": count(|result| word(result) == "failed"),
        "warningCount": count(|result| result == TaskResult::SucceededWithIssues),
        "logsDownloadUrl": addresses.at(&format!("{path}?$format=zip")),
    });
    if let Some(start) = job.requests(state).filter_map(|request| request.receive_time).min() {
        shown["startTime"] = json!(stamp(start));
    }
    if let Some(finish) = job.finish_time {
        shown["finishTime"] = json!(stamp(finish));
        let words: Vec<_> = results.iter().map(|result| word(*result)).collect();
        let worst = ["failed", "canceled"].into_iter().find(|word| words.contains(word));
        shown["result"] = json!(worst.unwrap_or("succeeded"));
    }
    shown
}

fn target(state: &State, addresses: &Addresses, job: &MaintenanceJob, target: &Target) -> Value {
    let gone = || json!({"id": target.agent, "name": target.name, "enabled": false, "status": "offline"});
    let known = state.agents.get(&target.agent);
    let begun = target.request(state).is_some_and(|request| request.receive_time.is_some());
    let mut shown = json!({
        "agent": known.map_or_else(gone, |agent| agent_reference(state, addresses, agent)),
        "jobId": job.id,
        "status": match (target.result(state), begun) {
            (Some(_), _) => "completed",
            (None, true) => "inProgress",
            (None, false) => "queued",
        },
    });
    if let Some(result) = target.result(state) {
        shown["result"] = json!(word(result));
    }
    shown
}
