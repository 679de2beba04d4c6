//! Looks at every access token that comes in for signs of theft, whether the gate takes it or not. It answers nothing.

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;

use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::routes::extract::peer;
use crate::state::alarms::{KeyUse, Use};

/// Notes who shows an agent's access token, then lets the request pass.
pub(crate) async fn access_tokens(
    State(service): State<AzureDevOps>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(seen) = seen(&service, &request) {
        let noted = service.change(|state, moment| {
            state.watch(seen, moment.now);
            Ok::<_, ApiError>(())
        });
        if let Err(error) = noted {
            tracing::warn!(?error, "a sign of a stolen key could not be saved");
        }
    }
    next.run(request).await
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
