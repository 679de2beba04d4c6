//! Plans, their timelines and records, and the event that ends a job.
//!
//! Source: azure-pipelines-agent: JobRunner.cs, JobServerQueue.cs; actions/runner: TimelineRecord.cs, JobEvent.cs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{Body, Query, Values};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::plans::Record;
use crate::state::refusal::Refusal;
use crate::state::secrets::Caller;
use crate::state::{self};
use crate::view;
use crate::wire::bodies::{EventBody, TimelineBody, Wrapped};
use crate::wire::ids::{PlanId, RequestId, TimelineId};
use crate::wire::job::{DEFINITION, HUB, PROJECT};

/// The part of the path that all routes of a plan share.
#[derive(Debug, Deserialize)]
pub(crate) struct PlanPath {
    scope: String,
    hub: String,
    plan: PlanId,
}

impl PlanPath {
    pub(crate) fn new(scope: &str, hub: &str, plan: PlanId) -> Self {
        Self { scope: scope.to_owned(), hub: hub.to_owned(), plan }
    }

    /// The plan, if the path's project and hub are its own and the caller may reach it.
    pub(crate) fn open(&self, state: &state::State, caller: Caller) -> Result<PlanId, Refusal> {
        caller.check_plan(self.plan)?;
        let project = state.meta.project_id.to_string();
        let known = self.scope.eq_ignore_ascii_case(&project) || self.scope.eq_ignore_ascii_case(PROJECT);
        if !known || !self.hub.eq_ignore_ascii_case(HUB) {
            return Err(Refusal::PlanNotFound(self.plan));
        }
        let request = state.plan(self.plan)?.request_id;
        if let Caller::Agent { id, .. } = caller
            && !state.requests.get(&request).is_some_and(|request| request.is_of(id))
        {
            return Err(Refusal::Denied(format!("The agent has no permission on plan {}.", self.plan)));
        }
        Ok(self.plan)
    }
}

/// The path of a timeline.
#[derive(Debug, Deserialize)]
pub(crate) struct TimelinePath {
    scope: String,
    hub: String,
    plan: PlanId,
    timeline: TimelineId,
}

impl TimelinePath {
    fn open(&self, state: &state::State, caller: Caller) -> Result<(PlanId, TimelineId), Refusal> {
        let plan = PlanPath::new(&self.scope, &self.hub, self.plan);
        Ok((plan.open(state, caller)?, self.timeline))
    }
}

/// `GET plans/{planId}`.
pub(crate) async fn one(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(path): Values<PlanPath>,
) -> Result<Json<Value>, ApiError> {
    let shown = service.read(|state| {
        let plan = state.plan(path.open(state, caller)?)?;
        let request = state.requests.get(&plan.request_id);
        Ok::<_, Refusal>(json!({
            "scopeIdentifier": state.meta.project_id,
            "planType": HUB,
            "version": 9,
            "planId": plan.id,
            "artifactUri": format!("vstfs:///Build/Build/{}", plan.request_id),
            "definition": {"id": 1, "name": DEFINITION},
            "owner": {"id": plan.request_id, "name": request.map(|request| request.build_number.clone())},
            "timeline": {"id": plan.main_timeline(), "changeId": plan.change_id()},
            "result": request.and_then(|request| request.result),
        }))
    })?;
    Ok(Json(shown?))
}

/// `POST plans/{planId}/events`.
pub(crate) async fn event(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(path): Values<PlanPath>,
    Body(event): Body<EventBody>,
) -> Result<StatusCode, ApiError> {
    if !event.name.eq_ignore_ascii_case("JobCompleted") {
        return Err(ApiError::invalid(format!(
            "The event '{}' is not known. Supported: JobCompleted.",
            event.name
        )));
    }
    let result = event.result.ok_or_else(|| ApiError::invalid("The event JobCompleted has no result."))?;
    service.change(|state, moment| {
        let id = state.plan(path.open(state, caller)?)?.request_id;
        check_event(state, caller, id, &event)?;
        let outputs = event.outputs.unwrap_or_default();
        state.complete(id, result, outputs, event.agent_shutting_down, moment.now)
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the event is of this plan's job and comes from the job itself or from the agent that has it.
fn check_event(
    state: &state::State,
    caller: Caller,
    id: RequestId,
    event: &EventBody,
) -> Result<(), Refusal> {
    let request = state.requests.get(&id).ok_or(Refusal::JobNotFound(id))?;
    let other_job = event.job_id.is_some_and(|job| job != request.job_id.0);
    if other_job || event.request_id.is_some_and(|named| named != id.0) {
        return Err(Refusal::Invalid("The event is of another job than this plan's.".to_owned()));
    }
    match caller {
        Caller::Job { .. } => Ok(()),
        Caller::Agent { id: agent, generation } if request.finish_time.is_none() => {
            state.check_holder(request.pool_id, id, agent, generation)
        }
        Caller::Agent { .. } => Ok(()),
        Caller::User { .. } => Err(Refusal::Denied("Only a job or its agent reports its end.".to_owned())),
    }
}

fn show_timeline(plan: PlanId, timeline: TimelineId, change_id: i64, records: Option<Vec<&Record>>) -> Value {
    let mut shown = json!({"id": timeline, "changeId": change_id, "planId": plan});
    if let Some(records) = records {
        shown["records"] = json!(records);
    }
    shown
}

/// `GET timelines`.
pub(crate) async fn timelines(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(path): Values<PlanPath>,
) -> Result<Json<Value>, ApiError> {
    let shown = service.read(|state| {
        let plan = state.plan(path.open(state, caller)?)?;
        let shown =
            plan.timelines.iter().map(|id| show_timeline(plan.id, *id, plan.change_id(), None)).collect();
        Ok::<_, Refusal>(view::list(shown))
    })?;
    Ok(Json(shown?))
}

/// `POST timelines`.
pub(crate) async fn add_timeline(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(path): Values<PlanPath>,
    Body(body): Body<TimelineBody>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, _| {
        let plan = path.open(state, caller)?;
        let timeline = TimelineId(body.id);
        state.add_timeline(plan, timeline)?;
        Ok::<_, Refusal>(Json(show_timeline(plan, timeline, state.plan(plan)?.change_id(), Some(Vec::new()))))
    })
}

/// `GET timelines/{timelineId}`.
pub(crate) async fn timeline(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(path): Values<TimelinePath>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let with_records = query.flag("includeRecords")?;
    let shown = service.read(|state| {
        let (plan, timeline) = path.open(state, caller)?;
        let records = state.records(plan, timeline)?;
        let change_id = state.plan(plan)?.change_id();
        Ok::<_, Refusal>(show_timeline(plan, timeline, change_id, with_records.then_some(records)))
    })?;
    Ok(Json(shown?))
}

/// `GET records`.
pub(crate) async fn records(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(path): Values<TimelinePath>,
) -> Result<Json<Value>, ApiError> {
    let shown = service.read(|state| {
        let (plan, timeline) = path.open(state, caller)?;
        Ok::<_, Refusal>(view::list(state.records(plan, timeline)?.into_iter().map(|r| json!(r)).collect()))
    })?;
    Ok(Json(shown?))
}

/// `PATCH records`.
pub(crate) async fn update_records(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(path): Values<TimelinePath>,
    Body(changes): Body<Wrapped<Record>>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, moment| {
        let (plan, timeline) = path.open(state, caller)?;
        let merged = state.merge_records(plan, timeline, &changes.value, moment.now)?;
        Ok::<_, Refusal>(Json(view::list(merged.into_iter().map(Value::Object).collect())))
    })
}
