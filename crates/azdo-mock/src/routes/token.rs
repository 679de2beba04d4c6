//! Where agents exchange a signed assertion for an access token. Errors are 400 with a length, never chunked:
//! clients recognise only those (actions/runner: VssOAuthTokenHttpClient.cs).

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::extract::Peer;
use crate::app::AzureDevOps;
use crate::state::secrets::TOKEN_LIFE;
use crate::wire::assertion::{TokenRefusal, TokenRequest};

/// `POST _apis/oauth2/token`.
pub(crate) async fn issue(
    State(service): State<AzureDevOps>,
    Peer(from): Peer,
    form: Result<Form<TokenRequest>, FormRejection>,
) -> Response {
    let issued = match form {
        Ok(Form(request)) => request.assertion().map(|assertion| {
            let audience = service.audience(&assertion.claims.aud);
            service.try_change(|state, moment| state.issue_token_to(&assertion, &audience, from, moment))
        }),
        Err(rejection) => Err(TokenRefusal { error: "invalid_request", description: rejection.body_text() }),
    };
    match issued {
        Ok(Ok(Ok(token))) => Json(json!({
            "access_token": token,
            "token_type": "JWT",
            "expires_in": TOKEN_LIFE.as_secs(),
            "scope": "app_token",
        }))
        .into_response(),
        Ok(Ok(Err(refusal))) | Err(refusal) => {
            let body = json!({"error": refusal.error, "error_description": refusal.description});
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
        Ok(Err(error)) => error.into_response(),
    }
}
