//! Scope maps and tokens of a registry: users that log in to it with a password and may do what their map says.
//!
//! Source: Azure/azure-rest-api-specs, `Microsoft.ContainerRegistry` 2022-12-01 (`ScopeMaps_*`, `Tokens_*`,
//! `Registries_GenerateCredentials`); `container-registry-token-based-repository-permissions` of ACR's documentation.

mod read;
mod show;

use acr_registry::RepositoryToken;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::providers::Put;
use crate::records::registries::RegistryRecord;
use crate::records::registry_access::{self, PasswordRecord, ScopeMapRecord, TokenRecord};
use crate::resource_id::ResourceId;

const SCOPE_MAP: &str = "Microsoft.ContainerRegistry/registries/scopeMaps";
const TOKEN: &str = "Microsoft.ContainerRegistry/registries/tokens";

/// The maps that every registry has: name, description, and actions on all repositories.
const SYSTEM_DEFINED: [(&str, &str, &[&str]); 5] = [
    (
        "_repositories_admin",
        "Can perform all read, write and delete operations on the registry",
        &["content/delete", "content/read", "content/write", "metadata/read", "metadata/write"],
    ),
    ("_repositories_pull", "Can pull any repository of the registry", &["content/read"]),
    (
        "_repositories_pull_metadata_read",
        "Can perform all read operations on the registry",
        &["content/read", "metadata/read"],
    ),
    ("_repositories_push", "Can push to any repository of the registry", &["content/read", "content/write"]),
    (
        "_repositories_push_metadata_write",
        "Can perform all read and write operations on the registry",
        &["content/read", "content/write", "metadata/read", "metadata/write"],
    ),
];

/// The scope maps of a registry, those of the system among them.
pub(crate) fn scope_maps(arm: &Arm, id: &ResourceId) -> Result<Vec<Value>, ArmError> {
    let registry = super::existing(arm, id)?;
    let own = registry_access::scope_maps(arm, &registry.name)?;
    let system = SYSTEM_DEFINED.iter().map(|(name, ..)| system_map(&registry, name));
    let all = system.flatten().map(|map| show::scope_map(&registry, &map, "SystemDefined"));
    Ok(all.chain(own.iter().map(|map| show::scope_map(&registry, map, "UserDefined"))).collect())
}

pub(crate) fn scope_map(arm: &Arm, id: &ResourceId, name: &str) -> Result<Value, ArmError> {
    let registry = super::existing(arm, id)?;
    if let Some(map) = system_map(&registry, name) {
        return Ok(show::scope_map(&registry, &map, "SystemDefined"));
    }
    let map = registry_access::scope_map(arm, &registry.name, name)?;
    let map = map.ok_or_else(|| child_not_found(SCOPE_MAP, &registry, name))?;
    Ok(show::scope_map(&registry, &map, "UserDefined"))
}

pub(crate) fn put_scope_map(arm: &Arm, id: &ResourceId, name: &str, body: &Value) -> Result<Put, ArmError> {
    let registry = super::existing(arm, id)?;
    check_not_of_the_system(&registry, name)?;
    read::check_name("scope map", name)?;
    let wanted = read::scope_map(body)?;
    let known = registry_access::scope_map(arm, &registry.name, name)?;
    let created = known.as_ref().map_or_else(|| arm.now(), |known| known.created);
    let map = ScopeMapRecord {
        name: known.as_ref().map_or_else(|| name.to_owned(), |known| known.name.clone()),
        description: wanted.description,
        actions: wanted.actions.unwrap_or_default(),
        created,
    };
    keep(arm, &registry, &map)?;
    Ok(Put { created: known.is_none(), body: show::scope_map(&registry, &map, "UserDefined") })
}

pub(crate) fn patch_scope_map(
    arm: &Arm,
    id: &ResourceId,
    name: &str,
    body: &Value,
) -> Result<Value, ArmError> {
    let registry = super::existing(arm, id)?;
    check_not_of_the_system(&registry, name)?;
    let changes = read::scope_map_changes(body)?;
    let known = registry_access::scope_map(arm, &registry.name, name)?;
    let known = known.ok_or_else(|| child_not_found(SCOPE_MAP, &registry, name))?;
    let map = ScopeMapRecord {
        description: changes.description.or(known.description),
        actions: changes.actions.unwrap_or(known.actions),
        ..known
    };
    keep(arm, &registry, &map)?;
    Ok(show::scope_map(&registry, &map, "UserDefined"))
}

