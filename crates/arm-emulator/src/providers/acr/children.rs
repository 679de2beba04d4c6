//! Webhooks and replications of a registry. They are kept like any resource; what is more is here: their own rules, and
//! what a webhook keeps and does not show, and what it sends. Nothing is copied.
//!
//! Source: Azure/azure-rest-api-specs, `Microsoft.ContainerRegistry` (`Webhooks_*`, `Replications_*`);
//! `container-registry-webhook` and `container-registry-geo-replication` of ACR's documentation.

mod webhooks;

use serde_json::{Map, Value, json};

pub(crate) use webhooks::{callback_config, events, ping, told};

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::Fields;
use crate::providers::acr::skus;
use crate::providers::{any, stored};
use crate::records::registries::{self, RegistryRecord};
use crate::records::resources::{self, Hidden, Stored};
use crate::resource_id::ResourceId;

const WEBHOOK: &str = "Microsoft.ContainerRegistry/registries/webhooks";
const REPLICATION: &str = "Microsoft.ContainerRegistry/registries/replications";

fn is(id: &ResourceId, resource_type: &str) -> bool {
    id.resource_type().is_some_and(|own| own.eq_ignore_ascii_case(resource_type))
}

/// Whether the type has a place of its own for secrets, so that those of a template reach it.
pub(crate) fn hides_secrets(id: &ResourceId) -> bool {
    is(id, WEBHOOK)
}

/// Checks and completes what is about to be kept, where it is one of these types. `hidden` is what was kept of it before.
pub(crate) fn admit(
    arm: &Arm,
    id: &ResourceId,
    body: &mut Map<String, Value>,
    hidden: &mut Hidden,
) -> Result<(), ArmError> {
    let (webhook, replication) = (is(id, WEBHOOK), is(id, REPLICATION));
    if !webhook && !replication {
        return Ok(());
    }
    check_name(id)?;
    if !body.contains_key("location") {
        return Err(stored::read::location_required());
    }
    let registry = registry_of(arm, id)?;
    if webhook {
        webhooks::admit(arm, &registry, id, body, hidden)
    } else {
        admit_replication(arm, &registry, body)
    }
}

/// 5 to 50 letters and digits (`azure-docs: resource-name-rules.md`).
fn check_name(id: &ResourceId) -> Result<(), ArmError> {
    let name = id.last_name();
    if (5..=50).contains(&name.len()) && name.chars().all(|one| one.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "InvalidResourceName",
        format!("The name '{name}' is invalid. It has 5 to 50 letters and digits and nothing else."),
    ))
}

fn registry_of(arm: &Arm, id: &ResourceId) -> Result<RegistryRecord, ArmError> {
    let registry = id.parent().ok_or_else(|| any::not_found(id))?;
    let record = registries::find(arm, registry.last_name())?.filter(|record| record.id == registry);
    record.ok_or_else(|| any::not_found(&registry))
}

fn admit_replication(
    arm: &Arm,
    registry: &RegistryRecord,
    body: &mut Map<String, Value>,
) -> Result<(), ArmError> {
    check_replications(&registry.sku)?;
    let location = body.get("location").and_then(Value::as_str).unwrap_or_default();
    if location == registry.location {
        return Err(ArmError::bad_request(
            "InvalidReplicationLocation",
            format!(
                "The registry '{}' is in '{location}' itself: a replication is in another location.",
                registry.name
            ),
        )
        .with_target("location"));
    }
    let given = body.get("properties").cloned().unwrap_or_else(|| json!({}));
    let mut fields = Fields::of(&given, "properties")?;
    fields.value("status");
    let endpoint = fields.boolean("regionEndpointEnabled")?.unwrap_or(true);
    let zones = fields.word("zoneRedundancy", &["Disabled", "Enabled"])?.unwrap_or("Disabled");
    fields.finish()?;
    let properties = json!({
        "regionEndpointEnabled": endpoint,
        "zoneRedundancy": zones,
        "status": { "displayStatus": "Ready", "timestamp": arm.now().to_string() },
    });
    body.insert("properties".to_owned(), properties);
    Ok(())
}

fn check_replications(sku: &str) -> Result<(), ArmError> {
    if sku == "Premium" {
        return Ok(());
    }
    Err(skus::unsupported(format!("The resource type 'replications' is not supported for the SKU {sku}.")))
}

fn of_type(arm: &Arm, registry: &RegistryRecord, resource_type: &str) -> Result<Vec<Stored>, ArmError> {
    let mut all = resources::list(arm)?;
    all.retain(|one| {
        is(&one.id, resource_type) && one.id.parent().is_some_and(|parent| parent == registry.id)
    });
    Ok(all)
}

/// How many webhooks there are.
pub(crate) fn count_webhooks(arm: &Arm, registry: &RegistryRecord) -> Result<u64, ArmError> {
    Ok(of_type(arm, registry, WEBHOOK)?.len() as u64)
}

/// Refuses a sku that has no room for what is there.
pub(crate) fn check_sku(arm: &Arm, registry: &RegistryRecord, sku: &str) -> Result<(), ArmError> {
    if !of_type(arm, registry, REPLICATION)?.is_empty() {
        check_replications(sku)?;
    }
    webhooks::check_count(sku, count_webhooks(arm, registry)?)
}
