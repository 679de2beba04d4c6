//! Maintenance of pools' agents: definitions, and the times that it was asked for.
//!
//! Source: azure-devops (PyPI, 4.0): task_agent_client.py (`…_agent_pool_maintenance_…`). Later versions of the library keep
//! the models and leave out the calls, which the service's own pages go on using.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::build_logs::{Form, form, zipped};
use super::extract::{Body, Query, Values};
use super::pools::require_manager;
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::log_text::Part;
use crate::state::build_state::number;
use crate::state::maintenance::{MaintenanceJob, MaintenanceSettings};
use crate::state::refusal::Refusal;
use crate::state::secrets::Caller;
use crate::view::{self, maintenance};
use crate::wire::ids::{MaintenanceId, MaintenanceJobId, PoolId};
use crate::wire::maintenance_bodies::{DefinitionBody, JobBody};
use crate::wire::words::{MAINTENANCE_STATUSES, word};

fn within(
    name: &str,
    value: Option<u32>,
    usual: u32,
    bounds: std::ops::RangeInclusive<u32>,
) -> Result<u32, Refusal> {
    let value = value.unwrap_or(usual);
    if bounds.contains(&value) {
        return Ok(value);
    }
    let (start, end) = (bounds.start(), bounds.end());
    Err(Refusal::Invalid(format!("The value {value} is not valid for {name}. Supported: {start} to {end}.")))
}

fn settings(body: DefinitionBody) -> Result<MaintenanceSettings, Refusal> {
    let (options, kept) = (body.options.unwrap_or_default(), body.retention_policy.unwrap_or_default());
    let never = || Map::from_iter([("daysToBuild".to_owned(), json!("none"))]);
    Ok(MaintenanceSettings {
        enabled: body.enabled.unwrap_or(false),
        timeout_minutes: within("jobTimeoutInMinutes", body.job_timeout_in_minutes, 60, 0..=10_080)?,
        percentage: within(
            "maxConcurrentAgentsPercentage",
            body.max_concurrent_agents_percentage,
            25,
            1..=100,
        )?,
        expiration_days: within(
            "workingDirectoryExpirationInDays",
            options.working_directory_expiration_in_days,
            0,
            0..=36_500,
        )?,
        history: within(
            "numberOfHistoryRecordsToKeep",
            kept.number_of_history_records_to_keep,
            1,
            0..=10_000,
        )?,
        schedule: body.schedule_setting.unwrap_or_else(never),
    })
}

/// Refuses those to whom the pool is not shown.
fn look(service: &AzureDevOps, caller: Caller, pool: PoolId) -> Result<(), ApiError> {
    caller.pools()?.see(pool)?;
    service.read(|state| state.pool(pool).map(|_| ()))??;
    Ok(())
}

/// `GET maintenancedefinitions`.
pub(crate) async fn definitions(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(pool): Values<PoolId>,
) -> Result<Json<Value>, ApiError> {
    look(&service, caller, pool)?;
    let shown = service.read(|state| {
        let all = state.maintenance.definitions.values().filter(|definition| definition.pool == pool);
        view::list(all.map(|definition| maintenance::definition(state, definition)).collect())
    })?;
    Ok(Json(shown))
}

/// `GET maintenancedefinitions/{definitionId}`.
pub(crate) async fn definition(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, id)): Values<(PoolId, MaintenanceId)>,
) -> Result<Json<Value>, ApiError> {
    look(&service, caller, pool)?;
    let shown = service.read(|state| {
        state.maintenance.definition(pool, id).map(|one| maintenance::definition(state, one))
    })?;
    Ok(Json(shown?))
}

/// `POST maintenancedefinitions`.
pub(crate) async fn define(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(pool): Values<PoolId>,
    Body(body): Body<DefinitionBody>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, _| {
        require_manager(state, pool, caller)?;
        let made = state.add_maintenance(pool, settings(body)?)?.clone();
        Ok::<_, Refusal>(Json(maintenance::definition(state, &made)))
    })
}

/// `PUT maintenancedefinitions/{definitionId}`.
pub(crate) async fn redefine(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, id)): Values<(PoolId, MaintenanceId)>,
    Body(body): Body<DefinitionBody>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, _| {
        require_manager(state, pool, caller)?;
        if body.id.is_some_and(|named| named != 0 && named != id.0) {
            let why = "The id of the maintenance definition in the body is not that of the address.";
            return Err(Refusal::Invalid(why.to_owned()));
        }
        let made = state.update_maintenance(pool, id, settings(body)?)?.clone();
        Ok(Json(maintenance::definition(state, &made)))
    })
}

