//! Errors as ARM shows them: a code and a message in its envelope outside, the cause in the log.
//!
//! The status is part of the error because ARM keeps it: a deployment's operation records the status code that the
//! resource provider answered with. Codes are from `azure-docs: common-deployment-errors.md`.

use std::error::Error;
use std::fmt;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The inner object of ARM's error envelope, also kept in deployments and operations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorBody {
    pub(crate) code: String,
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) details: Vec<ErrorBody>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) additional_info: Vec<Value>,
}

impl ErrorBody {
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), ..Self::default() }
    }

    /// `{"error": {…}}`.
    pub(crate) fn envelope(&self) -> Value {
        json!({ "error": self })
    }
}

/// What a caller of ARM is told, and why it happened.
#[derive(Debug)]
pub(crate) struct ArmError {
    pub(crate) status: StatusCode,
    /// Boxed: a result with this error stays small.
    pub(crate) body: Box<ErrorBody>,
    challenge: Option<String>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl ArmError {
    pub(crate) fn new(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, body: Box::new(ErrorBody::new(code, message)), challenge: None, cause: None }
    }

    pub(crate) fn bad_request(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn not_found(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn conflict(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// A fault of the emulator: the caller is told no more than that it is one.
    pub(crate) fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let mut error = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            "Encountered internal server error. The diagnostic information is in the log of the server.",
        );
        error.cause = Some(cause.into());
        error
    }

    pub(crate) fn with_challenge(mut self, challenge: String) -> Self {
        self.challenge = Some(challenge);
        self
    }

    pub(crate) fn with_details(mut self, details: Vec<ErrorBody>) -> Self {
        self.body.details = details;
        self
    }

    pub(crate) fn with_target(mut self, target: impl Into<String>) -> Self {
        self.body.target = Some(target.into());
        self
    }

    /// A body or a property that cannot be understood; `path` is a JSON path such as `properties.osType`.
    pub(crate) fn invalid_content(path: &str, problem: impl fmt::Display) -> Self {
        Self::bad_request(
            "InvalidRequestContent",
            format!(
                "The request content was invalid and could not be deserialized: '{problem}'. Path '{path}'."
            ),
        )
        .with_target(path)
    }

    pub(crate) fn resource_group_not_found(group: &str) -> Self {
        Self::not_found("ResourceGroupNotFound", format!("Resource group '{group}' could not be found."))
    }

    pub(crate) fn resource_not_found(resource_type: &str, name: &str, group: &str) -> Self {
        Self::not_found(
            "ResourceNotFound",
            format!(
                "The Resource '{resource_type}/{name}' under resource group '{group}' was not found. For more \
                 details please go to https://aka.ms/ARMResourceNotFoundFix"
            ),
        )
    }

    /// Logs the cause; called once, where the error leaves this crate or is written into a deployment.
    pub(crate) fn log(&self) {
        if let Some(cause) = &self.cause {
            tracing::error!(code = %self.body.code, cause = cause.as_ref() as &dyn Error, "request failed");
        }
    }
}

impl fmt::Display for ArmError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.body.code, self.body.message)
    }
}

impl Error for ArmError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| cause.as_ref() as &(dyn Error + 'static))
    }
}

impl From<service_kit::StoreError> for ArmError {
    fn from(cause: service_kit::StoreError) -> Self {
        Self::internal(cause)
    }
}

impl IntoResponse for ArmError {
    fn into_response(self) -> Response {
        self.log();
        let mut response = (self.status, Json(self.body.envelope())).into_response();
        if let Some(challenge) = self.challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
