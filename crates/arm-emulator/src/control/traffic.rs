//! What every request to Azure passes: the journal and the faults.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use entra_tokens::TokenClient;
use serde_json::Value;
use service_kit::{Connection, Entry, Journal, Recording, SharedClock, redacted};

use super::aim::{At, AzureAim, Call, Service};
use super::refusal::{self, Asked};
use crate::app::Arm;
use crate::error::ArmError;
use crate::request::{GivenPath, Query, RequestId};
use crate::resource_id::ResourceId;

/// The faults of Azure.
pub(crate) type Faults = service_kit::Faults<AzureAim>;
/// What happens to a call.
pub(crate) type Hit = service_kit::Hit<AzureAim>;

/// Query values that may be shown; every other one is replaced.
const SHOWN: &[&str] = &[
    "$expand",
    "$filter",
    "$top",
    "account",
    "api-version",
    "client_id",
    "cols",
    "digest",
    "from",
    "last",
    "mi_res_id",
    "mount",
    "msi_res_id",
    "n",
    "object_id",
    "principal_id",
    "resource",
    "rows",
    "scope",
    "service",
    "tail",
    "timestamps",
];

/// Bytes of a request for a token in which its client is looked for.
const LARGEST_FORM: usize = 64 * 1024;
/// Characters of a caller's name that are kept: an id of a container group fits.
const LONGEST_NAME: usize = 300;

/// Journal and faults of Azure's services. Clones share them.
#[derive(Debug, Clone)]
pub struct Traffic {
    journal: Journal,
    faults: Faults,
    clock: SharedClock,
    subscription: String,
}

/// Whose traffic.
type Watched = (Traffic, Service);

impl Traffic {
    pub(crate) fn new(clock: SharedClock, subscription: String) -> Self {
        Self { journal: Journal::default(), faults: Faults::default(), clock, subscription }
    }

    /// Leads every request to a service past journal and faults.
    pub fn around(&self, service: Service, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state((self.clone(), service), pass))
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The beginning of a subscription: nothing was asked, nothing goes wrong.
    pub(crate) fn clear(&self) {
        self.journal.clear();
        self.faults.clear();
    }

    /// The fault that a deployment's resource meets, if any.
    pub(crate) fn step(&self, id: &ResourceId) -> Option<Hit> {
        if self.faults.none() {
            return None;
        }
        let path = id.to_string();
        let call =
            Call { service: Service::Arm, at: At::Deployment, path: &path, client: None, user_agent: "" };
        self.faults.hit("PUT", &path, &call)
    }
}

/// What a fault makes of a deployment's step, after it was held.
pub(crate) fn step_error(hit: &Hit) -> Option<ArmError> {
    // A step has no connection that could be cut: it fails.
    let cut = hit.cuts().then_some(StatusCode::BAD_GATEWAY);
    hit.status().or(cut).map(|status| refusal::step(status, hit.aim()))
}

/// The layer around Resource Manager, inside of what gives answers their ids.
pub(crate) async fn pass_arm(State(arm): State<Arm>, request: Request, next: Next) -> Response {
    let watched = (arm.traffic().clone(), Service::Arm);
    pass(State(watched), request, next).await
}

/// In the extensions of an answer: who asked, where no credential names it.
#[derive(Debug, Clone)]
pub(crate) struct Asker(pub(crate) String);

async fn pass(State((traffic, service)): State<Watched>, request: Request, next: Next) -> Response {
    let (client, request) = match service {
        Service::Entra if !traffic.faults.none() => of_form(request).await,
        _ => (claimed(request.headers()), request),
    };
    let mut recording = begin(&traffic, service, &request);
    let Some(hit) = hit(&traffic, service, &request, client.as_deref()) else {
        let response = next.run(request).await;
        recording.caller(caller(client, &response));
        recording.answered(response.status().as_u16());
        return response;
    };
    recording.fault(hit.id);
    let connection = request.extensions().get::<Connection>().cloned();
    let method = request.method().clone();
    let asked = Asked {
        method: &method,
        subscription: &traffic.subscription,
        client: client.as_deref(),
        retry_after: hit.retry_after(),
    };
    let refused = |status| refusal::response(service, status, hit.aim(), asked);
    let response = hit.happen(&traffic.clock, connection, refused, next.run(request)).await;
    recording.caller(caller(client, &response));
    if !hit.cuts() {
        recording.answered(response.status().as_u16());
    }
    response
}

