//! Resources of types without behaviour: kept as they were given and shown as Resource Manager would.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_kit::Batch;
use uuid::Uuid;

use crate::app::Arm;
use crate::error::ArmError;
use crate::resource_id::ResourceId;

const TABLE: &str = "arm.resources";
/// Locks are looked for before every change, so they are not among the rest.
const LOCKS: &str = "arm.locks";

/// `namespace/type` of locks.
pub(crate) const LOCK_TYPE: &str = "Microsoft.Authorization/locks";

/// A resource as stored. What it may hold of secrets is taken out before (`providers::stored::read`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// Names and types as the first PUT spelt them.
    pub(crate) id: ResourceId,
    /// `location`, `tags`, `sku`, `kind`, `identity`, `properties` and the like.
    pub(crate) body: Map<String, Value>,
    /// What is kept and no GET shows.
    #[serde(default, skip_serializing_if = "Hidden::is_empty")]
    pub(crate) hidden: Hidden,
    pub(crate) api_version: String,
    pub(crate) etag: Uuid,
    pub(crate) created: Timestamp,
    pub(crate) changed: Timestamp,
    /// Application ids of who created and changed it.
    pub(crate) created_by: Uuid,
    pub(crate) changed_by: Uuid,
}

/// Members of a resource that may hold secrets, so that they are not printed.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hidden(pub(crate) Map<String, Value>);

impl Hidden {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}

fn table(id: &ResourceId) -> &'static str {
    let is_lock = id.resource_type().is_some_and(|kind| kind.eq_ignore_ascii_case(LOCK_TYPE));
    if is_lock { LOCKS } else { TABLE }
}

pub(crate) fn find(arm: &Arm, id: &ResourceId) -> Result<Option<Stored>, ArmError> {
    Ok(arm.store().get(table(id), &id.key())?)
}

pub(crate) fn save(arm: &Arm, record: &Stored) -> Result<(), ArmError> {
    Ok(arm.store().put(table(&record.id), &record.id.key(), record)?)
}

/// All resources but locks, by id.
pub(crate) fn list(arm: &Arm) -> Result<Vec<Stored>, ArmError> {
    Ok(arm.store().list(TABLE)?.into_iter().map(|(_, record)| record).collect())
}

/// All locks, by id.
pub(crate) fn locks(arm: &Arm) -> Result<Vec<Stored>, ArmError> {
    Ok(arm.store().list(LOCKS)?.into_iter().map(|(_, record)| record).collect())
}

/// Takes a resource with its children and extensions into another resource group.
pub(crate) fn regroup(arm: &Arm, id: &ResourceId, group: &str) -> Result<(), ArmError> {
    let mut batch = Batch::new();
    for (table, records) in [(TABLE, list(arm)?), (LOCKS, locks(arm)?)] {
        for record in records.into_iter().filter(|record| record.id.is_within(id)) {
            batch = batch.delete(table, &record.id.key());
            let record = Stored { id: record.id.respelt(Some(group.to_owned())), ..record };
            batch = batch.put(table, &record.id.key(), &record)?;
        }
    }
    Ok(arm.store().write(batch)?)
}

/// Removes a resource or all of a scope, with children and extensions.
pub(crate) fn remove_within(arm: &Arm, scope: &ResourceId) -> Result<(), ArmError> {
    let mut batch = Batch::new();
    for (table, records) in [(TABLE, list(arm)?), (LOCKS, locks(arm)?)] {
        for record in records.iter().filter(|record| record.id.is_within(scope)) {
            batch = batch.delete(table, &record.id.key());
        }
    }
    Ok(arm.store().write(batch)?)
}
