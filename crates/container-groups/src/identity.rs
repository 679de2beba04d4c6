//! The identity of a group: who its containers are for Entra, and how they prove it to the identity endpoint.
//!
//! Source: MicrosoftDocs/azure-docs: container-instances-managed-identity.md.

use std::fmt::Debug;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::entry::Shared;
use crate::error::GroupError;
use crate::group::{GroupId, GroupSpec, RegistryCredential};
use crate::image;
use crate::record::Record;
use crate::service::Groups;
use crate::stored;

/// Where a container asks for tokens.
pub(crate) const ENDPOINT: &str = "IDENTITY_ENDPOINT";
/// What it shows there.
pub(crate) const HEADER: &str = "IDENTITY_HEADER";

/// An object of the directory, as the directory names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityPrincipal {
    /// The object id, `principalId` in Azure's answers.
    pub principal_id: Uuid,
    /// The application id.
    pub client_id: Uuid,
}

/// A user-assigned identity of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserIdentity {
    /// The id of the resource `Microsoft.ManagedIdentity/userAssignedIdentities`.
    pub resource_id: String,
    /// Who it is.
    pub principal: IdentityPrincipal,
}

/// All identities of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupIdentity {
    /// The one that was made with the group and goes with it.
    pub system: Option<IdentityPrincipal>,
    /// Those that live by themselves, by resource id.
    pub user: Vec<UserIdentity>,
}

impl GroupIdentity {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.system.is_none() && self.user.is_empty()
    }

    /// The user-assigned identity of this resource id, in any case.
    pub fn user(&self, resource_id: &str) -> Option<&UserIdentity> {
        self.user.iter().find(|one| one.resource_id.eq_ignore_ascii_case(resource_id))
    }
}

/// A registry that the group pulls from as one of its user-assigned identities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryIdentity {
    /// The registry's host and port, as in the image reference.
    pub server: String,
    /// The resource id of the identity.
    pub identity: String,
}

/// Turns an identity into a login at a registry.
pub trait PullLogins: Send + Sync + Debug {
    /// The login of `identity` at `server`; `None` where it may not pull.
    fn login(&self, server: &str, identity: &UserIdentity) -> Option<RegistryCredential>;
}

/// Who asks the identity endpoint.
#[derive(Debug, Clone)]
pub struct Claimant {
    /// The group.
    pub group: GroupId,
    /// The container's name in it.
    pub container: String,
    /// What the group may be.
    pub identity: GroupIdentity,
}

impl Groups {
    /// Lets groups pull as their identities.
    pub fn set_pull_logins(&self, logins: std::sync::Arc<dyn PullLogins>) {
        // A second one would mean two control planes; the first stays.
        let _ = self.shared().pull_logins.set(logins);
    }

    /// Which running container a request of the identity endpoint comes from. It comes from that container's address; with
    /// a `secret`, that also has to be the one of the container's present run. `None`: from nobody who may have a token.
    pub async fn claimant(
        &self,
        secret: Option<&str>,
        address: IpAddr,
    ) -> Result<Option<Claimant>, GroupError> {
        let shared = self.shared();
        let key = stored::hash_key(&shared.settings.store, &shared.settings.entropy)
            .map_err(|error| GroupError::store(&error))?;
        let candidates = self.entries().into_iter().flat_map(|entry| entry.record().claimants(&key, secret));
        for (claimant, container) in candidates.collect::<Vec<_>>() {
            let seen =
                shared.runtime.address(&container).await.map_err(|error| GroupError::runtime(&error))?;
            if seen == Some(address) {
                return Ok(Some(claimant));
            }
            if secret.is_some() {
                tracing::warn!(group = %claimant.group, container = %claimant.container, %address,
                    "a container's identity secret was shown from another address");
            }
        }
        Ok(None)
    }
}

impl Record {
    /// The containers that a request may come from, each with the engine's id of what holds its address.
    fn claimants(&self, key: &[u8], secret: Option<&str>) -> Vec<(Claimant, String)> {
        if self.spec.identity.is_empty() {
            return Vec::new();
        }
        let network = self.holder.as_ref().filter(|_| self.spec.holds_network());
        let fits = |name: &str, generation: u64| {
            let own = run_secret(key, &self.spec.id, name, generation);
            secret.is_none_or(|given| same(own.as_bytes(), given.as_bytes()))
        };
        // Containers that run before the others have no identity.
        let asking = self.containers.iter().filter(|(name, _)| !self.spec.is_init(name));
        let found = asking.filter(|(name, one)| fits(name, one.machine.current));
        found
            .filter_map(|(name, progress)| {
                let claimant = Claimant {
                    group: self.spec.id.clone(),
                    container: name.clone(),
                    identity: self.spec.identity.clone(),
                };
                Some((claimant, network.or(progress.container_id.as_ref())?.clone()))
            })
            .collect()
    }
}

/// The secret of one run of one container: made from the instance's key, so that nothing has to be kept, and another
/// one with each restart.
fn run_secret(key: &[u8], group: &GroupId, container: &str, generation: u64) -> String {
    let text = format!("identity\n{}\n{container}\n{generation}", group.key());
    stored::keyed_hash(key, text.as_bytes())
}

/// Compares without telling by the time it takes how much was right.
fn same(expected: &[u8], given: &[u8]) -> bool {
    Sha256::digest(expected) == Sha256::digest(given)
}

/// The variables that a container of a group with an identity gets.
pub(crate) fn variables(
    shared: &Shared,
    spec: &GroupSpec,
    container: &str,
    generation: u64,
) -> Vec<(&'static str, String)> {
    let settings = &shared.settings;
    let none = spec.identity.is_empty() || spec.is_init(container);
    let Some(endpoint) = settings.identity_endpoint.clone().filter(|_| !none) else {
        return Vec::new();
    };
    match stored::hash_key(&settings.store, &settings.entropy) {
        Ok(key) => {
            vec![(ENDPOINT, endpoint), (HEADER, run_secret(&key, &spec.id, container, generation))]
        }
        Err(error) => {
            GroupError::store(&error);
            Vec::new()
        }
    }
}

/// The login for an image: the group's own, or that of the identity it names.
pub(crate) fn login(shared: &Shared, spec: &GroupSpec, image: &str) -> Option<RegistryCredential> {
    if let Some(own) = image::login(image, &spec.registry_credentials) {
        return Some(own.clone());
    }
    let named = spec.registry_identities.iter().find(|one| image::is_of(image, &one.server))?;
    let identity = spec.identity.user(&named.identity)?;
    shared.pull_logins.get()?.login(&named.server, identity)
}
