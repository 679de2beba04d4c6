//! Discovery, keys and the token endpoints (v1.0 and v2.0).
//!
//! Shapes: Microsoft's OpenID Connect documents as `msal` reads them; errors as `AADSTS…` with `error_codes`.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Json, Router};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::entra::{Entra, LIFETIME};

impl Entra {
    /// The tenant's routes. Every other path answers with Entra's own 404.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/{tenant}/v2.0/.well-known/openid-configuration", get(discovery))
            .route("/{tenant}/.well-known/openid-configuration", get(discovery))
            .route("/{tenant}/discovery/v2.0/keys", get(keys))
            .route("/{tenant}/discovery/keys", get(keys))
            .route("/{tenant}/oauth2/v2.0/token", axum::routing::post(token_v2))
            .route("/{tenant}/oauth2/token", axum::routing::post(token_v1))
            .with_state(self.clone())
    }

    fn failure(&self, status: StatusCode, error: &str, code: u32, text: &str) -> Response {
        let inner = self.inner();
        let (trace, correlation) = (inner.entropy.uuid(), inner.entropy.uuid());
        let timestamp = inner.clock.now().strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let body = json!({
            "error": error,
            "error_description": format!(
                "AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}"
            ),
            "error_codes": [code],
            "timestamp": timestamp, "trace_id": trace, "correlation_id": correlation,
        });
        (status, Json(body)).into_response()
    }

    fn check_tenant(&self, tenant: &str) -> Result<(), Box<Response>> {
        if tenant.parse::<Uuid>().is_ok_and(|id| id == self.settings().tenant_id) {
            return Ok(());
        }
        let text = format!(
            "Tenant '{tenant}' not found. This directory has one tenant: '{}'.",
            self.settings().tenant_id
        );
        Err(Box::new(self.failure(StatusCode::BAD_REQUEST, "invalid_tenant", 90002, &text)))
    }
}

async fn discovery(State(entra): State<Entra>, Path(tenant): Path<String>, request: Request) -> Response {
    if let Err(refused) = entra.check_tenant(&tenant) {
        return *refused;
    }
    let settings = entra.settings();
    let base = format!("{}/{}", settings.authority.as_str().trim_end_matches('/'), settings.tenant_id);
    let versioned = request.uri().path().contains("/v2.0/");
    let (path, issuer) = if versioned {
        ("oauth2/v2.0", format!("{base}/v2.0"))
    } else {
        ("oauth2", format!("https://sts.windows.net/{}/", settings.tenant_id))
    };
    Json(json!({
        "token_endpoint": format!("{base}/{path}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["token"],
        "scopes_supported": ["openid"],
        "issuer": issuer,
        "authorization_endpoint": format!("{base}/{path}/authorize"),
        "device_authorization_endpoint": format!("{base}/{path}/devicecode"),
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
    }))
    .into_response()
}

async fn keys(State(entra): State<Entra>, Path(tenant): Path<String>) -> Response {
    match entra.check_tenant(&tenant) {
        Ok(()) => Json(json!({ "keys": [entra.inner().key.jwk()] })).into_response(),
        Err(refused) => *refused,
    }
}

/// The form of RFC 6749, section 4.4. Other members (`client_info`, `claims`) change nothing here.
#[derive(Deserialize)]
struct TokenForm {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    scope: Option<String>,
    resource: Option<String>,
}

async fn token_v2(
    State(entra): State<Entra>,
    Path(tenant): Path<String>,
    Form(form): Form<TokenForm>,
) -> Response {
    // The audience may itself end in `/`: `https://host//.default` is what `az` sends.
    let audience = form.scope.as_deref().and_then(|scope| {
        let resource = scope.split_whitespace().find_map(|one| one.strip_suffix("/.default"))?;
        Some(resource.to_owned())
    });
    token(&entra, &tenant, &form, audience, "scope")
}

async fn token_v1(
    State(entra): State<Entra>,
    Path(tenant): Path<String>,
    Form(form): Form<TokenForm>,
) -> Response {
    let audience = form.resource.clone();
    token(&entra, &tenant, &form, audience, "resource")
}

fn token(entra: &Entra, tenant: &str, form: &TokenForm, audience: Option<String>, named: &str) -> Response {
    if let Err(refused) = entra.check_tenant(tenant) {
        return *refused;
    }
    let bad = |error, code, text: &str| entra.failure(StatusCode::BAD_REQUEST, error, code, text);
    if form.grant_type.as_deref() != Some("client_credentials") {
        let given = form.grant_type.as_deref().unwrap_or("");
        let text = format!("The grant type '{given}' is not supported. Supported: 'client_credentials'.");
        return bad("unsupported_grant_type", 70003, &text);
    }
    let (Some(client_id), Some(secret)) = (&form.client_id, &form.client_secret) else {
        return bad(
            "invalid_request",
            900_144,
            "The request body must contain 'client_id' and 'client_secret'.",
        );
    };
    if client_id.parse() != Ok(entra.settings().client_id) {
        let text =
            format!("Application with identifier '{client_id}' was not found in the directory '{tenant}'.");
        return bad("unauthorized_client", 700_016, &text);
    }
    if !entra.accepts(client_id, secret) {
        let text = format!("Invalid client secret provided for app '{client_id}'.");
        return entra.failure(StatusCode::UNAUTHORIZED, "invalid_client", 7_000_215, &text);
    }
    let known = &entra.settings().audiences;
    let Some(audience) = audience.filter(|a| known.iter().any(|k| k == a.trim_end_matches('/'))) else {
        let text =
            format!("The {named} names no resource of this tenant. Known resources: {}.", known.join(", "));
        return bad("invalid_scope", 500_011, &text);
    };
    match entra.issue(&audience) {
        Ok(token) => Json(json!({
            "token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME,
            "access_token": token.expose_secret(),
        }))
        .into_response(),
        Err(error) => {
            tracing::error!(%error, "sign an access token");
            entra.failure(
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_error",
                90000,
                "The token could not be signed.",
            )
        }
    }
}

#[cfg(test)]
mod tests;
