//! What each sku of a registry has (`container-registry-skus` of ACR's documentation).
//!
//! Which codes the service refuses the rest with is not published; the messages are those that are seen, where any is.

use acr_registry::PublicAccess;
use serde_json::Value;

use crate::error::ArmError;
use crate::records::registries::RegistryPlace;

const GIB: u64 = 1 << 30;

/// What a registry may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    pub(crate) webhooks: u64,
    /// Of scope maps and of tokens.
    pub(crate) tokens: u64,
}

pub(crate) fn limits(sku: &str) -> Limits {
    match sku {
        "Premium" => Limits { bytes: 500 * GIB, webhooks: 500, tokens: 50_000 },
        "Standard" => Limits { bytes: 100 * GIB, webhooks: 10, tokens: 500 },
        _ => Limits { bytes: 10 * GIB, webhooks: 2, tokens: 100 },
    }
}

/// A property that Premium alone has.
struct Feature {
    property: &'static str,
    /// The value that asks for nothing, so that every sku takes it.
    idle: Idle,
    message: &'static str,
}

impl Feature {
    fn refused(&self, sku: &str) -> ArmError {
        let message = self.message.replace("{}", sku);
        unsupported(message).with_target(format!("properties.{}", self.property))
    }
}

enum Idle {
    Word(&'static str),
    False,
    /// An object whose member of this name is this word, or not there.
    Member(&'static str, &'static str),
}

const CLOSED: Feature = Feature {
    property: "publicNetworkAccess",
    idle: Idle::Word("Enabled"),
    message: "Disabling public network access is not supported for the SKU {}. For more information, please visit \
              https://aka.ms/acr/private-link.",
};

const PREMIUM: &[Feature] = &[
    CLOSED,
    Feature {
        property: "dataEndpointEnabled",
        idle: Idle::False,
        message: "The data endpoint rule is not supported for the SKU {}.",
    },
    Feature {
        property: "networkRuleSet",
        idle: Idle::Member("defaultAction", "Allow"),
        message: "The property 'networkRuleSet' is not supported for the SKU {}.",
    },
    Feature {
        property: "encryption",
        idle: Idle::Member("status", "disabled"),
        message: "The property 'encryption' is not supported for the SKU {}.",
    },
];

/// Refuses properties of a body that its sku does not have.
pub(crate) fn check_properties(sku: &str, body: &Value) -> Result<(), ArmError> {
    if sku == "Premium" {
        return Ok(());
    }
    let Some(properties) = member(body, "properties") else { return Ok(()) };
    for feature in PREMIUM {
        let wanted = member(properties, feature.property).filter(|value| !feature.idle.is(value));
        if wanted.is_some() {
            return Err(feature.refused(sku));
        }
    }
    Ok(())
}

/// Refuses a sku for a registry that it cannot keep from the public.
pub(crate) fn check_place(sku: &str, place: &RegistryPlace) -> Result<(), ArmError> {
    if sku == "Premium" || place.public_access == PublicAccess::Enabled {
        return Ok(());
    }
    Err(CLOSED.refused(sku))
}

/// The refusal of what a sku does not have.
pub(crate) fn unsupported(message: impl Into<String>) -> ArmError {
    ArmError::bad_request("UnsupportedSkuFeature", message)
}

impl Idle {
    /// Whether the value asks for nothing. One of a wrong type is for the reader to refuse.
    fn is(&self, value: &Value) -> bool {
        let word =
            |value: &Value, idle: &str| value.as_str().is_none_or(|text| text.eq_ignore_ascii_case(idle));
        match self {
            Self::Word(idle) => word(value, idle),
            Self::False => *value != Value::Bool(true),
            Self::Member(name, idle) => member(value, name).is_none_or(|value| word(value, idle)),
        }
    }
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let (_, value) = value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    (!value.is_null()).then_some(value)
}
