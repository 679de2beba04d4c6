//! The policies of a registry: they are there and stay at their defaults.
//!
//! Source: `azure-mgmt-containerregistry` (PyPI), models `Policies` and what it holds.

use serde_json::{Value, json};

use super::read::FIXED;
use crate::error::ArmError;
use crate::fields::Fields;

/// Days that a policy which is off would keep things.
const DAYS: i64 = 7;

/// A policy, its only status, and the members beside it that are taken.
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
    Policy { days: Some("days"), ..policy("retentionPolicy", &["disabled"]) },
    policy("exportPolicy", &["enabled"]),
    policy("azureADAuthenticationAsArmPolicy", &["enabled"]),
    Policy { days: Some("retentionDays"), ..policy("softDeletePolicy", &["disabled"]) },
];

/// As an answer shows them; `since` is when the registry was made.
pub(super) fn shown(since: &str) -> Value {
    POLICIES
        .iter()
        .map(|policy| {
            let mut shown = json!({ "status": policy.status[0] });
            if let Some(days) = policy.days {
                shown[days] = json!(DAYS);
                shown["lastUpdatedTime"] = json!(since);
            }
            if let Some(kind) = policy.kind {
                shown["type"] = json!(kind);
            }
            (policy.name, shown)
        })
        .collect()
}

/// Takes policies that say what holds anyway, and refuses others.
pub(super) fn check(mut fields: Fields<'_>) -> Result<(), ArmError> {
    for policy in POLICIES {
        let Some(mut given) = fields.object(policy.name)? else { continue };
        given.word("status", policy.status)?;
        given.value("lastUpdatedTime");
        if let Some(days) = policy.days
            && given.integer(days)?.is_some_and(|number| number != DAYS)
        {
            given.unsupported(days, FIXED)?;
        }
        if policy.kind.is_some() {
            given.word("type", &["Notary"])?;
        }
        given.finish()?;
    }
    fields.finish()
}
