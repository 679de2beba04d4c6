//! Back to a subscription that nobody has used.

use std::time::Duration;

use service_kit::Batch;

use crate::app::Arm;
use crate::error::ArmError;
use crate::providers::aci;
use crate::records::{groups, registries};

/// What the names of all tables of this service begin with.
const TABLES: &str = "arm.";

/// How often it is looked whether cancelled deployments have ended.
const DEPLOYMENT_POLL: Duration = Duration::from_millis(20);

/// What a reset leaves: the registry that the sandbox itself made, and the resource group it is in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub(crate) group: &'a str,
    pub(crate) registry: &'a str,
}

/// Ends what runs, removes what is real, forgets every record. Gives the names of the container groups that went.
pub(crate) async fn reset(arm: &Arm, kept: Kept<'_>) -> Result<Vec<String>, ArmError> {
    end_deployments(arm).await;
    let mut removed = Vec::new();
    // A request that was let in before may put one more while the others go.
    loop {
        let present = arm.settings().groups.list();
        if present.is_empty() {
            break;
        }
        for group in present {
            arm.settings().groups.delete(&group.id).await.map_err(aci::error)?;
            removed.push(group.name);
        }
    }
    for registry in arm.settings().registries.list() {
        if !registry.name.eq_ignore_ascii_case(kept.registry) {
            arm.settings().registries.delete(&registry.name).await.map_err(ArmError::internal)?;
        }
    }
    arm.traffic().clear();
    arm.events().clear();
    let _guard = arm.lock();
    let (group, registry) = (groups::find(arm, kept.group)?, registries::find(arm, kept.registry)?);
    arm.store().write(Batch::new().clear(TABLES))?;
    if let Some(group) = group {
        groups::put_back(arm, group)?;
    }
    if let Some(registry) = registry {
        registries::save(arm, &registry)?;
    }
    Ok(removed)
}

/// Cancels all deployments and waits until none of them runs.
async fn end_deployments(arm: &Arm) {
    let mut pause = tokio::time::interval(DEPLOYMENT_POLL);
    loop {
        pause.tick().await;
        let running = arm.running();
        if running.is_empty() {
            break;
        }
        running.values().for_each(|running| running.cancel.cancel());
    }
}
