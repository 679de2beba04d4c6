//! The HTTP client: which authorities it trusts and how patient it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};

/// How long a connection may take to open, and how long a transfer may stand still.
const CONNECT: Duration = Duration::from_secs(15);
const STALL: Duration = Duration::from_secs(30);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The CA file could not be read.
    #[error("read the certificate authorities in `{}`", file.display())]
    CaFile {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The library refused.
    #[error("set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// A client that trusts exactly `ca_file` where it is given, else the system.
pub(crate) fn client(ca_file: Option<&Path>, redirects: Policy) -> Result<Client, ClientError> {
    let mut builder = Client::builder()
        .user_agent(concat!("mayfly/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .read_timeout(STALL)
        .redirect(redirects);
    if let Some(file) = ca_file {
        let failed = |source| ClientError::CaFile { file: file.to_owned(), source };
        let pem = fs_err::read(file).map_err(|error| failed(error.into()))?;
        let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| failed(error.into()))?;
        if authorities.is_empty() {
            return Err(failed("it holds no certificate".into()));
        }
        builder = builder.tls_certs_only(authorities);
    }
    builder.build().map_err(ClientError::Client)
}

/// For downloads: a few redirects, never from HTTPS to HTTP.
pub(crate) fn download_redirects() -> Policy {
    Policy::custom(|attempt| {
        let downgraded = attempt.url().scheme() == "http"
            && attempt.previous().last().is_some_and(|previous| previous.scheme() == "https");
        if downgraded {
            attempt.error("redirected from https to http")
        } else if attempt.previous().len() > 5 {
            attempt.error("more than five redirects")
        } else {
            attempt.follow()
        }
    })
}
