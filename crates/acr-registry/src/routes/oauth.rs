//! The token service: `/oauth2/token` and `/oauth2/exchange`.
//!
//! Source: Azure/acr, `docs/AAD-OAuth.md` and `docs/Token-BasicAuth.md`; distribution/distribution,
//! `docs/content/spec/auth/oauth.md`.

use axum::extract::rejection::FormRejection;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::access::{Holder, Rights, Scope};
use crate::error::OciError;
use crate::registries::Registry;
use crate::routes::gate::{self, Credentials};
use crate::routes::{Door, flat};

type Pairs = Vec<(String, String)>;

/// What `docker login`, `push` and `pull` ask: Basic, scopes in the query.
pub(super) async fn token_get(State(door): State<Door>, request: Request) -> Response {
    let answer = || {
        let registry = door.registry()?;
        let query = gate::query(request.uri());
        let Some(Credentials::Basic(username, password)) = gate::credentials(request.headers()) else {
            return Err(unauthorized(
                "a user name and a password are required: anonymous access is disabled",
            ));
        };
        let Some(holder) = gate::subject(registry, &username, &password) else {
            return Err(unauthorized(gate::REQUIRED));
        };
        check_service(registry, &query)?;
        access_token(registry, &holder, &query)
    };
    flat(answer())
}

/// What `az` and logins with a refresh token ask: a form.
pub(super) async fn token_post(
    State(door): State<Door>,
    form: Result<Form<Pairs>, FormRejection>,
) -> Response {
    let answer = || {
        let registry = door.registry()?;
        let form = read(form)?;
        let holder = match field(&form, "grant_type").unwrap_or_default() {
            "refresh_token" => {
                let token = secret(&form, "refresh_token")?;
                registry
                    .tokens
                    .check_refresh(&token)
                    .map_err(|_| unauthorized("the refresh token is not valid"))?
            }
            "password" => {
                let username = field(&form, "username").ok_or_else(|| missing("username"))?;
                let password = secret(&form, "password")?;
                let holder = gate::subject(registry, username, &password);
                holder.ok_or_else(|| unauthorized(gate::REQUIRED))?
            }
            other => return Err(unsupported_grant(other, "refresh_token, password")),
        };
        check_service(registry, &form)?;
        access_token(registry, &holder, &form)
    };
    flat(answer())
}

/// What `az acr login` asks: an Entra token for a refresh token.
pub(super) async fn exchange(State(door): State<Door>, form: Result<Form<Pairs>, FormRejection>) -> Response {
    let answer = || {
        let registry = door.registry()?;
        let form = read(form)?;
        match field(&form, "grant_type").unwrap_or_default() {
            "access_token" => {}
            other => return Err(unsupported_grant(other, "access_token")),
        }
        check_service(registry, &form)?;
        let token = secret(&form, "access_token")?;
        let entra = registry.entra.as_ref();
        let entra = entra.ok_or_else(|| unauthorized("this registry belongs to no Entra tenant"))?;
        // ACR takes tokens for itself and, by default, for Resource Manager.
        let audiences: Vec<_> = entra.settings().audiences.iter().map(String::as_str).collect();
        let claims = entra
            .verify(token.expose_secret(), &audiences)
            .map_err(|error| unauthorized(&error.to_string()))?;
        // Roles are the control plane's; what it lets pull gets its login there, not here.
        if claims.appid != entra.settings().client_id {
            return Err(unauthorized(&format!(
                "the principal `{}` has no role at this registry",
                claims.oid
            )));
        }
        let holder = Holder { subject: claims.appid.to_string(), rights: Rights::All };
        let refresh = registry
            .tokens
            .refresh(&holder, &claims.tid.to_string())
            .map_err(|error| OciError::internal("sign a token", &error))?;
        Ok(Json(json!({ "refresh_token": refresh.expose_secret() })).into_response())
    };
    flat(answer())
}

fn access_token(registry: &Registry, holder: &Holder, pairs: &Pairs) -> Result<Response, OciError> {
    let mut access = Vec::new();
    // Several scopes come as several parameters, or in one with spaces between them.
    for text in pairs.iter().filter(|(key, _)| key == "scope").flat_map(|(_, value)| value.split_whitespace())
    {
        let scope = Scope::parse(text)
            .ok_or_else(|| OciError::bad_request("UNSUPPORTED", format!("`{text}` is not a scope")))?;
        access.extend(scope.granted(holder.rights));
    }
    let token = registry
        .tokens
        .access(&holder.subject, access)
        .map_err(|error| OciError::internal("sign a token", &error))?;
    Ok(Json(json!({ "access_token": token.expose_secret() })).into_response())
}

fn check_service(registry: &Registry, pairs: &Pairs) -> Result<(), OciError> {
    match field(pairs, "service") {
        None => Err(missing("service")),
        Some(service) if service == registry.service() => Ok(()),
        Some(other) => Err(OciError::bad_request(
            "UNSUPPORTED",
            format!("this is the registry `{}`, not `{other}`", registry.service()),
        )),
    }
}

fn read(form: Result<Form<Pairs>, FormRejection>) -> Result<Pairs, OciError> {
    match form {
        Ok(Form(pairs)) => Ok(pairs),
        Err(rejection) => Err(OciError::new(rejection.status(), "UNSUPPORTED", "the body is not a form")),
    }
}

fn field<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn secret(pairs: &Pairs, name: &str) -> Result<SecretString, OciError> {
    field(pairs, name).map(SecretString::from).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> OciError {
    OciError::bad_request("UNSUPPORTED", format!("`{name}` is missing"))
}

fn unsupported_grant(given: &str, supported: &str) -> OciError {
    OciError::bad_request(
        "UNSUPPORTED",
        format!("the grant type `{given}` is not supported; supported: {supported}"),
    )
}

fn unauthorized(message: &str) -> OciError {
    OciError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
}
