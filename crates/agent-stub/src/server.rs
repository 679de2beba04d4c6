//! The calls of the listener, over three connections (azure-pipelines-agent: AgentServer.cs).

use std::{sync::Arc, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::RwLock;
use url::Url;

use crate::{
    connection::{Call, Connection, Place},
    error::ClientError,
    http::{Credential, HttpClient},
    wire::{List, Message, Package, Pool, RenewedRequest, Session},
};

const POOLS: Place = Place { id: "a8c47e17-4d56-4a56-92bb-de7ea7dc65be", resource_version: 1 };
const AGENTS: Place = Place { id: "e298ef32-5878-4cab-993c-043836571f42", resource_version: 1 };
const SESSIONS: Place = Place { id: "134e239e-2df3-4794-a6f6-24f1f19ec8dc", resource_version: 1 };
const MESSAGES: Place = Place { id: "c3a054f6-7a8a-49c0-944e-3a8e5d7adfd7", resource_version: 1 };
const JOB_REQUESTS: Place = Place { id: "fc825784-c92a-4299-9221-998a02d1b54f", resource_version: 1 };
const PACKAGES: Place = Place { id: "8ffcd551-079c-493a-9c02-54346299d144", resource_version: 2 };
const UPDATES: Place = Place { id: "8cc1b02b-ae49-4516-b5ad-4f9b29967c30", resource_version: 1 };

/// Time-out of deletions, and of renewals that are being repeated.
const SHORT: Duration = Duration::from_secs(30);
/// Time-out of a first renewal.
const RENEWAL: Duration = Duration::from_mins(1);
/// Time-out of a long poll.
const POLL: Duration = Duration::from_secs(100);

/// The server as the listener sees it.
#[derive(Debug)]
pub(crate) struct AgentServer {
    http: HttpClient,
    base: Url,
    credential: Arc<Credential>,
    generic: Connection,
    /// Rebuilt after a failed poll.
    messages: RwLock<Arc<Connection>>,
    requests: Connection,
}

impl AgentServer {
    /// Opens the generic connection first, then the other two at once.
    pub(crate) async fn connect(
        http: &HttpClient,
        base: &Url,
        credential: &Arc<Credential>,
    ) -> Result<Self, ClientError> {
        let generic = Connection::connect(http, base, credential).await?;
        let (messages, requests) = tokio::try_join!(
            Connection::connect(http, base, credential),
            Connection::connect(http, base, credential)
        )?;
        Ok(Self {
            http: http.clone(),
            base: base.clone(),
            credential: credential.clone(),
            generic,
            messages: RwLock::new(Arc::new(messages)),
            requests,
        })
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }
    pub(crate) fn http(&self) -> &HttpClient {
        &self.http
    }
    pub(crate) fn credential(&self) -> &Arc<Credential> {
        &self.credential
    }

    pub(crate) async fn pools(&self, name: &str) -> Result<Vec<Pool>, ClientError> {
        let call = Call::new(Method::GET, POOLS).query("poolName", name).query("poolType", "Automation");
        let list: Option<List<Pool>> = self.generic.call_json(call).await?;
        Ok(list.map(|list| list.value).unwrap_or_default())
    }

    pub(crate) async fn agents(&self, pool: i64, name: &str) -> Result<Vec<Value>, ClientError> {
        let call = Call::new(Method::GET, AGENTS)
            .at("poolId", pool)
            .query("agentName", name)
            .query("includeCapabilities", "False");
        let list: Option<List<Value>> = self.generic.call_json(call).await?;
        Ok(list.map(|list| list.value).unwrap_or_default())
    }

    pub(crate) async fn add_agent(&self, pool: i64, agent: &Value) -> Result<Value, ClientError> {
        let call = Call::new(Method::POST, AGENTS).at("poolId", pool).json(agent.clone());
        Ok(self.generic.call_json(call).await?.unwrap_or(Value::Null))
    }

    pub(crate) async fn replace_agent(
        &self,
        pool: i64,
        id: i64,
        agent: &Value,
    ) -> Result<Value, ClientError> {
        let call = Call::new(Method::PUT, AGENTS).at("poolId", pool).at("agentId", id).json(agent.clone());
        Ok(self.generic.call_json(call).await?.unwrap_or(Value::Null))
    }

    pub(crate) async fn delete_agent(&self, pool: i64, id: i64) -> Result<(), ClientError> {
        self.generic.call(Call::new(Method::DELETE, AGENTS).at("poolId", pool).at("agentId", id)).await?;
        Ok(())
    }

    pub(crate) async fn create_session(&self, pool: i64, session: &Value) -> Result<Session, ClientError> {
        let connection = self.messages.read().await.clone();
        let call = Call::new(Method::POST, SESSIONS).at("poolId", pool).json(session.clone());
        let session: Option<Session> = connection.call_json(call).await?;
        session.ok_or_else(|| ClientError::Protocol("The server made no session.".to_owned()))
    }

    pub(crate) async fn delete_session(&self, pool: i64, session: &str) -> Result<(), ClientError> {
        let connection = self.messages.read().await.clone();
        let call =
            Call::new(Method::DELETE, SESSIONS).at("poolId", pool).at("sessionId", session).within(SHORT);
        connection.call(call).await?;
        Ok(())
    }

    pub(crate) async fn message(
        &self,
        pool: i64,
        session: &str,
        last: Option<i64>,
    ) -> Result<Option<Message>, ClientError> {
        let connection = self.messages.read().await.clone();
        let mut call =
            Call::new(Method::GET, MESSAGES).at("poolId", pool).query("sessionId", session).within(POLL);
        if let Some(last) = last {
            call = call.query("lastMessageId", last);
        }
        connection.call_json(call).await
    }

    pub(crate) async fn delete_message(
        &self,
        pool: i64,
        session: &str,
        message: i64,
    ) -> Result<(), ClientError> {
        let connection = self.messages.read().await.clone();
        let call = Call::new(Method::DELETE, MESSAGES)
            .at("poolId", pool)
            .at("messageId", message)
            .query("sessionId", session)
            .within(SHORT);
        connection.call(call).await?;
        Ok(())
    }

    /// Opens the message connection anew; the old one stays where that fails.
    pub(crate) async fn rebuild_messages(&self) -> Result<(), ClientError> {
        let connection = Connection::connect(&self.http, &self.base, &self.credential).await?;
        *self.messages.write().await = Arc::new(connection);
        Ok(())
    }

    /// Extends the lock on a job; `None` when the answer names no time.
    pub(crate) async fn renew(
        &self,
        pool: i64,
        request: i64,
        repeated: bool,
    ) -> Result<Option<jiff::Timestamp>, ClientError> {
        let renewed: Option<RenewedRequest> = self
            .patch_request(
                pool,
                request,
                json!({ "requestId": request }),
                if repeated { SHORT } else { RENEWAL },
            )
            .await?;
        Ok(renewed.and_then(|renewed| renewed.locked_until))
    }

    /// Reports the end of a job of an old plan.
    pub(crate) async fn finish(&self, pool: i64, request: i64, result: &str) -> Result<(), ClientError> {
        let body =
            json!({ "requestId": request, "finishTime": crate::clock::round_trip_time(), "result": result });
        let _: Option<Value> = self.patch_request(pool, request, body, RENEWAL).await?;
        Ok(())
    }

    async fn patch_request<T: serde::de::DeserializeOwned>(
        &self,
        pool: i64,
        request: i64,
        body: Value,
        timeout: Duration,
    ) -> Result<Option<T>, ClientError> {
        let call = Call::new(Method::PATCH, JOB_REQUESTS)
            .at("poolId", pool)
            .at("requestId", request)
            .query("lockToken", "00000000-0000-0000-0000-000000000000")
            .json(body)
            .within(timeout);
        self.requests.call_json(call).await
    }

    /// The newest package, or the named one.
    pub(crate) async fn package(&self, version: Option<&str>) -> Result<Option<Package>, ClientError> {
        let call = Call::new(Method::GET, PACKAGES)
            .at("packageType", "agent")
            .at("platform", crate::layout::platform());
        if let Some(version) = version {
            return self.generic.call_json(call.at("version", version)).await;
        }
        let list: Option<List<Package>> = self.generic.call_json(call.query("$top", 1)).await?;
        Ok(list.and_then(|list| list.value.into_iter().next()))
    }

    pub(crate) async fn report_update(&self, pool: i64, agent: i64, state: &str) -> Result<(), ClientError> {
        let call = Call::new(Method::PUT, UPDATES)
            .at("poolId", pool)
            .at("agentId", agent)
            .query("currentState", state);
        self.generic.call(call).await?;
        Ok(())
    }
}
