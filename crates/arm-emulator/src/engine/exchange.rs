//! Everything that Azure keeps in the place of everything that it kept: as if the process ended and began again on another
//! state. The state changes in one transaction; what a crash keeps from being done after it is done by the next start.

use std::error::Error;
use std::time::Duration;

use acr_registry::Registries;
use container_groups::Groups;
use service_kit::{Batch, StoreDocument, StoreError};

use crate::app::Arm;
use crate::engine::restore;
use crate::error::ArmError;
use crate::providers::aci;
use crate::records::groups;

/// What the names of the tables begin with that hold Azure's state: Resource Manager, Entra ID, registries, container groups.
pub(crate) const TABLES: [&str; 4] = ["arm.", "entra.", "acr-", "container-groups"];
/// The key of container groups' labels, which are on containers that go on.
const GROUP_KEYS: &str = "container-groups-keys";

/// How often it is looked whether deployments and deletions have ended.
const POLL: Duration = Duration::from_millis(20);

/// The registry that the sandbox itself made, and the resource group it is in: whatever happens, they stay as they are, and
/// are in no snapshot.
#[derive(Debug, Clone)]
pub struct OwnRegistry {
    /// The resource group.
    pub group: String,
    /// The registry.
    pub name: String,
}

impl OwnRegistry {
    fn holds(&self, document: &StoreDocument) -> bool {
        let name = self.name.to_lowercase();
        let (table, key) = (document.table.as_str(), document.key.as_str());
        let parts = ["scope-maps", "registry-tokens"].map(|part| format!("arm.{part}/{name}"));
        (table == "arm.registries" && key == name)
            || (table == "arm.resource-groups" && key == self.group.to_lowercase())
            || parts.iter().any(|part| part == table)
    }
}

/// The name of the registry that stays; empty where there is none.
pub(crate) fn own_registry(arm: &Arm) -> &str {
    arm.settings().own_registry.as_ref().map_or("", |own| own.name.as_str())
}

/// Whether a document belongs to this sandbox and not to what happened in it.
pub(crate) fn stays(arm: &Arm, document: &StoreDocument) -> bool {
    document.table == GROUP_KEYS
        || Registries::stays(&document.table, &document.key, own_registry(arm))
        || arm.settings().own_registry.as_ref().is_some_and(|own| own.holds(document))
}

/// Everything that is kept, but for what stays in any case.
pub(crate) fn documents(arm: &Arm) -> Result<Vec<StoreDocument>, StoreError> {
    let mut all = every_document(arm)?;
    all.retain(|document| !stays(arm, document));
    Ok(all)
}

fn every_document(arm: &Arm) -> Result<Vec<StoreDocument>, StoreError> {
    arm.store().documents(&TABLES)
}

/// Another state.
#[derive(Debug, Default)]
pub(crate) struct Next {
    pub(crate) documents: Batch,
    /// The folder with the registries' files, by the name that the registries gave it.
    pub(crate) content: Option<String>,
    pub(crate) containers: Containers,
}

/// What becomes of containers that run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Containers {
    /// Those of groups that are in the next state go on.
    #[default]
    Found,
    /// All of them end before the state changes, so that none of them meets the next one; groups whose containers ran run
    /// anew. Their logs are those of the next state.
    Anew,
}

/// What went.
#[derive(Debug)]
pub(crate) struct Past {
    /// The names of the container groups.
    pub(crate) groups: Vec<String>,
    /// The folder with the registries' files.
    pub(crate) content: String,
}

pub(crate) type Cause = Box<dyn Error + Send + Sync>;
/// Makes all changes in one transaction, perhaps with others.
pub(crate) type Write = Box<dyn FnOnce(Batch) -> Result<(), Cause> + Send>;

/// Why the next state was not taken, or not all of it.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// Everything is as it was; deployments were cancelled, and containers may have been restarted.
    Before(Cause),
    /// The state is the next one, and not all that belongs to it is in its place, which the next start goes on with.
    After(Cause),
}

impl From<Interrupted> for ArmError {
    fn from(interrupted: Interrupted) -> Self {
        let (Interrupted::Before(cause) | Interrupted::After(cause)) = interrupted;
        Self::internal(cause)
    }
}

/// Takes another state. Nobody is served meanwhile, and nothing runs into it.
pub(crate) async fn exchange(arm: &Arm, next: Next) -> Result<Past, Interrupted> {
    let store = arm.store().clone();
    exchange_by(arm, next, Box::new(move |batch| Ok(store.write(batch)?))).await
}

/// The same, in the transaction that `write` makes.
pub(crate) async fn exchange_by(arm: &Arm, next: Next, write: Write) -> Result<Past, Interrupted> {
    let (groups, registries) = (&arm.settings().groups, &arm.settings().registries);
    // Without the engine neither the next state nor the present one could be gone on with.
    groups.ping().await.map_err(|error| Interrupted::Before(aci::error(error).into()))?;
    end_work(arm).await;
    let gone = groups.halt().await;
    let stripped = match next.containers {
        Containers::Anew => groups.strip().await.map_err(|error| aci::error(error).into()),
        Containers::Found => Ok(()),
    };
    registries.halt(own_registry(arm)).await;
    let written = match stripped {
        Ok(()) => written(arm, next, write).await,
        failed => failed,
    };
    if let Err(cause) = written {
        if let Err(error) = serve_again(arm).await {
            tracing::error!(
                error = &*error,
                "Azure is as it was, and not all of it is served until the next start"
            );
        }
        return Err(Interrupted::Before(cause));
    }
    let after = |cause: Cause| Interrupted::After(cause);
    arm.settings().entra.reload().map_err(|error| after(error.into()))?;
    let content = registries.take_in(own_registry(arm)).await.map_err(|error| after(error.into()))?;
    if let Some(own) = &arm.settings().own_registry {
        // It may have been on its way out.
        groups::keep(arm, &own.group).map_err(|error| after(error.into()))?;
    }
    serve_again(arm).await.map_err(after)?;
    Ok(Past { groups: gone, content })
}

/// Goes on with what the store holds.
async fn serve_again(arm: &Arm) -> Result<(), Cause> {
    let resumed = arm.settings().registries.resume().await;
    // Also where a registry cannot be served: their groups are there.
    arm.settings().groups.adopt().await.map_err(aci::error)?;
    restore::restore(arm)?;
    Ok(resumed?)
}

async fn written(arm: &Arm, next: Next, write: Write) -> Result<(), Cause> {
    let arm = arm.clone();
    let work = tokio::task::spawn_blocking(move || {
        let _guard = arm.lock();
        let own = every_document(&arm)?.into_iter().filter(|document| stays(&arm, document));
        let batch = TABLES.into_iter().fold(Batch::new(), Batch::clear);
        let batch = own.fold(batch, Batch::document).then(next.documents);
        let batch = Registries::with_content(batch, next.content.as_deref())?;
        write(match next.containers {
            Containers::Anew => Groups::anew(batch)?,
            Containers::Found => batch,
        })
    });
    work.await?
}

/// Cancels all deployments, and waits until none of them runs and no deletion of a resource group is under way.
async fn end_work(arm: &Arm) {
    let mut pause = tokio::time::interval(POLL);
    loop {
        pause.tick().await;
        let running = arm.running();
        if running.is_empty() && !arm.deletes() {
            break;
        }
        running.values().for_each(|running| running.cancel.cancel());
    }
}
