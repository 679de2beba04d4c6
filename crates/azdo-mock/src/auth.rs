//! What every request of the emulated wire passes: journal, faults, credential; and version, where there is a route.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_tokens::AZURE_DEVOPS;
use futures_util::FutureExt as _;
use service_kit::{Connection, Parking, Recording};

use crate::app::AzureDevOps;
use crate::control::faults;
use crate::error::ApiError;
use crate::journal;
use crate::settings::BadCredential;
use crate::state::members::PoolRights;
use crate::state::refusal::Refusal;
use crate::state::secrets::Caller;
use crate::wire::ids::PlanId;
use crate::wire::scopes::Scopes;
use crate::wire::version::{self, VersionRefusal};

/// The page that a browser is sent to.
pub(crate) const SIGN_IN: &str =
    "<!DOCTYPE html><html><head><title>Sign In</title></head><body>Sign In</body></html>";

/// Runs a request past journal, faults and credential, and adds what every answer carries.
pub(crate) async fn gate(State(service): State<AzureDevOps>, mut request: Request, next: Next) -> Response {
    let mut recording = journal::begin(&service, &request);
    let correlation = request.headers().get("x-vss-e2eid").map(own);
    let session = request.headers().get("x-tfs-session").map(own);
    let connection = request.extensions().get::<Connection>().cloned();

    let hit = faults::on(&service, &request);
    if let Some(hit) = &hit {
        recording.caller(caller_name(&service, caller(&service, request.headers())));
        recording.fault(hit.id);
        // What is to happen to the answer happens here.
        request.extensions_mut().remove::<Parking>();
    }
    let parking = request.extensions().get::<Parking>().cloned();
    let answer = async {
        match admit(&service, request) {
            Ok((caller, request)) => {
                recording.caller(caller_name(&service, caller));
                next.run(request).await
            }
            Err(response) => {
                recording.caller("refused".to_owned());
                *response
            }
        }
    };
    let refusal = |status| ApiError::fault(status).into_response();
    let response = match &hit {
        // In a box: it is rare, and else every poll that is held would have room for it.
        Some(hit) => Box::pin(hit.happen(service.clock(), connection, refusal, answer)).await,
        None => answer.await,
    };
    let recording = (!hit.is_some_and(|hit| hit.cuts())).then_some(recording);
    let rest = Rest { service, correlation, session, recording };
    match parking.and_then(|parking| Some((parking.take()?, parking))) {
        Some((answer, parking)) => parking.park(async move { rest.of(answer.await) }.boxed()),
        None => rest.of(response),
    }
}

/// What is done with every answer once it is there.
struct Rest {
    service: AzureDevOps,
    correlation: Option<HeaderValue>,
    session: Option<HeaderValue>,
    /// `None` where nobody gets the answer.
    recording: Option<Recording>,
}

impl Rest {
    fn of(self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        let activity = self.service.entropy().uuid().to_string();
        if let Ok(activity) = HeaderValue::from_str(&activity) {
            headers.insert("x-tfs-session", self.session.unwrap_or_else(|| activity.clone()));
            headers.insert("activityid", activity);
        }
        if let Some(correlation) = self.correlation {
            headers.insert("x-vss-e2eid", correlation);
        }
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
        if let Some(recording) = self.recording {
            recording.answered(response.status().as_u16());
        }
        response
    }
}

/// A copy that is not a part of the buffer that the connection read the request into: a poll that is held would keep all
/// of that, 8 KiB.
fn own(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}

