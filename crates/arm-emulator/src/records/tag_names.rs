//! Tag names and values that somebody defined for the subscription, used or not.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::app::Arm;
use crate::error::ArmError;

const TABLE: &str = "arm.tag-names";

/// A tag name as it was defined, with its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TagName {
    pub(crate) name: String,
    pub(crate) values: BTreeSet<String>,
}

pub(crate) fn find(arm: &Arm, name: &str) -> Result<Option<TagName>, ArmError> {
    Ok(arm.store().get(TABLE, &name.to_lowercase())?)
}

pub(crate) fn list(arm: &Arm) -> Result<Vec<TagName>, ArmError> {
    Ok(arm.store().list(TABLE)?.into_iter().map(|(_, one)| one).collect())
}

pub(crate) fn save(arm: &Arm, one: &TagName) -> Result<(), ArmError> {
    Ok(arm.store().put(TABLE, &one.name.to_lowercase(), one)?)
}

pub(crate) fn remove(arm: &Arm, name: &str) -> Result<(), ArmError> {
    Ok(arm.store().delete(TABLE, &name.to_lowercase())?)
}
