//! Questions to the server before anything is started: is it there, is the token good, is the pool there, may it be managed.
//!
//! Only here can "away" (69) and "refused" (77) be told apart: the agent's own listener exits 1 for everything.

pub(crate) mod answer;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{NoProxy, Proxy};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use zeroize::Zeroizing;

use self::answer::Answer;
pub(crate) use self::answer::Verdict;
use crate::credential::{self, Credential, Endpoint, Ways};
use crate::exit::{Exit, Failure};
use crate::report::log;
use crate::trust::{self, Authorities};
use crate::update::{self, Version};
use crate::variables;

/// What is asked.
#[derive(Debug)]
pub(crate) struct Questions<'a> {
    pub(crate) url: &'a Url,
    pub(crate) pool: &'a str,
    pub(crate) server_wait: Duration,
    pub(crate) proxy: Option<AgentProxy>,
    pub(crate) authorities: Option<&'a Authorities>,
    pub(crate) agent_version: Option<&'a str>,
    pub(crate) follow_updates: bool,
}

/// The proxy under the names that only the agent knows (azure-pipelines-agent: VstsAgentWebProxy.cs). The HTTP client finds
/// the usual ones by itself.
#[derive(Debug)]
pub(crate) struct AgentProxy {
    pub(crate) address: String,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<SecretString>,
}

impl AgentProxy {
    fn proxy(&self) -> Result<Proxy, Failure> {
        let wrong = |_| Failure::configuration("VSTS_HTTP_PROXY: is no URL of a proxy");
        let mut proxy = Proxy::all(&self.address).map_err(wrong)?.no_proxy(NoProxy::from_env());
        if let Some(user) = &self.user {
            let password = self.password.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
            proxy = proxy.basic_auth(user, password);
        }
        Ok(proxy)
    }
}

const POOLS: [&str; 3] = ["_apis", "distributedtask", "pools"];
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// For the question that decides nothing.
const OFFER_LIMIT: Duration = Duration::from_secs(3);
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// No answer that is read here comes near this size.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// Asks everything, in an event loop that has ended when this returns, and gives the token that registers the agent.
///
/// `endpoint` is where the container's own identities are asked, if they have to be proven harmless.
pub(crate) fn run(
    questions: &Questions<'_>,
    credential: Credential,
    endpoint: &Endpoint,
    prove_identities: bool,
    stop_requested: impl Fn() -> bool,
) -> Result<SecretString, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::agent(format!("start the event loop of the preflight: {error}")))?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = token_and_answers(questions, credential, endpoint, prove_identities) => outcome,
            () = stopped(stop_requested) => Err(Failure::stopped()),
        }
    });
    // A name lookup that hangs must not hold up the start.
    runtime.shutdown_background();
    outcome
}

async fn token_and_answers(
    questions: &Questions<'_>,
    credential: Credential,
    endpoint: &Endpoint,
    prove_identities: bool,
) -> Result<SecretString, Failure> {
    let deadline = Instant::now() + questions.server_wait;
    let (proxy, authorities) = (questions.proxy.as_ref(), questions.authorities);
    let ways = Ways { proxy, authorities, endpoint, deadline };
    // Beside everything else, so that it costs no time of its own.
    let proof =
        async { if prove_identities { credential::prove(endpoint, questions).await } else { Ok(()) } };
    let answers = async {
        let token = credential::token(credential, &ways).await?;
        ask(questions, &token).await?;
        Ok(token)
    };
    let (token, ()) = tokio::try_join!(answers, proof)?;
    Ok(token)
}

/// Whether this token may register agents in the pool.
pub(crate) async fn may_manage(questions: &Questions<'_>, token: &SecretString) -> Result<bool, Failure> {
    let server = Server::new(questions, token)?;
    let managed = [("poolName", questions.pool), ("poolType", "automation"), ("actionFilter", "manage")];
    let read = |body: &[u8]| answer::pool(body, questions.pool);
    Ok(server.get(&POOLS, &managed, read).await?.is_some())
}

