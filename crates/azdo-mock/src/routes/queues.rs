//! The project's queues.
//!
//! Forms of the list: azure-devops (PyPI): task_agent_client.py.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::extract::{Body, Query, Values};
use super::in_project::InProject;
use super::pools::matches;
use crate::error::ApiError;
use crate::state::members::PoolRights;
use crate::view::{self, projects};
use crate::wire::ids::{PoolId, QueueId};
use crate::wire::project_bodies::QueueBody;

/// The part of the path that names a queue.
#[derive(Debug, Deserialize)]
pub(crate) struct QueuePart {
    queue: QueueId,
}

/// `GET queues`.
pub(crate) async fn list(project: InProject, query: Query) -> Result<Json<Value>, ApiError> {
    let rights = visible(&project, &query)?;
    let name = query.text(&["queueName"]);
    let names: Option<Vec<_>> =
        query.text(&["queueNames"]).map(|names| names.split(',').map(str::trim).collect());
    let ids: Option<Vec<QueueId>> = query.numbers("queueIds")?;
    let pools: Option<Vec<PoolId>> = query.numbers("poolIds")?;
    project.read(|state, _| {
        let queues = state.project.queues.values().filter(|_| rights).filter(|queue| {
            name.is_none_or(|name| matches(name, &queue.name))
                && names
                    .as_ref()
                    .is_none_or(|all| all.iter().any(|one| one.eq_ignore_ascii_case(&queue.name)))
                && ids.as_ref().is_none_or(|ids| ids.contains(&queue.id))
                && pools.as_ref().is_none_or(|pools| pools.contains(&queue.pool_id))
        });
        Ok(Json(view::list(queues.map(|queue| projects::queue(state, queue)).collect())))
    })
}

/// Whether the caller may do with queues what `actionFilter` asks for.
fn visible(project: &InProject, query: &Query) -> Result<bool, ApiError> {
    let rights = project.caller.pools().unwrap_or(PoolRights::Read);
    Ok(rights >= super::pools::needed(query)?)
}

/// `GET queues/{queueId}`.
pub(crate) async fn one(
    project: InProject,
    Values(QueuePart { queue }): Values<QueuePart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let rights = visible(&project, &query)?;
    project.read(|state, _| {
        let found = state.queue(queue)?;
        if !rights {
            return Err(crate::state::refusal::Refusal::QueueNotFound(queue).into());
        }
        Ok(Json(projects::queue(state, found)))
    })
}

/// `POST queues`.
pub(crate) async fn add(project: InProject, Body(body): Body<QueueBody>) -> Result<Json<Value>, ApiError> {
    project.require_person("Manage")?;
    project.caller.require_manager("of the queue")?;
    let wanted = body.pool.as_ref().and_then(|pool| pool.id).filter(|id| *id != 0).map(PoolId);
    let named = body.pool.and_then(|pool| pool.name);
    let name = body.name.or_else(|| named.clone()).filter(|name| !name.trim().is_empty());
    project.change(|state, moment| {
        let known = named.and_then(|name| state.pool_named(&name).map(|pool| pool.id));
        let id = state.add_queue(name, wanted.or(known), moment.now)?;
        Ok(Json(projects::queue(state, state.queue(id)?)))
    })
}

/// `DELETE queues/{queueId}`.
pub(crate) async fn delete(
    project: InProject,
    Values(QueuePart { queue }): Values<QueuePart>,
) -> Result<StatusCode, ApiError> {
    project.require_person("Manage")?;
    project.caller.require_manager("of the queue")?;
    project.change(|state, _| Ok(state.delete_queue(queue)?))?;
    Ok(StatusCode::NO_CONTENT)
}
