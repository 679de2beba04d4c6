//! Seeds as they are kept: before anything of them is made, so that a crash loses none. They hold secrets; the store seals them.

use serde::{Deserialize, Serialize};
use service_kit::{Batch, StoreError};
use uuid::Uuid;

use crate::app::Arm;
use crate::error::ArmError;

const TABLE: &str = "arm.seeds";

/// A seed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) text: String,
    /// Of its applications, in the order of the file.
    pub(crate) credentials: Vec<Credential>,
    /// What was made of it so far, also what was only begun.
    pub(crate) made: Vec<Made>,
    pub(crate) applied: bool,
}

/// What an application logs in with; it stays the same at a reset.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Credential {
    pub(crate) name: String,
    pub(crate) client_id: Uuid,
    pub(crate) secret: String,
}

/// What can be taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Made {
    Application(Uuid),
    Resource { id: String, api_version: String },
}

impl Kept {
    /// As it is before it is applied.
    pub(crate) fn unapplied(self) -> Self {
        Self { made: Vec::new(), applied: false, ..self }
    }
}

/// All of them, by number, in the order in which they came.
pub(crate) fn list(arm: &Arm) -> Result<Vec<(u32, Kept)>, ArmError> {
    let stored = arm.store().list(TABLE)?.into_iter();
    Ok(stored.filter_map(|(key, kept)| Some((key.parse().ok()?, kept))).collect())
}

pub(crate) fn save(arm: &Arm, number: u32, kept: &Kept) -> Result<(), ArmError> {
    Ok(arm.store().put(TABLE, &key(number), kept)?)
}

pub(crate) fn forget(arm: &Arm, number: u32) -> Result<(), ArmError> {
    Ok(arm.store().delete(TABLE, &key(number))?)
}

/// Adds them to a change of everything that is stored.
pub(crate) fn put_all(batch: Batch, seeds: &[(u32, Kept)]) -> Result<Batch, StoreError> {
    seeds.iter().try_fold(batch, |batch, (number, kept)| batch.put(TABLE, &key(*number), kept))
}

fn key(number: u32) -> String {
    format!("{number:06}")
}
