//! Opening a session and what each refusal means (azure-pipelines-agent: MessageListener.cs CreateSessionAsync).

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use aws_lc_rs::{
    cipher::{AES_128, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    iv::FixedLength,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    capabilities, clock,
    console::Console,
    error::{ClientError, kind},
    http::Credential,
    keys::AgentKey,
    layout,
    listener::Agent,
    server::AgentServer,
    settings::AgentSettings,
    wire::{EncryptionKey, Message},
};

/// Wait between two tries.
const RETRY_GAP: Duration = Duration::from_secs(30);
/// Conflicts are given up when tries times gap reach this.
const CONFLICT_LIMIT: u64 = 240;
/// A wrong clock is waited out this long, in seconds.
const CLOCK_SKEW_LIMIT: u64 = 30 * 60;

/// A session that is open.
#[derive(Debug)]
pub(crate) struct OpenSession {
    pub(crate) server: Arc<AgentServer>,
    pub(crate) id: String,
    key: Option<Vec<u8>>,
}

/// Everything a session is made from.
#[derive(Debug)]
pub(crate) struct SessionMaker<'a> {
    pub(crate) agent: &'a Agent,
    pub(crate) http: &'a crate::http::HttpClient,
    pub(crate) settings: &'a AgentSettings,
    pub(crate) credential: &'a Arc<Credential>,
}

/// A failed try; until the first connection has been made a dead network ends the agent.
#[derive(Debug)]
pub(crate) struct FailedTry {
    pub(crate) error: ClientError,
    pub(crate) connected_before: bool,
}

impl SessionMaker<'_> {
    /// Opens a session; an error is the exit code of the listener.
    pub(crate) async fn open(&self) -> Result<OpenSession, u8> {
        let console = &self.agent.console;
        console.line("Scanning for tool capabilities.");
        let capabilities = capabilities::scan(
            &self.agent.environment,
            &self.agent.layout,
            &self.settings.agent_name,
            &self.agent.masker,
        );
        console.line("Connecting to the server.");
        let body = json!({
            "sessionId": "00000000-0000-0000-0000-000000000000",
            "ownerName": layout::machine_name(&self.agent.environment),
            "agent": {
                "id": self.settings.agent_id,
                "name": self.settings.agent_name,
                "version": self.agent.layout.agent_version(),
                "osDescription": layout::os_description(),
            },
            "systemCapabilities": capabilities,
        });
        let base = self.settings.server_url.parse().map_err(|error| {
            console.error(&format!("The server URL of this agent cannot be read: {error}"));
            1u8
        })?;
        let connected = std::cell::Cell::new(false);
        let (server, session) = retrying(console, async || {
            let attempt = async {
                let server = AgentServer::connect(self.http, &base, self.credential).await?;
                connected.set(true);
                let session = server.create_session(self.settings.pool_id, &body).await?;
                Ok((server, session))
            };
            attempt.await.map_err(|error| FailedTry { error, connected_before: connected.get() })
        })
        .await?;
        let key = self.session_key(session.encryption_key.as_ref()).map_err(|error| {
            console.error(&format!("{error:#}"));
            2u8
        })?;
        Ok(OpenSession { server: Arc::new(server), id: session.session_id, key })
    }

    fn session_key(&self, key: Option<&EncryptionKey>) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(key) = key else { return Ok(None) };
        let Some(value) = key.value.as_deref().filter(|value| !value.is_empty()) else { return Ok(None) };
        let bytes = STANDARD.decode(value).context("the session key is not base64")?;
        if key.encrypted {
            let own = AgentKey::load(&self.agent.layout.key())?;
            return own.open(&bytes).map(Some);
        }
        Ok(Some(bytes))
    }
}

impl OpenSession {
    /// The text of a message, decrypted where the session has a key and the message says how.
    pub(crate) fn body(&self, message: &Message) -> anyhow::Result<String> {
        let body = message.body.clone().unwrap_or_default();
        let (Some(key), Some(iv)) = (&self.key, message.iv.as_deref().filter(|iv| !iv.is_empty())) else {
            return Ok(body);
        };
        decrypt(key, &STANDARD.decode(iv)?, &STANDARD.decode(body)?)
    }
}

/// AES in CBC mode with PKCS#7 padding.
fn decrypt(key: &[u8], iv: &[u8], sealed: &[u8]) -> anyhow::Result<String> {
    let failed = || anyhow!("the message could not be decrypted");
    let algorithm = match key.len() {
        16 => &AES_128,
        32 => &AES_256,
        other => return Err(anyhow!("the session key has {other} bytes; 16 or 32 are known")),
    };
    let iv: [u8; 16] = iv.try_into().map_err(|_| anyhow!("the message's iv must have 16 bytes"))?;
    let key = UnboundCipherKey::new(algorithm, key).map_err(|_| failed())?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| failed())?;
    let mut room = sealed.to_vec();
    let context = DecryptionContext::Iv128(FixedLength::from(&iv));
    let plain = key.decrypt(&mut room, context).map_err(|_| failed())?;
    let text = std::str::from_utf8(plain).context("the message is not UTF-8")?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// Tries until there is a session or a reason to stop; an error is the exit code.
