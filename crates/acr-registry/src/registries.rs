//! All registries of one sandbox: made, found again after a restart, deleted.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::Router;
use entra_tokens::Entra;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service_kit::{ServerTls, SharedClock, SharedEntropy, Shutdown, Store, StoreError, serve_https};
use uuid::Uuid;

use crate::access::{Holder, Rights, TOKEN_USER, Tokens};
use crate::catalogue::Catalogue;
use crate::content::Content;
use crate::events::{ImageEvent, Listener};
use crate::registry::{Admin, Registry, Stored, sweep_now_and_then};
use crate::routes;
use crate::users::Users;

const REGISTRIES: &str = "acr-registries";

/// What all registries of a sandbox share.
#[derive(Debug)]
pub struct RegistrySettings {
    /// Where blobs are kept, in a folder for each registry.
    pub blobs_dir: PathBuf,
    /// The certificate of `localhost`.
    pub tls: ServerTls,
    /// Owner of the listeners.
    pub shutdown: Shutdown,
    /// Where everything but blobs is kept.
    pub store: Store,
    /// Time, for tokens and tags.
    pub clock: SharedClock,
    /// Randomness, for passwords and ids.
    pub entropy: SharedEntropy,
    /// The tenant whose service principals and tokens are accepted, if there is one.
    pub entra: Option<Entra>,
}

/// Whether a registry is reached from outside of the networks that have a private endpoint of it, which nobody here has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublicAccess {
    /// By everybody.
    #[default]
    Enabled,
    /// By nobody.
    Disabled,
}

impl PublicAccess {
    /// The word that Resource Manager has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
        }
    }
}

/// How a registry is to be.
#[derive(Debug, Clone, Copy)]
pub struct CreateRegistry {
    /// Whether the admin user may log in.
    pub admin_enabled: bool,
    /// Whether everybody may pull, without a login.
    pub anonymous_pull: bool,
    /// Whether Entra tokens for Resource Manager are exchanged beside those for registries.
    pub arm_tokens: bool,
    /// Who reaches it.
    pub public_access: PublicAccess,
    /// The port to listen on; `None` for any. A registry that exists keeps its own.
    pub port: Option<u16>,
}

impl CreateRegistry {
    /// As the service makes one that nothing else is said of.
    pub const USUAL: Self = Self {
        admin_enabled: false,
        anonymous_pull: false,
        arm_tokens: true,
        public_access: PublicAccess::Enabled,
        port: None,
    };
}

/// A registry as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryInfo {
    /// Its name, as it was first written.
    pub name: String,
    /// `localhost:<port>`.
    pub login_server: String,
    /// Whether the admin user may log in.
    pub admin_enabled: bool,
}

/// What can go wrong with a registry as a whole.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The state could not be read or written.
    #[error("keep the state of registry `{name}`")]
    Store {
        /// The registry.
        name: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The folder could not be made or removed.
    #[error("keep the blobs of registry `{name}`")]
    Files {
        /// The registry.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The port is taken or not allowed.
    #[error("serve registry `{name}`")]
    Listen {
        /// The registry.
        name: String,
        /// Why, with the address.
        #[source]
        source: io::Error,
    },
    /// No key to sign tokens with.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// There is no such registry.
    #[error("there is no registry `{0}`")]
    Unknown(String),
    /// There are two passwords.
    #[error("there are password 0 and 1, and no {0}")]
    Password(usize),
    /// There is no such token.
    #[error("there is no token `{0}`")]
    Token(String),
}

struct Running {
    registry: Registry,
    shutdown: Shutdown,
}

struct Inner {
    settings: RegistrySettings,
    running: Mutex<BTreeMap<String, Running>>,
    /// One at a time is made or deleted.
    changing: tokio::sync::Mutex<()>,
    around: OnceLock<Around>,
    listener: Listener,
}

/// What every registry's routes are put into.
type Around = Box<dyn Fn(Router) -> Router + Send + Sync>;

/// All registries. Clones share them.
#[derive(Clone)]
pub struct Registries(Arc<Inner>);

impl std::fmt::Debug for Registries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.list()).finish()
    }
}

impl Registries {
    /// No registries yet; [`Registries::restore`] brings back those of an earlier process.
    pub fn new(settings: RegistrySettings) -> Self {
        Self(Arc::new(Inner {
            settings,
            running: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            around: OnceLock::new(),
            listener: Listener::default(),
        }))
    }

