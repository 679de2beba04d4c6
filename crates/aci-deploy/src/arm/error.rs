//! What can go wrong with Azure Resource Manager.

use serde::Deserialize;

use crate::error::{ExitClass, Explain};

/// A call to Entra ID or Azure Resource Manager failed.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// No answer, or a cut one, after all attempts.
    #[error("{action}: no answer from {service}")]
    Unreachable {
        /// What was attempted on what.
        action: String,
        /// Whom.
        service: &'static str,
        /// The last failure.
        #[source]
        source: reqwest::Error,
    },
    /// Entra ID gave no token.
    #[error("get a token for client `{client_id}` of tenant `{tenant_id}`: {code}: {message}")]
    Token {
        /// The application.
        client_id: String,
        /// The tenant.
        tenant_id: String,
        /// HTTP status.
        status: u16,
        /// OAuth error.
        code: String,
        /// The service's words.
        message: String,
    },
    /// The service said no.
    #[error("{action}: {status} {code}: {message}")]
    Refused {
        /// What was attempted on what.
        action: String,
        /// HTTP status.
        status: u16,
        /// ARM's error code.
        code: String,
        /// The service's words, with those of the inner errors.
        message: String,
    },
    /// The operation was accepted and failed later.
    #[error("{action}: {code}: {message}")]
    OperationFailed {
        /// What was attempted on what.
        action: String,
        /// ARM's error code, the innermost.
        code: String,
        /// The service's words, with those of the inner errors.
        message: String,
    },
    /// The operation did not end in time.
    #[error("{action}: still not done after {seconds} s (last state: {state})")]
    OperationTimeout {
        /// What was attempted on what.
        action: String,
        /// How long was waited.
        seconds: u64,
        /// The last state seen.
        state: String,
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
        source: Option<serde_json::Error>,
    },
    /// The service pointed to another host, which would have been handed the token.
    #[error("{action}: the service points to another host, `{host}`, to watch the operation")]
    ForeignOperation {
        /// What was attempted on what.
        action: String,
        /// The host.
        host: String,
    },
}

impl ArmError {
    /// ARM's error code, where the service gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } | Self::OperationFailed { code, .. } => Some(code),
            _ => None,
        }
    }

    pub(crate) fn is_deployment_active(&self) -> bool {
        self.code() == Some("DeploymentActive")
    }

    pub(crate) fn is_transitioning(&self) -> bool {
        matches!(self.code(), Some("ContainerGroupTransitioning"))
    }
}

impl Explain for ArmError {
    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Unreachable { .. } | Self::Malformed { .. } | Self::OperationTimeout { .. } => {
                ExitClass::Service
            }
            Self::Token { status, .. } | Self::Refused { status, .. } if *status >= 500 || *status == 429 => {
                ExitClass::Service
            }
            Self::Refused { .. } if self.is_deployment_active() => ExitClass::Guard,
            _ => ExitClass::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Unreachable { service, .. } => {
                return Some(format!(
                    "check that {service} can be reached from here, and MAYFLY_CA_FILE if its certificate is private; then run the command again"
                ));
            }
            Self::Token { .. } => {
                "check AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_AUTHORITY_HOST"
            }
            Self::Refused { status: 401, .. } => {
                "the token was not accepted: check that ARM_ENDPOINT and AZURE_AUTHORITY_HOST belong to one cloud"
            }
            Self::Refused { status: 403, .. } => {
                "give the service principal the role `Contributor` on the resource group (on the subscription, if the group is to be created)"
            }
            Self::OperationTimeout { .. } | Self::Malformed { .. } => {
                "run the command again: it goes on from what it finds"
            }
            Self::ForeignOperation { .. } => "check ARM_ENDPOINT",
            Self::Refused { .. } | Self::OperationFailed { .. } => {
                return self.code().and_then(hint_for_code);
            }
        };
        Some(text.to_owned())
    }
}

fn hint_for_code(code: &str) -> Option<String> {
    let text = match code {
        "DeploymentActive" => "wait until the other deployment has ended, then run the command again",
        "InaccessibleImage" => "check the image reference, and that the registry's admin user is enabled",
        "RegistryErrorResponse" => "the registry answered with an error; run the command again later",
        "ContainerGroupQuotaReached" => {
            "ask for fewer agents or smaller ones (--cpu), or have the quota raised"
        }
        "ServiceUnavailable" => {
            "the region has no room for this size: use smaller agents or another --location"
        }
        "SubscriptionNotFound" => "check AZURE_SUBSCRIPTION_ID",
        "ResourceGroupNotFound" => "check --resource-group",
        "MissingSubscriptionRegistration" => {
            "register the provider first: az provider register --namespace Microsoft.ContainerInstance"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// ARM's error envelope; some providers leave out the wrapper (microsoft/api-guidelines and observed answers).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ErrorBody {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) details: Option<Vec<ErrorBody>>,
}

#[derive(Debug, Deserialize)]
struct Wrapped {
    error: ErrorBody,
}

impl ErrorBody {
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let wrapped = serde_json::from_slice::<Wrapped>(body).map(|wrapped| wrapped.error);
        wrapped.or_else(|_| serde_json::from_slice(body)).ok().filter(|error: &Self| !error.code.is_empty())
    }

    /// The code that says most: a deployment's own code only says that something in it failed.
    pub(crate) fn innermost_code(&self) -> &str {
        let inner = self.details.iter().flatten().map(Self::innermost_code).find(|code| !code.is_empty());
        inner.unwrap_or(&self.code)
    }

    /// The messages of this error and of those inside it, each once; with their codes where there are several.
    pub(crate) fn text(&self) -> String {
        let mut leaves = Vec::new();
        self.collect(&mut leaves);
        match leaves.as_slice() {
            [(_, message)] => (*message).to_owned(),
            several => {
                let text = |(code, message): &(&str, &str)| format!("{code}: {message}");
                several.iter().map(text).collect::<Vec<_>>().join("; ")
            }
        }
    }

    fn collect<'a>(&'a self, into: &mut Vec<(&'a str, &'a str)>) {
        let inner = self.details.as_deref().unwrap_or_default();
        for error in inner {
            error.collect(into);
        }
        // A wrapper's message ("at least one resource deployment operation failed") is noise beside its contents.
        let own = (self.code.as_str(), self.message.as_str());
        if inner.is_empty() && !into.contains(&own) {
            into.push(own);
        }
    }
}
