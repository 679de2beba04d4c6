//! Jobs: queued by hand, watched, cancelled.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Input};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::State as Organization;
use crate::state::requests::{Limits, NewJob, NewStep, Request};
use crate::wire::demand::Demand;
use crate::wire::job::{Placement, Shell, StepOptions, Variable};
use crate::wire::time::stamp;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobBody {
    pool: String,
    #[serde(default)]
    name: Option<String>,
    steps: Vec<StepBody>,
    #[serde(default)]
    demands: Option<Vec<Demand>>,
    #[serde(default)]
    variables: Option<BTreeMap<String, Value>>,
    #[serde(default, rename = "timeoutInMinutes")]
    timeout_in_minutes: u32,
    #[serde(default, rename = "cancelTimeoutInMinutes")]
    cancel_timeout_in_minutes: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StepBody {
    #[serde(default)]
    script: Option<String>,
    #[serde(default)]
    bash: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
}

impl StepBody {
    fn step(self, number: usize) -> Result<NewStep, ControlError> {
        let (script, shell, word) = match (self.script, self.bash) {
            (Some(script), None) => (script, Shell::Default, "CmdLine"),
            (None, Some(script)) => (script, Shell::Bash, "Bash"),
            _ => {
                return Err(ControlError::bad(format!(
                    "step {number} needs exactly one of `script` and `bash`"
                )));
            }
        };
        Ok(NewStep {
            display_name: self.display_name.unwrap_or_else(|| word.to_owned()),
            script,
            shell,
            options: StepOptions::default(),
        })
    }
}

fn variable(name: &str, value: Value) -> Result<Variable, ControlError> {
    let refuse = || {
        ControlError::bad(format!(
            "the variable `{name}` is neither text nor {{\"value\": text, \"isSecret\": bool}}"
        ))
    };
    match value {
        Value::String(value) => Ok(Variable { value, is_secret: false }),
        Value::Object(_) => serde_json::from_value(value).map_err(|_| refuse()),
        _ => Err(refuse()),
    }
}

impl JobBody {
    fn job(self, state: &Organization) -> Result<NewJob, ControlError> {
        let pool = state.pool_named(&self.pool).ok_or_else(|| {
            ControlError::missing(format!("there is no pool `{}`, only `{}`", self.pool, state.pool_names()))
        })?;
        if self.steps.is_empty() {
            return Err(ControlError::bad("a job needs at least one step"));
        }
        let steps = self.steps.into_iter().enumerate().map(|(index, step)| step.step(index + 1));
        let variables = self.variables.unwrap_or_default().into_iter();
        Ok(NewJob {
            pool: pool.id,
            name: self.name.filter(|name| !name.is_empty()).unwrap_or_else(|| "Job".to_owned()),
            steps: steps.collect::<Result<_, _>>()?,
            demands: self.demands.unwrap_or_default(),
            limits: Limits {
                timeout: self.timeout_in_minutes,
                cancel_timeout: self.cancel_timeout_in_minutes.unwrap_or(Limits::default().cancel_timeout),
            },
            placement: Placement::default(),
            variables: variables
                .map(|(name, value)| variable(&name, value).map(|value| (name, value)))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// `POST jobs`.
pub(crate) async fn queue(
    State(service): State<AzureDevOps>,
    body: Input<JobBody>,
) -> Result<(StatusCode, Json<Value>), ControlError> {
    let Json(body) = body?;
    let job = body.job(&service.state())?;
    let shown = service.change(|state, moment| {
        let id = state.queue_job(job, moment)?;
        let request = state.requests.get(&id).ok_or(crate::state::refusal::Refusal::JobNotFound(id))?;
        Ok::<_, ApiError>(json!({
            "jobId": request.job_id,
            "requestId": request.id,
            "poolId": request.pool_id,
            "name": request.name,
        }))
    })?;
    Ok((StatusCode::CREATED, Json(shown)))
}

/// The request of a job's id.
pub(crate) fn find<'a>(state: &'a Organization, job: &str) -> Result<&'a Request, ControlError> {
    state
        .requests
        .values()
        .find(|request| request.job_id.to_string().eq_ignore_ascii_case(job))
        .ok_or_else(|| ControlError::missing(format!("there is no job `{job}`")))
}

fn show(state: &Organization, request: &Request) -> Value {
    let plan = state.plans.get(&request.plan_id);
    let steps: Vec<_> = state
        .jobs
        .get(&request.id)
        .into_iter()
        .flat_map(|job| &job.steps)
        .map(|step| {
            let record = plan.and_then(|plan| plan.main_record(step.id));
            let field = |name: &str| record.and_then(|record| record.get(name)).cloned().unwrap_or_default();
            json!({"displayName": step.display_name, "state": field("state"), "result": field("result")})
        })
        .collect();
    let issues = plan
        .and_then(|plan| plan.main_record(crate::wire::ids::RecordId(request.job_id.0)))
        .and_then(|record| record.get("issues"))
        .cloned()
        .unwrap_or_else(|| json!([]));
    json!({
        "jobId": request.job_id,
        "requestId": request.id,
        "name": request.name,
        "pool": state.pools.get(&request.pool_id).map(|pool| pool.name.clone()),
        "state": request.phase(),
        "result": request.result,
        "agent": request.assignment.as_ref().map(|held| held.agent_name.clone()),
        "queueTime": stamp(request.queue_time),
        "startTime": request.receive_time.map(stamp),
        "finishTime": request.finish_time.map(stamp),
        "cancelRequested": request.cancel_deadline.is_some(),
        "steps": steps,
        "issues": issues,
        "outputs": crate::view::outputs(&request.outputs),
    })
}

/// `GET jobs`.
pub(crate) async fn list(State(service): State<AzureDevOps>) -> Result<Json<Value>, ControlError> {
    let jobs: Vec<_> =
        service.read(|state| state.requests.values().map(|request| show(state, request)).collect())?;
    Ok(Json(json!(jobs)))
}

/// `GET jobs/{jobId}`.
pub(crate) async fn one(
    State(service): State<AzureDevOps>,
    Path(job): Path<String>,
) -> Result<Json<Value>, ControlError> {
    service.read(|state| find(state, &job).map(|request| Json(show(state, request))))?
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsoleRate {
    milliseconds: u32,
}

/// `POST jobs/{jobId}/console-rate`: what the service sends when somebody begins to watch a run, 500 ms then and 10 s
/// otherwise (Azure DevOps' REST API: JobMetadataMessage).
pub(crate) async fn set_console_rate(
    State(service): State<AzureDevOps>,
    Path(job): Path<String>,
    body: Input<ConsoleRate>,
) -> Result<StatusCode, ControlError> {
    let Json(ConsoleRate { milliseconds }) = body?;
    if !(1..=600_000).contains(&milliseconds) {
        return Err(ControlError::bad("`milliseconds` is from 1 to 600000"));
    }
    let id = find(&service.state(), &job)?.id;
    if service.change(|state, _| state.set_console_rate(id, milliseconds))? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let why = format!("no agent that listens runs the job `{job}` now");
    Err(ControlError(StatusCode::CONFLICT, why))
}

/// `POST jobs/{jobId}/cancel`.
pub(crate) async fn cancel(
    State(service): State<AzureDevOps>,
    Path(job): Path<String>,
) -> Result<Json<Value>, ControlError> {
    let id = find(&service.state(), &job)?.id;
    service.change(|state, moment| state.cancel(id, moment.now))?;
    service.read(|state| find(state, &job).map(|request| Json(show(state, request))))?
}

/// How many jobs of the organization run at once.
#[derive(Debug, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parallelism {
    /// `null`: as many as there are agents.
    limit: Option<u32>,
}

/// `GET parallel-jobs`.
pub(crate) async fn parallelism(State(service): State<AzureDevOps>) -> Json<Parallelism> {
    Json(Parallelism { limit: service.state().meta.parallel_jobs })
}

/// `PUT parallel-jobs`.
pub(crate) async fn set_parallelism(
    State(service): State<AzureDevOps>,
    body: Input<Parallelism>,
) -> Result<StatusCode, ControlError> {
    let Json(body) = body?;
    service.change(|state, _| {
        state.set_parallel_jobs(body.limit);
        Ok::<_, ApiError>(())
    })?;
    Ok(StatusCode::NO_CONTENT)
}