fn admit(service: &AzureDevOps, mut request: Request) -> Result<(Option<Caller>, Request), Box<Response>> {
    let path = request.uri().path();
    // A server of one's own has its token endpoint above the collection.
    let rest = path
        .strip_prefix(service.addresses().prefix())
        .or_else(|| (path == service.addresses().token_path()).then_some("/_apis/oauth2/token"))
        .or_else(|| service.addresses().above().filter(|above| path == above).map(|_| "/_apis"));
    let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return Err(Box::new(ApiError::unknown_route(path).into_response()));
    };
    let open = request.method() == Method::OPTIONS
        || rest == "/_apis/oauth2/token"
        || rest == "/_signin"
        || rest.starts_with("/_packages/");
    let caller = match credential(request.headers()).map(|credential| identify(service, &credential)) {
        Some(Err(stranger)) if !open => {
            return Err(Box::new(challenge(service, request.headers(), stranger)));
        }
        Some(Ok(caller)) => caller,
        Some(Err(_)) | None => None,
    };
    let reports = rest.ends_with("/events");
    let caller = caller.filter(|caller| reports || !matches!(caller, Caller::Job { finished: true, .. }));
    if caller.is_none() && !open {
        return Err(Box::new(challenge(service, request.headers(), ApiError::unauthorized())));
    }
    if let Some(Caller::User { scopes, .. }) = caller
        && !open
        && !scopes.reach(request.method().as_str(), rest)
    {
        return Err(Box::new(challenge(service, request.headers(), ApiError::out_of_scope())));
    }
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    Ok((caller, request))
}

/// Refuses a request to a route of ours whose version is missing or is none that is served.
pub(crate) fn versioned(request: &Request) -> Result<(), Box<Response>> {
    check_version(request).map_err(|refusal| Box::new(refusal.into_response()))
}

fn check_version(request: &Request) -> Result<(), ApiError> {
    let query = request.uri().query().unwrap_or_default();
    let in_query = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name.eq_ignore_ascii_case("api-version"))
        .map(|(_, value)| value.into_owned());
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match version::requested(in_query.as_deref(), accept, content_type) {
        Some(text) => version::check(text).map_err(ApiError::from),
        None if version::needed(request.method().as_str()) => {
            Err(VersionRefusal::Missing(request.method().to_string()).into())
        }
        None => Ok(()),
    }
}

/// The bearer token or the Basic password; the Basic user name is of no account, clients differ in it.
fn credential(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

/// Who asks, as far as the credential that goes along is taken.
pub(crate) fn caller(service: &AzureDevOps, headers: &HeaderMap) -> Option<Caller> {
    identify(service, &credential(headers)?).ok().flatten()
}

/// Who a credential stands for. The error is for a token whose time is over and for a good Entra token of somebody
/// who is no member.
fn identify(service: &AzureDevOps, credential: &str) -> Result<Option<Caller>, ApiError> {
    if let Some(caller) = service.state().caller(credential, service.now()) {
        return Ok(Some(caller));
    }
    if service.state().is_expired_pat(credential, service.now()) {
        return Err(ApiError::expired_token());
    }
    let Some(entra) = service.entra() else { return Ok(None) };
    // Key, issuer, tenant, audience and times are all looked at there.
    let claims = match entra.verify(credential, &[AZURE_DEVOPS]) {
        Ok(claims) => claims,
        Err(error) => {
            tracing::debug!(%error, "a credential is neither ours nor a good Entra token");
            return Ok(None);
        }
    };
    let member = service.state().members.get(&claims.oid).map(|member| member.pools);
    match member {
        Some(pools) => Ok(Some(Caller::User { pools, scopes: Scopes::FULL, member: Some(claims.oid) })),
        None => Err(ApiError::stranger(claims.tid, claims.oid)),
    }
}

/// What a bad credential is answered with. A program's request gets a plain 401 however pages are set to be answered:
/// one with a bearer token, and one that asks for no redirect (`X-TFS-FedAuthRedirect: Suppress`; azure-devops (PyPI):
/// client.py).
fn challenge(service: &AzureDevOps, headers: &HeaderMap, refusal: ApiError) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bearer = text("authorization").get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "));
    let suppressed = text("x-tfs-fedauthredirect").eq_ignore_ascii_case("suppress");
    match service.switches().bad_credential {
        _ if bearer || suppressed => refusal.into_response(),
        BadCredential::Unauthorized => refusal.into_response(),
        BadCredential::SignInRedirect => {
            (StatusCode::FOUND, [(header::LOCATION, service.addresses().at("_signin"))]).into_response()
        }
        BadCredential::SignInPage => {
            (StatusCode::NON_AUTHORITATIVE_INFORMATION, Html(SIGN_IN)).into_response()
        }
    }
}

