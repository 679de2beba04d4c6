//! Everything that Azure keeps in the place of everything that it kept: as if the process ended and began again on another
//! state. The state changes in one transaction; what a crash keeps from being done after it is done by the next start.

use std::time::Duration;

use acr_registry::Registries;
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

fn own_registry(arm: &Arm) -> &str {
    arm.settings().own_registry.as_ref().map_or("", |own| own.name.as_str())
}

/// Whether a document belongs to this sandbox and not to what happened in it.
fn stays(arm: &Arm, document: &StoreDocument) -> bool {
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
    let mut all = Vec::new();
    for prefix in TABLES {
        all.extend(arm.store().documents(prefix)?);
    }
    Ok(all)
}

/// Another state.
#[derive(Debug, Default)]
pub(crate) struct Next {
    pub(crate) documents: Batch,
    /// The folder with the registries' files, by the name that the registries gave it.
    pub(crate) content: Option<String>,
}

/// What went.
#[derive(Debug)]
pub(crate) struct Past {
    /// The names of the container groups.
    pub(crate) groups: Vec<String>,
    /// The folder with the registries' files.
    pub(crate) content: String,
}

/// Takes another state. Nobody is served meanwhile, and nothing runs into it.
pub(crate) async fn exchange(arm: &Arm, next: Next) -> Result<Past, ArmError> {
    let (groups, registries) = (&arm.settings().groups, &arm.settings().registries);
    end_work(arm).await;
    let gone = groups.halt().await;
    registries.halt(own_registry(arm)).await;
    write(arm, next)?;
    arm.settings().entra.reload()?;
    let content = registries.take_in(own_registry(arm)).await.map_err(ArmError::internal)?;
    registries.resume().await.map_err(ArmError::internal)?;
    groups.adopt().await.map_err(aci::error)?;
    restore::restore(arm)?;
    Ok(Past { groups: gone, content })
}

fn write(arm: &Arm, next: Next) -> Result<(), ArmError> {
    let _guard = arm.lock();
    let own = every_document(arm)?.into_iter().filter(|document| stays(arm, document));
    let batch = TABLES.into_iter().fold(Batch::new(), Batch::clear);
    let batch = own.fold(batch, Batch::document).then(next.documents);
    arm.store().write(Registries::with_content(batch, next.content.as_deref())?)?;
    let own = arm.settings().own_registry.as_ref();
    match own.map(|own| groups::find(arm, &own.group)).transpose()?.flatten() {
        // It may have been on its way out.
        Some(group) => groups::put_back(arm, group),
        None => Ok(()),
    }
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
