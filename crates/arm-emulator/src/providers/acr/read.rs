//! Request bodies of registries, read strictly.

use acr_registry::PublicAccess;
use serde_json::Value;

use crate::error::ArmError;
use crate::fields::{Fields, Tags};
use crate::providers::acr::{policies, skus};
use crate::providers::{Kind, checked_location};
use crate::records::registries::{RegistryPlace, RegistryPolicies};
use crate::resource_id::ResourceId;

const SKUS: &[&str] = &["Basic", "Standard", "Premium"];
pub(super) const FIXED: &str = "leave it at its default";

/// A whole registry as a PUT wants it.
#[derive(Debug)]
pub(crate) struct WantedRegistry {
    pub(crate) location: String,
    pub(crate) tags: Tags,
    pub(crate) sku: String,
    pub(crate) admin_user_enabled: bool,
    pub(crate) anonymous_pull: bool,
    pub(crate) place: RegistryPlace,
    pub(crate) policies: RegistryPolicies,
}

/// What a PATCH changes.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) tags: Option<Tags>,
    pub(crate) sku: Option<String>,
    pub(crate) properties: Properties,
}

/// What a body says of the properties that can be set.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    pub(crate) admin_user_enabled: Option<bool>,
    pub(crate) anonymous_pull: Option<bool>,
    pub(crate) policies: policies::Wanted,
    zone_redundancy: Option<&'static str>,
    network_rule_bypass: Option<&'static str>,
    public_access: Option<PublicAccess>,
}

impl Properties {
    /// The place with what this changes of it.
    pub(crate) fn placed(&self, place: RegistryPlace) -> RegistryPlace {
        let owned = |word: Option<&str>| word.map(str::to_owned);
        RegistryPlace {
            zone_redundancy: owned(self.zone_redundancy).unwrap_or(place.zone_redundancy),
            network_rule_bypass: owned(self.network_rule_bypass).unwrap_or(place.network_rule_bypass),
            public_access: self.public_access.unwrap_or(place.public_access),
        }
    }
}

pub(crate) fn registry(id: &ResourceId, body: &Value) -> Result<WantedRegistry, ArmError> {
    check_name(&id.name().unwrap_or_default())?;
    let changes = changes(body, "Basic")?;
    let mut fields = Fields::of(body, "")?;
    let location = checked_location(Kind::Registry, fields.string("location")?)?.to_owned();
    fields.required("sku")?;
    let sku = changes.sku.unwrap_or_else(|| "Basic".to_owned());
    let properties = changes.properties;
    let anonymous_pull = properties.anonymous_pull.unwrap_or_default();
    let policies = properties.policies.applied_to(RegistryPolicies::default());
    let place = properties.placed(RegistryPlace::default());
    check_sku(&sku, anonymous_pull, policies, &place)?;
    Ok(WantedRegistry {
        location,
        tags: changes.tags.unwrap_or_default(),
        sku,
        admin_user_enabled: properties.admin_user_enabled.unwrap_or_default(),
        anonymous_pull,
        place,
        policies,
    })
}

/// What a body names; `present` is the sku if it names none.
pub(crate) fn changes(body: &Value, present: &str) -> Result<Changes, ArmError> {
    let mut fields = Fields::of(body, "")?;
    for echoed in ["id", "name", "type", "apiVersion", "location", "systemData"] {
        fields.value(echoed);
    }
    let tags = fields.tags()?;
    let mut sku = None;
    if let Some(mut inner) = fields.object("sku")? {
        inner.required("name")?;
        sku = inner.word("name", SKUS)?.map(str::to_owned);
        inner.word("tier", SKUS)?;
        inner.finish()?;
    }
    if let Some(mut identity) = fields.object("identity")? {
        identity.word("type", &["None"])?;
        identity.finish()?;
    }
    skus::check_properties(sku.as_deref().unwrap_or(present), body)?;
    let properties = fields.object("properties")?.map(read_properties).transpose()?.unwrap_or_default();
    fields.finish()?;
    Ok(Changes { tags, sku, properties })
}

