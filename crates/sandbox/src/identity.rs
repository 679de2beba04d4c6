//! What an instance keeps for life: keys, credentials, ids, and the addresses it was first reached at.

use std::net::{IpAddr, Ipv4Addr};

use entra_tokens::SigningKey;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service_kit::{Authority, SharedClock, SharedEntropy, Store, StoreError};
use uuid::Uuid;

const TABLE: &str = "sandbox";
const KEY: &str = "identity";

/// The stored form. The store seals it; nothing else may hold it.
#[derive(Serialize, Deserialize)]
struct Stored {
    ca_certificate: String,
    ca_key: String,
    entra_key: String,
    tenant_id: Uuid,
    client_id: Uuid,
    client_secret: String,
    subscription_id: Uuid,
    azdo_token: String,
    control_token: String,
    registry_name: String,
    ports: Ports,
}

/// The ports of an instance. They stay the same for its life: containers and clients hold URLs that name them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) azdo: u16,
    pub(crate) arm: u16,
    pub(crate) entra: u16,
    pub(crate) registry: u16,
    pub(crate) control: u16,
    /// Azure DevOps by HTTPS.
    #[serde(default)]
    pub(crate) azdo_https: u16,
    /// The identity endpoint, on the containers' network.
    #[serde(default)]
    pub(crate) identity: u16,
    /// Entra ID on the containers' network, where it is wanted there.
    #[serde(default)]
    pub(crate) entra_inside: u16,
}

/// What the instance is known by.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) authority: Authority,
    pub(crate) entra_key: SigningKey,
    pub(crate) tenant_id: Uuid,
    pub(crate) client_id: Uuid,
    pub(crate) client_secret: SecretString,
    pub(crate) subscription_id: Uuid,
    pub(crate) azdo_token: SecretString,
    pub(crate) control_token: SecretString,
    pub(crate) registry_name: String,
    pub(crate) ports: Ports,
}

/// Why an identity could not be made or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("keep the sandbox's identity")]
    Store(#[from] StoreError),
    #[error("make the sandbox's keys")]
    Keys(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("find a free port on `{address}`")]
    Port {
        address: IpAddr,
        #[source]
        source: std::io::Error,
    },
}

impl Identity {
    /// The key that Entra ID signs with: that of the store, or one that is drawn here and kept by [`Self::load_or_create`].
    /// To draw one takes a tenth of a second.
    pub(crate) fn entra_key(store: &Store) -> Result<SigningKey, IdentityError> {
        let key = match store.get::<Stored>(TABLE, KEY)? {
            Some(stored) => SigningKey::from_pkcs8(&stored.entra_key),
            None => SigningKey::generate(),
        };
        key.map_err(|source| IdentityError::Keys(source.into()))
    }

    /// Reads the identity of the store, or makes one. `gateway` is where Azure DevOps is to listen, `entra_key` comes from
    /// [`Self::entra_key`] of the same store.
    pub(crate) fn load_or_create(
        store: &Store,
        entra_key: SigningKey,
        gateway: IpAddr,
        clock: &SharedClock,
        entropy: &SharedEntropy,
    ) -> Result<Self, IdentityError> {
        let stored = if let Some(mut stored) = store.get::<Stored>(TABLE, KEY)? {
            if stored.ports.complete(gateway)? {
                store.put(TABLE, KEY, &stored)?;
            }
            stored
        } else {
            let stored = Stored::create(&entra_key, gateway, clock, entropy)?;
            store.put(TABLE, KEY, &stored)?;
            stored
        };
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| IdentityError::Keys(source);
        Ok(Self {
            authority: Authority::from_pem(stored.ca_certificate, stored.ca_key, clock)
                .map_err(|source| failed(source.into()))?,
            entra_key,
            tenant_id: stored.tenant_id,
            client_id: stored.client_id,
            client_secret: stored.client_secret.into(),
            subscription_id: stored.subscription_id,
            azdo_token: stored.azdo_token.into(),
            control_token: stored.control_token.into(),
            registry_name: stored.registry_name,
            ports: stored.ports,
        })
    }
}