    /// Puts something around the routes of every registry that is served from now on; the first time it is told.
    pub fn set_around(&self, around: impl Fn(Router) -> Router + Send + Sync + 'static) {
        let _ = self.0.around.set(Box::new(around));
    }

    /// Tells of every image that is pushed or deleted from now on, after it was kept and before the client is answered: what
    /// takes time has to be done elsewhere. The first one that is told stays.
    pub fn set_listener(&self, told: impl Fn(ImageEvent) + Send + Sync + 'static) {
        self.0.listener.set(told);
    }

    /// Makes a registry and serves it, or brings one that exists into the wanted state.
    pub async fn create(&self, name: &str, wanted: CreateRegistry) -> Result<RegistryInfo, RegistryError> {
        let _changing = self.0.changing.lock().await;
        if let Some(existing) = self.find(name) {
            existing.set(wanted);
            self.save(&existing)?;
            return Ok(existing.info());
        }
        let password = || self.0.settings.entropy.token(30);
        let stored = Stored {
            name: name.to_owned(),
            admin_enabled: wanted.admin_enabled,
            anonymous_pull: wanted.anonymous_pull,
            arm_tokens: wanted.arm_tokens,
            public_access: wanted.public_access,
            port: wanted.port.unwrap_or(0),
            passwords: [password(), password()],
        };
        let registry = self.start(stored).await?;
        self.save(&registry)?;
        Ok(registry.info())
    }

    /// Serves all registries of an earlier process again, each on its own port.
    pub async fn restore(&self) -> Result<(), RegistryError> {
        let _changing = self.0.changing.lock().await;
        self.settle().await?;
        self.start_stored().await
    }

    /// Serves those of the store that are not served, after others had their place.
    ///
    /// # Errors
    /// The store or the files could not be read; a port is taken.
    pub async fn resume(&self) -> Result<(), RegistryError> {
        let _changing = self.0.changing.lock().await;
        self.start_stored().await
    }

    async fn start_stored(&self) -> Result<(), RegistryError> {
        let stored: Vec<(String, Stored)> = self.0.settings.store.list(REGISTRIES).map_err(store(""))?;
        for (_, stored) in stored {
            if self.find(&stored.name).is_none() {
                self.started(stored).await?;
            }
        }
        Ok(())
    }

    /// One registry, by its name in any case.
    pub fn get(&self, name: &str) -> Option<RegistryInfo> {
        self.find(name).map(|registry| registry.info())
    }

    /// User name and password of a login that only pulls, for a principal that a role lets do so: what the exchange of
    /// an Entra token gives a client (Azure/acr: AAD-OAuth.md). `server` is `localhost:<port>`; `None`: no registry of
    /// ours has it.
    pub fn pull_login(&self, server: &str, principal: Uuid, tenant: Uuid) -> Option<(String, SecretString)> {
        let name = self.list().into_iter().find(|info| info.login_server.eq_ignore_ascii_case(server))?.name;
        let holder = Holder { subject: principal.to_string(), rights: Rights::Pull };
        let token = self.find(&name)?.tokens.refresh(&holder, &tenant.to_string());
        match token {
            Ok(token) => Some((TOKEN_USER.to_owned(), token)),
            Err(error) => {
                tracing::error!(%error, "sign a refresh token");
                None
            }
        }
    }

    /// All registries, by name.
    pub fn list(&self) -> Vec<RegistryInfo> {
        let running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().map(|one| one.registry.info()).collect()
    }

    /// Stops a registry and removes everything in it. It need not exist. Its port is free afterwards.
    pub async fn delete(&self, name: &str) -> Result<(), RegistryError> {
        let _changing = self.0.changing.lock().await;
        let key = name.to_ascii_lowercase();
        let removed = self.0.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        let Some(removed) = removed else { return Ok(()) };
        removed.shutdown.token().cancel();
        self.0.settings.store.delete(REGISTRIES, &key).map_err(store(name))?;
        removed.registry.catalogue.clear().map_err(store(name))?;
        removed.registry.users.clear().map_err(store(name))?;
        let folder = self.0.settings.blobs_dir.join(&key);
        let files = |source| RegistryError::Files { name: name.to_owned(), source };
        fs_err::tokio::remove_dir_all(folder).await.map_err(files)?;
        standstill::freed(removed.registry.stored().port).await;
        Ok(())
    }

