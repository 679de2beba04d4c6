//! What Resource Manager does with the tokens of a registry: users whose rights a scope map gives.

use jiff::Timestamp;
use secrecy::SecretString;

use crate::registries::{Registries, RegistryError, store};
use crate::registry::Registry;

/// A token of a registry, as far as the registry itself knows it.
#[derive(Debug, Clone)]
pub struct RepositoryToken {
    /// The name that one logs in with.
    pub name: String,
    /// Whether one may log in with it.
    pub enabled: bool,
    /// The actions of its scope map, such as `repositories/team/agent/content/read`. A repository's name may be `*` or
    /// end in `/*`. What is not an action on repositories grants nothing here.
    pub actions: Vec<String>,
}

impl Registries {
    /// Makes a token or changes it; its passwords stay.
    pub fn put_token(&self, registry: &str, token: &RepositoryToken) -> Result<(), RegistryError> {
        self.known(registry)?.users.put(token).map_err(store(registry))
    }

    /// Makes password 0 or 1 of a token, in place of the one before. It is shown this once.
    pub fn generate_password(
        &self,
        registry: &str,
        token: &str,
        which: usize,
        expiry: Option<Timestamp>,
    ) -> Result<SecretString, RegistryError> {
        let password: SecretString = self.0.settings.entropy.token(30).into();
        let users = &self.known(registry)?.users;
        let set = users.set_password(token, which, Some((&password, expiry))).map_err(store(registry))?;
        if set { Ok(password) } else { Err(RegistryError::Token(token.to_owned())) }
    }

    /// Forgets password 0 or 1 of a token.
    pub fn forget_password(&self, registry: &str, token: &str, which: usize) -> Result<(), RegistryError> {
        let set = self.known(registry)?.users.set_password(token, which, None).map_err(store(registry))?;
        if set { Ok(()) } else { Err(RegistryError::Token(token.to_owned())) }
    }

    /// Removes a token; it need not be there. Access tokens that were issued for it run out.
    pub fn remove_token(&self, registry: &str, token: &str) -> Result<(), RegistryError> {
        self.known(registry)?.users.remove(token).map_err(store(registry))
    }

    fn known(&self, registry: &str) -> Result<Registry, RegistryError> {
        self.find(registry).ok_or_else(|| RegistryError::Unknown(registry.to_owned()))
    }
}
