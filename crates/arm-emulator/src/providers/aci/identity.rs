//! The `identity` of a container group: read, looked up, shown. The errors are those of Resource Manager's common
//! identity handling; texts from public issues (`hashicorp/terraform-provider-azurerm`, `Azure/bicep`).

use container_groups::{GroupIdentity, GroupView, IdentityPrincipal, UserIdentity};
use serde_json::{Map, Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::Fields;
use crate::providers::Kind;
use crate::records::identities;
use crate::resource_id::ResourceId;

const TYPES: &[&str] = &["SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned", "None"];

/// What identities are asked for.
#[derive(Debug, Default)]
pub(crate) struct WantedIdentity {
    system: bool,
    /// Resource ids, as they were written.
    user: Vec<String>,
}

pub(crate) fn read(fields: &mut Fields<'_>) -> Result<WantedIdentity, ArmError> {
    let Some(mut identity) = fields.object("identity")? else { return Ok(WantedIdentity::default()) };
    for read_only in ["principalId", "tenantId"] {
        identity.value(read_only);
    }
    identity.required("type")?;
    // Clients write the pair with and without the space.
    let pair = identity
        .string("type")?
        .is_some_and(|text| text.replace(' ', "").eq_ignore_ascii_case("SystemAssigned,UserAssigned"));
    let kind = if pair { Some(TYPES[2]) } else { identity.word("type", TYPES)? };
    let kind = kind.unwrap_or_default();
    let path = identity.path("userAssignedIdentities");
    let given = identity.value("userAssignedIdentities");
    identity.finish()?;
    let user = given.map(|value| read_ids(value, &path)).transpose()?.unwrap_or_default();
    match (kind.contains("UserAssigned"), user.is_empty()) {
        (true, true) => {
            return Err(ArmError::bad_request(
                "MissingIdentityIds",
                format!("The identity ids must not be null or empty for '{kind}' identity type."),
            ));
        }
        (false, false) => {
            return Err(ArmError::bad_request(
                "InvalidIdentityValues",
                format!("'userAssignedIdentities' must not be given for '{kind}' identity type."),
            ));
        }
        _ => {}
    }
    Ok(WantedIdentity { system: kind.starts_with("SystemAssigned"), user })
}

/// An object whose keys are ids; a value is empty, null (which takes the identity away), or what a GET showed.
fn read_ids(value: &Value, path: &str) -> Result<Vec<String>, ArmError> {
    let Value::Object(given) = value else {
        return Err(ArmError::invalid_content(path, "Expected an object."));
    };
    let mut ids = Vec::new();
    for (id, value) in given {
        if !is_resource_id(id) {
            return Err(ArmError::bad_request(
                "LinkedInvalidPropertyId",
                format!(
                    "Property id '{id}' at path '{path}' is invalid. Expect fully qualified resource Id that start \
                     with '/subscriptions/{{subscriptionId}}' or '/providers/{{resourceProviderNamespace}}/'."
                ),
            ));
        }
        if value.is_null() {
            continue;
        }
        let mut echoed = Fields::of(value, format!("{path}.{id}"))?;
        for read_only in ["principalId", "clientId"] {
            echoed.value(read_only);
        }
        echoed.finish().map_err(|_| {
            ArmError::bad_request(
                "InvalidIdentityValues",
                format!(
                    "Invalid value for the identities '{id}'. The 'UserAssignedIdentities' property keys should only \
                     be empty json objects, null or the resource exisiting property."
                ),
            )
        })?;
        ids.push(id.clone());
    }
    Ok(ids)
}

fn is_resource_id(text: &str) -> bool {
    text.starts_with('/') && text.parse::<ResourceId>().is_ok_and(|id| id.resource_type().is_some())
}

/// Looks the wanted identities up. The group's own is made here and kept as long as the group keeps it.
pub(crate) fn resolve(
    arm: &Arm,
    group: &ResourceId,
    wanted: WantedIdentity,
    existing: Option<&GroupView>,
) -> Result<GroupIdentity, ArmError> {
    let kept = existing.and_then(|view| view.identity.system.clone());
    let fresh = || IdentityPrincipal { principal_id: arm.new_id(), client_id: arm.new_id() };
    let system = wanted.system.then(|| kept.unwrap_or_else(fresh));
    let mut user: Vec<UserIdentity> = Vec::new();
    for text in wanted.user {
        let found = find(arm, &text)?.ok_or_else(|| unknown(group, &text))?;
        if !user.iter().any(|one| one.resource_id.eq_ignore_ascii_case(&text)) {
            user.push(UserIdentity { resource_id: text, principal: found });
        }
    }
    user.sort_by_key(|one| one.resource_id.to_lowercase());
    Ok(GroupIdentity { system, user })
}

fn find(arm: &Arm, text: &str) -> Result<Option<IdentityPrincipal>, ArmError> {
    let Ok(id) = text.parse::<ResourceId>() else { return Ok(None) };
    if !matches!(Kind::of(arm, &id), Ok((Kind::UserAssignedIdentity, _))) {
        return Ok(None);
    }
    let record = identities::find(arm, &id)?;
    Ok(record.map(|one| IdentityPrincipal { principal_id: one.principal_id, client_id: one.client_id }))
}

fn unknown(group: &ResourceId, text: &str) -> ArmError {
    ArmError::bad_request(
        "FailedIdentityOperation",
        format!(
            "Identity operation for resource '{group}' failed with error 'Failed to perform resource identity \
             operation. Status: 'BadRequest'. Response: '{{\"error\":{{\"code\":\"BadRequest\",\"message\":\"Resource \
             '{text}' was not found.\"}}}}'.'."
        ),
    )
}

/// The shape of a GET; nothing for a group without identity.
pub(crate) fn show(arm: &Arm, identity: &GroupIdentity) -> Option<Value> {
    let kind = match (&identity.system, identity.user.is_empty()) {
        (None, true) => return None,
        (Some(_), true) => TYPES[0],
        (None, false) => TYPES[1],
        (Some(_), false) => TYPES[2],
    };
    let mut shown = json!({ "type": kind });
    if let Some(system) = &identity.system {
        shown["principalId"] = json!(system.principal_id);
        shown["tenantId"] = json!(arm.settings().tenant_id);
    }
    if !identity.user.is_empty() {
        let user: Map<String, Value> = identity
            .user
            .iter()
            .map(|one| {
                let principal = &one.principal;
                let shown = json!({ "principalId": principal.principal_id, "clientId": principal.client_id });
                (one.resource_id.clone(), shown)
            })
            .collect();
        shown["userAssignedIdentities"] = Value::Object(user);
    }
    Some(shown)
}
