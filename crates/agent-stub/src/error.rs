//! Errors of calls to the server, as the agent tells them apart (actions/runner: WrappedException.cs).

use serde::Deserialize;

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The server's own error; `type_key` decides how the agent takes it.
    #[error("{message}")]
    Service { status: u16, type_key: String, message: String },
    /// The server refuses the credential.
    #[error("{0}")]
    Unauthorized(String),
    /// The token endpoint refuses the agent's key.
    #[error("{0}")]
    TokenRequest(String),
    /// The server could not be reached.
    #[error("{0}")]
    Network(String),
    /// The connection was torn down before an answer.
    #[error("{0}")]
    Reset(String),
    /// No answer in time.
    #[error("The HTTP request timed out after {0} seconds.")]
    TimedOut(u64),
    /// An answer this agent cannot read.
    #[error("{0}")]
    Protocol(String),
}

/// Error types of the service that the agent treats in a way of their own.
pub(crate) mod kind {
    pub(crate) const SESSION_CONFLICT: &str = "TaskAgentSessionConflictException";
    pub(crate) const SESSION_EXPIRED: &str = "TaskAgentSessionExpiredException";
    pub(crate) const AGENT_NOT_FOUND: &str = "TaskAgentNotFoundException";
    pub(crate) const POOL_NOT_FOUND: &str = "TaskAgentPoolNotFoundException";
    pub(crate) const ACCESS_DENIED: &str = "AccessDeniedException";
    pub(crate) const ACCESS_TOKEN_EXPIRED: &str = "TaskAgentAccessTokenExpiredException";
    pub(crate) const JOB_NOT_FOUND: &str = "TaskAgentJobNotFoundException";
    pub(crate) const JOB_TOKEN_EXPIRED: &str = "TaskAgentJobTokenExpiredException";
    pub(crate) const PLAN_NOT_FOUND: &str = "TaskOrchestrationPlanNotFoundException";
    pub(crate) const PLAN_SECURITY: &str = "TaskOrchestrationPlanSecurityException";
}

impl ClientError {
    /// Whether the service named this error type.
    pub(crate) fn is(&self, type_key: &str) -> bool {
        matches!(self, Self::Service { type_key: found, .. } if found == type_key)
    }

    /// Whether the connection was torn down before an answer.
    pub(crate) fn is_reset(&self) -> bool {
        matches!(self, Self::Reset(_))
    }

    /// Whether the message is the token endpoint's complaint about this machine's clock.
    pub(crate) fn is_clock_skew(&self) -> bool {
        matches!(self, Self::TokenRequest(text) if text.contains("Current server time is"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct WrappedError {
    message: Option<String>,
    type_key: Option<String>,
    type_name: Option<String>,
}

/// Reads a non-2xx answer.
pub(crate) fn of_answer(status: u16, json: bool, body: &[u8], service_error: Option<&str>) -> ClientError {
    if json
        && let Ok(wrapped) = serde_json::from_slice::<WrappedError>(body)
        && let Some(message) = wrapped.message
    {
        // `typeName` is "Namespace.Type, Assembly"; it decides where the key is missing.
        let type_key = wrapped.type_key.or_else(|| {
            let name = wrapped.type_name?;
            Some(name.split(',').next()?.rsplit('.').next()?.to_owned())
        });
        return ClientError::Service { status, type_key: type_key.unwrap_or_default(), message };
    }
    let message = service_error.map_or_else(
        || format!("Response status code does not indicate success: {status}."),
        percent_decoded,
    );
    ClientError::Service { status, type_key: String::new(), message }
}

pub(crate) fn percent_decoded(text: &str) -> String {
    // `application/x-www-form-urlencoded` is what the header uses: plus signs are blanks.
    url::form_urlencoded::parse(format!("x={}", text.replace('&', "%26")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{ClientError, kind, of_answer};

    #[test]
    fn the_type_comes_from_the_key_or_else_from_the_name() {
        let keyed = br#"{"message":"m","typeKey":"TaskAgentSessionConflictException"}"#;
        assert!(of_answer(409, true, keyed, None).is(kind::SESSION_CONFLICT));
        let named = br#"{"message":"m","typeName":"Microsoft.TeamFoundation.DistributedTask.WebApi.TaskAgentNotFoundException, Microsoft.TeamFoundation.DistributedTask.WebApi"}"#;
        assert!(of_answer(404, true, named, None).is(kind::AGENT_NOT_FOUND));
    }

    #[test]
    fn a_body_that_is_no_json_leaves_the_header_to_speak() {
        let error = of_answer(500, false, b"<html>", Some("TF400898%3A+broken"));
        assert!(
            matches!(&error, ClientError::Service { message, .. } if message == "TF400898: broken"),
            "{error}"
        );
        assert!(of_answer(500, true, b"{", None).to_string().contains("500"));
    }
}
