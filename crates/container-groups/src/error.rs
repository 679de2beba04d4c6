//! The errors of the resource provider.

use std::fmt;

/// An error as `Microsoft.ContainerInstance` words it; the routes put it into the service's envelope.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GroupError {
    /// The error code, for example `InaccessibleImage`.
    pub code: String,
    /// The message for the caller.
    pub message: String,
    /// The HTTP status it travels with.
    pub status: u16,
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for GroupError {}

impl GroupError {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), status }
    }
}
