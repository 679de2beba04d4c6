//! One running registry: what its routes work with, who may log in, and what is swept out of it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use entra_tokens::{CONTAINER_REGISTRY, Entra};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::Shutdown;
use tokio::sync::RwLockReadGuard;

use crate::access::{Holder, Rights, TOKEN_USER, Tokens};
use crate::catalogue::Catalogue;
use crate::content::Content;
use crate::events::Listener;
use crate::name::RepositoryName;
use crate::registries::{CreateRegistry, PublicAccess, RegistryInfo};
use crate::users::Users;

mod collect;
mod describe;

/// Uploads that nobody has finished after this time are removed.
const UPLOAD_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// As it is kept. Holds secrets; the store seals it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) admin_enabled: bool,
    #[serde(default)]
    pub(crate) anonymous_pull: bool,
    #[serde(default = "yes")]
    pub(crate) arm_tokens: bool,
    #[serde(default)]
    pub(crate) public_access: PublicAccess,
    pub(crate) port: u16,
    pub(crate) passwords: [String; 2],
}

/// What registries of earlier versions took.
fn yes() -> bool {
    true
}

/// One running registry.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    pub(crate) content: Content,
    pub(crate) catalogue: Catalogue,
    /// See [`Registry::placing`]; held alone by whoever removes files of which nothing is written down.
    pub(crate) files: Arc<tokio::sync::RwLock<Standing>>,
    pub(crate) users: Users,
    pub(crate) tokens: Tokens,
    pub(crate) entra: Option<Entra>,
    pub(crate) admin: Arc<Mutex<Admin>>,
    pub(crate) listener: Listener,
}

/// Whether a registry takes anything.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    #[default]
    Open,
    /// Another may be in its place: who comes late writes nothing there.
    Ended,
}

#[derive(Debug)]
pub(crate) struct Admin {
    name: String,
    enabled: bool,
    anonymous_pull: bool,
    arm_tokens: bool,
    public_access: PublicAccess,
    port: u16,
    passwords: [SecretString; 2],
}

impl Admin {
    pub(crate) fn of(stored: Stored, port: u16) -> Self {
        Self {
            name: stored.name,
            enabled: stored.admin_enabled,
            anonymous_pull: stored.anonymous_pull,
            arm_tokens: stored.arm_tokens,
            public_access: stored.public_access,
            port,
            passwords: stored.passwords.map(SecretString::from),
        }
    }
}