/// `false`: it was not there. Tokens that had it may do nothing any more.
pub(crate) fn delete_scope_map(arm: &Arm, id: &ResourceId, name: &str) -> Result<bool, ArmError> {
    let registry = super::existing(arm, id)?;
    check_not_of_the_system(&registry, name)?;
    if registry_access::scope_map(arm, &registry.name, name)?.is_none() {
        return Ok(false);
    }
    registry_access::remove_scope_map(arm, &registry.name, name)?;
    serve_tokens_of(arm, &registry, name)?;
    Ok(true)
}

pub(crate) fn tokens(arm: &Arm, id: &ResourceId) -> Result<Vec<Value>, ArmError> {
    let registry = super::existing(arm, id)?;
    let all = registry_access::tokens(arm, &registry.name)?;
    Ok(all.iter().map(|token| show::token(&registry, token)).collect())
}

pub(crate) fn token(arm: &Arm, id: &ResourceId, name: &str) -> Result<Value, ArmError> {
    let registry = super::existing(arm, id)?;
    Ok(show::token(&registry, &known_token(arm, &registry, name)?))
}

pub(crate) fn put_token(arm: &Arm, id: &ResourceId, name: &str, body: &Value) -> Result<Put, ArmError> {
    let registry = super::existing(arm, id)?;
    read::check_name("token", name)?;
    let wanted = read::token(body)?;
    let scope_map = wanted.scope_map.ok_or_else(|| {
        ArmError::invalid_content(
            "properties.scopeMapId",
            "Required property 'scopeMapId' not found in JSON.",
        )
    })?;
    let known = registry_access::token(arm, &registry.name, name)?;
    let created = known.is_none();
    let token = match known {
        Some(known) => TokenRecord { scope_map, enabled: wanted.enabled.unwrap_or(true), ..known },
        None => TokenRecord {
            name: name.to_owned(),
            scope_map,
            enabled: wanted.enabled.unwrap_or(true),
            created: arm.now(),
            passwords: [None, None],
        },
    };
    serve(arm, &registry, &token)?;
    registry_access::save_token(arm, &registry.name, &token)?;
    Ok(Put { created, body: show::token(&registry, &token) })
}

pub(crate) fn patch_token(arm: &Arm, id: &ResourceId, name: &str, body: &Value) -> Result<Value, ArmError> {
    let registry = super::existing(arm, id)?;
    let changes = read::token(body)?;
    let known = known_token(arm, &registry, name)?;
    let token = TokenRecord {
        scope_map: changes.scope_map.unwrap_or(known.scope_map),
        enabled: changes.enabled.unwrap_or(known.enabled),
        ..known
    };
    serve(arm, &registry, &token)?;
    registry_access::save_token(arm, &registry.name, &token)?;
    Ok(show::token(&registry, &token))
}

/// `false`: it was not there.
pub(crate) fn delete_token(arm: &Arm, id: &ResourceId, name: &str) -> Result<bool, ArmError> {
    let registry = super::existing(arm, id)?;
    if registry_access::token(arm, &registry.name, name)?.is_none() {
        return Ok(false);
    }
    arm.settings().registries.remove_token(&registry.name, name).map_err(ArmError::internal)?;
    registry_access::remove_token(arm, &registry.name, name)?;
    Ok(true)
}

/// New passwords of a token, the one that is named or both, with the registry's location. The one answer that shows them.
pub(crate) fn generate(arm: &Arm, id: &ResourceId, body: &Value) -> Result<(String, Value), ArmError> {
    let registry = super::existing(arm, id)?;
    let wanted = read::generate(body)?;
    let mut token = known_token(arm, &registry, &wanted.token)?;
    let mut shown = Vec::new();
    for (which, name) in show::PASSWORDS.iter().enumerate() {
        if wanted.which.is_some_and(|only| only != which) {
            continue;
        }
        let made =
            arm.settings().registries.generate_password(&registry.name, &token.name, which, wanted.expiry);
        let value = made.map_err(ArmError::internal)?;
        let record = PasswordRecord { created: arm.now(), expiry: wanted.expiry };
        let mut password = show::password(name, &record);
        password["value"] = json!(value.expose_secret());
        shown.push(password);
        if let Some(slot) = token.passwords.get_mut(which) {
            *slot = Some(record);
        }
    }
    registry_access::save_token(arm, &registry.name, &token)?;
    Ok((registry.location, json!({ "username": token.name, "passwords": shown })))
}

