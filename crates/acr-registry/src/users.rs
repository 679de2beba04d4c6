//! Tokens of a registry as users that log in: two passwords each, and the actions of a scope map.
//!
//! Source: `container-registry-token-based-repository-permissions` of ACR's documentation. Passwords are shown once, when
//! they are made; what is kept of them is a hash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::{Batch, Store, StoreError};

use crate::access::Rights;
use crate::digest::{Algorithm, Digest};
use crate::registries::RepositoryToken;

/// The tokens of one registry.
#[derive(Debug, Clone)]
pub(crate) struct Users {
    store: Store,
    table: String,
    known: Arc<Mutex<BTreeMap<String, User>>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct User {
    enabled: bool,
    actions: Vec<String>,
    passwords: [Option<Password>; 2],
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Password {
    hash: Digest,
    expiry: Option<Timestamp>,
}

impl Password {
    fn opens(&self, given: &SecretString, now: Timestamp) -> bool {
        let (known, given) = (self.hash.to_string(), hash(given).to_string());
        let same = verify_slices_are_equal(known.as_bytes(), given.as_bytes()).is_ok();
        same && self.expiry.is_none_or(|expiry| expiry > now)
    }
}

/// A password is random and long, so one round is enough.
fn hash(password: &SecretString) -> Digest {
    Digest::by(Algorithm::Sha256, password.expose_secret().as_bytes())
}

impl Users {
    pub(crate) fn load(store: &Store, registry: &str) -> Result<Self, StoreError> {
        let table = format!("acr-users/{registry}");
        let known = store.list(&table)?.into_iter().collect();
        Ok(Self { store: store.clone(), table, known: Arc::new(Mutex::new(known)) })
    }

    /// What a token's password opens. Both passwords are compared.
    pub(crate) fn login(&self, name: &str, password: &SecretString, now: Timestamp) -> Option<Rights> {
        let known = self.known();
        let user = known.get(&key(name)).filter(|user| user.enabled)?;
        let opened = user.passwords.iter().flatten().filter(|one| one.opens(password, now)).count();
        (opened > 0).then(|| Rights::Map(user.actions.clone()))
    }

    /// What a token may do now; `None` if it is not there or disabled.
    pub(crate) fn rights(&self, name: &str) -> Option<Rights> {
        let known = self.known();
        let user = known.get(&key(name)).filter(|user| user.enabled)?;
        Some(Rights::Map(user.actions.clone()))
    }

    /// Makes a token or changes it; its passwords stay.
    pub(crate) fn put(&self, token: &RepositoryToken) -> Result<(), StoreError> {
        let mut known = self.known();
        let key = key(&token.name);
        let passwords = known.get(&key).map(|user| user.passwords.clone()).unwrap_or_default();
        let user = User { enabled: token.enabled, actions: token.actions.clone(), passwords };
        self.store.put(&self.table, &key, &user)?;
        known.insert(key, user);
        Ok(())
    }

    /// Sets or forgets password 0 or 1. `false`: there is no such token or password.
    pub(crate) fn set_password(
        &self,
        name: &str,
        which: usize,
        password: Option<(&SecretString, Option<Timestamp>)>,
    ) -> Result<bool, StoreError> {
        let mut known = self.known();
        let key = key(name);
        let Some(mut user) = known.get(&key).cloned() else { return Ok(false) };
        let Some(slot) = user.passwords.get_mut(which) else { return Ok(false) };
        *slot = password.map(|(password, expiry)| Password { hash: hash(password), expiry });
        self.store.put(&self.table, &key, &user)?;
        known.insert(key, user);
        Ok(true)
    }

    /// It need not be there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), StoreError> {
        let mut known = self.known();
        self.store.delete(&self.table, &key(name))?;
        known.remove(&key(name));
        Ok(())
    }

    /// Forgets all.
    pub(crate) fn clear(&self) -> Result<(), StoreError> {
        let mut known = self.known();
        let batch = known.keys().fold(Batch::new(), |batch, key| batch.delete(&self.table, key));
        self.store.write(batch)?;
        known.clear();
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, User>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}
