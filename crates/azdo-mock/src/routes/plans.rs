//! Plans, their timelines and records, and the event that ends a job.
//!
//! Source: azure-pipelines-agent: JobRunner.cs, JobServerQueue.cs; actions/runner: TimelineRecord.cs, JobEvent.cs.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{Body, Query, Values};
use super::in_plan::InPlan;
use crate::error::ApiError;
use crate::state::State;
use crate::state::plans::Record;
use crate::state::refusal::Refusal;
use crate::state::secrets::Caller;
use crate::view;
use crate::wire::bodies::{EventBody, TimelineBody, Wrapped};
use crate::wire::ids::{PlanId, RequestId, TimelineId};
use crate::wire::job::JobSpec;

/// The part of the path that names a timeline.
#[derive(Debug, Deserialize)]
pub(crate) struct TimelinePart {
    timeline: TimelineId,
}

/// `GET plans/{planId}`.
pub(crate) async fn one(plan: InPlan) -> Result<Json<Value>, ApiError> {
    plan.read(|state, plan| {
        let request = state.requests.get(&plan.request_id);
        let spec = state.jobs.get(&plan.request_id);
        let build = spec.map_or(plan.request_id.0, JobSpec::build);
        let definition = spec.map(|spec| &spec.placement.definition);
        Ok(Json(json!({
            "scopeIdentifier": state.meta.project_id,
            "planType": state.hub(plan.id),
            "version": 9,
            "planId": plan.id,
            "artifactUri": format!("vstfs:///Build/Build/{build}"),
            "definition": definition,
            "owner": {"id": build, "name": request.map(|request| request.build_number.clone())},
            "timeline": {"id": plan.main_timeline(), "changeId": plan.change_id()},
            "result": request.and_then(|request| request.result),
        })))
    })
}

/// `POST plans/{planId}/events`.
pub(crate) async fn event(plan: InPlan, Body(event): Body<EventBody>) -> Result<StatusCode, ApiError> {
    if !event.name.eq_ignore_ascii_case("JobCompleted") {
        return Err(ApiError::invalid(format!(
            "The event '{}' is not known. Supported: JobCompleted.",
            event.name
        )));
    }
    let result = event.result.ok_or_else(|| ApiError::invalid("The event JobCompleted has no result."))?;
    plan.change(|state, id, moment| {
        let id = state.plan(id)?.request_id;
        check_event(state, plan.caller, id, &event)?;
        let outputs = event.outputs.unwrap_or_default();
        state.complete(id, result, outputs, event.agent_shutting_down, moment.now)
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the event is of this plan's job and comes from the job itself or from the agent that has it.
fn check_event(state: &State, caller: Caller, id: RequestId, event: &EventBody) -> Result<(), Refusal> {
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
pub(crate) async fn timelines(plan: InPlan) -> Result<Json<Value>, ApiError> {
    plan.read(|_, plan| {
        let shown = plan.timelines.iter().map(|id| show_timeline(plan.id, *id, plan.change_id(), None));
        Ok(Json(view::list(shown.collect())))
    })
}

/// `POST timelines`.
pub(crate) async fn add_timeline(
    plan: InPlan,
    Body(body): Body<TimelineBody>,
) -> Result<Json<Value>, ApiError> {
    plan.change(|state, plan, _| {
        let timeline = TimelineId(body.id);
        state.add_timeline(plan, timeline)?;
        Ok(Json(show_timeline(plan, timeline, state.plan(plan)?.change_id(), Some(Vec::new()))))
    })
}

/// `GET timelines/{timelineId}`.
pub(crate) async fn timeline(
    plan: InPlan,
    Values(TimelinePart { timeline }): Values<TimelinePart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let with_records = query.flag("includeRecords")?;
    plan.read(|state, plan| {
        let records = state.records(plan.id, timeline)?;
        Ok(Json(show_timeline(plan.id, timeline, plan.change_id(), with_records.then_some(records))))
    })
}

/// `GET records`.
pub(crate) async fn records(
    plan: InPlan,
    Values(TimelinePart { timeline }): Values<TimelinePart>,
) -> Result<Json<Value>, ApiError> {
    plan.read(|state, plan| {
        let records = state.records(plan.id, timeline)?;
        Ok(Json(view::list(records.into_iter().map(|record| json!(record)).collect())))
    })
}

/// `PATCH records`.
pub(crate) async fn update_records(
    plan: InPlan,
    Values(TimelinePart { timeline }): Values<TimelinePart>,
    Body(changes): Body<Wrapped<Record>>,
) -> Result<Json<Value>, ApiError> {
    plan.change(|state, plan, moment| {
        let merged = state.merge_records(plan, timeline, &changes.value, moment.now)?;
        Ok(Json(view::list(merged.into_iter().map(Value::Object).collect())))
    })
}