/// How many scope maps somebody made.
pub(crate) fn count_scope_maps(arm: &Arm, registry: &RegistryRecord) -> Result<u64, ArmError> {
    Ok(registry_access::scope_maps(arm, &registry.name)?.len() as u64)
}

pub(crate) fn count_tokens(arm: &Arm, registry: &RegistryRecord) -> Result<u64, ArmError> {
    Ok(registry_access::tokens(arm, &registry.name)?.len() as u64)
}

/// Forgets what belonged to a registry that is deleted.
pub(crate) fn forget(arm: &Arm, registry: &str) -> Result<(), ArmError> {
    registry_access::forget(arm, registry)
}

fn keep(arm: &Arm, registry: &RegistryRecord, map: &ScopeMapRecord) -> Result<(), ArmError> {
    registry_access::save_scope_map(arm, &registry.name, map)?;
    serve_tokens_of(arm, registry, &map.name)
}

fn serve_tokens_of(arm: &Arm, registry: &RegistryRecord, scope_map: &str) -> Result<(), ArmError> {
    let all = registry_access::tokens(arm, &registry.name)?;
    all.iter().filter(|token| token.scope_map.eq_ignore_ascii_case(scope_map)).try_for_each(|token| {
        put(arm, registry, token, actions(arm, registry, scope_map)?.unwrap_or_default())
    })
}

/// Tells the registry what a token may do. Its scope map must be there.
fn serve(arm: &Arm, registry: &RegistryRecord, token: &TokenRecord) -> Result<(), ArmError> {
    let actions = actions(arm, registry, &token.scope_map)?;
    let actions = actions.ok_or_else(|| child_not_found(SCOPE_MAP, registry, &token.scope_map))?;
    put(arm, registry, token, actions)
}

fn put(
    arm: &Arm,
    registry: &RegistryRecord,
    token: &TokenRecord,
    actions: Vec<String>,
) -> Result<(), ArmError> {
    let login = RepositoryToken { name: token.name.clone(), enabled: token.enabled, actions };
    arm.settings().registries.put_token(&registry.name, &login).map_err(ArmError::internal)
}

fn actions(arm: &Arm, registry: &RegistryRecord, scope_map: &str) -> Result<Option<Vec<String>>, ArmError> {
    if let Some(map) = system_map(registry, scope_map) {
        return Ok(Some(map.actions));
    }
    Ok(registry_access::scope_map(arm, &registry.name, scope_map)?.map(|map| map.actions))
}

fn system_map(registry: &RegistryRecord, name: &str) -> Option<ScopeMapRecord> {
    let (name, description, actions) =
        SYSTEM_DEFINED.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))?;
    Some(ScopeMapRecord {
        name: (*name).to_owned(),
        description: Some((*description).to_owned()),
        actions: actions.iter().map(|action| format!("repositories/*/{action}")).collect(),
        created: registry.created,
    })
}

fn check_not_of_the_system(registry: &RegistryRecord, name: &str) -> Result<(), ArmError> {
    if system_map(registry, name).is_none() {
        return Ok(());
    }
    let message =
        format!("The scope map '{name}' is defined by the system and cannot be changed or deleted.");
    Err(ArmError::bad_request("SystemDefinedScopeMap", message))
}

fn known_token(arm: &Arm, registry: &RegistryRecord, name: &str) -> Result<TokenRecord, ArmError> {
    registry_access::token(arm, &registry.name, name)?.ok_or_else(|| child_not_found(TOKEN, registry, name))
}

fn child_not_found(kind: &str, registry: &RegistryRecord, name: &str) -> ArmError {
    let group = registry.id.resource_group().unwrap_or_default();
    ArmError::resource_not_found(kind, &format!("{}/{name}", registry.name), group)
}
