//! One method per call of Azure DevOps.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::error::AzdoError;
use super::model::{Agent, AgentId, JobRequest, List, Pool, PoolId};
use crate::http::{self, Reply};
use crate::settings::{Settings, Timing};

const VERSION: &str = "7.1";

/// A client bound to one organization.
#[derive(Debug)]
pub(crate) struct AzdoClient {
    client: Client,
    timing: Timing,
    organization: Url,
    token: SecretString,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionData {
    instance_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    message: String,
}

impl AzdoClient {
    pub(crate) fn new(client: Client, settings: &Settings) -> Self {
        Self {
            client,
            timing: settings.timing.clone(),
            organization: settings.organization.clone(),
            token: settings.token.clone(),
        }
    }

    /// Checks that the server is an Azure DevOps organization and takes the token.
    pub(crate) async fn check_connection(&self) -> Result<(), AzdoError> {
        let action = "check the token".to_owned();
        let reply = self.call(&action, Method::GET, "connectionData?connectOptions=0", None).await?;
        let data: ConnectionData = Self::parse(&action, reply)?;
        tracing::debug!(instance = data.instance_id.as_deref().unwrap_or("?"), "connected");
        Ok(())
    }

    /// The pool with this name; the token must be allowed to see it.
    pub(crate) async fn pool(&self, name: &str) -> Result<Pool, AzdoError> {
        let action = format!("find pool `{name}`");
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("poolName", name)
            .append_pair("poolType", "automation")
            .append_pair("api-version", VERSION)
            .finish();
        let path = format!("distributedtask/pools?{query}");
        let reply = self.call(&action, Method::GET, &path, None).await?;
        let pools: List<Pool> = Self::parse(&action, reply)?;
        // The service's filter knows wildcards.
        pools.value.into_iter().find(|pool| pool.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            AzdoError::NoPool { pool: name.to_owned(), organization: self.organization.to_string() }
        })
    }

    /// All agents of the pool, with what they do now and their user capabilities.
    pub(crate) async fn agents(&self, pool: PoolId) -> Result<Vec<Agent>, AzdoError> {
        let action = format!("list the agents of pool {pool}");
        let path = format!(
            "distributedtask/pools/{pool}/agents?includeCapabilities=true&includeAssignedRequest=true&api-version={VERSION}"
        );
        let reply = self.call(&action, Method::GET, &path, None).await?;
        Self::parse::<List<Agent>>(&action, reply).map(|list| list.value)
    }

    /// One agent; `None` where it is not registered any more.
    pub(crate) async fn agent(&self, pool: PoolId, id: AgentId) -> Result<Option<Agent>, AzdoError> {
        let action = format!("read agent {id} of pool {pool}");
        let path = format!(
            "distributedtask/pools/{pool}/agents/{id}?includeCapabilities=true&includeAssignedRequest=true&api-version={VERSION}"
        );
        self.find(&action, Method::GET, &path, None).await
    }

    /// Enables or disables an agent. A disabled agent stays online and is given no further job.
    pub(crate) async fn set_enabled(
        &self,
        pool: PoolId,
        id: AgentId,
        enabled: bool,
    ) -> Result<(), AzdoError> {
        let verb = if enabled { "enable" } else { "disable" };
        let action = format!("{verb} agent {id} of pool {pool}");
        let path = format!("distributedtask/pools/{pool}/agents/{id}?api-version={VERSION}");
        let body = json!({"id": id, "enabled": enabled});
        self.find::<Value>(&action, Method::PATCH, &path, Some(&body)).await.map(drop)
    }

    /// Replaces the user capabilities of an agent.
    pub(crate) async fn set_capabilities(
        &self,
        pool: PoolId,
        id: AgentId,
        capabilities: &BTreeMap<String, String>,
    ) -> Result<(), AzdoError> {
        let action = format!("set the user capabilities of agent {id} of pool {pool}");
        let path = format!("distributedtask/pools/{pool}/agents/{id}/usercapabilities?api-version={VERSION}");
        let body = json!(capabilities);
        self.find::<Value>(&action, Method::PUT, &path, Some(&body)).await.map(drop)
    }

