//! The exchange of the agent's key for an access token
//! (actions/runner: VssOAuthJwtBearerAssertion.cs, VssOAuthTokenHttpClient.cs).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::{clock, error::ClientError, http::HttpClient, keys::AgentKey, settings::CredentialData};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Life of an assertion in seconds.
const ASSERTION_LIFE: i64 = 300;

/// What an agent proves its identity with after `config`.
#[derive(Debug)]
pub(crate) struct OAuthClient {
    pub(crate) data: CredentialData,
    pub(crate) key: AgentKey,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<SecretString>,
}
#[derive(Deserialize)]
struct TokenRefusal {
    error: Option<String>,
    error_description: Option<String>,
}

impl OAuthClient {
    /// Asks for a token. `None` when the endpoint failed in a way that is logged and then shows as an
    /// unauthorized call.
    pub(crate) async fn fetch(&self, http: &HttpClient) -> Result<Option<SecretString>, ClientError> {
        let assertion = self.assertion().map_err(|error| ClientError::Protocol(format!("{error:#}")))?;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion.as_str()),
        ];
        let answer = http.post_form(&self.data.oauth_endpoint_url, &form).await?;
        if answer.status == 200 {
            let token: TokenAnswer = serde_json::from_slice(&answer.body).map_err(|error| {
                ClientError::Protocol(format!("The token endpoint's answer is unreadable: {error}"))
            })?;
            return Ok(token.access_token);
        }
        if answer.status == 400
            && answer.is_json()
            && answer.header("content-length").is_some()
            && let Ok(refusal) = serde_json::from_slice::<TokenRefusal>(&answer.body)
        {
            let text = refusal.error_description.or(refusal.error).unwrap_or_default();
            return Err(ClientError::TokenRequest(text));
        }
        Ok(None)
    }

    fn assertion(&self) -> anyhow::Result<String> {
        let now = clock::now().as_second();
        let header = json!({ "typ": "JWT", "alg": "RS256" });
        let claims = json!({
            "sub": self.data.client_id,
            "jti": clock::new_id(),
            "iss": self.data.client_id,
            "aud": self.data.authorization_url,
            "nbf": now,
            "exp": now + ASSERTION_LIFE,
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
