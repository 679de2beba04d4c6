//! `run`: a job into the sandbox's queue, its log onto stdout.
//!
//! Azure DevOps itself takes jobs from pipelines alone, so this command needs a sandbox.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::{Control, Page};
use super::run_file::{self, Order};
use crate::cli::{Common, Format, Run};
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};
use crate::output;

/// Between two looks at a running job.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Queued {
    job_id: String,
    request_id: u64,
    name: String,
}

pub(crate) async fn run(words: Run, common: &Common, environment: &Environment) -> Result<Outcome> {
    if environment.get("MAYFLY_TARGET").is_some_and(|target| target != "sandbox") {
        let text =
            "queue a job: Azure DevOps takes jobs from pipelines alone, only a sandbox takes them from here";
        return Err(Problem::new(Outcome::Refused, text)
            .hint("against Azure, queue a pipeline: `az pipelines run`")
            .into());
    }
    let control = Control::find(common, environment)?;
    let pool = words.pool.as_deref().unwrap_or("Default");
    if let Some(file) = &words.file {
        let parameters = run_file::parameters(words.parameter)?;
        let order = Order { file, pool, name: words.name.as_deref(), parameters, wait: !words.no_wait };
        return run_file::run(order, &control, common).await;
    }
    // The command line asks for one of both.
    let steps = [json!({ "bash": words.script })];
    let name = words.name.as_deref().unwrap_or("job");
    let body = json!({ "pool": pool, "name": name, "steps": steps });
    let queued: Queued = control.post("/azdo/jobs", &body).await.context("queue a job")?;
    output::note(&format!("job `{}` is request {} in pool `{pool}`", queued.name, queued.request_id));
    if words.no_wait {
        return finish_early(&queued, common);
    }
    let log = follow(&control, &queued, common).await?;
    let job: Value = control.get(&format!("/azdo/jobs/{}", queued.job_id)).await?;
    let image = image_of(&control, job["agent"].as_str()).await;
    conclude(&job, &log, image, common)
}

fn finish_early(queued: &Queued, common: &Common) -> Result<Outcome> {
    if common.output == Format::Json {
        output::document(
            &json!({ "jobId": queued.job_id, "requestId": queued.request_id, "name": queued.name }),
        )?;
    } else {
        output::result(&queued.job_id);
    }
    Ok(Outcome::Done)
}

/// Prints the log as it grows, until the job has ended.
async fn follow(control: &Control, queued: &Queued, common: &Common) -> Result<Vec<String>> {
    let (mut next, mut log, mut waiting) = (0, Vec::new(), false);
    loop {
        let page: Page = control.get(&format!("/azdo/jobs/{}/log?from={next}", queued.job_id)).await?;
        next = page.next;
        if common.output == Format::Table {
            page.lines.iter().for_each(|line| output::result(line));
        }
        log.extend(page.lines);
        if page.complete {
            return Ok(log);
        }
        if log.is_empty() && !waiting {
            output::note("waiting for an agent …");
            waiting = true;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The image of the group whose agent ran the job; the agent's name is the group's.
async fn image_of(control: &Control, agent: Option<&str>) -> Option<String> {
    let groups: Value = control.get("/groups").await.ok()?;
    let group = groups["groups"].as_array()?.iter().find(|group| group["name"].as_str() == agent)?;
    group["containers"][0]["image"].as_str().map(ToOwned::to_owned)
}

fn conclude(job: &Value, log: &[String], image: Option<String>, common: &Common) -> Result<Outcome> {
    let result = job["result"].as_str().unwrap_or("unknown").to_owned();
    let outcome = match result.as_str() {
        "succeeded" | "succeededWithIssues" => Outcome::Done,
        "canceled" | "cancelled" => Outcome::JobCancelled,
        _ => Outcome::JobFailed,
    };
    if common.output == Format::Json {
        let mut report = job.clone();
        report["log"] = json!(log);
        report["image"] = json!(image);
        output::document(&report)?;
    } else {
        let agent = job["agent"].as_str().unwrap_or("no agent");
        output::note(&format!("job {result} on {agent}"));
    }
    Ok(outcome)
}