fn caller_name(service: &AzureDevOps, caller: Option<Caller>) -> String {
    match caller {
        None => "anonymous".to_owned(),
        Some(Caller::User { member: None, .. }) => "user".to_owned(),
        Some(Caller::User { member: Some(id), .. }) => {
            let state = service.state();
            state
                .members
                .get(&id)
                .map_or_else(|| id.to_string(), |one| format!("member {}", one.display_name))
        }
        Some(Caller::Job { request, .. }) => format!("job {request}"),
        Some(Caller::Agent { id, .. }) => {
            let state = service.state();
            state.agents.get(&id).map_or_else(|| format!("agent {id}"), |a| format!("agent {}", a.name))
        }
    }
}

impl Caller {
    /// Refuses whoever does not manage pools: an agent's own identity may not register, change or delete agents.
    pub(crate) fn require_manager(self, pool: &str) -> Result<(), Refusal> {
        match self {
            Self::User { pools: PoolRights::Manage, .. } => Ok(()),
            Self::User { .. } | Self::Agent { .. } | Self::Job { .. } => Err(Refusal::Denied(format!(
                "This identity needs Manage permissions for pool {pool} to perform the action. For more information, \
                 contact the Azure DevOps administrator."
            ))),
        }
    }

    /// Refuses a job that reaches for another's plan.
    pub(crate) fn check_plan(self, plan: PlanId) -> Result<(), Refusal> {
        match self {
            Self::Job { plan: own, .. } if own != plan => {
                Err(Refusal::Denied(format!("The job's identity has no permission on plan {plan}.")))
            }
            _ => Ok(()),
        }
    }

    /// What the caller may do with pools. A job has no business with them; an agent sees them.
    pub(crate) fn pools(self) -> Result<PoolRights, Refusal> {
        match self {
            Self::Job { .. } => {
                Err(Refusal::Denied("The job's identity has no permission on agent pools.".to_owned()))
            }
            Self::Agent { .. } => Ok(PoolRights::Read),
            Self::User { pools, .. } => Ok(pools),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::body::{Body, Bytes};
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;
    use crate::Settings;

    /// What a connection reads a request into; the count tells whether anything of it is still held.
    struct Buffer(&'static str, #[expect(dead_code, reason = "it is held to be counted")] Arc<()>);

    impl AsRef<[u8]> for Buffer {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }

    #[tokio::test]
    async fn who_waits_for_an_answer_holds_nothing_of_the_request_s_head() {
        let folder = tempfile::tempdir().unwrap();
        let service = AzureDevOps::new(Settings::for_tests(folder.path())).unwrap();
        let router = Router::new()
            .route("/acme/_apis/wait", get(std::future::pending::<()>))
            .layer(from_fn_with_state(service, gate));
        let count = Arc::new(());
        let held = |text| {
            HeaderValue::from_maybe_shared(Bytes::from_owner(Buffer(text, Arc::clone(&count)))).unwrap()
        };
        let request = Request::builder()
            .uri("/acme/_apis/wait")
            .header(header::AUTHORIZATION, held("Basic OnBhdA=="))
            .header("x-tfs-session", held("session"))
            .header("x-vss-e2eid", held("correlation"))
            .header("user-agent", held("agent"))
            .body(Body::empty())
            .unwrap();
        assert_eq!(Arc::strong_count(&count), 5);
        let mut call = std::pin::pin!(router.oneshot(request));
        assert!(futures_util::poll!(&mut call).is_pending());
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn credentials_are_found_whatever_the_user_name_is() {
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            credential(&headers)
        };
        for user in ["", "VstsAgent", "user"] {
            let basic = format!("Basic {}", STANDARD.encode(format!("{user}:pat:with:colons")));
            assert_eq!(check(&basic).as_deref(), Some("pat:with:colons"));
        }
        assert_eq!(check("bearer abc").as_deref(), Some("abc"));
        for bad in ["Basic !", "Basic", "Negotiate abc", "pat"] {
            assert_eq!(check(bad), None, "{bad}");
        }
    }
}