impl Registry {
    /// Held by whoever puts a file in place and then writes down whose it is.
    pub(crate) async fn placing(&self) -> io::Result<RwLockReadGuard<'_, Standing>> {
        let held = self.files.read().await;
        match *held {
            Standing::Open => Ok(held),
            Standing::Ended => Err(io::Error::other("the registry has ended")),
        }
    }

    /// Waits for those, and lets nobody in any more.
    pub(crate) async fn end(&self) {
        *self.files.write().await = Standing::Ended;
    }

    /// What its folder is called, and its tables.
    pub(crate) fn key(&self) -> String {
        self.admin().name.to_ascii_lowercase()
    }

    /// The login server: `localhost:<port>`.
    pub(crate) fn service(&self) -> &str {
        &self.tokens.service
    }

    /// Who logs in with this name and password: the admin user, a token, a service principal, or the owner of a refresh
    /// token.
    pub(crate) fn login(&self, username: &str, password: &SecretString) -> Option<Holder> {
        if username == TOKEN_USER {
            return self.redeem(password);
        }
        if let Some(rights) = self.users.login(username, password, self.tokens.clock.now()) {
            return Some(Holder { subject: username.to_owned(), rights });
        }
        let principal = || self.entra.as_ref().is_some_and(|entra| entra.accepts(username, password));
        (self.is_admin(username, password) || principal())
            .then(|| Holder { subject: username.to_owned(), rights: Rights::All })
    }

    /// Who a refresh token is for. What a token of ours may do is what its scope map says now, not what it said then.
    pub(crate) fn redeem(&self, token: &SecretString) -> Option<Holder> {
        let holder = self.tokens.check_refresh(token).ok()?;
        match &holder.rights {
            Rights::Map(_) => {
                let rights = self.users.rights(&holder.subject)?;
                Some(Holder { rights, ..holder })
            }
            Rights::All | Rights::Pull => Some(holder),
        }
    }

    /// What somebody without a login may do, if anything.
    pub(crate) fn anonymous(&self) -> Option<Holder> {
        self.admin().anonymous_pull.then(|| Holder { subject: String::new(), rights: Rights::Pull })
    }

    pub(crate) fn public_access(&self) -> PublicAccess {
        self.admin().public_access
    }

    /// Whether a token that was issued for this audience is exchanged: one for registries always, one for Resource Manager
    /// unless the registry's policy says no (`azure-docs: container-registry-disable-authentication-as-arm.md`).
    pub(crate) fn takes_tokens_for(&self, audience: &str) -> bool {
        audience == CONTAINER_REGISTRY || self.admin().arm_tokens
    }

    /// Whether these are the admin user's name and one of its passwords.
    fn is_admin(&self, username: &str, password: &SecretString) -> bool {
        let admin = self.admin();
        let same = |known: &SecretString| {
            let (known, given) = (known.expose_secret().as_bytes(), password.expose_secret().as_bytes());
            verify_slices_are_equal(known, given).is_ok()
        };
        // Both are compared, so that the time tells nothing of which one was meant.
        let [first, second] = &admin.passwords;
        let (first, second) = (same(first), same(second));
        admin.enabled && admin.name.eq_ignore_ascii_case(username) && (first | second)
    }

    pub(crate) fn admin_login(&self) -> (String, [SecretString; 2]) {
        let admin = self.admin();
        (admin.name.clone(), admin.passwords.clone())
    }

    /// `None`: there is no such password.
    pub(crate) fn replace_password(&self, which: usize, password: SecretString) -> Option<()> {
        *self.admin().passwords.get_mut(which)? = password;
        Some(())
    }

    pub(crate) fn set(&self, wanted: CreateRegistry) {
        let mut admin = self.admin();
        admin.enabled = wanted.admin_enabled;
        admin.anonymous_pull = wanted.anonymous_pull;
        admin.arm_tokens = wanted.arm_tokens;
        admin.public_access = wanted.public_access;
    }

    pub(crate) fn info(&self) -> RegistryInfo {
        let admin = self.admin();
        RegistryInfo {
            name: admin.name.clone(),
            login_server: self.tokens.service.clone(),
            admin_enabled: admin.enabled,
        }
    }

    pub(crate) fn stored(&self) -> Stored {
        let admin = self.admin();
        Stored {
            name: admin.name.clone(),
            admin_enabled: admin.enabled,
            anonymous_pull: admin.anonymous_pull,
            arm_tokens: admin.arm_tokens,
            public_access: admin.public_access,
            port: admin.port,
            passwords: admin.passwords.each_ref().map(|password| password.expose_secret().to_owned()),
        }
    }

    fn admin(&self) -> MutexGuard<'_, Admin> {
        self.admin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes uploads that nobody goes on with.
    pub(crate) async fn sweep_uploads(&self) -> Result<usize, SweepError> {
        let now = self.tokens.clock.now();
        let mut removed = 0;
        for id in self.content.uploads().await? {
            let record = self.catalogue.upload(id)?;
            // The record is written before the file, so a file without one belongs to nobody.
            if record.is_none_or(|record| now.duration_since(record.begun) > UPLOAD_LIFETIME) {
                self.content.cancel(id).await?;
                self.catalogue.end_upload(id)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Why a sweep did not come to its end. The next one begins anew.
pub(crate) type SweepError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn sweep_now_and_then(registry: Registry, shutdown: &Shutdown) {
    shutdown.spawn(async move {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        loop {
            ticks.tick().await;
            let name = registry.service();
            match registry.sweep_uploads().await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(registry = name, removed, "old uploads removed"),
                Err(error) => tracing::warn!(registry = name, error, "sweep old uploads"),
            }
            match registry.collect().await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(registry = name, removed, "unused blobs removed"),
                Err(error) => tracing::warn!(registry = name, error, "collect unused blobs"),
            }
        }
    });
}

/// The name of a repository as the store has it, which was one when it was written.
fn stored_name(text: &str) -> Result<RepositoryName, SweepError> {
    RepositoryName::parse(text).ok_or_else(|| format!("`{text}` is not the name of a repository").into())
}
