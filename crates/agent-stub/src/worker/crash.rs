//! What the listener reports when a worker ended without a result
//! (azure-pipelines-agent: JobDispatcher.cs ReportJobCompletionEventAsync).

use serde_json::json;

use super::plan_server::{PlanServer, job_credential, job_url};
use crate::{diagnostics::Diagnostics, http::HttpClient, wire::JobMessage};

/// Adds an error to the job's record and, where wanted, says that the job has failed.
pub(crate) async fn report(
    http: &HttpClient,
    message: &JobMessage,
    fault: &str,
    raise_event: bool,
    diagnostics: &Diagnostics,
) {
    let attempt = async {
        let server =
            PlanServer::connect(http, &job_url(message)?, &job_credential(message)?, message).await?;
        let records = server.records().await?;
        let record = records.into_iter().find(|record| {
            record["type"] == "Job"
                && record["id"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(&message.job_id))
        });
        if let Some(mut record) = record {
            let issue = json!({ "type": "error", "message": fault });
            match record["issues"].as_array_mut() {
                Some(issues) => issues.push(issue),
                None => record["issues"] = json!([issue]),
            }
            let errors = record["errorCount"].as_i64().unwrap_or(0) + 1;
            record["errorCount"] = json!(errors);
            server.update_records(&[record]).await?;
        }
        if raise_event {
            let event = json!({
                "name": "JobCompleted",
                "jobId": message.job_id,
                "requestId": message.request_id,
                "result": "failed",
            });
            server.raise(&event).await?;
        }
        anyhow::Ok(())
    };
    if let Err(error) = attempt.await {
        diagnostics.error(&format!("The worker's crash could not be reported: {error:#}"));
    }
}
