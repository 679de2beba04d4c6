//! A service principal's token from Entra ID: the client credentials grant with a secret or with a federated token.
//!
//! Source: learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow, and reference-error-codes there.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::wire::{self, Issued};
use super::{AZURE_DEVOPS, Evidence, Principal, Ways};
use crate::exit::{Exit, Failure};
use crate::preflight::{self, Verdict};
use crate::report::log;
use crate::settings::check_token;
use crate::variables;

/// An error as Entra words it. What cannot be read of it is not needed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    error: String,
    error_description: String,
    error_codes: Vec<u64>,
}

pub(super) async fn token(principal: &Principal<Evidence>, ways: &Ways<'_>) -> Result<SecretString, Failure> {
    let authority = &principal.authority;
    let client = preflight::client(authority, ways.proxy, ways.authorities)?;
    let mut url = authority.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend([principal.tenant.as_str(), "oauth2", "v2.0", "token"]);
    }
    let scope = format!("{AZURE_DEVOPS}/.default");
    let form = form(principal, &scope);
    // The client's copies of the secret end with this image of the process.
    let request = || client.post(url.clone()).form(&form);
    let secret = proof(principal).expose_secret();
    let read = |status, body: &[u8]| answer(status, body, secret);
    match wire::patiently("Entra ID", ways.deadline, request, read).await {
        Verdict::Good(token) => {
            log(format_args!("Entra ID gave application {} a token", principal.client));
            Ok(token)
        }
        Verdict::Refused(reason) => Err(Failure::new(
            Exit::Refused,
            format!("Entra ID at {authority} refused application {}: {reason}", principal.client),
        )
        .hint("the client secret is wrong or expired, or no federated credential of the application fits the token")),
        Verdict::Wrong(reason) => Err(Failure::configuration(format!(
            "Entra ID at {authority} gives application {} of tenant {} no token: {reason}",
            principal.client, principal.tenant
        ))
        .hint(format!(
            "check {}, {} and {}",
            variables::CLIENT_ID.name,
            variables::TENANT_ID.name,
            variables::AUTHORITY_HOST.name
        ))),
        Verdict::Distrusted(reason) => Err(preflight::distrusted(authority, &reason)),
        Verdict::Away(reason) => Err(Failure::new(
            Exit::ServerAway,
            format!("no answer from Entra ID at {authority} in time: {reason}"),
        )
        .hint("look at the network, the name service and the proxy variables of the container")),
    }
}

fn proof(principal: &Principal<Evidence>) -> &SecretString {
    match &principal.proof {
        Evidence::Secret(secret) | Evidence::Assertion(secret) => secret,
    }
}

fn form<'a>(principal: &'a Principal<Evidence>, scope: &'a str) -> Vec<(&'static str, &'a str)> {
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", principal.client.as_str()),
        ("scope", scope),
    ];
    match &principal.proof {
        Evidence::Secret(secret) => form.push(("client_secret", secret.expose_secret())),
        Evidence::Assertion(assertion) => form.extend([
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.expose_secret()),
        ]),
    }
    form
}

/// Codes of settings that are wrong: no such tenant, none in the path, no such application, no such resource.
const OF_SETTINGS: [u64; 5] = [90_002, 900_023, 700_016, 500_011, 50_059];

/// What an answer of the token endpoint means. `secret` is kept out of what is reported.
fn answer(status: u16, body: &[u8], secret: &str) -> Verdict<SecretString> {
    match status {
        200 => match serde_json::from_slice::<Issued>(body) {
            Ok(Issued { access_token }) => match check_token(access_token.expose_secret()) {
                Ok(()) => Verdict::Good(access_token),
                Err(text) => Verdict::Wrong(format!("its token {text}")),
            },
            Err(_) => Verdict::Wrong("its answer holds no token".to_owned()),
        },
        408 | 429 | 500.. => Verdict::Away(format!("status {status}")),
        _ => {
            let Ok(fault) = serde_json::from_slice::<Fault>(body) else {
                return Verdict::Wrong(format!("status {status}, and not in Entra's words"));
            };
            let reason = shown(&fault, status, secret);
            let of_settings = fault.error_codes.iter().any(|code| OF_SETTINGS.contains(code))
                || OF_SETTINGS
                    .iter()
                    .any(|code| fault.error_description.starts_with(&format!("AADSTS{code}:")));
            match fault.error.as_str() {
                "temporarily_unavailable" => Verdict::Away(reason),
                _ if of_settings => Verdict::Wrong(reason),
                "invalid_client" | "unauthorized_client" | "invalid_grant" | "access_denied" => {
                    Verdict::Refused(reason)
                }
                _ => Verdict::Wrong(reason),
            }
        }
    }
}

/// The first line of a description, without what could be a secret or a control character.
fn shown(fault: &Fault, status: u16, secret: &str) -> String {
    const LONGEST: usize = 300;
    let text = if fault.error_description.is_empty() { &fault.error } else { &fault.error_description };
    let line = text.lines().next().unwrap_or_default().split(" Trace ID:").next().unwrap_or_default();
    let line = line.replace(secret, "***");
    let line: String = line.chars().filter(|character| !character.is_control()).take(LONGEST).collect();
    if line.is_empty() { format!("status {status}") } else { line }
}

#[cfg(test)]
mod tests;
