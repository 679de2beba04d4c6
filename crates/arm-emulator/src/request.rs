//! What is the same for every request: the path brought into one spelling, who calls, which api-version, and the
//! headers that ARM adds to every answer.

mod limits;

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use entra_tokens::{Claims, TokenError};
use tracing::Instrument;
use url::form_urlencoded;

use crate::app::Arm;
use crate::error::ArmError;
use crate::providers::locks;
use crate::resource_id::normalise_path;

/// Audiences of Azure's own public cloud, which the SDKs ask for unless they are told otherwise.
const PUBLIC_AUDIENCES: [&str; 2] = ["https://management.azure.com", "https://management.core.windows.net"];

/// The api-version of a request, checked for form.
#[derive(Clone, Debug)]
pub(crate) struct ApiVersion(pub(crate) String);

/// The path as the caller wrote it, for messages.
#[derive(Clone, Debug)]
pub(crate) struct GivenPath(pub(crate) String);

/// The id that ties a request to what it causes.
#[derive(Clone, Debug)]
pub(crate) struct CorrelationId(pub(crate) String);

/// The id by which the answer names the request.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// The query string, names compared without regard to case; of a repeated name the first counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        Self(form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A number that may be absent.
    pub(crate) fn number(&self, name: &str) -> Result<Option<usize>, ArmError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            ArmError::bad_request(
                "InvalidQueryParameterValue",
                format!("The value '{text}' of the query parameter '{name}' is not a whole number."),
            )
            .with_target(name)
        })
    }
}

impl Query {
    /// `true` or `false` in any case, which may be absent.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, ArmError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.to_ascii_lowercase().parse().map(Some).map_err(|_| {
            ArmError::bad_request(
                "InvalidQueryParameterValue",
                format!("The value '{text}' of the query parameter '{name}' is neither true nor false."),
            )
            .with_target(name)
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.uri))
    }
}

/// Rewrites the path before routing.
pub(crate) fn normalise(mut request: Request) -> Request {
    let given = request.uri().path().to_owned();
    let path = normalise_path(&given);
    let whole = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    // The path's segments come from a valid address, so that joining them again gives one.
    if let Ok(path_and_query) = PathAndQuery::try_from(whole) {
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(path_and_query);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request.extensions_mut().insert(GivenPath(given));
    request
}

/// Gives the request its ids and its span, the answer its headers.
pub(crate) async fn identify(State(arm): State<Arm>, mut request: Request, next: Next) -> Response {
    let request_id = arm.new_id().to_string();
    let headers = request.headers();
    let correlation_id = text(headers, "x-ms-correlation-request-id").unwrap_or_else(|| request_id.clone());
    let client_id = text(headers, "x-ms-client-request-id");
    let echo = text(headers, "x-ms-return-client-request-id")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(CorrelationId(correlation_id.clone()));
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let span = tracing::info_span!("arm", %method, %path, correlation_id = %correlation_id);
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), "answered"));
    let throttled = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    let now = arm.now();
    let routing =
        format!("{}:{}:{request_id}", arm.settings().location.to_uppercase(), now.strftime("%Y%m%dT%H%M%SZ"));
    set(headers, "x-ms-request-id", &request_id);
    set(headers, "x-ms-correlation-request-id", &correlation_id);
    set(headers, "x-ms-routing-request-id", &routing);
    if let Some(client_id) = client_id.filter(|_| echo) {
        set(headers, "x-ms-client-request-id", &client_id);
    }
    for (counter, left) in limits::remaining(&method, throttled) {
        set(headers, counter, left);
    }
    set(headers, "cache-control", "no-cache");
    set(headers, "pragma", "no-cache");
    set(headers, "expires", "-1");
    set(headers, "strict-transport-security", "max-age=31536000; includeSubDomains");
    set(headers, "x-content-type-options", "nosniff");
    if headers.get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json") {
        set(headers, "content-type", "application/json; charset=utf-8");
    }
    response
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Waits while everything is being replaced, and keeps that from beginning before the answer is made.
pub(crate) async fn let_in(State(arm): State<Arm>, request: Request, next: Next) -> Response {
    let _inside = arm.gate().read().await;
    next.run(request).await
}

