//! The emulator's state, and what the composition root does with it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use acr_registry::Registries;
use axum::Router;
use container_groups::{Groups, PullLogins, RegistryCredential, UserIdentity};
use entra_tokens::Entra;
use service_kit::{SharedClock, SharedEntropy, Shutdown, Store};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use crate::control::Traffic;
use crate::control::events::{EventKind, Events};
use crate::engine::exchange::OwnRegistry;
use crate::error::ArmError;
use crate::providers::aci::sessions::Promises;
use crate::{engine, providers, records, routes};

/// What an emulated Azure Resource Manager is made of.
#[derive(Clone, Debug)]
pub struct ArmSettings {
    /// The one subscription.
    pub subscription_id: Uuid,
    /// Its tenant.
    pub tenant_id: Uuid,
    /// Where clients reach this service, such as `https://localhost:8443`; every link is made from it.
    pub endpoint: Url,
    /// Where clients log in.
    pub login_endpoint: Url,
    /// The region of what is created without one by the sandbox itself, such as `westeurope`.
    pub location: String,
    /// Keeps resource groups, registries and deployments through a crash.
    pub store: Store,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
    /// Owner of deployments that run.
    pub shutdown: Shutdown,
    /// Verifies bearer tokens.
    pub entra: Entra,
    /// The registries behind `Microsoft.ContainerRegistry/registries`.
    pub registries: Registries,
    /// The containers behind `Microsoft.ContainerInstance/containerGroups`.
    pub groups: Groups,
    /// What stays at a reset, where the sandbox has made a registry of its own.
    pub own_registry: Option<OwnRegistry>,
}

/// Why the emulator cannot start on its state.
#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct StartError {
    action: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Azure Resource Manager. Clones share one state.
#[derive(Clone, Debug)]
pub struct Arm(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: ArmSettings,
    /// Guards every read-then-write of the records; never held across an await.
    records: Mutex<()>,
    running: Mutex<HashMap<String, Running>>,
    promises: Promises,
    traffic: Traffic,
    events: Events,
    /// Requests hold it shared; held alone, nobody is served by Resource Manager.
    gate: tokio::sync::RwLock<()>,
    /// One seed or reset at a time.
    seeding: tokio::sync::Mutex<()>,
    /// Resource groups that are being emptied.
    deletions: AtomicUsize,
}

/// Logs identities in at the registries that their roles let them pull from. Weak, since the groups hold it and the
/// emulator holds the groups.
#[derive(Debug)]
struct PullAs(Weak<Inner>);

impl PullLogins for PullAs {
    fn login(&self, server: &str, identity: &UserIdentity) -> Option<RegistryCredential> {
        let arm = Arm(self.0.upgrade()?);
        match providers::acr::pull_as(&arm, server, identity) {
            Ok(login) => login,
            Err(error) => {
                error.log();
                None
            }
        }
    }
}

/// A deployment that runs in this process.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) operation_id: String,
    pub(crate) cancel: CancellationToken,
}

/// A resource group is being emptied.
#[derive(Debug)]
pub(crate) struct Deleting(Arm);

impl Drop for Deleting {
    fn drop(&mut self) {
        self.0.0.deletions.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Arm {
    /// An emulator on whatever its store holds; call [`Arm::restore`] before serving.
    pub fn new(settings: ArmSettings) -> Self {
        let groups = settings.groups.clone();
        let traffic = Traffic::new(settings.clock.clone(), settings.subscription_id.to_string());
        let arm = Self(Arc::new(Inner {
            settings,
            records: Mutex::default(),
            running: Mutex::default(),
            promises: Promises::default(),
            traffic,
            events: Events::default(),
            gate: tokio::sync::RwLock::default(),
            seeding: tokio::sync::Mutex::default(),
            deletions: AtomicUsize::new(0),
        }));
        groups.set_pull_logins(Arc::new(PullAs(Arc::downgrade(&arm.0))));
        let weak = Arc::downgrade(&arm.0);
        arm.settings().registries.set_listener(move |event| {
            if let Some(inner) = weak.upgrade() {
                providers::acr::children::told(&Arm(inner), event);
            }
        });
        arm
    }

    /// All emulated routes.
    pub fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// Creates a resource group unless it exists, as `az group create` would.
    pub fn ensure_resource_group(&self, name: &str, location: &str) -> Result<(), StartError> {
        let start = |error: ArmError| StartError {
            action: format!("create the resource group `{name}` in `{location}`"),
            source: Box::new(error),
        };
        records::groups::ensure(self, name, location).map_err(start)
    }

    /// Picks up what a crash left: deployments that ran are ended as failed, deletions go on.
    pub fn restore(&self) -> Result<(), StartError> {
        let start = |error: ArmError| StartError {
            action: "restore the deployments".into(),
            source: Box::new(error),
        };
        engine::restore::restore(self).map_err(start)
    }

    /// Journal and faults, which the other services of Azure are to be led past as well.
    pub fn traffic(&self) -> &Traffic {
        &self.0.traffic
    }

    pub(crate) fn events(&self) -> &Events {
        &self.0.events
    }

    /// Tells test authors what happened just now.
    pub(crate) fn tell(&self, kind: EventKind) {
        self.events().add(self.now(), kind);
    }

    pub(crate) fn gate(&self) -> &tokio::sync::RwLock<()> {
        &self.0.gate
    }

    pub(crate) fn seeding(&self) -> &tokio::sync::Mutex<()> {
        &self.0.seeding
    }

    /// Whether a resource group is being emptied.
    pub(crate) fn deletes(&self) -> bool {
        self.0.deletions.load(Ordering::SeqCst) > 0
    }

    /// Marks that a resource group is being emptied, for as long as the mark lives.
    pub(crate) fn deleting(&self) -> Deleting {
        self.0.deletions.fetch_add(1, Ordering::SeqCst);
        Deleting(self.clone())
    }

    pub(crate) fn settings(&self) -> &ArmSettings {
        &self.0.settings
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.settings.store
    }

    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.0.settings.clock.now()
    }

    pub(crate) fn new_id(&self) -> Uuid {
        self.0.settings.entropy.uuid()
    }

    pub(crate) fn subscription(&self) -> String {
        self.0.settings.subscription_id.to_string()
    }

    /// The application that owns the subscription: whoever may call at all.
    pub(crate) fn owner(&self) -> Uuid {
        self.0.settings.entra.settings().client_id
    }

    /// Serialises changes of records. Do no I/O other than the store's while it is held.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.0.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deployments that run in this process, by key.
    pub(crate) fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Streams of containers that wait for their WebSocket.
    pub(crate) fn promises(&self) -> &Promises {
        &self.0.promises
    }

    /// An absolute address on this service. `path` starts with a slash and may carry a query.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0.settings.endpoint.as_str().trim_end_matches('/'))
    }
}
