//! Access tokens by client secret, kept until shortly before they end.

use std::time::Duration;

use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::error::ArmError;
use crate::http;
use crate::settings::{Settings, Timing};

/// Gets tokens for Azure Resource Manager (OAuth 2.0 client credentials, Microsoft identity platform v2.0).
#[derive(Debug)]
pub(super) struct TokenSource {
    client: Client,
    timing: Timing,
    authority: Url,
    tenant_id: String,
    client_id: String,
    client_secret: SecretString,
    scope: String,
    cached: Mutex<Option<Cached>>,
}

#[derive(Debug)]
struct Cached {
    token: SecretString,
    until: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Lifetime,
}

/// Entra ID has sent the lifetime as a number and as text.
struct Lifetime(u64);

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let seconds = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        seconds.map(Self).ok_or_else(|| serde::de::Error::custom("expires_in is no number of seconds"))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Denied {
    error: String,
    error_description: String,
}

impl TokenSource {
    pub(super) fn new(client: Client, settings: &Settings) -> Self {
        let audience = settings.resource_manager.as_str().trim_end_matches('/');
        Self {
            client,
            timing: settings.timing.clone(),
            authority: settings.authority.clone(),
            tenant_id: settings.tenant_id.clone(),
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            scope: format!("{audience}/.default"),
            cached: Mutex::new(None),
        }
    }

    /// The current token. One caller fetches, the others wait for it.
    pub(super) async fn get(&self) -> Result<SecretString, ArmError> {
        let mut cached = self.cached.lock().await;
        if let Some(known) = cached.as_ref().filter(|known| Instant::now() < known.until) {
            return Ok(known.token.clone());
        }
        let fresh = self.fetch().await?;
        let token = fresh.token.clone();
        *cached = Some(fresh);
        Ok(token)
    }

    /// Forgets the token, as the service did not accept it.
    pub(super) async fn discard(&self) {
        *self.cached.lock().await = None;
    }

    async fn fetch(&self) -> Result<Cached, ArmError> {
        let action = || format!("get a token for client `{}` of tenant `{}`", self.client_id, self.tenant_id);
        let base = self.authority.as_str().trim_end_matches('/');
        let url = format!("{base}/{}/oauth2/v2.0/token", self.tenant_id);
        let reply = http::send(&self.timing, || {
            self.client.post(&url).form(&[
                ("grant_type", "client_credentials"),
                ("client_id", &self.client_id),
                ("client_secret", self.client_secret.expose_secret()),
                ("scope", &self.scope),
            ])
        })
        .await
        .map_err(|source| ArmError::Unreachable {
            action: action(),
            service: "Entra ID",
            source,
        })?;
        if !reply.status.is_success() {
            let denied: Denied = reply.json().unwrap_or_default();
            return Err(ArmError::Token {
                client_id: self.client_id.clone(),
                tenant_id: self.tenant_id.clone(),
                status: reply.status.as_u16(),
                code: if denied.error.is_empty() { reply.status.to_string() } else { denied.error },
                message: if denied.error_description.is_empty() {
                    http::excerpt(&reply.body)
                } else {
                    denied.error_description
                },
            });
        }
        // The body of a success holds the token, so it is in no error text.
        let granted: Granted = reply.json().map_err(|source| ArmError::Malformed {
            action: action(),
            excerpt: "no access_token and expires_in".to_owned(),
            source: Some(source),
        })?;
        let lifetime = Duration::from_secs(granted.expires_in.0);
        let margin = Duration::from_secs(120).min(lifetime / 4);
        Ok(Cached {
            token: granted.access_token.into(),
            until: Instant::now() + lifetime.saturating_sub(margin),
        })
    }
}
