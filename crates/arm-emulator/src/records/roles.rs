//! Role assignments: which principal has which role where. Roles decide what an identity may pull; whoever may call
//! Resource Manager itself is the subscription's owner and nobody else.

mod definition;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::Arm;
use crate::error::ArmError;

pub(crate) use self::definition::{Custom, custom};

/// `namespace/type` of assignments.
pub(crate) const TYPE: &str = "Microsoft.Authorization/roleAssignments";
const TABLE: &str = "arm.role-assignments";

/// A role assignment as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleAssignment {
    /// The subscription, resource group or resource, as it was written.
    pub(crate) scope: String,
    pub(crate) name: Uuid,
    pub(crate) role: Uuid,
    pub(crate) principal_id: Uuid,
    #[serde(default)]
    pub(crate) description: Option<String>,
    pub(crate) created: Timestamp,
}

impl RoleAssignment {
    fn key(&self) -> String {
        key(&self.scope, self.name)
    }
}

fn key(scope: &str, name: Uuid) -> String {
    format!("{}|{name}", scope.to_lowercase())
}

pub(crate) fn find(arm: &Arm, scope: &str, name: Uuid) -> Result<Option<RoleAssignment>, ArmError> {
    Ok(arm.store().get(TABLE, &key(scope, name))?)
}

pub(crate) fn list(arm: &Arm) -> Result<Vec<RoleAssignment>, ArmError> {
    Ok(arm.store().list(TABLE)?.into_iter().map(|(_, assignment)| assignment).collect())
}

pub(crate) fn save(arm: &Arm, assignment: &RoleAssignment) -> Result<(), ArmError> {
    Ok(arm.store().put(TABLE, &assignment.key(), assignment)?)
}

pub(crate) fn remove(arm: &Arm, scope: &str, name: Uuid) -> Result<(), ArmError> {
    Ok(arm.store().delete(TABLE, &key(scope, name))?)
}

/// Forgets what was assigned at a scope that is gone, and inside of it.
pub(crate) fn forget_within(arm: &Arm, scope: &str) -> Result<(), ArmError> {
    for one in list(arm)?.iter().filter(|one| covers(scope, &one.scope)) {
        remove(arm, &one.scope, one.name)?;
    }
    Ok(())
}

/// Whether `scope` is `inner` or around it.
pub(crate) fn covers(scope: &str, inner: &str) -> bool {
    let (scope, inner) = (scope.to_lowercase(), inner.to_lowercase());
    inner
        .strip_prefix(scope.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a principal may pull from the registry with this id.
pub(crate) fn may_pull(arm: &Arm, principal: Uuid, registry: &str) -> Result<bool, ArmError> {
    for held in list(arm)? {
        let concerned = held.principal_id == principal && covers(&held.scope, registry);
        if concerned && definition::grants(arm, held.role, definition::PULL)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_itself_and_what_is_in_it() {
        let registry =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/images";
        for (scope, expected) in [
            ("/subscriptions/s", true),
            ("/subscriptions/S/resourcegroups/G", true),
            (registry, true),
            ("/subscriptions/s/resourceGroups/g2", false),
            (
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/image",
                false,
            ),
        ] {
            assert_eq!(covers(scope, registry), expected, "{scope}");
        }
    }
}
