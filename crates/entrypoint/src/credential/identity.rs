//! Managed identities. Whoever runs in the container can ask for their tokens, so an identity must be unable to register agents.
//!
//! Shapes: azure-docs `container-instances-managed-identity.md` and `how-to-use-vm-token.md` (the metadata service, 2018-02-01),
//! App Service's `overview-managed-identity.md` (`IDENTITY_ENDPOINT`, 2019-08-01).

use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::wire::{self, Issued};
use super::{AZURE_DEVOPS, Ways};
use crate::exit::{Exit, Failure};
use crate::preflight::{self, Questions, Verdict};
use crate::report::log;
use crate::settings::check_token;
use crate::variables::{self, Variables};

const METADATA: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
/// The address is on the machine itself or nowhere.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// For an endpoint that nothing but the platform's name speaks for.
const GUESS_LIMIT: Duration = Duration::from_secs(2);

/// Where this container's identities are asked, as far as its variables tell.
#[derive(Debug)]
pub(crate) enum Endpoint {
    /// The platform says that there is one.
    Named { url: Url, header: SecretString },
    /// It may be at the address of the metadata service: this is a container of Azure (Container Instances run on Service
    /// Fabric, which names its node) or of Kubernetes, whose nodes have such a service.
    Likely,
    /// Nothing speaks for one, and nothing is asked.
    Unlikely,
}

impl Endpoint {
    /// Pure.
    pub(crate) fn find(variables: &Variables) -> Self {
        let text =
            |name| variables.get(name).and_then(|value| value.to_str()).filter(|text| !text.is_empty());
        if let (Some(url), Some(header)) = (text("IDENTITY_ENDPOINT"), text("IDENTITY_HEADER"))
            && let Ok(url) = Url::parse(url)
        {
            return Self::Named { url, header: SecretString::from(header) };
        }
        let hints = ["IDENTITY_ENDPOINT", "MSI_ENDPOINT", "Fabric_NodeIPOrFQDN", "KUBERNETES_SERVICE_HOST"];
        if hints.into_iter().any(|name| text(name).is_some()) { Self::Likely } else { Self::Unlikely }
    }

    fn request(&self, client: &Client, identity: Option<&str>) -> RequestBuilder {
        let (url, version) = match self {
            Self::Named { url, .. } => (url.as_str(), "2019-08-01"),
            Self::Likely | Self::Unlikely => (METADATA, "2018-02-01"),
        };
        let mut request = client.get(url).query(&[("api-version", version), ("resource", AZURE_DEVOPS)]);
        if let Some(identity) = identity {
            request = request.query(&[("client_id", identity)]);
        }
        match self {
            Self::Named { header, .. } => request.header("X-IDENTITY-HEADER", header.expose_secret()),
            Self::Likely | Self::Unlikely => request.header("Metadata", "true"),
        }
    }
}

fn client() -> Result<Client, Failure> {
    // It is plain HTTP on a local address: no certificates, no proxy.
    Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_LIMIT)
        .timeout(REQUEST_LIMIT)
        .build()
        .map_err(|error| Failure::agent(format!("prepare a question to the identity endpoint: {error}")))
}

/// The token of an identity that the operator registers agents with in spite of it all.
pub(super) async fn token(identity: Option<&str>, ways: &Ways<'_>) -> Result<SecretString, Failure> {
    log(format_args!(
        "warning: agents are registered with an identity whose token every job can get ({}=1)",
        variables::ALLOW_IDENTITY.name
    ));
    let client = client()?;
    let request = || ways.endpoint.request(&client, identity);
    match wire::patiently("the identity endpoint", ways.deadline, request, answer).await {
        Verdict::Good(token) => Ok(token),
        Verdict::Away(reason) => Err(Failure::new(
            Exit::ServerAway,
            format!("no answer from the identity endpoint in time: {reason}"),
        )
        .hint("has the container group an identity?")),
        Verdict::Refused(reason) | Verdict::Wrong(reason) | Verdict::Distrusted(reason) => {
            Err(Failure::configuration(format!(
                "the identity endpoint gives no token for {}: {reason}",
                variables::IDENTITY.name
            ))
            .hint("`system` or the client id of an identity of this container group"))
        }
    }
}

/// Shows that no identity of this container may register agents in the pool.
pub(crate) async fn prove(endpoint: &Endpoint, questions: &Questions<'_>) -> Result<(), Failure> {
    let client = client()?;
    let request = || endpoint.request(&client, None);
    let verdict = match endpoint {
        Endpoint::Unlikely => return Ok(()),
        Endpoint::Likely => {
            let once = wire::once(request(), &answer);
            match tokio::time::timeout(GUESS_LIMIT, once).await {
                Ok((Verdict::Away(_), _)) | Err(_) => return Ok(()),
                Ok((verdict, _)) => verdict,
            }
        }
        Endpoint::Named { .. } => {
            let deadline = Instant::now() + questions.server_wait;
            wire::patiently("the identity endpoint", deadline, request, answer).await
        }
    };
    match verdict {
        Verdict::Good(token) => unable(questions, &token).await,
        // No token for Azure DevOps: nothing to register with.
        Verdict::Wrong(_) => Ok(()),
        Verdict::Refused(reason) | Verdict::Distrusted(reason) => Err(refusal(format!(
            "this container has identities of which it cannot be shown that none may register agents: {reason}"
        ))),
        Verdict::Away(reason) => Err(Failure::new(
            Exit::ServerAway,
            format!("the identity endpoint that IDENTITY_ENDPOINT names did not answer: {reason}"),
        )
        .hint("until it does, it is not known whether a job could register agents with this container's identity")),
    }
}

async fn unable(questions: &Questions<'_>, token: &SecretString) -> Result<(), Failure> {
    match preflight::may_manage(questions, token).await {
        Ok(false) => {
            log("this container's identity may not register agents, as it should be");
            Ok(())
        }
        Ok(true) => Err(refusal(format!(
            "the identity of this container may register agents in pool `{}`, and every job can get its token",
            questions.pool
        ))),
        // Not admitted at all.
        Err(failure) if failure.exit == Exit::Refused => Ok(()),
        Err(failure) => Err(failure),
    }
}

fn refusal(text: String) -> Failure {
    Failure::configuration(text)
        .hint("give the container group another identity, or this one no rights on the pool")
        .hint(format!("{}=1 accepts it", variables::ALLOW_IDENTITY.name))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    error: String,
    error_description: String,
    message: String,
}

/// What the endpoint's answer means: `Wrong` is no token, `Refused` is a choice between several identities.
fn answer(status: u16, body: &[u8]) -> Verdict<SecretString> {
    match status {
        200 => match serde_json::from_slice::<Issued>(body) {
            Ok(Issued { access_token }) if check_token(access_token.expose_secret()).is_ok() => {
                Verdict::Good(access_token)
            }
            _ => Verdict::Wrong("its answer holds no token".to_owned()),
        },
        408 | 410 | 429 | 500.. => Verdict::Away(format!("status {status}")),
        _ => {
            let fault: Fault = serde_json::from_slice(body).unwrap_or_default();
            let text = [&fault.error_description, &fault.message, &fault.error];
            let text = text.into_iter().find(|text| !text.is_empty());
            let text: String = text.map_or_else(
                || format!("status {status}"),
                |text| text.chars().filter(|character| !character.is_control()).take(300).collect(),
            );
            if text.to_ascii_lowercase().contains("multiple user assigned") {
                Verdict::Refused(text)
            } else {
                Verdict::Wrong(text)
            }
        }
    }
}

#[cfg(test)]
mod tests;