/// `DELETE maintenancedefinitions/{definitionId}`.
pub(crate) async fn undefine(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, id)): Values<(PoolId, MaintenanceId)>,
) -> Result<StatusCode, ApiError> {
    service.change(|state, _| {
        require_manager(state, pool, caller)?;
        state.delete_maintenance(pool, id)
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET maintenancejobs?definitionId=`.
pub(crate) async fn jobs(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(pool): Values<PoolId>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    look(&service, caller, pool)?;
    let wanted: Option<MaintenanceId> = query.parsed(&["definitionId"])?;
    let shown = service.read(|state| {
        let all = state.maintenance.jobs_of(pool);
        let all = all.filter(|job| wanted.is_none_or(|wanted| job.definition == wanted));
        view::list(all.map(|job| maintenance::job(state, service.addresses(), job)).collect())
    })?;
    Ok(Json(shown))
}

/// `GET maintenancejobs/{jobId}`; the logs of its agents as a zip where one is asked for.
pub(crate) async fn job(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, id)): Values<(PoolId, MaintenanceJobId)>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    look(&service, caller, pool)?;
    if form(&headers, &query, Form::Json)? == Form::Zip {
        let parts =
            service.read(|state| state.maintenance.job_of(pool, id).map(|job| logs(&service, state, job)))?;
        return zipped(parts?, &format!("maintenance_{id}.zip")).await;
    }
    let shown = service.read(|state| {
        state.maintenance.job_of(pool, id).map(|job| maintenance::job(state, service.addresses(), job))
    })?;
    Ok(Json(shown?).into_response())
}

fn logs(service: &AzureDevOps, state: &crate::state::State, job: &MaintenanceJob) -> Vec<Part> {
    let mut parts = Vec::new();
    for target in &job.targets {
        let plan = target.request(state).and_then(|request| state.plans.get(&request.plan_id));
        for (plan, log) in plan.into_iter().flat_map(|plan| plan.logs.values().map(move |log| (plan, log))) {
            parts.push(Part {
                name: format!("{}/{}.txt", target.name.replace(['/', '\\'], "_"), log.id),
                number: number(log),
                file: service.files().log(plan.id, log.id),
                bytes: log.bytes,
                lines: log.lines,
            });
        }
    }
    parts
}

/// `POST maintenancejobs`.
pub(crate) async fn queue(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(pool): Values<PoolId>,
    Body(body): Body<JobBody>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, moment| {
        require_manager(state, pool, caller)?;
        let id = body.definition_id.map(MaintenanceId);
        let id = id.ok_or_else(|| Refusal::Invalid("The maintenance job has no definitionId.".to_owned()))?;
        let by = state.person(caller);
        let id = state.queue_maintenance(pool, id, by, moment.now)?;
        state.settle(moment);
        Ok::<_, Refusal>(Json(maintenance::job(state, service.addresses(), state.maintenance.job(id)?)))
    })
}

/// `PATCH maintenancejobs/{jobId}`: the one change there is cancels it.
pub(crate) async fn update(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, id)): Values<(PoolId, MaintenanceJobId)>,
    Body(body): Body<JobBody>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, moment| {
        require_manager(state, pool, caller)?;
        let current = maintenance::status(state, state.maintenance.job_of(pool, id)?);
        match body.status.as_ref().and_then(|status| word(status, MAINTENANCE_STATUSES)) {
            Some("cancelling") => state.cancel_maintenance(pool, id, moment.now)?,
            // Who sends the whole job back asks for no change.
            Some(same) if same == current => {}
            _ => {
                let why = "The status of the maintenance job is not valid. Supported: cancelling.";
                return Err(Refusal::Invalid(why.to_owned()));
            }
        }
        state.settle(moment);
        Ok(Json(maintenance::job(state, service.addresses(), state.maintenance.job(id)?)))
    })
}

/// `DELETE maintenancejobs/{jobId}`.
pub(crate) async fn delete(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((pool, id)): Values<(PoolId, MaintenanceJobId)>,
) -> Result<StatusCode, ApiError> {
    service.change(|state, _| {
        require_manager(state, pool, caller)?;
        state.delete_maintenance_job(pool, id)
    })?;
    Ok(StatusCode::NO_CONTENT)
}