    /// Removes a registration. `Ok(false)` where the service refuses because a job still runs on the agent.
    pub(crate) async fn delete_agent(&self, pool: PoolId, id: AgentId) -> Result<bool, AzdoError> {
        let action = format!("delete agent {id} of pool {pool}");
        let path = format!("distributedtask/pools/{pool}/agents/{id}?api-version={VERSION}");
        let reply = self.call(&action, Method::DELETE, &path, None).await?;
        match reply.status.as_u16() {
            404 => Ok(true),
            409 => Ok(false),
            _ => Self::accepted(&action, reply).map(|_| true),
        }
    }

    /// The requests of the pool that have not ended.
    pub(crate) async fn unfinished_requests(&self, pool: PoolId) -> Result<Vec<JobRequest>, AzdoError> {
        let action = format!("read the queue of pool {pool}");
        let path =
            format!("distributedtask/pools/{pool}/jobrequests?completedRequestCount=0&api-version={VERSION}");
        let reply = self.call(&action, Method::GET, &path, None).await?;
        let mut requests = Self::parse::<List<JobRequest>>(&action, reply)?.value;
        requests.retain(|request| !request.is_finished());
        Ok(requests)
    }

    async fn find<T: DeserializeOwned>(
        &self,
        action: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<T>, AzdoError> {
        let reply = self.call(action, method, path, body).await?;
        if reply.status.as_u16() == 404 {
            return Ok(None);
        }
        Self::parse(action, reply).map(Some)
    }

    async fn call(
        &self,
        action: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, AzdoError> {
        let url = format!("{}/_apis/{path}", self.organization.as_str().trim_end_matches('/'));
        let credential = STANDARD.encode(format!(":{}", self.token.expose_secret()));
        let mut authorization = HeaderValue::try_from(format!("Basic {credential}")).unwrap_or_else(|_| {
            unreachable!("base64 text is a valid header value");
        });
        authorization.set_sensitive(true);
        let reply = http::send(&self.timing, || {
            let request = self
                .client
                .request(method.clone(), &url)
                .header(AUTHORIZATION, authorization.clone())
                .header("X-TFS-FedAuthRedirect", "Suppress");
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        })
        .await
        .map_err(|source| AzdoError::Unreachable {
            action: action.to_owned(),
            organization: self.organization.to_string(),
            source,
        })?;
        self.signed_in(action, reply)
    }

    /// A token that is not accepted shows as 401, as a redirect to the sign-in page, or as that page with 203 or 200.
    fn signed_in(&self, action: &str, reply: Reply) -> Result<Reply, AzdoError> {
        let status = reply.status.as_u16();
        let page = reply
            .headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/html"));
        if matches!(status, 401 | 302 | 203) || (page && reply.status.is_success()) {
            return Err(AzdoError::Unauthorized {
                action: action.to_owned(),
                organization: self.organization.to_string(),
                status,
            });
        }
        Ok(reply)
    }

    fn accepted(action: &str, reply: Reply) -> Result<Reply, AzdoError> {
        if reply.status.is_success() {
            return Ok(reply);
        }
        let problem: Problem = reply.json().unwrap_or_default();
        let message = if problem.message.is_empty() { http::excerpt(&reply.body) } else { problem.message };
        let action = action.to_owned();
        Err(match reply.status.as_u16() {
            403 => AzdoError::Forbidden { action, message },
            status => AzdoError::Refused { action, status, message },
        })
    }

    fn parse<T: DeserializeOwned>(action: &str, reply: Reply) -> Result<T, AzdoError> {
        let reply = Self::accepted(action, reply)?;
        reply.json().map_err(|source| AzdoError::Malformed {
            action: action.to_owned(),
            excerpt: http::excerpt(&reply.body),
            source,
        })
    }
}
