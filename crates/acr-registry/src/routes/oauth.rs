//! The token service: `/oauth2/token` and `/oauth2/exchange`.
//!
//! Source: Azure/acr, `docs/AAD-OAuth.md` and `docs/Token-BasicAuth.md`; distribution/distribution,
//! `docs/content/spec/auth/oauth.md`.

use axum::extract::rejection::FormRejection;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::access::{Holder, Rights, Scope};
use crate::error::OciError;
use crate::registry::Registry;
use crate::routes::gate::{self, Credentials};
use crate::routes::{Door, flat};

const NOT_ANONYMOUS: &str = "a user name and a password are required: anonymous access is disabled";

type Pairs = Vec<(String, String)>;

/// What `docker login`, `push` and `pull` ask: Basic, scopes in the query.
pub(super) async fn token_get(State(door): State<Door>, request: Request) -> Response {
    let answer = || {
        let registry = door.registry()?;
        let query = gate::query(request.uri());
        let holder = match gate::credentials(request.headers()) {
            Some(Credentials::Basic(username, password)) => {
                registry.login(&username, &password).ok_or_else(|| unauthorized(gate::REQUIRED))?
            }
            None if !request.headers().contains_key(header::AUTHORIZATION) => {
                registry.anonymous().ok_or_else(|| unauthorized(NOT_ANONYMOUS))?
            }
            _ => return Err(unauthorized(gate::REQUIRED)),
        };
        check_service(registry, &query)?;
        let offline = field(&query, "offline_token") == Some("true");
        issue(registry, &holder, &query, offline)
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
        // A refresh token stays the client's own until it runs out.
        let mut offline = field(&form, "access_type") == Some("offline");
        let holder = match field(&form, "grant_type").unwrap_or_default() {
            "refresh_token" => {
                offline = false;
                let token = secret(&form, "refresh_token")?;
                registry.redeem(&token).ok_or_else(|| unauthorized("the refresh token is not valid"))?
            }
            // What the SDKs send that were given no credential.
            "password" if field(&form, "username").is_none() && field(&form, "password").is_none() => {
                registry.anonymous().ok_or_else(|| missing("username"))?
            }
            "password" => {
                let username = field(&form, "username").ok_or_else(|| missing("username"))?;
                let password = secret(&form, "password")?;
                let holder = registry.login(username, &password);
                holder.ok_or_else(|| unauthorized(gate::REQUIRED))?
            }
            other => return Err(unsupported_grant(other, "refresh_token, password")),
        };
        check_service(registry, &form)?;
        issue(registry, &holder, &form, offline)
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
        let audiences = entra.settings().audiences.iter().map(String::as_str);
        let audiences: Vec<_> = audiences.filter(|one| registry.takes_tokens_for(one)).collect();
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

/// An access token for what is asked and held, and a refresh token for clients that want to come back without a
/// password. `token` is what clients read that are older than OAuth 2 here (distribution/distribution,
/// `docs/content/spec/auth/token.md`).
fn issue(registry: &Registry, holder: &Holder, pairs: &Pairs, offline: bool) -> Result<Response, OciError> {
    let mut access = Vec::new();
    // Several scopes come as several parameters, or in one with spaces between them.
    for text in pairs.iter().filter(|(key, _)| key == "scope").flat_map(|(_, value)| value.split_whitespace())
    {
        let scope = Scope::parse(text)
            .ok_or_else(|| OciError::bad_request("UNSUPPORTED", format!("`{text}` is not a scope")))?;
        access.extend(scope.granted(&holder.rights));
    }
    let internal = |error: entra_tokens::KeyError| OciError::internal("sign a token", &error);
    let token = registry.tokens.access(&holder.subject, access).map_err(internal)?;
    let mut answer = json!({ "access_token": token.expose_secret(), "token": token.expose_secret() });
    if offline && !holder.subject.is_empty() {
        let tenant = registry.entra.as_ref().map(|entra| entra.settings().tenant_id);
        let tenant = tenant.unwrap_or_default().to_string();
        let refresh = registry.tokens.refresh(holder, &tenant).map_err(internal)?;
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("refresh_token".into(), refresh.expose_secret().into());
        }
    }
    Ok(Json(answer).into_response())
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
