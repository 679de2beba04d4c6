//! `Microsoft.ContainerRegistry`: ARM's side of registries. What is pushed and pulled is `acr_registry`'s business.

pub(crate) mod access;
pub(crate) mod children;
pub(crate) mod import;
mod policies;
pub(crate) mod read;
mod skus;

use acr_registry::CreateRegistry;
use container_groups::{RegistryCredential, UserIdentity};
use serde_json::{Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::Tags;
use crate::providers::{Kind, Provisioning, Put, check_not_moved};
use crate::records::groups;
use crate::records::registries::{self, RegistryRecord};
use crate::records::{identities, roles};
use crate::resource_id::ResourceId;

pub(crate) async fn put(arm: &Arm, id: &ResourceId, body: &Value) -> Result<Put, ArmError> {
    let wanted = read::registry(id, body)?;
    let name = id.name().unwrap_or_default();
    let existing = registries::find(arm, &name)?;
    let record = match &existing {
        Some(existing) if existing.id != *id => return Err(already_in_use(&name)),
        Some(existing) => {
            check_not_moved(id, &existing.location, &wanted.location)?;
            children::check_sku(arm, existing, &wanted.sku)?;
            RegistryRecord {
                tags: wanted.tags,
                sku: wanted.sku,
                admin_user_enabled: wanted.admin_user_enabled,
                anonymous_pull: wanted.anonymous_pull,
                place: wanted.place,
                policies: wanted.policies,
                ..existing.clone()
            }
        }
        None => RegistryRecord {
            id: id.clone(),
            name: name.clone(),
            location: wanted.location,
            tags: wanted.tags,
            sku: wanted.sku,
            admin_user_enabled: wanted.admin_user_enabled,
            anonymous_pull: wanted.anonymous_pull,
            place: wanted.place,
            policies: wanted.policies,
            created: arm.now(),
        },
    };
    apply(arm, &record).await?;
    Ok(Put { created: existing.is_none(), body: view(arm, &record)? })
}

/// Brings the registry into the state of the record, then keeps the record: a crash in between leaves a registry that
/// the next PUT finds again by its name.
async fn apply(arm: &Arm, record: &RegistryRecord) -> Result<(), ArmError> {
    let wanted = CreateRegistry {
        admin_enabled: record.admin_user_enabled,
        anonymous_pull: record.anonymous_pull,
        arm_tokens: record.policies.arm_tokens,
        public_access: record.place.public_access,
        port: None,
    };
    arm.settings().registries.create(&record.name, wanted).await.map_err(ArmError::internal)?;
    registries::save(arm, record)
}

/// Changes what a PATCH names.
pub(crate) async fn patch(arm: &Arm, id: &ResourceId, body: &Value) -> Result<Value, ArmError> {
    let mut record = existing(arm, id)?;
    let changes = read::changes(body, &record.sku)?;
    record.tags = changes.tags.unwrap_or(record.tags);
    record.sku = changes.sku.unwrap_or(record.sku);
    let wanted = changes.properties;
    record.place = wanted.placed(record.place);
    record.policies = wanted.policies.applied_to(record.policies);
    record.admin_user_enabled = wanted.admin_user_enabled.unwrap_or(record.admin_user_enabled);
    record.anonymous_pull = wanted.anonymous_pull.unwrap_or(record.anonymous_pull);
    read::check_sku(&record.sku, record.anonymous_pull, record.policies, &record.place)?;
    children::check_sku(arm, &record, &record.sku)?;
    apply(arm, &record).await?;
    view(arm, &record)
}

pub(crate) fn retag(arm: &Arm, id: &ResourceId, tags: Tags) -> Result<Value, ArmError> {
    let record = RegistryRecord { tags, ..existing(arm, id)? };
    registries::save(arm, &record)?;
    view(arm, &record)
}

pub(crate) fn get(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    find(arm, id)?.map(|record| view(arm, &record)).transpose()
}

pub(crate) fn list(arm: &Arm, group: Option<&str>) -> Result<Vec<Value>, ArmError> {
    let inside = |record: &RegistryRecord| {
        let own = record.id.resource_group().unwrap_or_default();
        group.is_none_or(|group| own.eq_ignore_ascii_case(group))
    };
    registries::list(arm)?.iter().filter(|record| inside(record)).map(|record| view(arm, record)).collect()
}

pub(crate) async fn delete(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    let Some(record) = find(arm, id)? else { return Ok(None) };
    let shown = view(arm, &record)?;
    arm.settings().registries.delete(&record.name).await.map_err(ArmError::internal)?;
    access::forget(arm, &record.name)?;
    registries::remove(arm, &record.name)?;
    Ok(Some(shown))
}

pub(crate) fn provisioning(arm: &Arm, id: &ResourceId) -> Result<Option<Provisioning>, ArmError> {
    Ok(find(arm, id)?.map(|_| Provisioning::Succeeded))
}

/// The login of an identity that has a role at the registry, or around it. `None`: the registry is not ours, the identity
/// is gone, or it has no role.
pub(crate) fn pull_as(
    arm: &Arm,
    server: &str,
    identity: &UserIdentity,
) -> Result<Option<RegistryCredential>, ArmError> {
    let registries = &arm.settings().registries;
    let is_it = |record: &RegistryRecord| {
        registries.get(&record.name).is_some_and(|info| info.login_server.eq_ignore_ascii_case(server))
    };
    let Some(record) = registries::list(arm)?.into_iter().find(is_it) else { return Ok(None) };
    let principal = identity.principal.principal_id;
    let id = identity.resource_id.parse().map_err(ArmError::internal)?;
    let alive = identities::find(arm, &id)?.is_some_and(|one| one.principal_id == principal);
    if !alive || !roles::may_pull(arm, principal, &record.id.to_string())? {
        tracing::warn!(%principal, registry = %record.name, "an identity without a role tries to pull");
        return Ok(None);
    }
    let login = registries.pull_login(server, principal, arm.settings().tenant_id);
    Ok(login.map(|(username, password)| RegistryCredential { server: server.to_owned(), username, password }))
}

/// Name and both passwords. The one answer that carries secrets, because the protocol demands it.
pub(crate) fn credentials(arm: &Arm, id: &ResourceId) -> Result<Value, ArmError> {
    let record = with_admin_user(arm, id)?;
    let (username, passwords) =
        arm.settings().registries.credentials(&record.name).map_err(ArmError::internal)?;
    Ok(show_credentials(&username, &passwords))
}

/// Replaces one of the passwords.
pub(crate) fn regenerate(arm: &Arm, id: &ResourceId, body: &Value) -> Result<Value, ArmError> {
    let which = read::password_name(body)?;
    let record = with_admin_user(arm, id)?;
    arm.settings().registries.regenerate(&record.name, which).map_err(ArmError::internal)?;
    credentials(arm, id)
}

fn show_credentials(username: &str, passwords: &[secrecy::SecretString; 2]) -> Value {
    use secrecy::ExposeSecret;
    let [first, second] = passwords;
    json!({
        "username": username,
        "passwords": [
            { "name": "password", "value": first.expose_secret() },
            { "name": "password2", "value": second.expose_secret() },
        ],
    })
}

/// What is used of the registry's limits, which the sku sets (`container-registry-skus` of ACR's documentation).
pub(crate) fn usages(arm: &Arm, id: &ResourceId) -> Result<Value, ArmError> {
    let record = existing(arm, id)?;
    let size = arm.settings().registries.size(&record.name).map_err(ArmError::internal)?;
    let limits = skus::limits(&record.sku);
    let usage = |name: &str, limit: u64, current: u64, unit: &str| json!({ "name": name, "limit": limit, "currentValue": current, "unit": unit });
    Ok(json!({ "value": [
        usage("Size", limits.bytes, size, "Bytes"),
        usage("Webhooks", limits.webhooks, children::count_webhooks(arm, &record)?, "Count"),
        usage("ScopeMaps", limits.tokens, access::count_scope_maps(arm, &record)?, "Count"),
        usage("Tokens", limits.tokens, access::count_tokens(arm, &record)?, "Count"),
    ]}))
}

/// Whether a name may be taken, in the shape of `checkNameAvailability`.
pub(crate) fn name_availability(arm: &Arm, body: &Value) -> Result<Value, ArmError> {
    let name = read::wanted_name(body)?;
    if let Err(error) = read::check_name(name) {
        return Ok(json!({ "nameAvailable": false, "reason": "Invalid", "message": error.body.message }));
    }
    if registries::find(arm, name)?.is_some() {
        let message = format!("The registry {name} is already in use.");
        return Ok(json!({ "nameAvailable": false, "reason": "AlreadyExists", "message": message }));
    }
    Ok(json!({ "nameAvailable": true }))
}

fn find(arm: &Arm, id: &ResourceId) -> Result<Option<RegistryRecord>, ArmError> {
    let record = registries::find(arm, &id.name().unwrap_or_default())?;
    Ok(record.filter(|record| record.id == *id))
}

fn existing(arm: &Arm, id: &ResourceId) -> Result<RegistryRecord, ArmError> {
    let (name, group) = (id.name().unwrap_or_default(), id.resource_group().unwrap_or_default());
    groups::get(arm, group)?;
    find(arm, id)?.ok_or_else(|| ArmError::resource_not_found(Kind::Registry.full(), &name, group))
}

fn with_admin_user(arm: &Arm, id: &ResourceId) -> Result<RegistryRecord, ArmError> {
    let record = existing(arm, id)?;
    if record.admin_user_enabled {
        return Ok(record);
    }
    Err(ArmError::bad_request(
        "UnAuthorizedForCredentialOperations",
        format!(
            "Cannot perform credential operations for {} as admin user is disabled. Kindly enable the admin user as \
             per docs: https://learn.microsoft.com/azure/container-registry/container-registry-authentication",
            record.id
        ),
    ))
}

fn already_in_use(name: &str) -> ArmError {
    ArmError::conflict(
        "AlreadyInUse",
        format!(
            "The registry DNS name {name} is already in use. You can check if the name is already claimed using following API: https://learn.microsoft.com/rest/api/containerregistry/registries/check-name-availability"
        ),
    )
}

fn view(arm: &Arm, record: &RegistryRecord) -> Result<Value, ArmError> {
    let info = arm.settings().registries.get(&record.name).ok_or_else(|| {
        ArmError::internal(format!("the registry `{}` is recorded and does not run", record.name))
    })?;
    Ok(json!({
        "id": record.id,
        "name": record.name,
        "type": Kind::Registry.full(),
        "location": record.location,
        "tags": record.tags,
        "sku": { "name": record.sku, "tier": record.sku },
        "properties": {
            "loginServer": info.login_server,
            "creationDate": record.created.to_string(),
            "provisioningState": "Succeeded",
            "adminUserEnabled": record.admin_user_enabled,
            "dataEndpointEnabled": false,
            "dataEndpointHostNames": [],
            "privateEndpointConnections": [],
            "publicNetworkAccess": record.place.public_access.as_str(),
            "networkRuleBypassOptions": record.place.network_rule_bypass,
            "zoneRedundancy": record.place.zone_redundancy,
            "policies": policies::shown(record.policies, &record.created.to_string()),
            "anonymousPullEnabled": record.anonymous_pull,
        },
    }))
}
