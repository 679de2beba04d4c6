//! One method per call of Azure Resource Manager.

use reqwest::{Client, Method};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::error::{ArmError, ErrorBody};
use super::model::{
    ContainerGroup, Deployment, List, Logs, QuotaUsage, Registry, Resource, ResourceGroup, Usage,
};
use super::token::TokenSource;
use crate::http::{self, Reply};
use crate::settings::{Settings, Timing};

const RESOURCES: &str = "2024-11-01";
const DEPLOYMENTS: &str = "2025-04-01";
const CONTAINER_GROUPS: &str = "2023-05-01";
const REGISTRIES: &str = "2023-07-01";

/// A client bound to one subscription and to the fleet's resource group.
#[derive(Debug)]
pub(crate) struct ArmClient {
    client: Client,
    pub(super) timing: Timing,
    base: Url,
    tokens: TokenSource,
    subscription: String,
    group: String,
}

impl ArmClient {
    pub(crate) fn new(client: Client, settings: &Settings) -> Self {
        Self {
            tokens: TokenSource::new(client.clone(), settings),
            client,
            timing: settings.timing.clone(),
            base: settings.resource_manager.clone(),
            subscription: format!("/subscriptions/{}", settings.subscription_id),
            group: settings.resource_group.clone(),
        }
    }

    pub(crate) fn group_path(&self, group: &str) -> String {
        format!("{}/resourceGroups/{group}", self.subscription)
    }

    pub(crate) fn container_groups_path(&self) -> String {
        format!("{}/providers/Microsoft.ContainerInstance/containerGroups", self.group_path(&self.group))
    }

    fn deployment_path(&self, group: &str, name: &str) -> String {
        format!("{}/providers/Microsoft.Resources/deployments/{name}", self.group_path(group))
    }

    pub(crate) async fn resource_group(&self, name: &str) -> Result<Option<ResourceGroup>, ArmError> {
        let action = format!("read resource group `{name}`");
        self.find(&action, &self.group_path(name), RESOURCES).await
    }

    pub(crate) async fn create_resource_group(
        &self,
        name: &str,
        location: &str,
        tags: &Value,
    ) -> Result<(), ArmError> {
        let action = format!("create resource group `{name}` in `{location}`");
        let body = json!({"location": location, "tags": tags});
        let reply = self.call(&action, Method::PUT, &self.group_path(name), RESOURCES, Some(&body)).await?;
        Self::accepted(&action, reply).map(drop)
    }

    /// Every top-level resource of the fleet's group, whoever made it.
    pub(crate) async fn resources(&self) -> Result<Vec<Resource>, ArmError> {
        let action = format!("list the resources of group `{}`", self.group);
        self.list(&action, &format!("{}/resources", self.group_path(&self.group)), RESOURCES).await
    }

    pub(crate) async fn usages(&self, location: &str) -> Result<Vec<QuotaUsage>, ArmError> {
        let action = format!("read the Container Instances quota of `{location}`");
        let path = format!(
            "{}/providers/Microsoft.ContainerInstance/locations/{location}/usages",
            self.subscription
        );
        let usages: Vec<Usage> = self.list(&action, &path, CONTAINER_GROUPS).await?;
        let line = |usage: Usage| QuotaUsage {
            name: usage.name.value,
            used: usage.current_value,
            limit: usage.limit,
        };
        Ok(usages.into_iter().map(line).collect())
    }

    pub(crate) async fn registries(&self) -> Result<Vec<Registry>, ArmError> {
        let path = format!("{}/providers/Microsoft.ContainerRegistry/registries", self.subscription);
        self.list("list the registries of the subscription", &path, REGISTRIES).await
    }

    pub(crate) async fn registry(&self, group: &str, name: &str) -> Result<Option<Registry>, ArmError> {
        let action = format!("read registry `{name}` of group `{group}`");
        let path =
            format!("{}/providers/Microsoft.ContainerRegistry/registries/{name}", self.group_path(group));
        self.find(&action, &path, REGISTRIES).await
    }

    /// The container groups of the fleet's resource group; none where the resource group does not exist. A list leaves
    /// out the instance views.
    pub(crate) async fn container_groups(&self) -> Result<Vec<ContainerGroup>, ArmError> {
        let action = format!("list the container groups of `{}`", self.group);
        match self.list(&action, &self.container_groups_path(), CONTAINER_GROUPS).await {
            Err(error) if error.code() == Some("ResourceGroupNotFound") => Ok(Vec::new()),
            other => other,
        }
    }

    pub(crate) async fn container_group(&self, id: &str) -> Result<Option<ContainerGroup>, ArmError> {
        self.find(&format!("read container group `{id}`"), id, CONTAINER_GROUPS).await
    }

