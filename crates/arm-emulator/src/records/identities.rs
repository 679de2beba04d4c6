//! User-assigned identities.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::Tags;
use crate::resource_id::ResourceId;

const TABLE: &str = "arm.identities";

/// A user-assigned identity as stored. It holds no secret: the tenant signs for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct IdentityRecord {
    pub(crate) id: ResourceId,
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) tags: Tags,
    /// The object in the directory.
    pub(crate) principal_id: Uuid,
    pub(crate) client_id: Uuid,
}

pub(crate) fn find(arm: &Arm, id: &ResourceId) -> Result<Option<IdentityRecord>, ArmError> {
    Ok(arm.store().get(TABLE, &id.key())?)
}

pub(crate) fn list(arm: &Arm) -> Result<Vec<IdentityRecord>, ArmError> {
    Ok(arm.store().list(TABLE)?.into_iter().map(|(_, record)| record).collect())
}

pub(crate) fn save(arm: &Arm, record: &IdentityRecord) -> Result<(), ArmError> {
    Ok(arm.store().put(TABLE, &record.id.key(), record)?)
}

pub(crate) fn remove(arm: &Arm, id: &ResourceId) -> Result<(), ArmError> {
    Ok(arm.store().delete(TABLE, &id.key())?)
}
