//! What can go wrong with Azure DevOps.

use crate::error::{ExitClass, Explain};

/// A call to Azure DevOps failed.
#[derive(Debug, thiserror::Error)]
pub enum AzdoError {
    /// No answer, or a cut one, after all attempts.
    #[error("{action}: no answer from Azure DevOps at `{organization}`")]
    Unreachable {
        /// What was attempted on what.
        action: String,
        /// Organization URL.
        organization: String,
        /// The last failure.
        #[source]
        source: reqwest::Error,
    },
    /// The token was not accepted: 401, or the sign-in page that stands for it.
    #[error("{action}: Azure DevOps at `{organization}` does not accept the token (status {status})")]
    Unauthorized {
        /// What was attempted on what.
        action: String,
        /// Organization URL.
        organization: String,
        /// 401, 302 or 203.
        status: u16,
    },
    /// The token is good but may not do this.
    #[error("{action}: not allowed: {message}")]
    Forbidden {
        /// What was attempted on what.
        action: String,
        /// The service's words.
        message: String,
    },
    /// There is no such pool, or the token cannot see it.
    #[error("find pool `{pool}` in `{organization}`: there is none that this token can see")]
    NoPool {
        /// Pool name.
        pool: String,
        /// Organization URL.
        organization: String,
    },
    /// Any other refusal.
    #[error("{action}: {status}: {message}")]
    Refused {
        /// What was attempted on what.
        action: String,
        /// HTTP status.
        status: u16,
        /// The service's words.
        message: String,
    },
    /// The answer is not what the service documents.
    #[error("{action}: the answer cannot be understood: {excerpt}")]
    Malformed {
        /// What was attempted on what.
        action: String,
        /// The start of the answer.
        excerpt: String,
        /// Where parsing ended.
        #[source]
        source: serde_json::Error,
    },
}

impl Explain for AzdoError {
    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Unreachable { .. } | Self::Malformed { .. } => ExitClass::Service,
            Self::Refused { status, .. } if *status >= 500 || *status == 429 => ExitClass::Service,
            _ => ExitClass::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Unreachable { .. } => "check AZDO_URL and the network, then run the command again",
            Self::Unauthorized { .. } => {
                "make a token with the scope `Agent Pools (read, manage)` and put it into AZDO_TOKEN; it may have ended or been revoked"
            }
            Self::Forbidden { .. } => {
                "the token's owner must be administrator of the pool, and the token needs the scope `Agent Pools (read, manage)`"
            }
            Self::NoPool { .. } => {
                "check AZDO_POOL (or --pool), and that the token's owner may see the pool under Organization settings, Agent pools"
            }
            Self::Malformed { .. } => {
                "check that AZDO_URL is the URL of an organization, for example https://dev.azure.com/contoso"
            }
            Self::Refused { status, .. } if *status >= 500 || *status == 429 => "run the command again",
            Self::Refused { .. } => return None,
        };
        Some(text.to_owned())
    }
}