    /// The admin user and its two passwords, whether or not it may log in.
    pub fn credentials(&self, name: &str) -> Result<(String, [SecretString; 2]), RegistryError> {
        let registry = self.find(name).ok_or_else(|| RegistryError::Unknown(name.to_owned()))?;
        Ok(registry.admin_login())
    }

    /// Bytes of all blobs and manifests; what several repositories have counts once.
    pub fn size(&self, name: &str) -> Result<u64, RegistryError> {
        let registry = self.find(name).ok_or_else(|| RegistryError::Unknown(name.to_owned()))?;
        registry.content.used().map_err(|source| RegistryError::Files { name: name.to_owned(), source })
    }

    /// Replaces password 0 or 1. The old one is refused from now on; tokens that were issued for it run out.
    pub fn regenerate(&self, name: &str, which: usize) -> Result<(), RegistryError> {
        let registry = self.find(name).ok_or_else(|| RegistryError::Unknown(name.to_owned()))?;
        let password = self.0.settings.entropy.token(30).into();
        registry.replace_password(which, password).ok_or(RegistryError::Password(which))?;
        self.save(&registry)
    }

    pub(crate) fn find(&self, name: &str) -> Option<Registry> {
        let running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(&name.to_ascii_lowercase()).map(|one| one.registry.clone())
    }

    fn save(&self, registry: &Registry) -> Result<(), RegistryError> {
        let stored = registry.stored();
        let key = stored.name.to_ascii_lowercase();
        self.0.settings.store.put(REGISTRIES, &key, &stored).map_err(store(&stored.name))
    }

    async fn start(&self, stored: Stored) -> Result<Registry, RegistryError> {
        let settings = &self.0.settings;
        let name = stored.name.clone();
        let key = name.to_ascii_lowercase();
        let content = Content::open(&settings.blobs_dir.join(&key))
            .map_err(|source| RegistryError::Files { name: name.clone(), source })?;
        let key_pair = signing_key(&settings.store)?;
        let shutdown = settings.shutdown.child();
        // The port is part of the registry's name, and known only once it is bound.
        let door = routes::Door::default();
        let listen = |source| RegistryError::Listen { name: name.clone(), source };
        let address = address(stored.port).map_err(listen)?;
        let router = routes::router(door.clone());
        let router = match self.0.around.get() {
            Some(around) => around(router),
            None => router,
        };
        let bound = serve_https(address, router, &settings.tls, &shutdown).await.map_err(listen)?;
        let users = Users::load(&settings.store, &key).map_err(store(&name))?;
        let registry = Registry {
            content,
            catalogue: Catalogue::new(&settings.store, &key),
            files: Arc::default(),
            users,
            tokens: Tokens {
                key: key_pair,
                service: format!("localhost:{}", bound.port()),
                clock: settings.clock.clone(),
                entropy: settings.entropy.clone(),
            },
            entra: settings.entra.clone(),
            admin: Arc::new(Mutex::new(Admin::of(stored, bound.port()))),
            listener: self.0.listener.clone(),
        };
        door.open(registry.clone());
        sweep_now_and_then(registry.clone(), &shutdown);
        let running = Running { registry: registry.clone(), shutdown };
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner).insert(key, running);
        Ok(registry)
    }
}

/// Where to listen: on this port, or for 0 on one that is drawn to be the registry's for life.
fn address(port: u16) -> io::Result<SocketAddr> {
    let address = Ipv4Addr::LOCALHOST;
    match port {
        0 => service_kit::lasting_port(address.into())?.local_addr(),
        port => Ok((address, port).into()),
    }
}

pub(crate) fn store(name: &str) -> impl Fn(StoreError) -> RegistryError {
    let name = name.to_owned();
    move |source| RegistryError::Store { name: name.clone(), source }
}

mod frozen;
mod import;
pub(crate) mod signing;
mod standstill;
mod tokens;

pub use frozen::{Frozen, Staged};
pub use import::{ExistingTags, ImportError, ImportImage, ImportTarget, Reader};
pub use signing::{SigningKeyError, signing_key};
pub use tokens::RepositoryToken;

#[cfg(test)]
mod tests;
