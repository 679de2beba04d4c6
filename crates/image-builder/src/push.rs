//! Pushes one reference and learns its digest.

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::query_parameters::PushImageOptionsBuilder;
use futures_util::StreamExt;
use secrecy::ExposeSecret;

use crate::image_ref::ImageRef;
use crate::options::RegistryCredentials;
use crate::report::Reporter;

/// Why an image was not pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The registry does not accept these credentials, or these do not suffice.
    #[error("push `{reference}`: the registry refused {}: {told}", who.as_deref().map_or("a push without a login".to_owned(), |who| format!("user `{who}`")))]
    Refused {
        /// The reference.
        reference: String,
        /// The user, if there was one.
        who: Option<String>,
        /// The registry's words.
        told: String,
    },
    /// Anything else.
    #[error("push `{reference}`")]
    Failed {
        /// The reference.
        reference: String,
        /// Why.
        #[source]
        source: Error,
    },
    /// The engine did not say under which digest the image went.
    #[error("push `{reference}`: the engine reported no digest")]
    NoDigest {
        /// The reference.
        reference: String,
    },
}

impl PushError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused { .. } => {
                Some("check ACR_USERNAME and ACR_PASSWORD, and that the registry's admin user is enabled")
            }
            Self::Failed { .. } => {
                Some("check that the registry in the image's name answers from this machine")
            }
            Self::NoDigest { .. } => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// Pushes and returns `repository@sha256:…`.
pub(crate) async fn push(
    docker: &Docker,
    reference: &ImageRef,
    credentials: Option<&RegistryCredentials>,
    reporter: &dyn Reporter,
) -> Result<ImageRef, PushError> {
    reporter.step(&format!("push {reference}"));
    let options = PushImageOptionsBuilder::default().tag(reference.tag().unwrap_or("latest")).build();
    let login = credentials.map(|known| DockerCredentials {
        username: Some(known.username.clone()),
        password: Some(known.password.expose_secret().to_owned()),
        serveraddress: Some(known.server.clone()),
        ..DockerCredentials::default()
    });
    let mut answers = Box::pin(docker.push_image(&reference.name(), Some(options), login));
    let mut digest = None;
    while let Some(answer) = answers.next().await {
        let answer = answer.map_err(|source| failure(reference, credentials, source))?;
        // Layer by layer progress would be a line a tick.
        if let (Some(status), None) = (&answer.status, &answer.progress_detail) {
            digest = digest_in(status).or(digest);
            reporter.log(status);
        }
    }
    let digest = digest.and_then(|digest| reference.with_digest(&digest).ok());
    digest.ok_or_else(|| PushError::NoDigest { reference: reference.to_string() })
}

/// The last line of a push: `<tag>: digest: sha256:… size: 1234` (moby: distribution/push_v2.go).
fn digest_in(status: &str) -> Option<String> {
    let (_, rest) = status.split_once(": digest: ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

fn failure(reference: &ImageRef, credentials: Option<&RegistryCredentials>, source: Error) -> PushError {
    let told = match &source {
        Error::DockerStreamError { error } => error.clone(),
        Error::DockerResponseServerError { message, .. } => message.clone(),
        _ => String::new(),
    };
    let refused =
        ["unauthorized", "denied", "no basic auth credentials", "authentication required", "forbidden"];
    if refused.iter().any(|word| told.to_ascii_lowercase().contains(word)) {
        let who = credentials.map(|known| known.username.clone());
        return PushError::Refused { reference: reference.to_string(), who, told };
    }
    PushError::Failed { reference: reference.to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_in_the_last_status() {
        let hex = "ab".repeat(32);
        assert_eq!(digest_in(&format!("1: digest: sha256:{hex} size: 529")), Some(format!("sha256:{hex}")));
        assert_eq!(digest_in("Pushed"), None);
    }

    #[test]
    fn a_refusal_names_the_user_and_never_the_password() {
        let reference: ImageRef = "localhost:5000/a:1".parse().unwrap();
        let credentials = RegistryCredentials {
            server: "localhost:5000".into(),
            username: "someone".into(),
            password: "planted".into(),
        };
        let told = || Error::DockerStreamError { error: "unauthorized: authentication required".into() };
        let error = failure(&reference, Some(&credentials), told());
        assert!(matches!(error, PushError::Refused { .. }));
        assert!(error.to_string().contains("`someone`") && !format!("{error:?}").contains("planted"));
        assert!(failure(&reference, None, told()).to_string().contains("without a login"));
        let network = Error::DockerStreamError { error: "dial tcp: connection refused".into() };
        assert!(failure(&reference, None, network).is_retryable());
    }
}
