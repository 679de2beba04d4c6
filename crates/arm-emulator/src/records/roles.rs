//! Role assignments: which principal has which role where. Roles decide what an identity may pull; whoever may call
//! Resource Manager itself is the subscription's owner and nobody else.
//!
//! Ids of the roles: `azure-docs: role-based-access-control/built-in-roles.md`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::Arm;
use crate::error::ArmError;

/// `namespace/type`.
pub(crate) const TYPE: &str = "Microsoft.Authorization/roleAssignments";
const TABLE: &str = "arm.role-assignments";

/// A role that the emulator knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) name: &'static str,
    pub(crate) id: Uuid,
    /// Whether it lets pull from a registry.
    pulls: bool,
}

pub(crate) const ROLES: [Role; 5] = [
    Role { name: "AcrPull", id: Uuid::from_u128(0x7f95_1dda_4ed3_4680_a7ca_43fe_172d_538d), pulls: true },
    Role { name: "AcrPush", id: Uuid::from_u128(0x8311_e382_0749_4cb8_b61a_304f_252e_45ec), pulls: true },
    Role { name: "Contributor", id: Uuid::from_u128(0xb249_88ac_6180_42a0_ab88_20f7_382d_d24c), pulls: true },
    Role { name: "Owner", id: Uuid::from_u128(0x8e3a_f657_a8ff_443c_a75c_2fe8_c4bc_b635), pulls: true },
    Role { name: "Reader", id: Uuid::from_u128(0xacdd_72a7_3385_48ef_bd42_f606_fba8_1ae7), pulls: true },
];

/// A role assignment as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleAssignment {
    /// The subscription, resource group or resource, as it was written.
    pub(crate) scope: String,
    pub(crate) name: Uuid,
    pub(crate) role: Uuid,
    pub(crate) principal_id: Uuid,
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
    let pulls = |id: Uuid| ROLES.iter().any(|role| role.id == id && role.pulls);
    let held = list(arm)?;
    Ok(held
        .iter()
        .any(|one| one.principal_id == principal && pulls(one.role) && covers(&one.scope, registry)))
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
        let ids: std::collections::BTreeSet<_> = ROLES.iter().map(|role| role.id).collect();
        assert_eq!(ids.len(), ROLES.len());
        assert_eq!(ROLES[0].id.to_string(), "7f951dda-4ed3-4680-a7ca-43fe172d538d");
    }
}
