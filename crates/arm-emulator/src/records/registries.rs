//! What ARM knows of a container registry beside what the registry itself knows.

use acr_registry::PublicAccess;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::Tags;
use crate::resource_id::ResourceId;

/// Names of registries are unique in all of Azure, so the name alone is the key.
const TABLE: &str = "arm.registries";

/// Where a registry is in its region and in the network. Zones and who passes its rules are shown and do nothing here;
/// without public access nobody reaches it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RegistryPlace {
    pub(crate) zone_redundancy: String,
    pub(crate) network_rule_bypass: String,
    #[serde(default)]
    pub(crate) public_access: PublicAccess,
}

impl Default for RegistryPlace {
    fn default() -> Self {
        Self {
            zone_redundancy: "Disabled".to_owned(),
            network_rule_bypass: "AzureServices".to_owned(),
            public_access: PublicAccess::Enabled,
        }
    }
}

/// The policies of a registry that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RegistryPolicies {
    /// Whether images may be imported from it.
    pub(crate) exports: bool,
    /// Whether Entra tokens for Resource Manager log in.
    pub(crate) arm_tokens: bool,
    /// Whether untagged manifests go after so many days. Kept and shown: nothing here lives as long.
    pub(crate) retains: bool,
    pub(crate) retention_days: i64,
}

impl Default for RegistryPolicies {
    fn default() -> Self {
        Self { exports: true, arm_tokens: true, retains: false, retention_days: 7 }
    }
}

/// A registry as stored. It holds no secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RegistryRecord {
    pub(crate) id: ResourceId,
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) tags: Tags,
    pub(crate) sku: String,
    pub(crate) admin_user_enabled: bool,
    #[serde(default)]
    pub(crate) anonymous_pull: bool,
    #[serde(default)]
    pub(crate) place: RegistryPlace,
    #[serde(default)]
    pub(crate) policies: RegistryPolicies,
    pub(crate) created: Timestamp,
}

pub(crate) fn find(arm: &Arm, name: &str) -> Result<Option<RegistryRecord>, ArmError> {
    Ok(arm.store().get(TABLE, &name.to_lowercase())?)
}

pub(crate) fn list(arm: &Arm) -> Result<Vec<RegistryRecord>, ArmError> {
    Ok(arm.store().list(TABLE)?.into_iter().map(|(_, record)| record).collect())
}

pub(crate) fn save(arm: &Arm, record: &RegistryRecord) -> Result<(), ArmError> {
    Ok(arm.store().put(TABLE, &record.name.to_lowercase(), record)?)
}

pub(crate) fn remove(arm: &Arm, name: &str) -> Result<(), ArmError> {
    Ok(arm.store().delete(TABLE, &name.to_lowercase())?)
}
