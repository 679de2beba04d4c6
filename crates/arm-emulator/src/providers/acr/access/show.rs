//! Scope maps and tokens as ARM shows them.

use serde_json::{Value, json};

use super::{SCOPE_MAP, TOKEN};
use crate::records::registries::RegistryRecord;
use crate::records::registry_access::{PasswordRecord, ScopeMapRecord, TokenRecord};

pub(super) const PASSWORDS: [&str; 2] = ["password1", "password2"];

pub(super) fn scope_map(registry: &RegistryRecord, map: &ScopeMapRecord, kind: &str) -> Value {
    json!({
        "id": format!("{}/scopeMaps/{}", registry.id, map.name),
        "name": map.name,
        "type": SCOPE_MAP,
        "properties": {
            "description": map.description,
            "type": kind,
            "creationDate": map.created.to_string(),
            "provisioningState": "Succeeded",
            "actions": map.actions,
        },
    })
}

/// Without the passwords' values, which are shown once, when they are made.
pub(super) fn token(registry: &RegistryRecord, token: &TokenRecord) -> Value {
    let named = PASSWORDS.iter().zip(&token.passwords);
    let passwords: Vec<_> =
        named.filter_map(|(name, record)| Some(password(name, record.as_ref()?))).collect();
    json!({
        "id": format!("{}/tokens/{}", registry.id, token.name),
        "name": token.name,
        "type": TOKEN,
        "properties": {
            "creationDate": token.created.to_string(),
            "provisioningState": "Succeeded",
            "scopeMapId": format!("{}/scopeMaps/{}", registry.id, token.scope_map),
            "status": if token.enabled { "enabled" } else { "disabled" },
            "credentials": { "certificates": [], "passwords": passwords },
        },
    })
}

pub(super) fn password(name: &str, record: &PasswordRecord) -> Value {
    let mut shown = json!({ "name": name, "creationTime": record.created.to_string() });
    if let Some(expiry) = record.expiry {
        shown["expiry"] = json!(expiry.to_string());
    }
    shown
}