/// Refuses what is set of a registry and its sku does not have. Everybody pulls without a login from Standard and Premium
/// registries alone (`container-registry-anonymous-pull` of ACR's documentation; the error's words are not documented).
pub(crate) fn check_sku(
    sku: &str,
    anonymous_pull: bool,
    policies: RegistryPolicies,
    place: &RegistryPlace,
) -> Result<(), ArmError> {
    if anonymous_pull && sku == "Basic" {
        let message = "The property 'anonymousPullEnabled' is not supported for the SKU Basic; it is for Standard and Premium.";
        return Err(skus::unsupported(message).with_target("properties.anonymousPullEnabled"));
    }
    policies::check_sku(sku, policies)?;
    skus::check_place(sku, place)
}

/// Properties that az sends with their defaults, and that would have to act here, are taken with these alone.
fn read_properties(mut fields: Fields<'_>) -> Result<Properties, ArmError> {
    for read_only in [
        "loginServer",
        "creationDate",
        "provisioningState",
        "status",
        "dataEndpointHostNames",
        "privateEndpointConnections",
    ] {
        fields.value(read_only);
    }
    let admin_user_enabled = fields.boolean("adminUserEnabled")?;
    let anonymous_pull = fields.boolean("anonymousPullEnabled")?;
    let public_access =
        fields.word("publicNetworkAccess", &["Enabled", "Disabled"])?.map(|word| match word {
            "Disabled" => PublicAccess::Disabled,
            _ => PublicAccess::Enabled,
        });
    let network_rule_bypass = fields.word("networkRuleBypassOptions", &["AzureServices", "None"])?;
    let zone_redundancy = fields.word("zoneRedundancy", &["Disabled", "Enabled"])?;
    fields.word("autoGeneratedDomainNameLabelScope", &["Unsecure"])?;
    fields.word("roleAssignmentMode", &["LegacyRegistryPermissions"])?;
    for switch in ["dataEndpointEnabled", "networkRuleBypassAllowedForTasks"] {
        if fields.boolean(switch)? == Some(true) {
            fields.unsupported(switch, FIXED)?;
        }
    }
    let policies = fields.object("policies")?.map(policies::read).transpose()?.unwrap_or_default();
    if let Some(mut rules) = fields.object("networkRuleSet")? {
        rules.word("defaultAction", &["Allow"])?;
        for list in ["ipRules", "virtualNetworkRules"] {
            rules.unsupported(list, FIXED)?;
        }
        rules.finish()?;
    }
    if let Some(mut encryption) = fields.object("encryption")? {
        encryption.word("status", &["disabled"])?;
        encryption.finish()?;
    }
    fields.finish()?;
    Ok(Properties {
        admin_user_enabled,
        anonymous_pull,
        policies,
        zone_redundancy,
        network_rule_bypass,
        public_access,
    })
}

/// 5 to 50 letters and digits.
pub(crate) fn check_name(name: &str) -> Result<(), ArmError> {
    if (5..=50).contains(&name.len()) && name.chars().all(|character| character.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "InvalidResourceName",
        format!(
            "The registry name '{name}' is invalid. A registry name has 5 to 50 letters and digits and nothing else."
        ),
    ))
}

/// The body of `regenerateCredential`: 0 for `password`, 1 for `password2`.
pub(crate) fn password_name(body: &Value) -> Result<usize, ArmError> {
    let mut fields = Fields::of(body, "")?;
    fields.required("name")?;
    let name = fields.word("name", &["password", "password2"])?;
    fields.finish()?;
    Ok(usize::from(name == Some("password2")))
}

/// The body of `checkNameAvailability`.
pub(crate) fn wanted_name(body: &Value) -> Result<&str, ArmError> {
    let mut fields = Fields::of(body, "")?;
    let name = fields.required_string("name")?;
    fields.word("type", &["Microsoft.ContainerRegistry/registries"])?;
    fields.word("autoGeneratedDomainNameLabelScope", &["Unsecure"])?;
    fields.value("resourceGroupName");
    fields.finish()?;
    Ok(name)
}
