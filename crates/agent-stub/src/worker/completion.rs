//! The event that ends a job (azure-pipelines-agent: JobRunner.cs CompleteJobAsync).

use std::time::Duration;

use serde_json::{Value, json};

use super::{JobResult, WorkerContext, plan_server::PlanServer};
use crate::{
    clock,
    error::kind,
    wire::{JobMessage, Quiet},
};

/// The event that ends a job is sent again so often, so far apart.
const EVENT_RETRIES: u32 = 5;
const EVENT_GAP: Duration = Duration::from_secs(5);

/// Tells the server that the job is over.
pub(crate) async fn complete(
    context: &WorkerContext,
    message: &JobMessage,
    plan: &PlanServer,
    result: JobResult,
    outputs: &[(String, Quiet, bool)],
    run_mode: Option<&str>,
) -> JobResult {
    let outputs: serde_json::Map<String, Value> = outputs
        .iter()
        .map(|(name, value, secret)| (name.clone(), json!({ "value": value.0, "isSecret": secret })))
        .collect();
    let mut event = json!({
        "name": "JobCompleted",
        "jobId": message.job_id,
        "requestId": message.request_id,
        "result": result.wire(),
        "outputs": outputs,
    });
    if run_mode.is_some_and(|mode| mode.eq_ignore_ascii_case("once")) {
        // So that the server gives this agent no other job.
        event["agentShuttingDown"] = json!(true);
    }
    for _ in 0..=EVENT_RETRIES {
        match plan.raise(&event).await {
            Ok(()) => return result,
            Err(error) if error.is(kind::PLAN_NOT_FOUND) || error.is(kind::PLAN_SECURITY) => {
                context.diagnostics.error(&format!("The plan does not take the job's result: {error}"));
                return JobResult::Failed;
            }
            Err(error) => context.diagnostics.error(&format!("The job's result could not be sent: {error}")),
        }
        clock::sleep(EVENT_GAP).await;
    }
    JobResult::Failed
}
