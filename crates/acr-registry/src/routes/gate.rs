//! Who is let in: Basic or Bearer on every request below `/v2/`.
//!
//! The challenge is the one that `az` takes apart and `docker` follows: `Bearer realm="…",service="…"[,scope="…"]`.

use axum::http::{HeaderMap, StatusCode, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::json;

use crate::access::{Scope, TokenRefusal};
use crate::error::OciError;
use crate::registry::Registry;

/// What ACR says to strangers and to those with a wrong password alike.
pub(super) const REQUIRED: &str =
    "authentication required, visit https://aka.ms/acr/authorization for more information.";

/// What a request carries.
pub(super) enum Credentials {
    Basic(String, SecretString),
    Bearer(SecretString),
}

/// Lets a request in that may do all that it wants to.
pub(super) fn admit(registry: &Registry, headers: &HeaderMap, wanted: &[Scope]) -> Result<(), OciError> {
    match credentials(headers) {
        None => Err(challenge(registry, wanted, None)),
        Some(Credentials::Basic(username, password)) => {
            let holder =
                registry.login(&username, &password).ok_or_else(|| challenge(registry, wanted, None))?;
            let held = |scope: &Scope| scope.clone().granted(&holder.rights).as_ref() == Some(scope);
            if wanted.iter().all(held) {
                Ok(())
            } else {
                Err(challenge(registry, wanted, Some("insufficient_scope")))
            }
        }
        Some(Credentials::Bearer(token)) => registry.tokens.check_access(&token, wanted).map_err(|refusal| {
            let error = match refusal {
                TokenRefusal::Invalid => "invalid_token",
                TokenRefusal::Insufficient => "insufficient_scope",
            };
            challenge(registry, wanted, Some(error))
        }),
    }
}

/// Reads the `Authorization` header. What is none of the two kinds counts as nothing.
pub(super) fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (kind, rest) = value.split_once(' ')?;
    if kind.eq_ignore_ascii_case("bearer") {
        return Some(Credentials::Bearer(rest.trim().into()));
    }
    if !kind.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some(Credentials::Basic(username.to_owned(), password.into()))
}

/// A refusal that tells how to get in.
pub(super) fn challenge(registry: &Registry, wanted: &[Scope], error: Option<&str>) -> OciError {
    let service = registry.service();
    let mut value = format!("Bearer realm=\"https://{service}/oauth2/token\",service=\"{service}\"");
    if !wanted.is_empty() {
        let scopes: Vec<_> = wanted.iter().map(ToString::to_string).collect();
        value = format!("{value},scope=\"{}\"", scopes.join(" "));
    }
    if let Some(error) = error {
        value = format!("{value},error=\"{error}\"");
    }
    let detail: Vec<_> = wanted
        .iter()
        .flat_map(|scope| {
            scope
                .actions
                .iter()
                .map(move |action| json!({ "Type": scope.kind, "Name": scope.name, "Action": action }))
        })
        .collect();
    OciError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", REQUIRED)
        .with_challenge(&value)
        .with_detail(if detail.is_empty() { serde_json::Value::Null } else { detail.into() })
}

/// The query, decoded. Keys may come more than once.
pub(super) fn query(uri: &Uri) -> Vec<(String, String)> {
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri).map(|query| query.0).unwrap_or_default()
}