async fn stopped(stop_requested: impl Fn() -> bool) {
    while !stop_requested() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn ask(questions: &Questions<'_>, token: &SecretString) -> Result<(), Failure> {
    let server = Server::new(questions, token)?;
    let shown = questions.url;
    server
        .get(
            &["_apis", "connectionData"],
            &[("connectOptions", "0"), ("lastChangeId", "-1"), ("lastChangeId64", "-1")],
            answer::connection,
        )
        .await?;
    log(format_args!("the server answers at {shown}"));
    let visible = [("poolName", questions.pool), ("poolType", "automation")];
    let managed = [visible[0], visible[1], ("actionFilter", "manage")];
    let read = |body: &[u8]| answer::pool(body, questions.pool);
    let Some(pool) = server.get(&POOLS, &visible, read).await? else {
        return Err(Failure::new(
            Exit::Refused,
            format!("pool `{}` does not exist or the token may not see it", questions.pool),
        )
        .hint(format!(
            "look at {shown}/_settings/agentpools; the token needs the scope Agent Pools (read, manage)"
        )));
    };
    log(format_args!("the token is good and pool `{}` is there (id {})", questions.pool, pool.id));
    if pool.is_hosted {
        return Err(Failure::new(
            Exit::Refused,
            format!("pool `{}` is Microsoft-hosted and takes no agents", questions.pool),
        ));
    }
    // The second question costs no time of its own, and its answer decides nothing.
    let (manageable, offered) = tokio::join!(server.get(&POOLS, &managed, read), offered_agent(&server));
    if manageable?.is_none() {
        return Err(Failure::new(Exit::Refused, format!("the token may see pool `{}` but not manage it", questions.pool))
            .hint("its owner needs the role Administrator on the pool, the token the scope Agent Pools (read, manage)"));
    }
    log(format_args!("the token may register agents in pool `{}`", questions.pool));
    if let Some(advice) = update::advice(questions.agent_version, offered, questions.follow_updates) {
        log(format_args!("hint: {advice}"));
        if pool.auto_update == Some(true) && !questions.follow_updates {
            log("hint: the pool tells its agents to update themselves; this one is told to refuse that");
        }
    }
    Ok(())
}

/// The newest agent that the server offers. Asked once, and not for long.
async fn offered_agent(server: &Server<'_>) -> Option<Version> {
    server.questions.agent_version?;
    let url = server.url(
        &["_apis", "distributedtask", "packages", "agent"],
        &[("platform", update::platform()), ("$top", "1")],
    );
    let read = |body: &[u8]| Verdict::Good(update::newest(body));
    match tokio::time::timeout(OFFER_LIMIT, server.once(&url, &read)).await {
        Ok((Verdict::Good(version), _)) => version,
        _ => None,
    }
}

struct Server<'a> {
    questions: &'a Questions<'a>,
    client: reqwest::Client,
    authorization: HeaderValue,
    deadline: Instant,
}

impl<'a> Server<'a> {
    fn new(questions: &'a Questions<'a>, token: &SecretString) -> Result<Self, Failure> {
        let client = client(questions.url, questions.proxy.as_ref(), questions.authorities)?;
        // The user name is a literal of the agent; servers look at the password alone
        // (azure-pipelines-agent: CredentialProvider.cs).
        let pair = Zeroizing::new(format!("VstsAgent:{}", token.expose_secret()));
        let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let mut authorization = HeaderValue::from_str(&value)
            .map_err(|_| Failure::configuration("the token does not fit into a header"))?;
        authorization.set_sensitive(true);
        Ok(Self { questions, client, authorization, deadline: Instant::now() + questions.server_wait })
    }