async fn retrying<T>(
    console: &Console,
    mut attempt: impl AsyncFnMut() -> Result<T, FailedTry>,
) -> Result<T, u8> {
    let mut conflicts = 0;
    let mut skewed = 0;
    loop {
        let FailedTry { error, connected_before } = match attempt().await {
            Ok(session) => return Ok(session),
            Err(failed) => failed,
        };
        if error.is(kind::SESSION_CONFLICT) {
            conflicts += 1;
            console.error("A session for this agent already exists.");
            if conflicts * RETRY_GAP.as_secs() >= CONFLICT_LIMIT {
                console.error(&format!(
                    "Stop retry on SessionConflictException after retried for {CONFLICT_LIMIT} seconds."
                ));
                console.error(&format!("Failed to create session. {error}"));
                return Err(1);
            }
        } else if error.is(kind::ACCESS_TOKEN_EXPIRED) {
            console.error(&error.to_string());
            return Err(0);
        } else if error.is(kind::AGENT_NOT_FOUND) {
            console.error("The agent no longer exists on the server. Please reconfigure the agent.");
            console.error(&format!("Failed to create session. {error}"));
            return Err(1);
        } else if error.is(kind::POOL_NOT_FOUND)
            || error.is(kind::ACCESS_DENIED)
            || matches!(error, ClientError::Unauthorized(_))
        {
            console.error(&format!("Failed to create session. {error}"));
            return Err(1);
        } else if error.is_clock_skew() {
            console.error(
                "The local machine's clock may be out of sync with the server time by more than five minutes. \
                 Please sync your clock with your domain or internet time and try again.",
            );
            skewed += RETRY_GAP.as_secs();
            if skewed > CLOCK_SKEW_LIMIT {
                console.error(&format!("Failed to create session. {error}"));
                return Err(1);
            }
        } else if matches!(error, ClientError::Network(_) | ClientError::Reset(_)) && !connected_before {
            console.error(&format!("An error occurred: {error}"));
            return Err(2);
        } else {
            console.error(&format!(
                "{}: Agent connect error: {error} Retrying until reconnected.",
                clock::console_time()
            ));
        }
        clock::sleep(RETRY_GAP).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{FailedTry, retrying};
    use crate::{console::Console, diagnostics::Diagnostics, error::ClientError, masking::Masker};

    fn console() -> Console {
        Console::new(Masker::default(), Diagnostics::none())
    }
    fn service(type_key: &str) -> ClientError {
        ClientError::Service { status: 409, type_key: type_key.to_owned(), message: "m".to_owned() }
    }

    async fn outcome(error: impl Fn() -> ClientError, connected_before: bool) -> (Result<(), u8>, u32, u64) {
        let start = tokio::time::Instant::now();
        let mut tries = 0;
        let result = retrying(&console(), async || {
            tries += 1;
            Err::<(), _>(FailedTry { error: error(), connected_before })
        })
        .await;
        (result, tries, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_conflict_is_retried_each_30_seconds_and_given_up_after_240() {
        let (result, tries, seconds) = outcome(|| service("TaskAgentSessionConflictException"), true).await;
        assert_eq!((result, tries, seconds), (Err(1), 8, 210));
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_end_at_once_with_their_exit_codes() {
        for (type_key, code) in [
            ("TaskAgentNotFoundException", 1),
            ("TaskAgentPoolNotFoundException", 1),
            ("AccessDeniedException", 1),
            ("TaskAgentAccessTokenExpiredException", 0),
        ] {
            assert_eq!(outcome(|| service(type_key), true).await, (Err(code), 1, 0), "{type_key}");
        }
        let unauthorized = || ClientError::Unauthorized("no".to_owned());
        assert_eq!(outcome(unauthorized, true).await, (Err(1), 1, 0));
        let network = || ClientError::Network("refused".to_owned());
        assert_eq!(outcome(network, false).await, (Err(2), 1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_clock_is_waited_out_for_half_an_hour() {
        let skew = || ClientError::TokenRequest("expired. Current server time is 1/1/2026.".to_owned());
        let (result, _, seconds) = outcome(skew, true).await;
        assert_eq!((result, seconds), (Err(1), 1800));
    }

    #[tokio::test(start_paused = true)]
    async fn anything_else_is_retried_until_it_works() {
        let mut tries = 0;
        let result = retrying(&console(), async || {
            tries += 1;
            if tries == 50 {
                return Ok(tries);
            }
            Err(FailedTry { error: service(""), connected_before: true })
        })
        .await;
        assert_eq!(result, Ok(50));
    }
}
