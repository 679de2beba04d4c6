//! Runs of pipeline files: queued from their text, watched, cancelled.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pipeline_yaml::{Faults, Inputs, Job, Phase, Plan};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Input};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::State as Organization;
use crate::state::definitions::file_path;
use crate::state::run_jobs::known_before;
use crate::state::runs::{NewRun, Order, Run, RunJob};
use crate::wire::ids::RunId;
use crate::wire::time::stamp;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunBody {
    /// Where jobs run whose file names no pool.
    pool: String,
    /// The text of the file.
    yaml: String,
    /// The run's name, in place of the file's.
    #[serde(default)]
    name: Option<String>,
    /// Values of the file's parameters, as text.
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    /// Where the file is in its repository: templates are looked for from there.
    #[serde(default)]
    file: String,
    /// The texts of templates by their paths from the root of the repository, such as `/ci/steps.yml`.
    #[serde(default)]
    templates: BTreeMap<String, String>,
}

/// Longest body of an order, in bytes: a file with as many templates as there can be, each as long as it can be, as JSON.
pub(crate) const LONGEST: usize = 64 << 20;

/// Why a run was not queued.
pub(crate) enum NotQueued {
    /// The file is wrong, perhaps because these templates are not there.
    File(Faults, BTreeSet<String>),
    Other(ControlError),
}

impl<T: Into<ControlError>> From<T> for NotQueued {
    fn from(error: T) -> Self {
        Self::Other(error.into())
    }
}

impl IntoResponse for NotQueued {
    fn into_response(self) -> Response {
        match self {
            Self::Other(error) => error.into_response(),
            Self::File(Faults(faults), missing) => {
                let count = faults.len();
                let error =
                    format!("the pipeline file has {count} fault{}", if count == 1 { "" } else { "s" });
                let mut body = json!({"error": error, "faults": faults});
                if !missing.is_empty() {
                    body["missingTemplates"] = json!(missing);
                }
                (StatusCode::BAD_REQUEST, Json(body)).into_response()
            }
        }
    }
}

/// `POST pipelines/runs`.
pub(crate) async fn queue(
    State(service): State<AzureDevOps>,
    body: Input<RunBody>,
) -> Result<(StatusCode, Json<Value>), NotQueued> {
    let Json(body) = body?;
    let order = Order { template_parameters: body.parameters.clone(), ..Order::default() };
    let variables = known_before(&service.state(), &order);
    let plan = read(&body, &order, variables)?;
    let name = body.name.filter(|name| !name.is_empty());
    let pool = {
        let state = service.state();
        let pool = state.pool_named(&body.pool).ok_or_else(|| {
            ControlError::missing(format!("there is no pool `{}`, only `{}`", body.pool, state.pool_names()))
        })?;
        pool.id
    };
    let new = NewRun { pool, name, plan, order };
    let id = service.change(|state, moment| state.queue_run(new, moment))?;
    let shown = service.read(|state| find(state, id).map(|run| show(state, run)))??;
    Ok((StatusCode::CREATED, Json(shown)))
}

/// Reads a file that was sent with its templates, and notes which of them are missing: whoever sends it has the rest.
fn read(body: &RunBody, order: &Order, variables: BTreeMap<String, String>) -> Result<Plan, NotQueued> {
    let missing = RefCell::new(BTreeSet::new());
    let template = |path: &str| {
        let text = body.templates.get(path).cloned();
        if text.is_none() {
            missing.borrow_mut().insert(path.to_owned());
        }
        text
    };
    let inputs = Inputs {
        parameters: order.template_parameters.clone(),
        variables,
        path: file_path(&body.file),
        templates: Some(&template),
    };
    Plan::read(&body.yaml, &inputs).map_err(|faults| NotQueued::File(faults, missing.borrow().clone()))
}

fn find(state: &Organization, id: RunId) -> Result<&Run, ControlError> {
    state.runs.all.get(&id).ok_or_else(|| ControlError::missing(format!("there is no run `{id}`")))
}

/// `GET pipelines/runs`.
pub(crate) async fn list(State(service): State<AzureDevOps>) -> Result<Json<Value>, ControlError> {
    let runs: Vec<_> = service.read(|state| state.runs.all.values().map(|run| show(state, run)).collect())?;
    Ok(Json(json!(runs)))
}

/// `GET pipelines/runs/{runId}`.
pub(crate) async fn one(
    State(service): State<AzureDevOps>,
    Path(run): Path<String>,
) -> Result<Json<Value>, ControlError> {
    let id = number(&run)?;
    service.read(|state| find(state, id).map(|run| Json(show(state, run))))?
}

/// `POST pipelines/runs/{runId}/cancel`.
pub(crate) async fn cancel(
    State(service): State<AzureDevOps>,
    Path(run): Path<String>,
) -> Result<Json<Value>, ControlError> {
    let id = number(&run)?;
    let cancelled = service.change(|state, moment| {
        Ok::<_, ApiError>(find(state, id).map(|_| ()).map(|()| state.cancel_run(id, moment.now)))
    })??;
    if !cancelled {
        return Err(ControlError(StatusCode::CONFLICT, format!("the run `{id}` has ended already")));
    }
    service.read(|state| find(state, id).map(|run| Json(show(state, run))))?
}

fn number(text: &str) -> Result<RunId, ControlError> {
    text.parse().map_err(|_| ControlError::missing(format!("there is no run `{text}`; runs have numbers")))
}

fn show(state: &Organization, run: &Run) -> Value {
    let jobs: Vec<_> = run.plan.jobs().map(|(phase, job)| show_job(state, run, phase, job)).collect();
    json!({
        "id": run.id,
        "name": run.name,
        "state": if run.result.is_some() { "completed" } else { "inProgress" },
        "result": run.result,
        "cancelRequested": run.cancelled,
        "queueTime": stamp(run.queue_time),
        "finishTime": run.finish_time.map(stamp),
        "jobs": jobs,
    })
}

fn show_job(state: &Organization, run: &Run, phase: &Phase, job: &Job) -> Value {
    let identifier = phase.identifier(job);
    let known = run.jobs.get(&identifier).copied();
    let request = match known {
        Some(RunJob::Queued(request)) => state.requests.get(&request),
        _ => None,
    };
    let phase_word = match (known, request) {
        (None, _) => "waiting",
        (_, Some(request)) => request.phase(),
        (Some(_), None) => "completed",
    };
    json!({
        "identifier": identifier,
        "name": job.display_name,
        "state": phase_word,
        "result": known.and_then(|known| state.counted(phase, known)),
        "dependsOn": phase.depends_on,
        "condition": phase.condition.to_string(),
        "jobId": request.map(|request| request.job_id),
        "requestId": request.map(|request| request.id),
        "agent": request.and_then(|request| request.assignment.as_ref()).map(|held| held.agent_name.clone()),
        "queueTime": request.map(|request| stamp(request.queue_time)),
        "startTime": request.and_then(|request| request.receive_time).map(stamp),
        "finishTime": request.and_then(|request| request.finish_time).map(stamp),
    })
}
