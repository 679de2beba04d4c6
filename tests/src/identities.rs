//! Container groups with identities, made as a person with `az` would make them: by requests to Resource Manager.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::Stack;

/// The resource group that these stories use.
const GROUP: &str = "identities";
/// What tokens for Azure DevOps are for.
pub const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";
/// The role that pulls and does nothing else.
const ACR_PULL: &str = "7f951dda-4ed3-4680-a7ca-43fe172d538d";

/// A container group of one container with the stack's agent image.
#[derive(Debug, Clone, Default)]
pub struct GroupOf {
    /// Replaces the entrypoint by a script.
    pub script: Option<String>,
    /// Plain variables.
    pub variables: Vec<(String, String)>,
    /// Secure variables.
    pub secrets: Vec<(String, String)>,
    /// The `identity` of the group.
    pub identity: Option<Value>,
    /// Pull as this identity; else with the registry's password.
    pub pull_as: Option<String>,
}

impl Stack {
    fn in_group(kind: &str, name: &str) -> String {
        format!("/resourceGroups/{GROUP}/providers/{kind}/{name}")
    }

    /// The full id of a user-assigned identity.
    pub fn identity_id(&self, name: &str) -> String {
        let path = Self::in_group("Microsoft.ManagedIdentity/userAssignedIdentities", name);
        format!("/subscriptions/{}{path}", self.variable("AZURE_SUBSCRIPTION_ID"))
    }

    /// Makes a user-assigned identity; gives its properties.
    pub async fn make_identity(&self, name: &str) -> Result<Value> {
        self.make_resource_group().await?;
        let path = Self::in_group("Microsoft.ManagedIdentity/userAssignedIdentities", name);
        let body = json!({ "location": "westeurope" });
        Ok(self.arm_with("PUT", &path, "2023-01-31", Some(body)).await?["properties"].clone())
    }

    /// Lets a principal pull from the stack's registry.
    pub async fn let_pull(&self, principal: &Value) -> Result<()> {
        let (group, registry) = (self.variable("ACR_REGISTRY_GROUP"), self.variable("ACR_REGISTRY_NAME"));
        let name = "00000000-0000-0000-0000-00000000000a";
        let path = format!(
            "/resourceGroups/{group}/providers/Microsoft.ContainerRegistry/registries/{registry}/providers/Microsoft.Authorization/roleAssignments/{name}"
        );
        let role = format!("/providers/Microsoft.Authorization/roleDefinitions/{ACR_PULL}");
        let body = json!({ "properties": { "roleDefinitionId": role, "principalId": principal } });
        self.arm_with("PUT", &path, "2022-04-01", Some(body)).await.map(drop)
    }

    /// Makes a principal a member of the organization, with these rights on pools.
    pub async fn add_member(&self, object_id: &Value, pools: &str) -> Result<()> {
        let body = json!({ "objectId": object_id, "displayName": "story", "pools": pools });
        self.control("POST", "/azdo/members", Some(body)).await.map(drop)
    }

    async fn make_resource_group(&self) -> Result<()> {
        let body = json!({ "location": "westeurope" });
        self.arm_with("PUT", &format!("/resourceGroups/{GROUP}"), "2022-09-01", Some(body)).await.map(drop)
    }

    /// Puts a container group; gives it as the answer shows it.
    pub async fn put_group(&self, name: &str, wanted: &GroupOf) -> Result<Value> {
        self.make_resource_group().await?;
        let plain = wanted.variables.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        let secure = wanted.secrets.iter().map(|(name, value)| json!({ "name": name, "secureValue": value }));
        let mut container = json!({
            "image": self.variable("MAYFLY_IMAGE"),
            "environmentVariables": plain.chain(secure).collect::<Vec<_>>(),
            "resources": { "requests": { "cpu": 1.0, "memoryInGB": 1.0 } },
        });
        if let Some(script) = &wanted.script {
            container["command"] = json!(["bash", "-c", script]);
        }
        let server = self.variable("ACR_LOGIN_SERVER");
        let login = match &wanted.pull_as {
            Some(identity) => json!({ "server": server, "identity": identity }),
            None => json!({
                "server": server,
                "username": self.variable("ACR_USERNAME"), "password": self.variable("ACR_PASSWORD"),
            }),
        };
        let mut body = json!({
            "location": "westeurope",
            "properties": {
                "osType": "Linux", "restartPolicy": "Always", "imageRegistryCredentials": [login],
                "containers": [{ "name": "agent", "properties": container }],
            },
        });
        if let Some(identity) = &wanted.identity {
            body["identity"] = identity.clone();
        }
        let path = Self::in_group("Microsoft.ContainerInstance/containerGroups", name);
        // While an earlier PUT is under way the service asks to come back later.
        self.eventually("the group takes a change", Duration::from_secs(60), async || {
            match self.arm_with("PUT", &path, "2023-05-01", Some(body.clone())).await {
                Err(error) if error.to_string().contains("ContainerGroupTransitioning") => Err(error),
                outcome => Ok(outcome),
            }
        })
        .await?
    }

    /// The log of a group's container.
    pub async fn group_log(&self, name: &str) -> Result<String> {
        let path = Self::in_group("Microsoft.ContainerInstance/containerGroups", name);
        let log = self.arm("GET", &format!("{path}/containers/agent/logs"), "2023-05-01").await?;
        log["content"].as_str().map(ToOwned::to_owned).context("a log has content")
    }

    /// The log of a group's container once it holds a text.
    pub async fn group_said(&self, name: &str, text: &str) -> Result<String> {
        self.eventually(&format!("`{name}` says `{text}`"), Duration::from_secs(90), async || {
            let log = self.group_log(name).await?;
            ensure!(log.contains(text), "it said: {log}");
            Ok(log)
        })
        .await
    }
}

/// The text after `key=` at the start of a line.
pub fn said<'a>(log: &'a str, key: &str) -> Result<&'a str> {
    let found = log.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    found.with_context(|| format!("no line `{key}=…` in: {log}"))
}