    /// Deletes a group and returns once it is gone. A group that is still changing is waited for.
    pub(crate) async fn delete_container_group(&self, id: &str) -> Result<(), ArmError> {
        let action = format!("delete container group `{id}`");
        let deadline = Instant::now() + self.timing.operation;
        loop {
            let reply = self.call(&action, Method::DELETE, id, CONTAINER_GROUPS, None).await?;
            if reply.status.as_u16() == 404 {
                return Ok(());
            }
            match Self::accepted(&action, reply) {
                Ok(reply) => {
                    self.watch(&action, &reply, deadline).await?;
                    break;
                }
                Err(error) if error.is_transitioning() && Instant::now() < deadline => {
                    tokio::time::sleep(self.timing.poll).await;
                }
                Err(error) => return Err(error),
            }
        }
        // The answer may be 200 while the containers are still going.
        while let Some(group) = self.container_group(id).await? {
            if Instant::now() >= deadline {
                let seconds = self.timing.operation.as_secs();
                return Err(ArmError::OperationTimeout {
                    action,
                    seconds,
                    state: group.properties.provisioning_state,
                });
            }
            tokio::time::sleep(self.timing.poll).await;
        }
        Ok(())
    }

    pub(crate) async fn logs(
        &self,
        id: &str,
        container: &str,
        tail: Option<u32>,
    ) -> Result<String, ArmError> {
        let action = format!("read the log of container group `{id}`");
        let tail = tail.map(|lines| format!("&tail={lines}")).unwrap_or_default();
        let path = format!("{id}/containers/{container}/logs");
        let version = format!("{CONTAINER_GROUPS}{tail}");
        let reply = self.call(&action, Method::GET, &path, &version, None).await?;
        let reply = Self::accepted(&action, reply)?;
        parse::<Logs>(&action, &reply).map(|logs| logs.content)
    }

    pub(crate) async fn deployment(&self, group: &str, name: &str) -> Result<Option<Deployment>, ArmError> {
        let action = format!("read deployment `{name}` of group `{group}`");
        self.find(&action, &self.deployment_path(group, name), DEPLOYMENTS).await
    }

    /// Has a deployment checked without doing it; returns the ids of what it would make, where the service tells them.
    pub(crate) async fn validate_deployment(
        &self,
        group: &str,
        name: &str,
        body: &Value,
    ) -> Result<Vec<String>, ArmError> {
        let action = format!("check the deployment to group `{group}`");
        let path = format!("{}/validate", self.deployment_path(group, name));
        let reply = self.call(&action, Method::POST, &path, DEPLOYMENTS, Some(body)).await?;
        let reply = Self::accepted(&action, reply)?;
        // Older versions of the service answer 200 with an error, newer ones may answer 202 and nothing yet.
        if let Some(error) = ErrorBody::parse(&reply.body) {
            return Err(failed(action, "Failed", &error));
        }
        let validated = reply.json::<Deployment>().ok().and_then(|done| done.properties.validated_resources);
        Ok(validated.into_iter().flatten().map(|resource| resource.id).collect())
    }

    /// Starts a deployment; see [`ArmClient::finish_deployment`].
    pub(crate) async fn start_deployment(
        &self,
        group: &str,
        name: &str,
        body: &Value,
    ) -> Result<Reply, ArmError> {
        let action = deployment_action(group, name);
        let path = self.deployment_path(group, name);
        let reply = self.call(&action, Method::PUT, &path, DEPLOYMENTS, Some(body)).await?;
        Self::accepted(&action, reply)
    }

    /// Waits until a deployment has ended, and returns what has become of it.
    pub(crate) async fn finish_deployment(
        &self,
        group: &str,
        name: &str,
        started: Option<&Reply>,
    ) -> Result<Deployment, ArmError> {
        let action = deployment_action(group, name);
        let deadline = Instant::now() + self.timing.operation;
        if let Some(started) = started {
            self.watch(&action, started, deadline).await?;
        }
        loop {
            let Some(deployment) = self.deployment(group, name).await? else {
                return Err(ArmError::OperationFailed {
                    action,
                    code: "DeploymentNotFound".to_owned(),
                    message: "somebody deleted the deployment while it ran".to_owned(),
                });
            };
            if !deployment.is_active() {
                return match deployment.properties.provisioning_state.as_str() {
                    "Succeeded" => Ok(deployment),
                    state => {
                        let error = deployment.properties.error.clone().unwrap_or_default();
                        Err(failed(action, state, &error))
                    }
                };
            }
            if Instant::now() >= deadline {
                let state = deployment.properties.provisioning_state;
                return Err(ArmError::OperationTimeout {
                    action,
                    seconds: self.timing.operation.as_secs(),
                    state,
                });
            }
            tokio::time::sleep(self.timing.poll).await;
        }
    }

    /// Stops a deployment that still runs. One that has ended meanwhile is fine too.
    pub(crate) async fn cancel_deployment(&self, group: &str, name: &str) -> Result<(), ArmError> {
        let action = format!("cancel deployment `{name}` of group `{group}`");
        let path = format!("{}/cancel", self.deployment_path(group, name));
        let reply = self.call(&action, Method::POST, &path, DEPLOYMENTS, None).await?;
        if matches!(reply.status.as_u16(), 404 | 409) {
            return Ok(());
        }
        Self::accepted(&action, reply).map(drop)
    }

