//! Scope maps and tokens of registries, as ARM knows them. No passwords: those are the registry's own.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service_kit::Batch;

use crate::app::Arm;
use crate::error::ArmError;

/// What a token may do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScopeMapRecord {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) actions: Vec<String>,
    pub(crate) created: Timestamp,
}

/// A user of a registry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenRecord {
    pub(crate) name: String,
    /// The name of its scope map, in the same registry.
    pub(crate) scope_map: String,
    pub(crate) enabled: bool,
    pub(crate) created: Timestamp,
    pub(crate) passwords: [Option<PasswordRecord>; 2],
}

/// When a password was made and how long it holds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct PasswordRecord {
    pub(crate) created: Timestamp,
    pub(crate) expiry: Option<Timestamp>,
}

fn maps_of(registry: &str) -> String {
    format!("arm.scope-maps/{}", registry.to_lowercase())
}

fn tokens_of(registry: &str) -> String {
    format!("arm.registry-tokens/{}", registry.to_lowercase())
}

pub(crate) fn scope_map(arm: &Arm, registry: &str, name: &str) -> Result<Option<ScopeMapRecord>, ArmError> {
    Ok(arm.store().get(&maps_of(registry), &name.to_lowercase())?)
}

pub(crate) fn scope_maps(arm: &Arm, registry: &str) -> Result<Vec<ScopeMapRecord>, ArmError> {
    list(arm, &maps_of(registry))
}

pub(crate) fn save_scope_map(arm: &Arm, registry: &str, record: &ScopeMapRecord) -> Result<(), ArmError> {
    Ok(arm.store().put(&maps_of(registry), &record.name.to_lowercase(), record)?)
}

pub(crate) fn remove_scope_map(arm: &Arm, registry: &str, name: &str) -> Result<(), ArmError> {
    Ok(arm.store().delete(&maps_of(registry), &name.to_lowercase())?)
}

pub(crate) fn token(arm: &Arm, registry: &str, name: &str) -> Result<Option<TokenRecord>, ArmError> {
    Ok(arm.store().get(&tokens_of(registry), &name.to_lowercase())?)
}

pub(crate) fn tokens(arm: &Arm, registry: &str) -> Result<Vec<TokenRecord>, ArmError> {
    list(arm, &tokens_of(registry))
}

pub(crate) fn save_token(arm: &Arm, registry: &str, record: &TokenRecord) -> Result<(), ArmError> {
    Ok(arm.store().put(&tokens_of(registry), &record.name.to_lowercase(), record)?)
}

pub(crate) fn remove_token(arm: &Arm, registry: &str, name: &str) -> Result<(), ArmError> {
    Ok(arm.store().delete(&tokens_of(registry), &name.to_lowercase())?)
}

/// Removes all of a registry.
pub(crate) fn forget(arm: &Arm, registry: &str) -> Result<(), ArmError> {
    let mut batch = Batch::new();
    for table in [maps_of(registry), tokens_of(registry)] {
        for (key, _) in arm.store().list::<serde_json::Value>(&table)? {
            batch = batch.delete(&table, &key);
        }
    }
    Ok(arm.store().write(batch)?)
}

fn list<T: DeserializeOwned>(arm: &Arm, table: &str) -> Result<Vec<T>, ArmError> {
    Ok(arm.store().list(table)?.into_iter().map(|(_, record)| record).collect())
}
