//! Where a template is deployed to: a resource group, a subscription, a management group or the tenant.

use crate::value::same_name;
use serde_json::{Map, Value};

const MANAGEMENT_GROUPS: &str = "Microsoft.Management/managementGroups/";

/// What kind of scope a deployment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    #[default]
    ResourceGroup,
    Subscription,
    ManagementGroup,
    Tenant,
}

impl Level {
    /// The level that a template's `$schema` is for; none for another document.
    pub fn of_schema(schema: &str) -> Option<Self> {
        let file = schema.trim_end_matches('#').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        Some(match file.as_str() {
            "deploymenttemplate.json" => Self::ResourceGroup,
            "subscriptiondeploymenttemplate.json" => Self::Subscription,
            "managementgroupdeploymenttemplate.json" => Self::ManagementGroup,
            "tenantdeploymenttemplate.json" => Self::Tenant,
            _ => return None,
        })
    }

    /// Whether `subscription()` has a value.
    pub(crate) fn has_subscription(self) -> bool {
        matches!(self, Self::ResourceGroup | Self::Subscription)
    }
}

/// Where a template is deployed to. What the level does not have is empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    pub level: Level,
    pub tenant_id: String,
    pub subscription_id: String,
    pub resource_group: ResourceGroupInfo,
    /// Name of the management group, for a deployment to one.
    pub management_group: String,
    /// Where the deployment's record is kept, above resource groups.
    pub location: String,
}

/// The resource group, as `resourceGroup()` shows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResourceGroupInfo {
    pub name: String,
    pub location: String,
    pub tags: Map<String, Value>,
    /// Full id; empty stands for the id that follows from subscription and name.
    pub id: String,
}

impl Scope {
    /// The id of the scope: that of the resource group, `/subscriptions/…`, that of the management group; empty for the
    /// tenant. Ids of resources start with it.
    pub fn id(&self) -> String {
        match self.level {
            Level::ResourceGroup => self.resource_group_id(),
            Level::Subscription => format!("/subscriptions/{}", self.subscription_id),
            Level::ManagementGroup => format!("/providers/{MANAGEMENT_GROUPS}{}", self.management_group),
            Level::Tenant => String::new(),
        }
    }

    fn resource_group_id(&self) -> String {
        if self.resource_group.id.is_empty() {
            format!("/subscriptions/{}/resourceGroups/{}", self.subscription_id, self.resource_group.name)
        } else {
            self.resource_group.id.clone()
        }
    }

    /// The same tenant with another subscription or resource group, whose location and tags are not known. A subscription
    /// alone means the subscription itself.
    pub(crate) fn moved(&self, subscription_id: Option<String>, resource_group: Option<String>) -> Self {
        let (subscription_id, name) = match (subscription_id, resource_group) {
            (None, None) => return self.clone(),
            (Some(subscription_id), None) => return self.at_subscription(subscription_id),
            (subscription_id, Some(group)) => {
                (subscription_id.unwrap_or_else(|| self.subscription_id.clone()), group)
            }
        };
        let same = self.level == Level::ResourceGroup
            && subscription_id.eq_ignore_ascii_case(&self.subscription_id)
            && name.eq_ignore_ascii_case(&self.resource_group.name);
        if same {
            return self.clone();
        }
        Self {
            level: Level::ResourceGroup,
            subscription_id,
            resource_group: ResourceGroupInfo { name, ..ResourceGroupInfo::default() },
            ..self.clone()
        }
    }

    fn at_subscription(&self, subscription_id: String) -> Self {
        Self {
            level: Level::Subscription,
            subscription_id,
            resource_group: ResourceGroupInfo::default(),
            ..self.clone()
        }
    }

    /// The scope that the member `scope` of a nested deployment names: `/`, a management group, a subscription or a
    /// resource group.
    pub(crate) fn named(&self, scope: &str) -> Option<Self> {
        if scope == "/" {
            let resource_group = ResourceGroupInfo::default();
            return Some(Self { level: Level::Tenant, resource_group, ..self.clone() });
        }
        if let Some(name) = management_group(scope) {
            return Some(Self {
                level: Level::ManagementGroup,
                resource_group: ResourceGroupInfo::default(),
                management_group: name.to_owned(),
                ..self.clone()
            });
        }
        let segments: Vec<&str> = scope.trim_matches('/').split('/').collect();
        match segments.as_slice() {
            [word, subscription] if same_name(word, "subscriptions") => {
                Some(self.at_subscription((*subscription).to_owned()))
            }
            [word, subscription, inner, group]
                if same_name(word, "subscriptions") && same_name(inner, "resourceGroups") =>
            {
                Some(self.moved(Some((*subscription).to_owned()), Some((*group).to_owned())))
            }
            _ => None,
        }
    }
}

/// The name in `Microsoft.Management/managementGroups/x`, with or without `/providers/` before it.
pub(crate) fn management_group(scope: &str) -> Option<&str> {
    let scope = match scope.get(.."/providers/".len()) {
        Some(start) if same_name(start, "/providers/") => &scope["/providers/".len()..],
        _ => scope,
    };
    let start = scope.get(..MANAGEMENT_GROUPS.len())?;
    let name = &scope[MANAGEMENT_GROUPS.len()..];
    (same_name(start, MANAGEMENT_GROUPS) && !name.is_empty() && !name.contains('/')).then_some(name)
}