    /// Asks one question until there is an answer, a refusal, or no time left.
    async fn get<T>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        read: impl Fn(&[u8]) -> Verdict<T>,
    ) -> Result<T, Failure> {
        let url = self.url(path, query);
        let mut pause = FIRST_PAUSE;
        loop {
            let (reason, retry_after) = match self.once(&url, &read).await {
                (Verdict::Good(value), _) => return Ok(value),
                (Verdict::Refused(reason), _) => return Err(self.refused(&reason)),
                (Verdict::Wrong(reason), _) => return Err(self.wrong(&reason)),
                (Verdict::Distrusted(reason), _) => return Err(distrusted(self.questions.url, &reason)),
                (Verdict::Away(reason), retry_after) => (reason, retry_after),
            };
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.away(&reason));
            }
            let next = retry_after.unwrap_or(pause).clamp(FIRST_PAUSE, LONGEST_PAUSE).min(left);
            log(format_args!(
                "the server is away ({reason}); next try in {:.1} s, {} s left",
                next.as_secs_f32(),
                left.as_secs()
            ));
            tokio::time::sleep(next).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.questions.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url.query_pairs_mut().extend_pairs(query);
        url
    }

    async fn once<T>(
        &self,
        url: &Url,
        read: &impl Fn(&[u8]) -> Verdict<T>,
    ) -> (Verdict<T>, Option<Duration>) {
        let request = self
            .client
            .get(url.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/json; api-version=5.1-preview")
            // Asks for a 401 in place of the redirect to a sign-in page (azure-devops-python-api: client.py).
            .header("X-TFS-FedAuthRedirect", "Suppress");
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return (unanswered(error), None),
        };
        let text = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let answer = Answer {
            status: response.status().as_u16(),
            content_type: text(CONTENT_TYPE).unwrap_or_default(),
        };
        let retry_after = text(RETRY_AFTER).and_then(|value| value.parse().ok()).map(Duration::from_secs);
        if let Some(verdict) = answer.verdict() {
            return (verdict, retry_after);
        }
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= BODY_LIMIT => body.extend_from_slice(&chunk),
                Ok(Some(_)) => return (Verdict::Wrong("its answer is far too long".to_owned()), None),
                Ok(None) => return (read(&body), None),
                Err(error) => {
                    let reason = format!("its answer broke off: {}", causes(&error.without_url()));
                    return (Verdict::Away(reason), None);
                }
            }
        }
    }

    fn refused(&self, reason: &str) -> Failure {
        Failure::new(
            Exit::Refused,
            format!("the server at {} refused the token: {reason}", self.questions.url),
        )
        .hint("the token is wrong, expired or revoked, or belongs to another organization")
        .hint("it needs the scope Agent Pools (read, manage); give the containers a new one")
    }

    fn wrong(&self, reason: &str) -> Failure {
        Failure::configuration(format!("{} is no organization of Azure DevOps: {reason}", self.questions.url))
            .hint("AZDO_URL is the URL of the organization, for example https://dev.azure.com/NAME")
    }

    fn away(&self, reason: &str) -> Failure {
        let waited = self.questions.server_wait.as_secs();
        Failure::new(Exit::ServerAway, format!("no answer from {} within {waited} s: {reason}", self.questions.url))
            .hint("look at the network, the name service and the proxy variables of the container; AZDO_SERVER_WAIT sets the time")
    }
}

/// What it means that there was no answer.
pub(crate) fn unanswered<T>(error: reqwest::Error) -> Verdict<T> {
    let causes = causes(&error.without_url());
    trust::distrust(&causes).map_or(Verdict::Away(causes), Verdict::Distrusted)
}

pub(crate) fn distrusted(url: &Url, reason: &str) -> Failure {
    Failure::configuration(format!("the server at {url} is not trusted: {reason}")).hint(format!(
        "{} or {} names the authorities of a server whose certificate is of no public one",
        variables::CA_FILE.name,
        variables::CA_CERTIFICATE.name
    ))
}

/// A client for one server.
pub(crate) fn client(
    server: &Url,
    proxy: Option<&AgentProxy>,
    authorities: Option<&Authorities>,
) -> Result<reqwest::Client, Failure> {
    let mut client = reqwest::Client::builder()
        .user_agent(concat!("mayfly-entrypoint/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(CONNECT_LIMIT)
        .timeout(REQUEST_LIMIT);
    if server.scheme() == "http" {
        // Without TLS an image needs no certificates, and the client must not ask for them.
        client = client.tls_certs_only([]);
    } else if let Some(authorities) = authorities {
        client = client.tls_certs_merge(authorities.certificates());
    }
    if let Some(proxy) = proxy {
        client = client.proxy(proxy.proxy()?);
    }
    client.build().map_err(|error| {
        Failure::configuration(format!("prepare HTTPS: {}", causes(&error)))
            .hint("the image needs the certificates of public authorities (Debian: ca-certificates)")
    })
}

pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