fn given_path(request: &Request) -> &str {
    request.extensions().get::<GivenPath>().map_or_else(|| request.uri().path(), |given| given.0.as_str())
}

fn begin(traffic: &Traffic, service: Service, request: &Request) -> Recording {
    let path = redacted(given_path(request), request.uri().query(), SHOWN, is_token);
    let mut entry = Entry::new(traffic.clock.now(), request.method().as_str(), path);
    entry.service = Some(service.word());
    if service == Service::Arm {
        let version = Query::of(request.uri()).get("api-version").map(str::to_owned);
        entry.api_version = version.map(|version| version.chars().take(64).collect());
        entry.request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    }
    traffic.journal.begin(&traffic.clock, entry)
}

/// Whether a text has the form of a JSON Web Token, or is what the address of a stream is kept secret by: who puts one
/// into an address will not find it in the journal.
fn is_token(text: &str) -> bool {
    if text.starts_with("bridge-") {
        return true;
    }
    let mut parts = text.split('.');
    let is_json = |part: &str| URL_SAFE_NO_PAD.decode(part).is_ok_and(|bytes| bytes.starts_with(b"{"));
    parts.next().is_some_and(is_json) && parts.next().is_some_and(is_json)
}

fn hit(traffic: &Traffic, service: Service, request: &Request, client: Option<&str>) -> Option<Hit> {
    if traffic.faults.none() {
        return None;
    }
    let path = given_path(request);
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let user_agent = user_agent.unwrap_or_default();
    let call = Call { service, at: At::Request, path, client, user_agent };
    traffic.faults.hit(request.method().as_str(), path, &call)
}

/// Whom a request for a token names, which is then as it was.
async fn of_form(request: Request) -> (Option<String>, Request) {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|length| length.parse::<usize>().ok());
    if length.is_none_or(|length| length > LARGEST_FORM) {
        return (None, request);
    }
    let (parts, body) = request.into_parts();
    let form = match axum::body::to_bytes(body, LARGEST_FORM).await {
        Ok(form) => form,
        // It broke off: whoever reads it is to find that.
        Err(error) => {
            let broken = futures_util::stream::once(async { Err::<Bytes, _>(error) });
            return (None, Request::from_parts(parts, Body::from_stream(broken)));
        }
    };
    let client = url::form_urlencoded::parse(&form).find(|(name, _)| name == "client_id");
    let client = client.map(|(_, client)| client.into_owned());
    (client, Request::from_parts(parts, Body::from(form)))
}

/// Whom the credential names that goes along, whether it is taken or not.
fn claimed(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("basic") {
        let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        return text.split_once(':').map(|(user, _)| user.to_owned());
    }
    let payload = rest.trim().split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let name = |claim: &str| claims[claim].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    name("appid").or_else(|| name("sub"))
}

/// Who asked, for the journal: a credential that was not taken names nobody.
fn caller(claimed: Option<String>, response: &Response) -> String {
    if response.status() == StatusCode::UNAUTHORIZED {
        return "refused".to_owned();
    }
    let client = response.extensions().get::<TokenClient>().map(|client| client.0.to_string());
    let asker = response.extensions().get::<Asker>().map(|asker| asker.0.clone());
    let name = client.or(asker).or(claimed).unwrap_or_else(|| "anonymous".to_owned());
    name.chars().take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_form() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let token = format!("{}.{}.c2ln", part(r#"{"alg":"RS256"}"#), part(r#"{"sub":"a"}"#));
        assert!(is_token(&token));
        for other in ["agent-0", "localhost.localdomain", "a.b.c", "1.2.3", ""] {
            assert!(!is_token(other), "{other}");
        }
    }

    #[test]
    fn a_credential_names_its_client_and_not_its_secret() {
        let name = |value: String| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            claimed(&headers)
        };
        assert_eq!(name(format!("Basic {}", STANDARD.encode("user:pass"))).as_deref(), Some("user"));
        let token = |claims: &str| format!("Bearer e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(name(token(r#"{"appid": "7", "sub": "8"}"#)).as_deref(), Some("7"));
        assert_eq!(name(token(r#"{"sub": "8"}"#)).as_deref(), Some("8"));
        assert_eq!(name(token(r#"{"sub": ""}"#)), None, "a registry's token of nobody");
        assert_eq!(name("Bearer secret".into()), None);
        assert_eq!(name("secret".into()), None);
    }
}
