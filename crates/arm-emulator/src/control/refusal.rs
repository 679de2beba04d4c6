//! The errors that a fault with a status makes, in the envelope of the service that is asked.
//!
//! ARM's words for 429 are those that its clients report (`SubscriptionRequestsThrottled`, `Please try again after`); codes
//! of the registries are of distribution/distribution: `registry/api/errcode`, of Entra ID of RFC 6749, section 5.2.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::aim::{AzureAim, Service};
use crate::error::ArmError;

/// What ARM tells a client to wait that asked too often, in seconds, unless the fault says more.
const WAIT: u32 = 10;

/// Who asked for what, as far as an error names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) subscription: &'a str,
    pub(super) client: Option<&'a str>,
    pub(super) retry_after: Option<u32>,
}

pub(super) fn response(service: Service, status: StatusCode, aim: &AzureAim, asked: Asked<'_>) -> Response {
    match service {
        Service::Arm => arm_response(status, aim, asked),
        // Both speak RFC 6749's errors.
        Service::Entra | Service::Identity => entra_response(status, aim),
        Service::Registry => registry_response(status, aim),
    }
}

fn arm_response(status: StatusCode, aim: &AzureAim, asked: Asked<'_>) -> Response {
    let wait = asked.retry_after.unwrap_or(WAIT);
    let throttled = format!(
        "Number of '{}' requests for subscription '{}' actor '{}' exceeded. Please try again after '{wait}' seconds.",
        operation(asked.method),
        asked.subscription,
        asked.client.unwrap_or_default(),
    );
    let (code, message) = match status {
        StatusCode::TOO_MANY_REQUESTS => ("SubscriptionRequestsThrottled", throttled),
        _ => known(status),
    };
    let mut response = error(status, aim, code, message).into_response();
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

/// The error of a step in a deployment.
pub(super) fn step(status: StatusCode, aim: &AzureAim) -> ArmError {
    let (code, message) = known(status);
    error(status, aim, code, message)
}

fn error(status: StatusCode, aim: &AzureAim, code: &str, message: String) -> ArmError {
    let code = aim.code.clone().unwrap_or_else(|| code.to_owned());
    ArmError::new(status, code, aim.message.clone().unwrap_or(message))
}

fn known(status: StatusCode) -> (&'static str, String) {
    let (code, message) = match status.as_u16() {
        401 => ("AuthenticationFailed", "Authentication failed."),
        403 => ("AuthorizationFailed", "The client does not have authorization to perform this action."),
        404 => ("ResourceNotFound", "The resource was not found."),
        409 => ("Conflict", "Another operation on the resource is in progress."),
        412 => ("PreconditionFailed", "The condition on the entity tag was not met."),
        429 => ("TooManyRequests", "The request is being throttled as the limit has been reached."),
        500 => ("InternalServerError", "Encountered internal server error."),
        503 => ("ServiceUnavailable", "The service is temporarily unavailable. Please try again later."),
        504 => ("GatewayTimeout", "The gateway did not receive a response within the specified time period."),
        code if code < 500 => ("BadRequest", "The request was refused by a fault that was asked for."),
        _ => ("ServerError", "The service failed by a fault that was asked for."),
    };
    (code, message.to_owned())
}

/// The kind of a request as the limits tell them apart.
fn operation(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "read",
        Method::DELETE => "delete",
        _ => "write",
    }
}

fn entra_response(status: StatusCode, aim: &AzureAim) -> Response {
    let (code, number) = match status.as_u16() {
        401 => ("invalid_client", 7_000_215),
        429 => ("temporarily_unavailable", 90_055),
        500.. => ("temporarily_unavailable", 90_033),
        _ => ("invalid_request", 90_014),
    };
    let code = aim.code.as_deref().unwrap_or(code);
    let message = aim.message.as_deref().unwrap_or("The request failed by a fault that was asked for.");
    let body = json!({
        "error": code, "error_description": format!("AADSTS{number}: {message}"), "error_codes": [number],
    });
    (status, Json(body)).into_response()
}

fn registry_response(status: StatusCode, aim: &AzureAim) -> Response {
    let code = match status.as_u16() {
        401 => "UNAUTHORIZED",
        403 => "DENIED",
        429 => "TOOMANYREQUESTS",
        503 => "UNAVAILABLE",
        _ => "UNKNOWN",
    };
    let code = aim.code.as_deref().unwrap_or(code);
    let message = aim.message.as_deref().unwrap_or("the request failed by a fault that was asked for");
    let body = json!({ "errors": [{ "code": code, "message": message, "detail": null }] });
    (status, Json(body)).into_response()
}
