//! The policies of a registry. Those that can be set: whether images may be imported from it, whether tokens for Resource Manager
//! log in, how long untagged manifests stay. The others are there and stay at their defaults.
//!
//! Source: `azure-mgmt-containerregistry` (PyPI), models `Policies` and what it holds.

use serde_json::{Value, json};

use super::read::FIXED;
use super::skus;
use crate::error::ArmError;
use crate::fields::Fields;
use crate::records::registries::RegistryPolicies;

/// Days that soft deletion would keep things, if it were on.
const DAYS: i64 = 7;
/// `azure-docs: container-registry-retention-policy.md`.
const MOST_DAYS: i64 = 365;

const EXPORT: &str = "exportPolicy";
const ARM_TOKENS: &str = "azureADAuthenticationAsArmPolicy";
const RETENTION: &str = "retentionPolicy";

/// A policy, its usual status first, and the members beside it that are taken.
struct Policy {
    name: &'static str,
    status: &'static [&'static str],
    days: Option<&'static str>,
    kind: Option<&'static str>,
}

const fn policy(name: &'static str, status: &'static [&'static str]) -> Policy {
    Policy { name, status, days: None, kind: None }
}

const POLICIES: &[Policy] = &[
    policy("quarantinePolicy", &["disabled"]),
    Policy { kind: Some("Notary"), ..policy("trustPolicy", &["disabled"]) },
    Policy { days: Some("days"), ..policy(RETENTION, &["disabled", "enabled"]) },
    policy(EXPORT, &["enabled", "disabled"]),
    policy(ARM_TOKENS, &["enabled", "disabled"]),
    Policy { days: Some("retentionDays"), ..policy("softDeletePolicy", &["disabled"]) },
];

/// What a body says of the policies that can be set.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    exports: Option<bool>,
    arm_tokens: Option<bool>,
    retains: Option<bool>,
    retention_days: Option<i64>,
}

impl Wanted {
    /// The policies with what this changes of them.
    pub(crate) fn applied_to(self, present: RegistryPolicies) -> RegistryPolicies {
        RegistryPolicies {
            exports: self.exports.unwrap_or(present.exports),
            arm_tokens: self.arm_tokens.unwrap_or(present.arm_tokens),
            retains: self.retains.unwrap_or(present.retains),
            retention_days: self.retention_days.unwrap_or(present.retention_days),
        }
    }
}

/// Which of them are Premium's (`container-registry-skus` of ACR's documentation; the words of the refusal are not published).
pub(super) fn check_sku(sku: &str, policies: RegistryPolicies) -> Result<(), ArmError> {
    let name = match policies {
        RegistryPolicies { retains: true, .. } => RETENTION,
        RegistryPolicies { exports: false, .. } => EXPORT,
        _ => return Ok(()),
    };
    if sku == "Premium" {
        return Ok(());
    }
    let message = format!("The property '{name}' is not supported for the SKU {sku}.");
    Err(skus::unsupported(message).with_target(format!("properties.policies.{name}")))
}

/// As an answer shows them; `since` is when the registry was made.
pub(super) fn shown(policies: RegistryPolicies, since: &str) -> Value {
    let one = |policy: &Policy| {
        let other = match policy.name {
            EXPORT => !policies.exports,
            ARM_TOKENS => !policies.arm_tokens,
            RETENTION => policies.retains,
            _ => false,
        };
        let mut shown = json!({ "status": policy.status[usize::from(other)] });
        if let Some(days) = policy.days {
            shown[days] = json!(if policy.name == RETENTION { policies.retention_days } else { DAYS });
            shown["lastUpdatedTime"] = json!(since);
        }
        if let Some(kind) = policy.kind {
            shown["type"] = json!(kind);
        }
        (policy.name, shown)
    };
    POLICIES.iter().map(one).collect()
}

/// Takes what can be set and what says what holds anyway, and refuses the rest.
pub(super) fn read(mut fields: Fields<'_>) -> Result<Wanted, ArmError> {
    let mut wanted = Wanted::default();
    for policy in POLICIES {
        let Some(mut given) = fields.object(policy.name)? else { continue };
        let enabled = given.word("status", policy.status)?.map(|status| status == "enabled");
        given.value("lastUpdatedTime");
        let days = policy.days.map(|name| given.integer(name)).transpose()?.flatten();
        match policy.name {
            EXPORT => wanted.exports = enabled,
            ARM_TOKENS => wanted.arm_tokens = enabled,
            RETENTION => {
                wanted.retains = enabled;
                wanted.retention_days = days;
            }
            _ => {}
        }
        let fits = match policy.name {
            RETENTION => days.is_none_or(|days| (0..=MOST_DAYS).contains(&days)),
            _ => days.is_none_or(|days| days == DAYS),
        };
        if let Some(name) = policy.days.filter(|_| !fits) {
            given.unsupported(name, FIXED)?;
        }
        if policy.kind.is_some() {
            given.word("type", &["Notary"])?;
        }
        given.finish()?;
    }
    fields.finish()?;
    Ok(wanted)
}
