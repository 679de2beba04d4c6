//! Issuing and verifying the tokens of one tenant.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::{SharedClock, SharedEntropy};
use url::Url;
use uuid::Uuid;

use crate::keys::{KeyError, SigningKey};

/// How long an access token is valid, in seconds, as Entra reports it.
pub(crate) const LIFETIME: i64 = 3599;
/// Clocks of callers may be off by this much, in seconds.
const SKEW: i64 = 300;

/// One tenant with one service principal.
#[derive(Debug, Clone)]
pub struct EntraSettings {
    /// The directory.
    pub tenant_id: Uuid,
    /// The application that may log in.
    pub client_id: Uuid,
    /// Its secret.
    pub client_secret: SecretString,
    /// Where this service is reached, such as `https://localhost:8443/`.
    pub authority: Url,
    /// The resources that tokens are issued for, such as `https://management.azure.com`; without a trailing slash.
    pub audiences: Vec<String>,
}

/// Entra ID of one sandbox. Clones share it.
#[derive(Debug, Clone)]
pub struct Entra(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: EntraSettings,
    pub(crate) key: SigningKey,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
}

/// What an access token says, as far as the emulators read it. Claim names as in Microsoft's access token reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The resource that the token is for.
    pub aud: String,
    /// Who issued it.
    pub iss: String,
    /// When, in seconds since 1970.
    pub iat: i64,
    /// Not valid before, in seconds since 1970.
    pub nbf: i64,
    /// Not valid from here on, in seconds since 1970.
    pub exp: i64,
    /// The application that logged in.
    pub appid: Uuid,
    /// The service principal's object id.
    pub oid: Uuid,
    /// The same for an application.
    pub sub: Uuid,
    /// The tenant.
    pub tid: Uuid,
    /// `app`: no user is involved.
    pub idtyp: String,
    /// Token version.
    pub ver: String,
    /// Unique per token.
    pub uti: String,
}

/// Why a token was refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not one of ours.
    #[error("the access token was not issued by this tenant")]
    Foreign(#[source] KeyError),
    /// Too old.
    #[error("the access token expired at {0} (seconds since 1970)")]
    Expired(i64),
    /// From the future.
    #[error("the access token is not valid before {0} (seconds since 1970)")]
    NotYetValid(i64),
    /// For another resource.
    #[error("the access token is for `{got}`, not for `{expected}`")]
    Audience {
        /// The token's audience.
        got: String,
        /// What would have been accepted.
        expected: String,
    },
    /// Another directory.
    #[error("the access token is from tenant `{0}`")]
    Tenant(Uuid),
}

impl Entra {
    /// A tenant that signs with `key`.
    pub fn new(settings: EntraSettings, key: SigningKey, clock: SharedClock, entropy: SharedEntropy) -> Self {
        Self(Arc::new(Inner { settings, key, clock, entropy }))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The tenant and its principal.
    pub fn settings(&self) -> &EntraSettings {
        &self.0.settings
    }

    /// The object id of the service principal: derived from the application id, so it stays the same.
    pub fn object_id(&self) -> Uuid {
        Uuid::new_v5(&self.0.settings.tenant_id, self.0.settings.client_id.as_bytes())
    }

    /// Whether these are the principal's credentials. Takes the same time however much of the secret is right.
    pub fn accepts(&self, client_id: &str, secret: &SecretString) -> bool {
        let expected = self.0.settings.client_secret.expose_secret().as_bytes();
        let same_secret = verify_slices_are_equal(expected, secret.expose_secret().as_bytes()).is_ok();
        client_id.parse::<Uuid>().is_ok_and(|id| id == self.0.settings.client_id) && same_secret
    }

    /// An access token for `audience`.
    pub fn issue(&self, audience: &str) -> Result<SecretString, KeyError> {
        let settings = &self.0.settings;
        let now = self.0.clock.now().as_second();
        let claims = Claims {
            aud: audience.to_owned(),
            iss: format!("https://sts.windows.net/{}/", settings.tenant_id),
            iat: now,
            nbf: now,
            exp: now + LIFETIME,
            appid: settings.client_id,
            oid: self.object_id(),
            sub: self.object_id(),
            tid: settings.tenant_id,
            idtyp: "app".into(),
            ver: "1.0".into(),
            uti: self.0.entropy.token(16),
        };
        self.0.key.sign(&claims).map(SecretString::from)
    }

    /// Checks a bearer token for one of the accepted audiences (compared without a trailing slash).
    pub fn verify(&self, token: &str, audiences: &[&str]) -> Result<Claims, TokenError> {
        let claims: Claims = self.0.key.verify_signature(token).map_err(TokenError::Foreign)?;
        let now = self.0.clock.now().as_second();
        if claims.tid != self.0.settings.tenant_id {
            return Err(TokenError::Tenant(claims.tid));
        }
        if claims.exp <= now {
            return Err(TokenError::Expired(claims.exp));
        }
        if claims.nbf > now + SKEW {
            return Err(TokenError::NotYetValid(claims.nbf));
        }
        let got = claims.aud.trim_end_matches('/');
        if !audiences.iter().any(|wanted| wanted.trim_end_matches('/') == got) {
            return Err(TokenError::Audience { got: claims.aud, expected: audiences.join(", ") });
        }
        Ok(claims)
    }
}
