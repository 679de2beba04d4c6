//! `Microsoft.ManagedIdentity`: user-assigned identities, which live by themselves and are given to container groups
//! (`azure-rest-api-specs: msi/…/ManagedIdentity.json`).

use serde_json::{Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::{Fields, Tags};
use crate::providers::{Kind, Provisioning, Put, check_not_moved, checked_location, existing};
use crate::records::identities::{self, IdentityRecord};
use crate::resource_id::ResourceId;

/// An identity as a PUT wants it.
#[derive(Debug)]
pub(crate) struct Wanted {
    location: &'static str,
    tags: Tags,
}

pub(crate) fn read(id: &ResourceId, body: &Value) -> Result<Wanted, ArmError> {
    check_name(&id.name().unwrap_or_default())?;
    let mut fields = Fields::of(body, "")?;
    for echoed in ["id", "name", "type", "apiVersion", "systemData"] {
        fields.value(echoed);
    }
    let location = checked_location(Kind::UserAssignedIdentity, fields.string("location")?)?;
    let tags = fields.tags()?.unwrap_or_default();
    read_properties(&mut fields)?;
    fields.finish()?;
    Ok(Wanted { location, tags })
}

fn read_properties(fields: &mut Fields<'_>) -> Result<(), ArmError> {
    let Some(mut properties) = fields.object("properties")? else { return Ok(()) };
    for read_only in ["tenantId", "principalId", "clientId"] {
        properties.value(read_only);
    }
    properties.word("isolationScope", &["None"])?;
    properties.unsupported("assignmentRestrictions", "leave it out")?;
    properties.finish()
}

pub(crate) fn put(arm: &Arm, id: &ResourceId, body: &Value) -> Result<Put, ArmError> {
    let wanted = read(id, body)?;
    let _guard = arm.lock();
    let existing = identities::find(arm, id)?;
    let created = existing.is_none();
    let record = match existing {
        Some(existing) => {
            check_not_moved(id, &existing.location, wanted.location)?;
            IdentityRecord { tags: wanted.tags, ..existing }
        }
        None => IdentityRecord {
            id: id.clone(),
            name: id.name().unwrap_or_default(),
            location: wanted.location.to_owned(),
            tags: wanted.tags,
            principal_id: arm.new_id(),
            client_id: arm.new_id(),
        },
    };
    identities::save(arm, &record)?;
    Ok(Put { created, body: view(arm, &record) })
}

/// Changes what a PATCH names.
pub(crate) fn patch(arm: &Arm, id: &ResourceId, body: &Value) -> Result<Value, ArmError> {
    let mut fields = Fields::of(body, "")?;
    for echoed in ["id", "name", "type", "location"] {
        fields.value(echoed);
    }
    let tags = fields.tags()?;
    read_properties(&mut fields)?;
    fields.finish()?;
    match tags {
        Some(tags) => crate::providers::retag(arm, Kind::UserAssignedIdentity, id, tags),
        None => existing(arm, Kind::UserAssignedIdentity, id),
    }
}

pub(crate) fn retag(arm: &Arm, id: &ResourceId, tags: Tags) -> Result<Value, ArmError> {
    let _guard = arm.lock();
    let record = identities::find(arm, id)?.ok_or_else(|| not_found(id))?;
    let record = IdentityRecord { tags, ..record };
    identities::save(arm, &record)?;
    Ok(view(arm, &record))
}

pub(crate) fn get(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    Ok(identities::find(arm, id)?.map(|record| view(arm, &record)))
}

pub(crate) fn list(arm: &Arm, group: Option<&str>) -> Result<Vec<Value>, ArmError> {
    let inside = |record: &IdentityRecord| {
        let own = record.id.resource_group().unwrap_or_default();
        group.is_none_or(|group| own.eq_ignore_ascii_case(group))
    };
    let all = identities::list(arm)?;
    Ok(all.iter().filter(|record| inside(record)).map(|record| view(arm, record)).collect())
}

pub(crate) fn delete(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    let _guard = arm.lock();
    let Some(record) = identities::find(arm, id)? else { return Ok(None) };
    identities::remove(arm, id)?;
    Ok(Some(view(arm, &record)))
}

pub(crate) fn provisioning(arm: &Arm, id: &ResourceId) -> Result<Option<Provisioning>, ArmError> {
    Ok(identities::find(arm, id)?.map(|_| Provisioning::Succeeded))
}

fn not_found(id: &ResourceId) -> ArmError {
    let (name, group) = (id.name().unwrap_or_default(), id.resource_group().unwrap_or_default().to_owned());
    ArmError::resource_not_found(Kind::UserAssignedIdentity.full(), &name, &group)
}

fn view(arm: &Arm, record: &IdentityRecord) -> Value {
    json!({
        "id": record.id,
        "name": record.name,
        "type": Kind::UserAssignedIdentity.full(),
        "location": record.location,
        "tags": record.tags,
        "properties": {
            "tenantId": arm.settings().tenant_id,
            "principalId": record.principal_id,
            "clientId": record.client_id,
        },
    })
}

/// 3 to 128 letters, digits, `-` and `_`, the first a letter or digit (`azure-docs: resource-name-rules.md`).
fn check_name(name: &str) -> Result<(), ArmError> {
    let good = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    let first = name.starts_with(|character: char| character.is_ascii_alphanumeric());
    if (3..=128).contains(&name.len()) && first && name.chars().all(good) {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "InvalidResourceName",
        format!(
            "The identity name '{name}' is invalid. It has 3 to 128 letters, digits, '-' and '_' and begins with a \
             letter or digit."
        ),
    ))
}
