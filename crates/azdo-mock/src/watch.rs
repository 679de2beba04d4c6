//! Looks at every access token that comes in for signs of theft, whether the gate takes it or not. It answers nothing.

use axum::extract::Request;
use axum::http::header;

use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::routes::extract::peer;
use crate::state::alarms::{KeyUse, Use};

/// Notes who shows an agent's access token.
pub(crate) fn access_tokens(service: &AzureDevOps, request: &Request) {
    let Some(seen) = seen(service, request) else { return };
    let noted = service.change(|state, moment| {
        state.watch(seen, moment.now);
        Ok::<_, ApiError>(())
    });
    if let Err(error) = noted {
        tracing::warn!(?error, "a sign of a stolen key could not be saved");
    }
}

/// A use of a key that is worth a note.
fn seen(service: &AzureDevOps, request: &Request) -> Option<Use> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let state = service.state();
    let (agent, generation) = state.issued_to(token.trim(), service.now())?;
    let seen = Use { agent, generation, used_for: KeyUse::AccessToken, from: peer(request.extensions()) };
    state.is_suspicious(seen).then_some(seen)
}
