//! The one HTTP client, and what is retried.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, RequestBuilder, StatusCode, redirect};
use serde::de::DeserializeOwned;

use crate::error::{ExitClass, Explain};
use crate::settings::{Settings, Target, Timing};

/// The clients could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The file of trusted authorities is absent or unreadable.
    #[error("read the trusted certificate authorities")]
    ReadAuthorities(#[source] std::io::Error),
    /// The file holds no certificate.
    #[error(
        "read the trusted certificate authorities from `{path}`: there is no usable PEM certificate in it"
    )]
    NoAuthority {
        /// The file.
        path: PathBuf,
    },
    /// The TLS stack refused its configuration.
    #[error("set up the HTTPS client")]
    Client(#[source] reqwest::Error),
}

impl Explain for ContextError {
    fn exit_class(&self) -> ExitClass {
        ExitClass::Failed
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Client(_) => None,
            _ => Some(
                "set MAYFLY_CA_FILE to a PEM file, or unset it to trust the system's authorities".to_owned(),
            ),
        }
    }
}

/// Makes the client: no redirects (a redirect is how Azure DevOps refuses a token), and exactly the named authorities where
/// some are named.
pub(crate) fn client(settings: &Settings) -> Result<Client, ContextError> {
    let mut builder = Client::builder()
        .user_agent(concat!("mayfly/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(15))
        .timeout(Duration::from_secs(100));
    if let Some(path) = &settings.ca_file {
        let pem = fs_err::read(path).map_err(ContextError::ReadAuthorities)?;
        let authorities = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if authorities.is_empty() {
            return Err(ContextError::NoAuthority { path: path.clone() });
        }
        builder = builder.tls_certs_only(authorities);
    }
    if settings.target == Target::Sandbox {
        // A sandbox is on this machine: a proxy could not reach it.
        builder = builder.no_proxy();
    }
    builder.build().map_err(ContextError::Client)
}

/// A whole answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?;
        text.trim().parse().ok().map(Duration::from_secs)
    }
}

/// Sends what `request` builds, again where the service is busy, broken or cut off. Every call of this crate may be
/// repeated: each is a read, or says what should be rather than what to add. The last answer is returned whatever it is.
pub(crate) async fn send(
    timing: &Timing,
    request: impl Fn() -> RequestBuilder,
) -> Result<Reply, reqwest::Error> {
    let mut pause = timing.retry;
    let mut attempt = 1;
    loop {
        let outcome = attempt_once(request()).await;
        let wait = match &outcome {
            Ok(reply) if retried(reply.status) => reply.retry_after().unwrap_or(pause),
            Err(error) if !error.is_builder() => pause,
            _ => return outcome,
        };
        if attempt >= timing.attempts || wait > timing.longest_retry_after {
            return outcome;
        }
        tracing::debug!(attempt, ?wait, "call is tried again");
        tokio::time::sleep(wait).await;
        pause = pause.saturating_mul(2);
        attempt += 1;
    }
}

fn retried(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

async fn attempt_once(request: RequestBuilder) -> Result<Reply, reqwest::Error> {
    let response = request.send().await.map_err(reqwest::Error::without_url)?;
    let status = response.status();
    let headers = response.headers().clone();
    let body = response.bytes().await.map_err(reqwest::Error::without_url)?.to_vec();
    Ok(Reply { status, headers, body })
}

/// The start of a body as text, for an error message.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return "(no body)".to_owned();
    }
    let mut start: String = line.chars().take(300).collect();
    if start.len() < line.len() {
        start.push('…');
    }
    start
}
