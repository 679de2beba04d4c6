//! Members of the organization: what an administrator does in the web page *Users* and in a pool's *Security*.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ControlError, Input};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::members::{Member, PoolRights};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewMember {
    object_id: Uuid,
    display_name: Option<String>,
    pools: PoolRights,
}

pub(super) async fn list(State(service): State<AzureDevOps>) -> Result<Json<Value>, ControlError> {
    let members: Vec<Member> = service.read(|state| state.members.values().cloned().collect())?;
    Ok(Json(json!(members)))
}

/// Adds a member or changes what it may do.
pub(super) async fn put(
    State(service): State<AzureDevOps>,
    body: Input<NewMember>,
) -> Result<StatusCode, ControlError> {
    let Json(body) = body?;
    let display_name = body.display_name.unwrap_or_else(|| body.object_id.to_string());
    let member = Member { object_id: body.object_id, display_name, pools: body.pools };
    service.change(|state, moment| {
        state.put_member(member, moment.now);
        Ok::<_, ApiError>(())
    })?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove(
    State(service): State<AzureDevOps>,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, ControlError> {
    let known = service.change(|state, moment| Ok::<_, ApiError>(state.remove_member(id, moment.now)))?;
    if known { Ok(StatusCode::NO_CONTENT) } else { Err(ControlError::missing("no such member")) }
}
