//! Resource groups as a request or a template of a subscription asks for them.

use serde_json::Value;

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::{Fields, Tags};
use crate::providers::Put;
use crate::providers::stored::read::location_required;
use crate::records::groups::{self, Wanted};

/// Checks name and body without doing anything.
pub(crate) fn check(name: &str, body: &Value) -> Result<(), ArmError> {
    groups::check_name(name)?;
    read(body).map(|_| ())
}

/// Creates or updates.
pub(crate) fn put(arm: &Arm, name: &str, body: &Value) -> Result<Put, ArmError> {
    let (location, tags, managed_by) = read(body)?;
    let (group, created) = groups::put(arm, name, Wanted { location: &location, tags, managed_by })?;
    Ok(Put { created, body: group.view(arm) })
}

fn read(body: &Value) -> Result<(String, Tags, Option<String>), ArmError> {
    let mut fields = Fields::of(body, "")?;
    // What a client read before and sends again.
    for echoed in ["id", "name", "type", "properties"] {
        fields.value(echoed);
    }
    let location = fields.string("location")?.filter(|text| !text.is_empty()).map(str::to_owned);
    let tags = fields.tags()?.unwrap_or_default();
    let managed_by = fields.string("managedBy")?.map(str::to_owned);
    fields.finish()?;
    Ok((location.ok_or_else(location_required)?, tags, managed_by))
}
