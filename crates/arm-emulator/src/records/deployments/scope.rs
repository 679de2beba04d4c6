//! Where a deployment is: what it deploys to and where its record lies.

use serde::{Deserialize, Serialize};

use crate::app::Arm;
use crate::records::groups;
use crate::resource_id::ResourceId;

const MANAGEMENT_GROUPS: &str = "/providers/Microsoft.Management/managementGroups/";

/// The scope of a deployment. Stored as one text: a resource group's name holds no slash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) enum Scope {
    Group(String),
    Subscription,
    ManagementGroup(String),
    Tenant,
}

impl Scope {
    /// The scope of a deployment with this id.
    pub(crate) fn of(id: &ResourceId) -> Self {
        let around = id.scope();
        match (id.resource_group(), id.subscription().is_empty(), around.is_resource()) {
            (Some(group), ..) => Self::Group(group.to_owned()),
            (None, false, _) => Self::Subscription,
            (None, true, true) => Self::ManagementGroup(around.last_name().to_owned()),
            (None, true, false) => Self::Tenant,
        }
    }

    /// What ids of its resources begin with; empty for the tenant.
    pub(crate) fn id(&self, arm: &Arm) -> String {
        match self {
            Self::Group(name) => groups::id(arm, name),
            Self::Subscription => format!("/subscriptions/{}", arm.subscription()),
            Self::ManagementGroup(name) => format!("{MANAGEMENT_GROUPS}{name}"),
            Self::Tenant => String::new(),
        }
    }

    pub(crate) fn group(&self) -> Option<&str> {
        match self {
            Self::Group(name) => Some(name),
            _ => None,
        }
    }

    /// As an error names it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Group(_) => "resource group",
            Self::Subscription => "subscription",
            Self::ManagementGroup(_) => "management group",
            Self::Tenant => "tenant",
        }
    }

    /// The part of table names and keys.
    pub(crate) fn key(&self) -> String {
        String::from(self.clone()).to_lowercase()
    }
}

impl From<String> for Scope {
    fn from(text: String) -> Self {
        match text.strip_prefix("/managementGroups/") {
            Some(name) => Self::ManagementGroup(name.to_owned()),
            None if text == "/subscription" => Self::Subscription,
            None if text == "/" => Self::Tenant,
            None => Self::Group(text),
        }
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Group(name) => name,
            Scope::Subscription => "/subscription".to_owned(),
            Scope::ManagementGroup(name) => format!("/managementGroups/{name}"),
            Scope::Tenant => "/".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn a_scope_is_read_as_it_is_written_and_from_an_id() {
        let tail = "providers/Microsoft.Resources/deployments/d";
        for (id, scope) in [
            ("/subscriptions/s/resourceGroups/g", Scope::Group("g".into())),
            ("/subscriptions/s", Scope::Subscription),
            ("/providers/Microsoft.Management/managementGroups/m", Scope::ManagementGroup("m".into())),
            ("", Scope::Tenant),
        ] {
            assert_eq!(Scope::of(&format!("{id}/{tail}").parse().unwrap()), scope);
            let text = String::from(scope.clone());
            assert_eq!(Scope::from(text), scope);
        }
    }
}