    async fn find<T: DeserializeOwned>(
        &self,
        action: &str,
        path: &str,
        version: &str,
    ) -> Result<Option<T>, ArmError> {
        let reply = self.call(action, Method::GET, path, version, None).await?;
        if reply.status.as_u16() == 404 {
            let code = ErrorBody::parse(&reply.body).map(|error| error.code).unwrap_or_default();
            // A missing subscription is not an absent resource.
            if code != "SubscriptionNotFound" {
                return Ok(None);
            }
        }
        let reply = Self::accepted(action, reply)?;
        parse(action, &reply).map(Some)
    }

    async fn list<T: DeserializeOwned>(
        &self,
        action: &str,
        path: &str,
        version: &str,
    ) -> Result<Vec<T>, ArmError> {
        let mut all = Vec::new();
        let mut url = self.url(path, version);
        loop {
            let reply = self.send(action, Method::GET, &url, None).await?;
            let reply = Self::accepted(action, reply)?;
            let page: List<T> = parse(action, &reply)?;
            all.extend(page.value);
            match page.next_link {
                Some(next) if !next.is_empty() => url = self.own(action, &next)?,
                _ => return Ok(all),
            }
        }
    }

    pub(super) async fn call(
        &self,
        action: &str,
        method: Method,
        path: &str,
        version: &str,
        body: Option<&Value>,
    ) -> Result<Reply, ArmError> {
        self.send(action, method, &self.url(path, version), body).await
    }

    fn url(&self, path: &str, version: &str) -> String {
        format!("{}{path}?api-version={version}", self.base.as_str().trim_end_matches('/'))
    }

    /// Sends with the token; once more with a fresh one where the service does not accept it.
    pub(super) async fn send(
        &self,
        action: &str,
        method: Method,
        url: &str,
        body: Option<&Value>,
    ) -> Result<Reply, ArmError> {
        for fresh in [false, true] {
            if fresh {
                self.tokens.discard().await;
            }
            let token = self.tokens.get().await?;
            let reply = http::send(&self.timing, || {
                let request = self.client.request(method.clone(), url).bearer_auth(token.expose_secret());
                match body {
                    Some(body) => request.json(body),
                    None => request,
                }
            })
            .await
            .map_err(|source| ArmError::Unreachable {
                action: action.to_owned(),
                service: "Azure Resource Manager",
                source,
            })?;
            if reply.status.as_u16() != 401 || fresh {
                return Ok(reply);
            }
        }
        unreachable!("the second turn of the loop returns")
    }

    /// A URL that the service gave is followed, with the token, only to the service itself or to a region of it.
    pub(super) fn own(&self, action: &str, url: &str) -> Result<String, ArmError> {
        let foreign =
            |host: &str| ArmError::ForeignOperation { action: action.to_owned(), host: host.to_owned() };
        let parsed = self.base.join(url).map_err(|_| foreign(url))?;
        let host = parsed.host_str().unwrap_or_default();
        let base = self.base.host_str().unwrap_or_default();
        let same = host.eq_ignore_ascii_case(base)
            && parsed.port_or_known_default() == self.base.port_or_known_default();
        let region = base == "management.azure.com" && host.ends_with(".management.azure.com");
        if parsed.scheme() == self.base.scheme() && (same || region) {
            Ok(parsed.to_string())
        } else {
            Err(foreign(host))
        }
    }

    /// Turns everything but a success into an error.
    pub(super) fn accepted(action: &str, reply: Reply) -> Result<Reply, ArmError> {
        if reply.status.is_success() {
            return Ok(reply);
        }
        let error = ErrorBody::parse(&reply.body);
        Err(ArmError::Refused {
            action: action.to_owned(),
            status: reply.status.as_u16(),
            code: error.as_ref().map_or_else(String::new, |error| error.innermost_code().to_owned()),
            message: error.map_or_else(|| http::excerpt(&reply.body), |error| error.text()),
        })
    }
}

fn deployment_action(group: &str, name: &str) -> String {
    format!("deploy `{name}` to group `{group}`")
}

pub(super) fn failed(action: String, state: &str, error: &ErrorBody) -> ArmError {
    let code = error.innermost_code();
    ArmError::OperationFailed {
        action,
        code: if code.is_empty() { state.to_owned() } else { code.to_owned() },
        message: if code.is_empty() { format!("ended as `{state}`") } else { error.text() },
    }
}

fn parse<T: DeserializeOwned>(action: &str, reply: &Reply) -> Result<T, ArmError> {
    reply.json().map_err(|source| ArmError::Malformed {
        action: action.to_owned(),
        excerpt: http::excerpt(&reply.body),
        source: Some(source),
    })
}