/// Lets in who carries a good token, names a well-formed api-version and addresses the one subscription.
pub(crate) async fn admit(State(arm): State<Arm>, mut request: Request, next: Next) -> Response {
    match admitted(&arm, &request) {
        Ok(version) => {
            request.extensions_mut().insert(version);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

fn admitted(arm: &Arm, request: &Request) -> Result<ApiVersion, ArmError> {
    let path = request.uri().path();
    // The one document that clients read before they can log in.
    if path != "/metadata/endpoints" {
        let claims = authenticate(arm, request.headers())?;
        authorize(arm, &claims, request)?;
    }
    // Microsoft Graph has its version in the path.
    if path.starts_with("/v1.0/") {
        return Ok(ApiVersion("v1.0".to_owned()));
    }
    let version = api_version(&Query::of(request.uri()))?;
    let mut segments = path.split('/').skip(1);
    if segments.next() == Some("subscriptions")
        && let Some(subscription) = segments.next()
        && !subscription.eq_ignore_ascii_case(&arm.subscription())
    {
        return Err(subscription_not_found(subscription));
    }
    locks::check_request(arm, request.method(), path)?;
    Ok(version)
}

pub(crate) fn subscription_not_found(subscription: &str) -> ArmError {
    ArmError::not_found(
        "SubscriptionNotFound",
        format!("The subscription '{subscription}' could not be found."),
    )
}

/// `YYYY-MM-DD`, optionally followed by `-preview`: clients send so many versions that only the form is checked.
fn api_version(query: &Query) -> Result<ApiVersion, ArmError> {
    let Some(version) = query.get("api-version").filter(|text| !text.is_empty()) else {
        return Err(ArmError::bad_request(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    };
    if !is_api_version(version) {
        return Err(ArmError::bad_request(
            "InvalidApiVersionParameter",
            format!(
                "The api-version '{version}' is invalid. The supported versions are 'YYYY-MM-DD' and \
                 'YYYY-MM-DD-preview', any date."
            ),
        ));
    }
    Ok(ApiVersion(version.to_owned()))
}

pub(crate) fn is_api_version(text: &str) -> bool {
    let date = text.strip_suffix("-preview").unwrap_or(text);
    let shape = date.len() == 10 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    shape && date.parse::<jiff::civil::Date>().is_ok()
}

fn authenticate(arm: &Arm, headers: &HeaderMap) -> Result<Claims, ArmError> {
    let Some(header) = headers.get(header::AUTHORIZATION) else {
        return Err(unauthorized(
            arm,
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        ));
    };
    let token = header.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
    });
    let Some(token) = token else {
        return Err(unauthorized(
            arm,
            "AuthenticationFailedInvalidHeader",
            "Authentication failed. The 'Authorization' header is provided in an invalid format.",
        ));
    };
    let own = arm.settings().endpoint.as_str();
    let audiences = [own, PUBLIC_AUDIENCES[0], PUBLIC_AUDIENCES[1]];
    arm.settings().entra.verify(token, &audiences).map_err(|error| match error {
        TokenError::Expired(at) => unauthorized(
            arm,
            "ExpiredAuthenticationToken",
            &format!("The access token expiry UTC time '{}' is earlier than current UTC time '{}'.", time(at), arm.now()),
        ),
        TokenError::NotYetValid(at) => unauthorized(
            arm,
            "InvalidAuthenticationToken",
            &format!("The access token is not valid before UTC time '{}'.", time(at)),
        ),
        TokenError::Audience { got, expected } => unauthorized(
            arm,
            "InvalidAuthenticationTokenAudience",
            &format!(
                "The access token has been obtained for wrong audience or resource '{got}'. It should exactly match \
                 with one of the allowed audiences '{expected}'."
            ),
        ),
        TokenError::Tenant(_) => unauthorized(
            arm,
            "InvalidAuthenticationTokenTenant",
            &format!(
                "The access token is from the wrong issuer. It must match the tenant '{}' associated with this \
                 subscription. Please use correct authority (URL) '{}' to get the token.",
                arm.settings().tenant_id,
                authority(arm)
            ),
        ),
        TokenError::Foreign(_) | TokenError::Issuer(_) => {
            unauthorized(arm, "InvalidAuthenticationToken", "The access token is invalid.")
        }
    })
}

/// Only the owner's service principal has a role in the subscription; whoever else is of the tenant has none.
fn authorize(arm: &Arm, claims: &Claims, request: &Request) -> Result<(), ArmError> {
    if claims.appid == arm.settings().entra.settings().client_id {
        return Ok(());
    }
    let (method, path) = (request.method(), request.uri().path());
    Err(ArmError::new(
        StatusCode::FORBIDDEN,
        "AuthorizationFailed",
        format!(
            "The client '{}' with object id '{}' does not have authorization to perform action '{method}' over scope \
             '{path}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
            claims.appid, claims.oid
        ),
    ))
}

fn time(second: i64) -> String {
    jiff::Timestamp::from_second(second).map_or_else(|_| second.to_string(), |time| time.to_string())
}

fn authority(arm: &Arm) -> String {
    format!("{}/{}", arm.settings().login_endpoint.as_str().trim_end_matches('/'), arm.settings().tenant_id)
}

/// 401 with the challenge that tells a client where to get a token.
fn unauthorized(arm: &Arm, code: &str, message: &str) -> ArmError {
    // The message goes into a quoted string of a header.
    let description: String =
        message.chars().filter(|character| !character.is_control() && *character != '"').collect();
    ArmError::new(StatusCode::UNAUTHORIZED, code, message).with_challenge(format!(
        "Bearer authorization_uri=\"{}\", error=\"invalid_token\", error_description=\"{description}\"",
        authority(arm)
    ))
}
