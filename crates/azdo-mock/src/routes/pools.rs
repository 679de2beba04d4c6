//! Pools. Filters: MicrosoftDocs/vsts-rest-api-specs: distributedTask/7.1.

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::extract::{Query, Values};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::members::PoolRights;
use crate::state::secrets::Caller;
use crate::view;
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
    let ids = match query.text(&["poolIds"]) {
        Some(ids) => {
            Some(ids.split(',').map(str::trim).map(str::parse).collect::<Result<Vec<PoolId>, _>>().map_err(
                |_| ApiError::invalid(format!("The value '{ids}' is not valid for parameter poolIds.")),
            )?)
        }
        None => None,
    };
    // Deployment pools are not there; any other word is a mistake of the caller.
    let automation = match query.text(&["poolType"]).map(str::to_ascii_lowercase).as_deref() {
        None | Some("automation" | "1") => true,
        Some("deployment" | "2") => false,
        Some(other) => {
            return Err(ApiError::invalid(format!(
                "The value '{other}' is not valid for parameter poolType."
            )));
        }
    };
    let pools = service.read(|state| {
        state
            .pools
            .values()
            .filter(|_| automation && rights >= needed)
            .filter(|pool| name.is_none_or(|name| matches(name, &pool.name)))
            .filter(|pool| ids.as_ref().is_none_or(|ids| ids.contains(&pool.id)))
            .map(|pool| view::pool(state, pool))
            .collect()
    })?;
    Ok(Json(view::list(pools)))
}

/// `GET pools/{poolId}`.
pub(crate) async fn one(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(pool): Values<PoolId>,
) -> Result<Json<Value>, ApiError> {
    caller.pools()?.see(pool)?;
    let shown = service.read(|state| state.pool(pool).map(|pool| view::pool(state, pool)))?;
    Ok(Json(shown?))
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
