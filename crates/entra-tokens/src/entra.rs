//! Issuing and verifying the tokens of one tenant.

use std::sync::{Arc, Mutex};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::{SharedClock, SharedEntropy};
use url::Url;
use uuid::Uuid;

use crate::applications::{Application, Applications};
use crate::keys::{KeyError, SigningKey};

/// How long an access token is valid, in seconds, as Entra reports it.
pub(crate) const LIFETIME: i64 = 3599;
/// Clocks of callers may be off by this much, in seconds.
const SKEW: i64 = 300;

/// The application id of Azure DevOps, which is also the audience of tokens for it
/// (Microsoft Learn: Azure DevOps, service principals and managed identities).
pub const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";

/// The audience of tokens for registries (`azure-docs: container-registry-disable-authentication-as-arm.md`).
pub const CONTAINER_REGISTRY: &str = "https://containerregistry.azure.net";

/// One tenant with the application that owns everything in the subscription.
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
    pub(crate) applications: Mutex<Applications>,
}

/// Somebody who tokens are issued to: a service principal or a managed identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The application id; a managed identity has one too.
    pub client_id: Uuid,
    /// The object in the directory: what rights are given to.
    pub object_id: Uuid,
    /// The Azure resource of a managed identity, `xms_mirid` in its tokens.
    pub resource_id: Option<String>,
}

/// The service principal of an application of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// The application id.
    pub client_id: Uuid,
    /// The object in the directory.
    pub object_id: Uuid,
    /// The application's name.
    pub display_name: String,
}

/// A token with its times, as the identity endpoint shows them.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The access token.
    pub token: SecretString,
    /// Valid from here on, in seconds since 1970.
    pub not_before: i64,
    /// Not valid from here on, in seconds since 1970.
    pub expires_on: i64,
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
    /// The Azure resource, for managed identities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xms_mirid: Option<String>,
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
    /// Signed by us in another's name.
    #[error("the access token says it was issued by `{0}`")]
    Issuer(String),
    /// Another directory.
    #[error("the access token is from tenant `{0}`")]
    Tenant(Uuid),
}

impl Entra {
    /// A tenant that signs with `key`.
    pub fn new(settings: EntraSettings, key: SigningKey, clock: SharedClock, entropy: SharedEntropy) -> Self {
        let applications = Mutex::new(Applications::of(&settings));
        Self(Arc::new(Inner { settings, key, clock, entropy, applications }))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The tenant and its principal.
    pub fn settings(&self) -> &EntraSettings {
        &self.0.settings
    }

    /// The object id of the owner's service principal.
    pub fn object_id(&self) -> Uuid {
        self.object_id_of(self.0.settings.client_id)
    }

    /// The object id of an application's service principal: derived from the application id, so it stays the same.
    pub fn object_id_of(&self, client_id: Uuid) -> Uuid {
        Uuid::new_v5(&self.0.settings.tenant_id, client_id.as_bytes())
    }

    /// The service principals of all applications.
    pub fn service_principals(&self) -> Vec<ServicePrincipal> {
        let of = |one: &Application| ServicePrincipal {
            client_id: one.client_id,
            object_id: self.object_id_of(one.client_id),
            display_name: one.display_name.clone(),
        };
        self.applications().all().map(of).collect()
    }

    pub(crate) fn service_principal(&self, client_id: Uuid) -> Principal {
        Principal { client_id, object_id: self.object_id_of(client_id), resource_id: None }
    }

    /// Whether these are the owner's credentials; other applications are not meant. Takes the same time however much of the secret is right.
    pub fn accepts(&self, client_id: &str, secret: &SecretString) -> bool {
        let expected = self.0.settings.client_secret.expose_secret().as_bytes();
        let same_secret = verify_slices_are_equal(expected, secret.expose_secret().as_bytes()).is_ok();
        client_id.parse::<Uuid>().is_ok_and(|id| id == self.0.settings.client_id) && same_secret
    }

    /// An access token of the owner for `audience`.
    pub fn issue(&self, audience: &str) -> Result<SecretString, KeyError> {
        let owner = self.service_principal(self.0.settings.client_id);
        self.issue_to(&owner, audience, LIFETIME).map(|issued| issued.token)
    }

    /// An access token of `principal` for `audience`, valid for `lifetime` seconds. Whether the principal exists and may
    /// have it is the caller's to know.
    pub fn issue_to(&self, principal: &Principal, audience: &str, lifetime: i64) -> Result<Issued, KeyError> {
        let now = self.0.clock.now().as_second();
        let claims = Claims {
            aud: audience.to_owned(),
            iss: self.issuer(),
            iat: now,
            nbf: now,
            exp: now + lifetime,
            appid: principal.client_id,
            oid: principal.object_id,
            sub: principal.object_id,
            tid: self.0.settings.tenant_id,
            idtyp: "app".into(),
            ver: "1.0".into(),
            uti: self.0.entropy.token(16),
            xms_mirid: principal.resource_id.clone(),
        };
        let token = self.0.key.sign(&claims).map(SecretString::from)?;
        Ok(Issued { token, not_before: claims.nbf, expires_on: claims.exp })
    }

    /// The audience as it was asked for, if tokens are issued for it.
    pub fn known_audience<'a>(&self, asked: &'a str) -> Option<&'a str> {
        let bare = asked.trim_end_matches('/');
        self.0.settings.audiences.iter().any(|known| known == bare).then_some(asked)
    }

    fn issuer(&self) -> String {
        format!("https://sts.windows.net/{}/", self.0.settings.tenant_id)
    }

    /// Checks a bearer token for one of the accepted audiences (compared without a trailing slash).
    pub fn verify(&self, token: &str, audiences: &[&str]) -> Result<Claims, TokenError> {
        let claims: Claims = self.0.key.verify_signature(token).map_err(TokenError::Foreign)?;
        let now = self.0.clock.now().as_second();
        if claims.tid != self.0.settings.tenant_id {
            return Err(TokenError::Tenant(claims.tid));
        }
        if claims.iss != self.issuer() {
            return Err(TokenError::Issuer(claims.iss));
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
