//! What the agent is registered with: a token, or something that an Entra token can be had for.
//!
//! Whatever it is, it ends as one token that goes the way of a PAT, and `config --auth PAT` takes it: Azure DevOps accepts an
//! Entra access token as the password of Basic authentication (azure-devops-cli-extension: `dev/common/services.py`). The
//! agent's own `--auth SP` would need the client secret itself, in a process of the agent's user.

mod entra;
mod identity;
mod load;
mod read;
mod wire;

use std::path::PathBuf;
use std::time::Instant;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub(crate) use identity::{Endpoint, prove};
pub(crate) use load::{load, read_pipe};
pub(crate) use read::read;

use crate::exit::Failure;
use crate::preflight::AgentProxy;
use crate::trust::Authorities;

/// Azure DevOps as a resource of Entra: the same application in every tenant.
const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";

/// What the settings say.
#[derive(Debug)]
pub(crate) enum Source {
    Inline(SecretString),
    /// A regular file or a named pipe.
    File(PathBuf),
    StandardInput,
    Principal(Principal<Proof>),
    /// A client id; nothing for the container's own identity.
    Identity(Option<String>),
}

impl Source {
    /// The variable that names a file which root in the container can read.
    pub(crate) fn file_variable(&self) -> Option<&'static str> {
        use crate::variables::{CLIENT_SECRET_FILE, FEDERATED_TOKEN_FILE, TOKEN_FILE};
        match self {
            Self::File(_) => Some(TOKEN_FILE.name),
            Self::Principal(Principal { proof: Proof::SecretFile(_), .. }) => Some(CLIENT_SECRET_FILE.name),
            Self::Principal(Principal { proof: Proof::FederatedFile(_), .. }) => {
                Some(FEDERATED_TOKEN_FILE.name)
            }
            _ => None,
        }
    }
}

/// A service principal and what proves that this is it.
#[derive(Debug)]
pub(crate) struct Principal<P> {
    pub(crate) client: String,
    pub(crate) tenant: String,
    pub(crate) authority: Url,
    pub(crate) proof: P,
}

/// Where the proof is.
#[derive(Debug)]
pub(crate) enum Proof {
    Secret(SecretString),
    SecretFile(PathBuf),
    FederatedFile(PathBuf),
}

/// The proof itself.
#[derive(Debug)]
pub(crate) enum Evidence {
    Secret(SecretString),
    /// A token of another issuer that this principal trusts.
    Assertion(SecretString),
}

/// What was found where the settings point.
#[derive(Debug)]
pub(crate) enum Credential {
    Token(SecretString),
    /// Not read yet: it can be read once only.
    Pipe(Pipe),
    Principal(Principal<Evidence>),
    Identity(Option<String>),
}

/// What is read to its end.
#[derive(Debug)]
pub(crate) enum Pipe {
    Named(PathBuf),
    StandardInput,
}

impl Credential {
    /// The secret that no variable of a job may hold.
    pub(crate) fn secret(&self) -> Option<&str> {
        match self {
            Self::Token(secret)
            | Self::Principal(Principal {
                proof: Evidence::Secret(secret) | Evidence::Assertion(secret),
                ..
            }) => Some(secret.expose_secret()),
            Self::Pipe(_) | Self::Identity(_) => None,
        }
    }
}

/// How an Entra token is asked for.
#[derive(Debug)]
pub(crate) struct Ways<'a> {
    pub(crate) proxy: Option<&'a AgentProxy>,
    pub(crate) authorities: Option<&'a Authorities>,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) deadline: Instant,
}

/// The token that registers the agent.
pub(crate) async fn token(credential: Credential, ways: &Ways<'_>) -> Result<SecretString, Failure> {
    match credential {
        Credential::Token(token) => Ok(token),
        Credential::Principal(principal) => entra::token(&principal, ways).await,
        Credential::Identity(client) => identity::token(client.as_deref(), ways).await,
        Credential::Pipe(_) => Err(Failure::agent("the token's pipe was not read")),
    }
}
