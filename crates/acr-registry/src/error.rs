//! Errors in the envelope of the distribution API: `{"errors": [{"code", "message", "detail"}]}`.
//!
//! Codes and statuses: distribution/distribution, `registry/api/errcode` and `registry/api/v2/errors.go`.

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// One refusal, ready to be answered.
#[derive(Debug)]
pub(crate) struct OciError(Box<Refusal>);

#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    detail: Value,
    headers: HeaderMap,
}

impl OciError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Refusal { status, code, message, detail: Value::Null, headers: HeaderMap::new() }))
    }

    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// The cause goes to the log, not to the client.
    pub(crate) fn internal(doing: &str, cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = cause, "{doing}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", format!("the registry could not {doing}"))
    }

    pub(crate) fn with_detail(mut self, detail: Value) -> Self {
        self.0.detail = detail;
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.insert(name, value);
        }
        self
    }

    pub(crate) fn with_challenge(self, challenge: &str) -> Self {
        self.with_header(header::WWW_AUTHENTICATE, challenge)
    }
}

impl IntoResponse for OciError {
    fn into_response(self) -> Response {
        let Refusal { status, code, message, detail, headers } = *self.0;
        let body = json!({ "errors": [{ "code": code, "message": message, "detail": detail }] });
        (status, headers, Json(body)).into_response()
    }
}
