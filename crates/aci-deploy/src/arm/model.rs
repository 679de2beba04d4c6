//! The parts of Azure's answers that are read here. Field names as in the published specifications
//! (Azure/azure-rest-api-specs: containerinstance 2023-05-01, resources 2025-04-01, containerregistry 2023-07-01).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::ErrorBody;

/// One line of the Container Instances quota of a region.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuotaUsage {
    /// `ContainerGroups`, `StandardCores` and so on.
    pub name: String,
    /// In use now.
    pub used: f64,
    /// The most that may be in use.
    pub limit: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct List<T> {
    pub(crate) value: Vec<T>,
    #[serde(rename = "nextLink")]
    pub(crate) next_link: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    pub(crate) current_value: f64,
    pub(crate) limit: f64,
    pub(crate) name: UsageName,
}

#[derive(Debug, Deserialize)]
pub(crate) struct UsageName {
    pub(crate) value: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ResourceGroup {
    pub(crate) location: String,
}

/// Any resource, as the lists of Azure Resource Manager give it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Resource {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) tags: Option<BTreeMap<String, String>>,
}

impl Resource {
    pub(crate) fn tag(&self, name: &str) -> Option<&str> {
        tag(self.tags.as_ref(), name)
    }
}

/// Tag names are compared without case.
fn tag<'a>(tags: Option<&'a BTreeMap<String, String>>, name: &str) -> Option<&'a str> {
    tags?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Deployment {
    #[serde(default)]
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) properties: DeploymentProperties,
}

impl Deployment {
    pub(crate) fn is_active(&self) -> bool {
        !matches!(self.properties.provisioning_state.as_str(), "Succeeded" | "Failed" | "Canceled")
    }

    pub(crate) fn tag(&self, name: &str) -> Option<&str> {
        tag(self.tags.as_ref(), name)
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.properties.parameters.as_ref()?.get(name)?.get("value")?.as_str()
    }

    pub(crate) fn output(&self, name: &str) -> Option<&str> {
        self.properties.outputs.as_ref()?.get(name)?.get("value")?.as_str()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeploymentProperties {
    pub(crate) provisioning_state: String,
    pub(crate) timestamp: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) parameters: Option<serde_json::Map<String, serde_json::Value>>,
    pub(crate) outputs: Option<serde_json::Map<String, serde_json::Value>>,
    pub(crate) error: Option<ErrorBody>,
    pub(crate) validated_resources: Option<Vec<ResourceReference>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ResourceReference {
    pub(crate) id: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Registry {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) location: Option<String>,
    pub(crate) properties: RegistryProperties,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegistryProperties {
    #[serde(default)]
    pub(crate) login_server: String,
    #[serde(default)]
    pub(crate) admin_user_enabled: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ContainerGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) properties: ContainerGroupProperties,
}

impl ContainerGroup {
    pub(crate) fn tag(&self, name: &str) -> Option<&str> {
        tag(self.tags.as_ref(), name)
    }

    /// Our groups hold one container.
    pub(crate) fn container(&self) -> Option<&Container> {
        self.properties.containers.first()
    }

    pub(crate) fn state(&self) -> Option<&str> {
        self.properties.instance_view.as_ref()?.state.as_deref()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerGroupProperties {
    #[serde(default)]
    pub(crate) provisioning_state: String,
    #[serde(default)]
    pub(crate) os_type: String,
    #[serde(default)]
    pub(crate) containers: Vec<Container>,
    pub(crate) instance_view: Option<GroupView>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct GroupView {
    pub(crate) state: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) properties: ContainerProperties,
}

impl Container {
    pub(crate) fn view(&self) -> Option<&ContainerView> {
        self.properties.instance_view.as_ref()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerProperties {
    pub(crate) image: String,
    pub(crate) resources: Option<Resources>,
    pub(crate) instance_view: Option<ContainerView>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Resources {
    pub(crate) requests: Requests,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Requests {
    pub(crate) cpu: f64,
    #[serde(rename = "memoryInGB")]
    pub(crate) memory_gb: f64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContainerView {
    pub(crate) restart_count: u32,
    pub(crate) current_state: Option<ContainerState>,
    pub(crate) previous_state: Option<ContainerState>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContainerState {
    pub(crate) state: String,
    pub(crate) exit_code: Option<i64>,
    pub(crate) finish_time: Option<String>,
    pub(crate) detail_status: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Logs {
    #[serde(default)]
    pub(crate) content: String,
}
