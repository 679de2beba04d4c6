//! What the engine's errors mean to us.

use bollard::errors::Error;

use crate::runtime::RuntimeError;

/// What the engine's error means to us.
pub(super) fn failed(action: &str, error: Error) -> RuntimeError {
    let action = action.to_owned();
    match error {
        Error::DockerResponseServerError { status_code: 404, message }
            if message.contains("No such container") =>
        {
            RuntimeError::Gone { action }
        }
        Error::DockerResponseServerError { message, .. } => RuntimeError::Refused { action, reason: message },
        Error::DockerStreamError { error } => RuntimeError::Refused { action, reason: error },
        other => RuntimeError::Unavailable { action, reason: other.to_string() },
    }
}

pub(super) fn image_failed(image: &str, error: Error) -> RuntimeError {
    match failed("pull", error) {
        RuntimeError::Refused { reason, .. } => RuntimeError::Image { image: image.to_owned(), reason },
        RuntimeError::Gone { action } => RuntimeError::Image { image: image.to_owned(), reason: action },
        other => other,
    }
}
