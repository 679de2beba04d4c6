//! Pools. Filters: MicrosoftDocs/vsts-rest-api-specs: distributedTask/7.1.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;

use super::extract::{Body, Query, Values};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::members::PoolRights;
use crate::state::pools::PoolKind;
use crate::state::refusal::Refusal;
use crate::state::secrets::Caller;
use crate::state::{self};
use crate::view;
use crate::wire::bodies::{PoolBody, PoolType};
use crate::wire::ids::PoolId;

/// `GET pools`.
pub(crate) async fn list(
    State(service): State<AzureDevOps>,
    caller: Caller,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let rights = caller.pools()?;
    let needed = needed(&query)?;
    let name = query.text(&["poolName"]);
    let ids: Option<Vec<PoolId>> = query.numbers("poolIds")?;
    let kind = match query.text(&["poolType"]) {
        None => PoolType::Automation,
        Some(text) => {
            let value = text.parse::<u32>().map_or_else(|_| Value::from(text), Value::from);
            PoolType::read(&value).ok_or_else(|| query.wrong("poolType"))?
        }
    };
    let properties = properties(&query);
    let pools = service.read(|state| {
        state
            .pools
            .values()
            .filter(|_| rights >= needed)
            .filter(|pool| {
                (pool.kind == PoolKind::Deployment) == (kind == PoolType::Deployment) || ids.is_some()
            })
            .filter(|pool| name.is_none_or(|name| matches(name, &pool.name)))
            .filter(|pool| ids.as_ref().is_none_or(|ids| ids.contains(&pool.id)))
            .map(|pool| view::pools::pool(state, service.addresses(), pool, |name| wanted(&properties, name)))
            .collect()
    })?;
    Ok(Json(view::list(pools)))
}

/// `GET pools/{poolId}`.
pub(crate) async fn one(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(pool): Values<PoolId>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let rights = caller.pools()?;
    rights.see(pool)?;
    if rights < needed(&query)? {
        return Err(Refusal::PoolNotFound(pool).into());
    }
    let properties = properties(&query);
    let shown = service.read(|state| {
        let pool = state.pool(pool)?;
        Ok::<_, Refusal>(view::pools::pool(state, service.addresses(), pool, |name| {
            wanted(&properties, name)
        }))
    })?;
    Ok(Json(shown?))
}

/// `POST pools`.
pub(crate) async fn add(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Body(body): Body<PoolBody>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, moment| {
        caller.require_manager(body.name.as_deref().unwrap_or_default())?;
        let owner = state.person(caller);
        let id = state.add_pool(&body, owner, moment.now)?;
        show(&service, state, id)
    })
}

/// `PATCH pools/{poolId}`.
pub(crate) async fn update(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(pool): Values<PoolId>,
    Body(body): Body<PoolBody>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, _| {
        require_manager(state, pool, caller)?;
        state.change_pool(pool, &body)?;
        show(&service, state, pool)
    })
}

/// `DELETE pools/{poolId}`.
pub(crate) async fn delete(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(pool): Values<PoolId>,
) -> Result<StatusCode, ApiError> {
    service.change(|state, moment| {
        require_manager(state, pool, caller)?;
        state.delete_pool(pool, moment.now)
    })?;
    Ok(StatusCode::NO_CONTENT)
}

fn show(service: &AzureDevOps, state: &state::State, pool: PoolId) -> Result<Json<Value>, Refusal> {
    Ok(Json(view::pools::pool(state, service.addresses(), state.pool(pool)?, |_| true)))
}

/// Refuses whoever does not manage the pool; to whom it is not shown it is not there.
pub(super) fn require_manager(state: &state::State, pool: PoolId, caller: Caller) -> Result<(), Refusal> {
    if let Caller::User { pools, .. } = caller {
        pools.see(pool)?;
    }
    caller.require_manager(&state.pool(pool)?.name)
}

/// The properties that are asked for: none unless they are named.
fn properties(query: &Query) -> Vec<&str> {
    query.text(&["properties"]).map(|names| names.split(',').map(str::trim).collect()).unwrap_or_default()
}

fn wanted(patterns: &[&str], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

/// `GET agentclouds`: none.
pub(crate) async fn clouds(caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.pools()?;
    Ok(Json(view::list(Vec::new())))
}

/// What `actionFilter` asks pools to be open for: those that are not are left out. Words and numbers of
/// `TaskAgentPoolActionFilter`.
pub(super) fn needed(query: &Query) -> Result<PoolRights, ApiError> {
    match query.text(&["actionFilter"]).map(str::to_ascii_lowercase).as_deref() {
        // Whoever may use a pool sees it; there is no role for using alone here.
        None | Some("none" | "0" | "use" | "16") => Ok(PoolRights::Read),
        Some("manage" | "2") => Ok(PoolRights::Manage),
        Some(other) => {
            Err(ApiError::invalid(format!("The value '{other}' is not valid for parameter actionFilter.")))
        }
    }
}

/// Names match in any case; `*` stands for any text.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    fn glob(pattern: &str, name: &str) -> bool {
        match pattern.split_once('*') {
            None => pattern == name,
            Some((first, rest)) => name.strip_prefix(first).is_some_and(|name| {
                name.char_indices().any(|(at, _)| glob(rest, &name[at..])) || glob(rest, "")
            }),
        }
    }
    glob(&pattern.to_lowercase(), &name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_match_in_any_case_and_with_a_wildcard() {
        for (pattern, name, expected) in [
            ("Default", "default", true),
            ("Def", "Default", false),
            ("Def*", "Default", true),
            ("*fault", "Default", true),
            ("*", "Default", true),
            ("D*t", "Default", true),
            ("D*x", "Default", false),
            ("*a*", "Default", true),
            ("*z*", "Default", false),
            ("a*a", "aba", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
    }
}