impl Stored {
    fn create(
        entra_key: &SigningKey,
        gateway: IpAddr,
        clock: &SharedClock,
        entropy: &SharedEntropy,
    ) -> Result<Self, IdentityError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| IdentityError::Keys(source);
        let authority = Authority::create(clock).map_err(|source| failed(source.into()))?;
        let entra_key = entra_key.to_pkcs8().map_err(|source| failed(source.into()))?;
        Ok(Self {
            ca_certificate: authority.cert_pem().to_owned(),
            ca_key: authority.key_pem().to_owned(),
            entra_key,
            tenant_id: entropy.uuid(),
            client_id: entropy.uuid(),
            client_secret: entropy.token(30),
            subscription_id: entropy.uuid(),
            // The form of a personal access token: 52 lower-case letters and digits.
            azdo_token: personal_access_token(entropy),
            control_token: entropy.token(32),
            registry_name: format!("mayfly{}", &entropy.uuid().simple().to_string()[..8]),
            ports: Ports::free(gateway)?,
        })
    }
}

fn personal_access_token(entropy: &SharedEntropy) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0; 52];
    entropy.fill(&mut bytes);
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

impl Ports {
    /// Draws the ports that an instance of an earlier version has not; tells whether there were any.
    fn complete(&mut self, gateway: IpAddr) -> Result<bool, IdentityError> {
        let absent = [&mut self.azdo_https, &mut self.identity, &mut self.entra_inside];
        let absent: Vec<&mut u16> = absent.into_iter().filter(|port| **port == 0).collect();
        if absent.is_empty() {
            return Ok(false);
        }
        let drawn = Self::free(gateway)?;
        for (port, drawn) in absent.into_iter().zip([drawn.azdo_https, drawn.identity, drawn.entra_inside]) {
            *port = drawn;
        }
        Ok(true)
    }

    /// Ports that nobody listens on now. Kept open together while they are drawn, so that they differ.
    fn free(gateway: IpAddr) -> Result<Self, IdentityError> {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let draw = |address: IpAddr| {
            let listener = service_kit::lasting_port(address)
                .and_then(|listener| listener.local_addr().map(|bound| (listener, bound.port())));
            listener.map_err(|source| IdentityError::Port { address, source })
        };
        let (azdo, arm, entra, registry, control) =
            (draw(gateway)?, draw(local)?, draw(local)?, draw(local)?, draw(local)?);
        let (azdo_https, identity, entra_inside) = (draw(gateway)?, draw(gateway)?, draw(gateway)?);
        Ok(Self {
            azdo: azdo.1,
            azdo_https: azdo_https.1,
            arm: arm.1,
            entra: entra.1,
            registry: registry.1,
            control: control.1,
            identity: identity.1,
            entra_inside: entra_inside.1,
        })
    }
}

#[cfg(test)]
mod tests {
    use service_kit::{SystemClock, SystemEntropy};

    use super::*;

    #[test]
    fn a_key_that_was_drawn_ahead_is_the_one_that_is_kept() {
        let (store, gateway) = (Store::in_memory(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        let (clock, entropy) = (SystemClock::shared(), SystemEntropy::shared());
        let (unused, drawn) = (Identity::entra_key(&store).unwrap(), Identity::entra_key(&store).unwrap());
        assert_ne!(unused.id(), drawn.id(), "none is kept before the identity is");
        let made = Identity::load_or_create(&store, drawn.clone(), gateway, &clock, &entropy).unwrap();
        assert_eq!(made.entra_key.id(), drawn.id());
        let kept = Identity::entra_key(&store).unwrap();
        assert_eq!(kept.id(), drawn.id());
        let again = Identity::load_or_create(&store, kept, gateway, &clock, &entropy).unwrap();
        assert_eq!(again.client_id, made.client_id);
    }
}
