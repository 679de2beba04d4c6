//! What a role allows: built-in roles, and those that somebody defined, which are kept among the other resources.

use arm_template::BuiltInRole;
use serde_json::Value;
use uuid::Uuid;

use crate::app::Arm;
use crate::error::ArmError;
use crate::records::resources::{self, Stored};

/// What lets pull an image (`azure-docs: role-based-access-control/permissions/containers.md`).
pub(super) const PULL: &str = "Microsoft.ContainerRegistry/registries/pull/read";

/// `namespace/type` of definitions.
const TYPE: &str = "Microsoft.Authorization/roleDefinitions";

/// A role that somebody defined.
#[derive(Clone, Debug)]
pub(crate) struct Custom {
    pub(crate) id: Uuid,
    pub(crate) record: Stored,
}

impl Custom {
    pub(crate) fn name(&self) -> &str {
        self.property("roleName").as_str().unwrap_or_default()
    }

    /// Where it may be assigned.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        strings(self.property("assignableScopes"))
    }

    fn property(&self, name: &str) -> &Value {
        self.record.body.get("properties").and_then(|properties| properties.get(name)).unwrap_or(&Value::Null)
    }

    fn grants(&self, action: &str) -> bool {
        let mut permissions = self.property("permissions").as_array().into_iter().flatten();
        permissions.any(|one| {
            let named = |name: &str| strings(&one[name]).any(|pattern| matches(pattern, action));
            named("actions") && !named("notActions")
        })
    }
}

/// All roles that somebody defined.
pub(crate) fn custom(arm: &Arm) -> Result<Vec<Custom>, ArmError> {
    let stored = resources::list(arm)?.into_iter();
    let is_one =
        |record: &Stored| record.id.resource_type().is_some_and(|own| own.eq_ignore_ascii_case(TYPE));
    let named = stored.filter(is_one).filter_map(|record| {
        let id = record.id.last_name().parse().ok()?;
        Some(Custom { id, record })
    });
    Ok(named.collect())
}

/// Whether a role allows an action.
pub(super) fn grants(arm: &Arm, role: Uuid, action: &str) -> Result<bool, ArmError> {
    if let Some(role) = BuiltInRole::by_id(role) {
        return Ok(grants_built_in(role, action));
    }
    Ok(custom(arm)?.iter().any(|one| one.id == role && one.grants(action)))
}

fn grants_built_in(role: &BuiltInRole, action: &str) -> bool {
    let named = |patterns: &[&str]| patterns.iter().any(|pattern| matches(pattern, action));
    role.permissions.iter().any(|one| named(&one.actions) && !named(&one.not_actions))
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// A `*` stands for any text, slashes included; letters compare without regard to case.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_lowercase(), action.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = action.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, fits) in [
            ("*", true),
            ("*/read", true),
            (PULL, true),
            ("microsoft.containerregistry/REGISTRIES/pull/read", true),
            ("Microsoft.ContainerRegistry/*/read", true),
            ("Microsoft.*/registries/*/read", true),
            ("*/write", false),
            ("Microsoft.ContainerRegistry/registries/pull", false),
            ("Microsoft.ContainerRegistry/registries/pull/read/more", false),
            ("Microsoft.ContainerInstance/*", false),
            ("", false),
        ] {
            assert_eq!(matches(pattern, PULL), fits, "{pattern}");
        }
    }

    #[test]
    fn the_roles_that_let_pull() {
        let roles = BuiltInRole::all().iter();
        let names: Vec<_> = roles.filter(|role| grants_built_in(role, PULL)).map(|role| role.name).collect();
        for name in ["Owner", "Contributor", "Reader", "AcrPull", "AcrPush"] {
            assert!(names.contains(&name), "{name}");
        }
        for name in ["AcrDelete", "AcrImageSigner", "Managed Identity Operator", "Network Contributor"] {
            assert!(!names.contains(&name), "{name}");
        }
    }
}
