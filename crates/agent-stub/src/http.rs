//! Requests, retries and the challenge dance (actions/runner: VssHttpMessageHandler.cs, VssHttpRetryOptions.cs).
//!
//! A credential sends no token before the server has challenged it once; from then on the token goes along.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Method, header::HeaderMap};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

use crate::{
    clock, environment::Environment, error, error::ClientError, layout, oauth::OAuthClient,
    settings::CertificateSettings,
};

/// Tokens are asked for at most this often for one request.
const CHALLENGES: u32 = 3;
/// Least wait before a retry, and the unit of what is added, in seconds; GitHub's fork holds the same numbers.
const RETRY_LEAST: f64 = 10.0;

/// One HTTP client with the settings of this agent.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: reqwest::Client,
    retries: u32,
    timeout: Duration,
    activity: Uuid,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
    /// A body is JSON only when it is called exactly that; parameters are allowed.
    pub(crate) fn is_json(&self) -> bool {
        let media = self.header("content-type").and_then(|value| value.split(';').next()).unwrap_or_default();
        media.trim().eq_ignore_ascii_case("application/json")
    }
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
    fn challenges(&self, scheme: &str) -> bool {
        matches!(self.status, 401 | 302)
            && self.headers.get_all("www-authenticate").iter().any(|value| {
                value
                    .to_str()
                    .is_ok_and(|value| value.to_ascii_lowercase().contains(&scheme.to_ascii_lowercase()))
            })
    }
}

/// What a request carries.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: String,
    pub(crate) body: Option<(String, Vec<u8>)>,
    /// Longest wait for the whole answer; `None` is the client's own time-out.
    pub(crate) timeout: Option<Duration>,
}

/// How the agent proves who it is.
#[derive(Debug)]
pub(crate) enum Identity {
    /// A personal access token during `config` and `remove`.
    Pat(SecretString),
    /// The registered agent's key.
    Agent(Box<OAuthClient>),
    /// The token a job came with.
    Job(SecretString),
}

/// An identity and the token it holds at present; shared by all connections made with it.
#[derive(Debug)]
pub(crate) struct Credential {
    identity: Identity,
    held: Mutex<Option<SecretString>>,
}

impl Credential {
    pub(crate) fn new(identity: Identity) -> Arc<Self> {
        Arc::new(Self { identity, held: Mutex::new(None) })
    }

    fn scheme(&self) -> &'static str {
        match self.identity {
            Identity::Pat(_) => "Basic",
            Identity::Agent(_) | Identity::Job(_) => "Bearer",
        }
    }

    /// Takes a new token after a challenge; `None` when there is no other one than that which just failed.
    async fn renew(
        &self,
        failed: Option<&SecretString>,
        http: &HttpClient,
    ) -> Result<Option<SecretString>, ClientError> {
        let mut held = self.held.lock().await;
        if let Some(token) = held.as_ref()
            && failed.is_none_or(|failed| failed.expose_secret() != token.expose_secret())
        {
            return Ok(Some(token.clone()));
        }
        let token = match &self.identity {
            Identity::Pat(_) | Identity::Job(_) if failed.is_some() => None,
            Identity::Pat(token) => {
                Some(STANDARD.encode(format!("VstsAgent:{}", token.expose_secret())).into())
            }
            Identity::Job(token) => Some(token.clone()),
            Identity::Agent(client) => client.fetch(http).await?,
        };
        held.clone_from(&token);
        Ok(token)
    }
}

