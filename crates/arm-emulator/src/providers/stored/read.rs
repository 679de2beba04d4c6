//! What a body may hold, whatever the type (`azure-docs: resource-manager/templates/syntax.md`), and what is not kept.

use serde_json::{Map, Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::{Fields, check_tags};
use crate::location;
use crate::records::identities;
use crate::resource_id::ResourceId;

/// Members of a resource beside `properties` and those that only echo what the address says.
pub(crate) const MEMBERS: [&str; 12] = [
    "location",
    "tags",
    "sku",
    "kind",
    "identity",
    "plan",
    "zones",
    "managedBy",
    "managedByExtended",
    "extendedLocation",
    "placement",
    "scale",
];
const ECHOED: [&str; 7] = ["id", "name", "type", "apiVersion", "etag", "systemData", "comments"];

/// Members that providers take and never show: they hold secrets, and are neither kept nor compared. Names of Microsoft's
/// own specifications (`x-ms-secret`), in lower case.
const WRITE_ONLY: &[&str] = &[
    "accountkey",
    "adminpassword",
    "administratorloginpassword",
    "administratorpassword",
    "authorizationkey",
    "clientsecret",
    "connectionstring",
    "customdata",
    "licensekey",
    "p12data",
    "password",
    "pfxblob",
    "primarykey",
    "privatekey",
    "protectedsettings",
    "sastoken",
    "secondarykey",
    "securevalue",
    "sharedkey",
    "storageaccountkey",
    "userdata",
    "vnetgatewaysharedkey",
    "workspacekey",
];

/// A name of a resource: what Resource Manager refuses whatever the type (`azure-docs: resource-name-rules.md`).
pub(crate) fn check_names(id: &ResourceId) -> Result<(), ArmError> {
    for name in id.names() {
        let bad = name.chars().find(|one| one.is_control() || "<>%&\\?/#:*\"".contains(*one));
        let reason = if name.chars().count() > 260 {
            "it has more than 260 characters"
        } else if bad.is_some() {
            "it holds a control character or one of '<,>,*,%,&,:,\\,?,/,#,\"'"
        } else if name.ends_with('.') || name.ends_with(' ') || name.trim().is_empty() {
            "it ends in '.' or a space"
        } else {
            continue;
        };
        return Err(ArmError::bad_request(
            "InvalidResourceName",
            format!("Resource name '{name}' is invalid: {reason}."),
        )
        .with_target(id.to_string()));
    }
    Ok(())
}

/// What is kept of a PUT's body.
pub(crate) fn body(id: &ResourceId, body: &Value) -> Result<Map<String, Value>, ArmError> {
    let mut kept = members(body)?;
    if let Some(text) = kept.get("location") {
        let place = checked_location(id, text)?;
        kept.insert("location".to_owned(), json!(place));
    }
    Ok(kept)
}

/// What a PATCH names; a null takes a member away.
pub(crate) fn changes(id: &ResourceId, changes: &Value) -> Result<Map<String, Value>, ArmError> {
    let mut kept = members(changes)?;
    if let Some(text) = kept.get("location") {
        let place = checked_location(id, text)?;
        kept.insert("location".to_owned(), json!(place));
    }
    if let Value::Object(given) = changes {
        for (name, _) in given.iter().filter(|(_, value)| value.is_null()) {
            if let Some(known) = MEMBERS.iter().find(|known| known.eq_ignore_ascii_case(name)) {
                kept.insert((*known).to_owned(), Value::Null);
            }
        }
    }
    // A body may leave `tags` as they are, or replace them.
    Ok(kept)
}

fn members(body: &Value) -> Result<Map<String, Value>, ArmError> {
    let mut fields = Fields::of(body, "")?;
    for echoed in ECHOED {
        fields.value(echoed);
    }
    let tags = fields.tags()?;
    let mut kept = Map::new();
    for name in MEMBERS {
        if let Some(value) = fields.value(name) {
            kept.insert(name.to_owned(), value.clone());
        }
    }
    let properties = fields.value("properties");
    fields.finish()?;
    check_shapes(&kept)?;
    if let Some(tags) = tags {
        check_tags(&tags)?;
        kept.insert("tags".to_owned(), json!(tags));
    }
    match properties {
        None => {}
        Some(Value::Object(_)) => {
            let mut properties = properties.cloned().unwrap_or_default();
            without_write_only(&mut properties);
            if let Some(members) = properties.as_object_mut() {
                members.retain(|name, _| !name.eq_ignore_ascii_case("provisioningState"));
            }
            kept.insert("properties".to_owned(), properties);
        }
        Some(_) => return Err(ArmError::invalid_content("properties", "Expected an object.")),
    }
    Ok(kept)
}

fn check_shapes(kept: &Map<String, Value>) -> Result<(), ArmError> {
    let wrong =
        |name: &str, expected: &str| Err(ArmError::invalid_content(name, format!("Expected {expected}.")));
    for (name, value) in kept {
        match name.as_str() {
            "location" | "kind" | "managedBy" if !value.is_string() => return wrong(name, "a string"),
            "sku" | "plan" | "identity" | "extendedLocation" | "placement" if !value.is_object() => {
                return wrong(name, "an object");
            }
            "zones" | "managedByExtended" if !value.is_array() => return wrong(name, "an array"),
            _ => {}
        }
    }
    Ok(())
}

/// The short form of a region, or `global` for what has none.
fn checked_location(id: &ResourceId, text: &Value) -> Result<String, ArmError> {
    let text = text.as_str().unwrap_or_default();
    if text.eq_ignore_ascii_case("global") {
        return Ok("global".to_owned());
    }
    location::normalise(text).map(str::to_owned).ok_or_else(|| {
        ArmError::bad_request(
            "LocationNotAvailableForResourceType",
            format!(
                "The provided location '{text}' is not available for resource type '{}'. List of available regions for \
                 the resource type is 'global,{}'.",
                id.resource_type().unwrap_or_default(),
                location::names()
            ),
        )
    })
}

pub(crate) fn location_required() -> ArmError {
    ArmError::bad_request("LocationRequired", "The location property is required for this definition.")
}

/// Whether a member is taken and never shown.
pub(crate) fn is_write_only(name: &str) -> bool {
    WRITE_ONLY.contains(&name.to_lowercase().as_str())
}

/// Takes out what a provider would not show again.
pub(crate) fn without_write_only(value: &mut Value) {
    match value {
        Value::Object(members) => {
            // An object of this name, such as a table of settings, is looked into.
            members.retain(|name, value| {
                !is_write_only(name) || !(value.is_string() || name.eq_ignore_ascii_case("protectedSettings"))
            });
            members.values_mut().for_each(without_write_only);
        }
        Value::Array(values) => values.iter_mut().for_each(without_write_only),
        _ => {}
    }
}

/// Takes out what is not the same in `scrubbed`, which has marks in place of secure values.
pub(crate) fn without_secret(value: &mut Value, scrubbed: &Value) {
    match (value, scrubbed) {
        (Value::Object(members), Value::Object(shown)) => {
            members.retain(|name, value| !value.is_string() || shown.get(name) == Some(&*value));
            for (name, value) in members {
                without_secret(value, shown.get(name).unwrap_or(&Value::Null));
            }
        }
        (Value::Array(values), Value::Array(shown)) => {
            values.iter_mut().zip(shown).for_each(|(value, shown)| without_secret(value, shown));
        }
        (value, shown) if *value != *shown => *value = shown.clone(),
        _ => {}
    }
}

/// Adds what the platform knows of the identities that a resource is given.
pub(crate) fn fill_identity(
    arm: &Arm,
    id: &ResourceId,
    body: &mut Map<String, Value>,
    before: Option<&Value>,
) -> Result<(), ArmError> {
    let Some(identity) = body.get_mut("identity") else { return Ok(()) };
    let kind = identity["type"].as_str().unwrap_or_default().to_lowercase();
    let words: Vec<&str> = kind.split(',').map(str::trim).collect();
    if words.iter().any(|word| !["systemassigned", "userassigned", "none"].contains(word)) {
        return Err(ArmError::invalid_content(
            "identity.type",
            "The value is not one of the supported values: None, SystemAssigned, UserAssigned, SystemAssigned, \
             UserAssigned.",
        ));
    }
    if words.contains(&"systemassigned") {
        let principal = before.map(|before| before["principalId"].clone()).filter(Value::is_string);
        identity["principalId"] = principal.unwrap_or_else(|| json!(arm.new_id()));
        identity["tenantId"] = json!(arm.settings().tenant_id);
    }
    let given = identity["userAssignedIdentities"].as_object().cloned().unwrap_or_default();
    if words.contains(&"userassigned") {
        let mut shown = Map::new();
        for name in given.keys() {
            let found = name.parse().ok().map(|id| identities::find(arm, &id)).transpose()?.flatten();
            let found = found.ok_or_else(|| unknown_identity(id, name))?;
            let known = json!({ "principalId": found.principal_id, "clientId": found.client_id });
            shown.insert(name.clone(), known);
        }
        identity["userAssignedIdentities"] = Value::Object(shown);
    }
    Ok(())
}

fn unknown_identity(id: &ResourceId, name: &str) -> ArmError {
    ArmError::bad_request(
        "FailedIdentityOperation",
        format!(
            "Identity operation for resource '{id}' failed with error 'Failed to perform resource identity operation. \
             Status: 'NotFound'. Response: '{{\"error\":{{\"code\":\"ResourceNotFound\",\"message\":\"The Resource \
             '{name}' was not found.\"}}}}'.'."
        ),
    )
}
