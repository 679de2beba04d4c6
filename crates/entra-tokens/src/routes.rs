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
use url::Url;
use uuid::Uuid;

use crate::applications::Application;
use crate::entra::{Entra, LIFETIME};
use crate::federation::{self, ASSERTION_TYPE};

/// In the extensions of a token endpoint's answer: the application that asked, where it named one.
#[derive(Debug, Clone, Copy)]
pub struct TokenClient(pub Uuid);

/// What the routes need: the tenant, and the address under which it is asked here.
#[derive(Debug, Clone)]
struct Door {
    entra: Entra,
    authority: Url,
}

impl Entra {
    /// The tenant's routes. Every other path answers with Entra's own 404.
    pub fn router(&self) -> Router {
        self.router_at(self.settings().authority.clone())
    }

    /// The same under a second address, which its discovery document then names.
    pub fn router_at(&self, authority: Url) -> Router {
        Router::new()
            .route("/{tenant}/v2.0/.well-known/openid-configuration", get(discovery))
            .route("/{tenant}/.well-known/openid-configuration", get(discovery))
            .route("/{tenant}/discovery/v2.0/keys", get(keys))
            .route("/{tenant}/discovery/keys", get(keys))
            .route("/{tenant}/oauth2/v2.0/token", axum::routing::post(token_v2))
            .route("/{tenant}/oauth2/token", axum::routing::post(token_v1))
            .with_state(Door { entra: self.clone(), authority })
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

async fn discovery(
    State(Door { entra, authority }): State<Door>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    if let Err(refused) = entra.check_tenant(&tenant) {
        return *refused;
    }
    let settings = entra.settings();
    let base = format!("{}/{}", authority.as_str().trim_end_matches('/'), settings.tenant_id);
    let versioned = request.uri().path().contains("/v2.0/");
    let (path, issuer) = if versioned {
        ("oauth2/v2.0", format!("{base}/v2.0"))
    } else {
        ("oauth2", format!("https://sts.windows.net/{}/", settings.tenant_id))
    };
    Json(json!({
        "token_endpoint": format!("{base}/{path}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
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

async fn keys(State(Door { entra, .. }): State<Door>, Path(tenant): Path<String>) -> Response {
    match entra.check_tenant(&tenant) {
        Ok(()) => Json(json!({ "keys": [entra.inner().key.jwk()] })).into_response(),
        Err(refused) => *refused,
    }
}

/// The form of RFC 6749, section 4.4, and RFC 7523, section 2.2. Other members (`client_info`, `claims`) change nothing here.
#[derive(Deserialize)]
struct TokenForm {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    client_assertion_type: Option<String>,
    client_assertion: Option<SecretString>,
    scope: Option<String>,
    resource: Option<String>,
}

async fn token_v2(
    State(Door { entra, .. }): State<Door>,
    Path(tenant): Path<String>,
    Form(form): Form<TokenForm>,
) -> Response {
    // The audience may itself end in `/`: `https://host//.default` is what `az` sends.
    let audience = form.scope.as_deref().map(|scope| {
        let resource = scope.split_whitespace().find_map(|one| one.strip_suffix("/.default"));
        resource.map(ToOwned::to_owned).ok_or_else(|| scope.to_owned())
    });
    token(&entra, &tenant, &form, audience)
}

async fn token_v1(
    State(Door { entra, .. }): State<Door>,
    Path(tenant): Path<String>,
    Form(form): Form<TokenForm>,
) -> Response {
    let audience = form.resource.clone().map(Ok);
    token(&entra, &tenant, &form, audience)
}

/// What the caller wants a token for; a scope that is no resource's default comes back as it was.
type Audience = Option<Result<String, String>>;

fn token(entra: &Entra, tenant: &str, form: &TokenForm, audience: Audience) -> Response {
    let mut response = match issued(entra, tenant, form, audience) {
        Ok(token) => Json(json!({
            "token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME,
            "access_token": token.expose_secret(),
        }))
        .into_response(),
        Err(refused) => *refused,
    };
    if let Some(client) = form.client_id.as_deref().and_then(|id| id.parse().ok()) {
        response.extensions_mut().insert(TokenClient(client));
    }
    response
}

fn issued(
    entra: &Entra,
    tenant: &str,
    form: &TokenForm,
    audience: Audience,
) -> Result<SecretString, Box<Response>> {
    entra.check_tenant(tenant)?;
    let bad = |error, code, text: &str| Box::new(entra.failure(StatusCode::BAD_REQUEST, error, code, text));
    if form.grant_type.as_deref() != Some("client_credentials") {
        let given = form.grant_type.as_deref().unwrap_or("");
        let text = format!("The grant type '{given}' is not supported. Supported: 'client_credentials'.");
        return Err(bad("unsupported_grant_type", 70003, &text));
    }
    let Some(client) = &form.client_id else {
        let text = "The request body must contain the following parameter: 'client_id'.";
        return Err(bad("invalid_request", 900_144, text));
    };
    let known = client.parse().ok().and_then(|id| entra.applications().find(id).cloned());
    let Some(application) = known else {
        let text = format!(
            "Application with identifier '{client}' was not found in the directory '{tenant}'. This can happen if the \
             application has not been installed by the administrator of the tenant or consented to by any user in the \
             tenant. You may have sent your authentication request to the wrong tenant."
        );
        return Err(bad("unauthorized_client", 700_016, &text));
    };
    authenticate(entra, &application, form)?;
    let audience = match audience {
        Some(Ok(audience)) => audience,
        Some(Err(scope)) => {
            let text = format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value \
                 with /.default suffixed to the resource identifier (application ID URI)."
            );
            return Err(bad("invalid_scope", 1_002_012, &text));
        }
        None => {
            let text = "The request body must contain the following parameter: 'scope' or 'resource'.";
            return Err(bad("invalid_request", 900_144, text));
        }
    };
    if entra.known_audience(&audience).is_none() {
        let text = format!(
            "The resource principal named {audience} was not found in the tenant named {tenant}. This can happen if \
             the application has not been installed by the administrator of the tenant or consented to by any user in \
             the tenant. Known resources: {}.",
            entra.settings().audiences.join(", ")
        );
        return Err(bad("invalid_resource", 500_011, &text));
    }
    let principal = entra.service_principal(application.client_id);
    entra.issue_to(&principal, &audience, LIFETIME).map(|issued| issued.token).map_err(|error| {
        tracing::error!(%error, "sign an access token");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Box::new(entra.failure(status, "server_error", 90000, "The token could not be signed."))
    })
}

/// Secret or assertion, exactly one of them.
fn authenticate(entra: &Entra, application: &Application, form: &TokenForm) -> Result<(), Box<Response>> {
    let refused = |status, error, code, text: &str| Err(Box::new(entra.failure(status, error, code, text)));
    match (&form.client_secret, &form.client_assertion) {
        (Some(secret), None) if application.accepts(secret) => Ok(()),
        (Some(_), None) => {
            let text = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
                 value, not the client secret ID, for a secret added to app '{}'.",
                application.client_id
            );
            refused(StatusCode::UNAUTHORIZED, "invalid_client", 7_000_215, &text)
        }
        (None, Some(assertion)) => {
            if form.client_assertion_type.as_deref() != Some(ASSERTION_TYPE) {
                let text = format!(
                    "The 'client_assertion_type' of a 'client_assertion' must be '{ASSERTION_TYPE}'."
                );
                return refused(StatusCode::BAD_REQUEST, "invalid_request", 900_144, &text);
            }
            let now = entra.inner().clock.now().as_second();
            federation::check(application, assertion.expose_secret(), now).or_else(|fault| {
                let status = match fault.error {
                    "invalid_client" => StatusCode::UNAUTHORIZED,
                    _ => StatusCode::BAD_REQUEST,
                };
                refused(status, fault.error, fault.code, &fault.text)
            })
        }
        (Some(_), Some(_)) => {
            let text = "Give 'client_secret' or 'client_assertion', not both.";
            refused(StatusCode::BAD_REQUEST, "invalid_request", 900_144, text)
        }
        (None, None) => {
            let text = "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.";
            refused(StatusCode::UNAUTHORIZED, "invalid_client", 7_000_216, text)
        }
    }
}

#[cfg(test)]
mod tests;