impl HttpClient {
    /// Builds the client of this process. Proxies are not used. Certificates are looked for only when the URL
    /// needs them, so that a machine without any can still speak plain HTTP.
    pub(crate) fn new(
        environment: &Environment,
        certificates: &CertificateSettings,
        agent_version: &str,
        url: &Url,
    ) -> anyhow::Result<Self> {
        let number = |name: &str, low: u64, high: u64, default: u64| {
            environment
                .get(name)
                .and_then(|text| text.parse::<u64>().ok())
                .unwrap_or(default)
                .clamp(low, high)
        };
        let timeout = Duration::from_secs(number("VSTS_HTTP_TIMEOUT", 100, 1200, 100));
        let mut builder = reqwest::Client::builder()
            .user_agent(format!(
                "VSServices/16.0 (NetStandard; {}) VstsAgentCore-{}/{agent_version}",
                layout::os_name(),
                layout::platform()
            ))
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        // With HTTPS the system's store decides: on Linux OpenSSL's, so `SSL_CERT_FILE` counts, as for .NET.
        if url.scheme() == "http" {
            builder = builder.tls_certs_only([]);
        }
        if certificates.skip_server_certificate_validation {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        Ok(Self {
            client: builder.build()?,
            retries: number("VSTS_HTTP_RETRY", 3, 10, 5) as u32,
            timeout,
            activity: clock::new_id(),
        })
    }

    /// A form to the token endpoint: no credential goes along.
    pub(crate) async fn post_form(&self, url: &str, form: &[(&str, &str)]) -> Result<Answer, ClientError> {
        let url: Url = url
            .parse()
            .map_err(|error| ClientError::Protocol(format!("The URL '{url}' is invalid: {error}")))?;
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let outgoing = Outgoing {
            method: Method::POST,
            url,
            accept: "application/json".to_owned(),
            body: Some(("application/x-www-form-urlencoded".to_owned(), body.into_bytes())),
            timeout: None,
        };
        // The token client also repeats after 429 and 500.
        self.send_retrying(&outgoing, None, &[429, 500, 502, 503, 504]).await
    }

    /// A plain download without credential, e.g. of an agent package from a public address.
    pub(crate) async fn download(&self, url: Url) -> Result<Answer, ClientError> {
        let outgoing = Outgoing {
            method: Method::GET,
            url,
            accept: "*/*".to_owned(),
            body: None,
            timeout: Some(Duration::from_mins(10)),
        };
        let answer = self.send_retrying(&outgoing, None, &[502, 503, 504]).await?;
        if answer.is_success() {
            Ok(answer)
        } else {
            Err(error::of_answer(answer.status, answer.is_json(), &answer.body, None))
        }
    }

    /// Sends with a credential; every answer that is not 2xx is an error.
    pub(crate) async fn send(
        &self,
        outgoing: &Outgoing,
        credential: &Credential,
    ) -> Result<Answer, ClientError> {
        let mut token = credential.held.lock().await.clone();
        let mut challenges = 0;
        loop {
            let authorization = token.as_ref().map(|token| {
                SecretString::from(format!("{} {}", credential.scheme(), token.expose_secret()))
            });
            let answer = self.send_retrying(outgoing, authorization.as_ref(), &[502, 503, 504]).await?;
            if answer.challenges(credential.scheme())
                && challenges < CHALLENGES
                && answer.header("x-vss-authenticateerror").is_none_or(str::is_empty)
            {
                challenges += 1;
                token = credential.renew(token.as_ref(), self).await?;
                if token.is_some() {
                    continue;
                }
            }
            if answer.status == 401 || answer.status == 302 {
                let text = answer.header("x-tfs-serviceerror").map_or_else(
                    || {
                        format!(
                            "VS30063: You are not authorized to access {}.",
                            outgoing.url.origin().ascii_serialization()
                        )
                    },
                    error::percent_decoded,
                );
                return Err(ClientError::Unauthorized(text));
            }
            if !answer.is_success() {
                let service_error = answer.header("x-tfs-serviceerror");
                return Err(error::of_answer(answer.status, answer.is_json(), &answer.body, service_error));
            }
            return Ok(answer);
        }
    }

    async fn send_retrying(
        &self,
        outgoing: &Outgoing,
        authorization: Option<&SecretString>,
        repeat_on: &[u16],
    ) -> Result<Answer, ClientError> {
        let mut attempt = 0;
        loop {
            let answer = self.send_once(outgoing, authorization).await;
            let again = match &answer {
                Ok(answer) => repeat_on.contains(&answer.status),
                Err(error) => error.is_reset(),
            };
            if attempt >= self.retries || !again {
                return answer;
            }
            attempt += 1;
            let jitter = clock::random_between(0, 1).as_secs_f64() * 0.4 + 0.8;
            let seconds = RETRY_LEAST + (2f64.powi(attempt as i32) - 1.0) * jitter;
            clock::sleep(Duration::from_secs_f64(seconds)).await;
        }
    }

    async fn send_once(
        &self,
        outgoing: &Outgoing,
        authorization: Option<&SecretString>,
    ) -> Result<Answer, ClientError> {
        let timeout = outgoing.timeout.unwrap_or(self.timeout);
        let mut request = self
            .client
            .request(outgoing.method.clone(), outgoing.url.clone())
            .timeout(timeout)
            .header("Accept", &outgoing.accept)
            .header("Accept-Language", "en-US")
            .header("X-TFS-FedAuthRedirect", "Suppress")
            .header("X-TFS-Session", self.activity.to_string())
            .header("X-VSS-E2EID", clock::new_id().to_string());
        if let Some(authorization) = authorization {
            let mut value =
                reqwest::header::HeaderValue::from_str(authorization.expose_secret()).map_err(|_| {
                    ClientError::Unauthorized(
                        "The token holds characters that a header cannot carry.".to_owned(),
                    )
                })?;
            value.set_sensitive(true);
            request = request.header("Authorization", value).header("X-VSS-UserData", "");
        }
        if let Some((content_type, body)) = &outgoing.body {
            request = request.header("Content-Type", content_type).body(body.clone());
        } else if outgoing.method != Method::GET && outgoing.method != Method::OPTIONS {
            request = request.header("Content-Length", "0");
        }
        let failed = |error: reqwest::Error| {
            if error.is_timeout() {
                ClientError::TimedOut(timeout.as_secs())
            } else {
                ClientError::Network(chain(&error))
            }
        };
        let response = request.send().await.map_err(|error| {
            if is_reset(&error) { ClientError::Reset(chain(&error)) } else { failed(error) }
        })?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(failed)?.to_vec();
        Ok(Answer { status, headers, body })
    }
}

/// Whether the connection was torn down while the answer's head was awaited. Of all failures of the network the vendor's
/// client repeats after these alone: not after an orderly end before the answer, nor in the middle of a body, nor after a
/// refused connection (actions/runner: VssNetworkHelper.cs, where the sockets' codes are listed).
fn is_reset(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, HostUnreachable, NetworkUnreachable};
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && matches!(
                error.kind(),
                ConnectionReset | ConnectionAborted | HostUnreachable | NetworkUnreachable
            )
        {
            return true;
        }
        cause = error.source();
    }
    false
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
