//! The body of a request, read under a limit and with ARM's own errors.

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde_json::Value;

use crate::error::ArmError;

/// A template and a parameter file may have 4 MB each (`azure-docs: best-practices.md`).
const LIMIT: usize = 8 * 1024 * 1024;

/// The bytes of a body.
#[derive(Debug)]
pub(crate) struct RawBody(Bytes);

impl RawBody {
    /// The body as strict JSON.
    pub(crate) fn json(&self) -> Result<Value, ArmError> {
        serde_json::from_slice(self.without_bom()).map_err(|error| invalid_json(&error.to_string()))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> Result<&str, ArmError> {
        std::str::from_utf8(self.without_bom()).map_err(|_| invalid_json("the body is not UTF-8"))
    }

    fn without_bom(&self) -> &[u8] {
        self.0.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.0)
    }
}

/// A body that is not JSON.
pub(crate) fn invalid_json(problem: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidRequestContent",
        format!("The request content was invalid and could not be deserialized: '{problem}'."),
    )
}

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ArmError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Self::Rejection> {
        to_bytes(request.into_body(), LIMIT).await.map(Self).map_err(|_| {
            ArmError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestContentTooLarge",
                format!("The request content is larger than {LIMIT} bytes or was cut off."),
            )
        })
    }
}
