//! The applications of the tenant: the owner, and those that were registered over the control API.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::{Store, StoreError};
use uuid::Uuid;

use crate::entra::{Entra, EntraSettings};
use crate::federation::FederatedCredential;

const TABLE: &str = "entra.applications";

/// An application that may log in.
#[derive(Debug, Clone)]
pub(crate) struct Application {
    pub(crate) client_id: Uuid,
    pub(crate) display_name: String,
    pub(crate) secret: Option<SecretString>,
    pub(crate) federated: Vec<FederatedCredential>,
}

/// All of them, and where they are kept.
#[derive(Debug)]
pub(crate) struct Applications {
    by_id: BTreeMap<Uuid, Application>,
    owner: Uuid,
    store: Option<Store>,
}

/// The stored form. The store seals it; nothing else may hold it.
#[derive(Serialize, Deserialize)]
struct Stored {
    client_id: Uuid,
    display_name: String,
    /// Absent for the owner, whose secret is kept with the sandbox's own.
    secret: Option<String>,
    federated: Vec<FederatedCredential>,
}

impl Application {
    /// Takes the same time however much of the secret is right.
    pub(crate) fn accepts(&self, secret: &SecretString) -> bool {
        self.secret.as_ref().is_some_and(|known| {
            let (known, given) = (known.expose_secret().as_bytes(), secret.expose_secret().as_bytes());
            verify_slices_are_equal(known, given).is_ok()
        })
    }
}

impl Applications {
    pub(crate) fn of(settings: &EntraSettings) -> Self {
        let owner = Application {
            client_id: settings.client_id,
            display_name: "owner".to_owned(),
            secret: Some(settings.client_secret.clone()),
            federated: Vec::new(),
        };
        Self { by_id: BTreeMap::from([(owner.client_id, owner)]), owner: settings.client_id, store: None }
    }

    pub(crate) fn find(&self, client_id: Uuid) -> Option<&Application> {
        self.by_id.get(&client_id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Application> {
        self.by_id.values()
    }

    pub(crate) fn is_owner(&self, client_id: Uuid) -> bool {
        self.owner == client_id
    }

    /// Keeps an application, new or changed.
    pub(crate) fn put(&mut self, application: Application) -> Result<(), StoreError> {
        if let Some(store) = &self.store {
            let own = self.is_owner(application.client_id);
            let secret = application.secret.as_ref().filter(|_| !own);
            let stored = Stored {
                client_id: application.client_id,
                display_name: application.display_name.clone(),
                secret: secret.map(|secret| secret.expose_secret().to_owned()),
                federated: application.federated.clone(),
            };
            store.put(TABLE, &application.client_id.to_string(), &stored)?;
        }
        self.by_id.insert(application.client_id, application);
        Ok(())
    }

    /// Forgets an application.
    pub(crate) fn remove(&mut self, client_id: Uuid) -> Result<(), StoreError> {
        if let Some(store) = &self.store {
            store.delete(TABLE, &client_id.to_string())?;
        }
        self.by_id.remove(&client_id);
        Ok(())
    }

    fn take_up(&mut self, store: Store) -> Result<(), StoreError> {
        for (_, stored) in store.list::<Stored>(TABLE)? {
            let owner = self.by_id.get(&stored.client_id).and_then(|own| own.secret.clone());
            let application = Application {
                client_id: stored.client_id,
                display_name: stored.display_name,
                secret: stored.secret.map(SecretString::from).or(owner),
                federated: stored.federated,
            };
            self.by_id.insert(application.client_id, application);
        }
        self.store = Some(store);
        Ok(())
    }
}

/// An application that is to be registered.
#[derive(Debug, Clone)]
pub struct NewApplication {
    /// The application id (client id).
    pub client_id: Uuid,
    /// Its name in the directory.
    pub display_name: String,
    /// What it logs in with.
    pub secret: SecretString,
}

impl Entra {
    /// Registers an application with a secret. `false`: there is one with this client id, which stays as it is.
    ///
    /// # Errors
    /// The store could not be written.
    pub fn register(&self, new: NewApplication) -> Result<bool, StoreError> {
        let NewApplication { client_id, display_name, secret } = new;
        let mut applications = self.applications();
        if applications.find(client_id).is_some() {
            return Ok(false);
        }
        let secret = Some(secret);
        applications.put(Application { client_id, display_name, secret, federated: Vec::new() })?;
        Ok(true)
    }

    /// A secret that an application may be given.
    pub fn new_secret(&self) -> SecretString {
        self.inner().entropy.token(30).into()
    }

    /// Forgets an application; it need not be there. The owner stays in any case.
    ///
    /// # Errors
    /// The store could not be written.
    pub fn unregister(&self, client_id: Uuid) -> Result<(), StoreError> {
        let mut applications = self.applications();
        if applications.is_owner(client_id) { Ok(()) } else { applications.remove(client_id) }
    }

    /// Takes up the applications of the store, and keeps there what is registered from now on.
    pub fn keep_in(&self, store: Store) -> Result<(), StoreError> {
        self.applications().take_up(store)
    }

    /// Reads the applications anew, after the store has been changed under it: those that are not there any more are
    /// gone, and the owner is as it began.
    pub fn reload(&self) -> Result<(), StoreError> {
        let mut applications = self.applications();
        let store = applications.store.clone();
        let mut fresh = Applications::of(&self.inner().settings);
        if let Some(store) = store {
            fresh.take_up(store)?;
        }
        *applications = fresh;
        Ok(())
    }

    /// Whether the applications that a store holds could be read.
    ///
    /// # Errors
    /// A document is none of an application.
    pub fn check(store: &Store) -> Result<(), StoreError> {
        store.list::<Stored>(TABLE).map(|_| ())
    }

    pub(crate) fn applications(&self) -> MutexGuard<'_, Applications> {
        self.inner().applications.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
