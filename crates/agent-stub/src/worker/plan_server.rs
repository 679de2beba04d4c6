//! The calls of the worker, with the job's own token (azure-pipelines-agent: JobServer.cs, TaskServer.cs).

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::{
    connection::{Call, Connection, Place},
    error::ClientError,
    http::{Credential, HttpClient, Identity},
    wire::{JobMessage, List, Plan},
};

const EVENTS: Place = Place { id: "557624af-b29e-4c20-8ab0-0399d2204f3f", resource_version: 1 };
const TIMELINES: Place = Place { id: "83597576-cc2c-453c-bea6-2882ae6a1653", resource_version: 1 };
const RECORDS: Place = Place { id: "8893bc5b-35b2-4be7-83cb-99e683551db4", resource_version: 1 };
const FEED: Place = Place { id: "858983e4-19bd-4c5e-864c-507b59b58b12", resource_version: 1 };
const LOGS: Place = Place { id: "46f5667d-263a-4684-91b1-dff7fdcf64e2", resource_version: 1 };
const TASKS: Place = Place { id: "60aac929-f0cd-4bc8-9ce4-6b30e8f1b1bd", resource_version: 1 };

/// Time-out of a task download.
const TASK_DOWNLOAD: Duration = Duration::from_mins(20);

/// The plan a job belongs to.
#[derive(Debug)]
pub(crate) struct PlanServer {
    connection: Connection,
    scope: String,
    hub: String,
    plan: String,
    timeline: String,
}

#[derive(Deserialize)]
struct TaskLog {
    id: i64,
}

/// The credential a job came with.
pub(crate) fn job_credential(message: &JobMessage) -> anyhow::Result<Arc<Credential>> {
    let token = message
        .system_connection()
        .and_then(|endpoint| endpoint.access_token())
        .context("the job has no endpoint SystemVssConnection with an OAuth access token")?;
    Ok(Credential::new(Identity::Job(token.to_owned().into())))
}

/// The URL a job came with.
pub(crate) fn job_url(message: &JobMessage) -> anyhow::Result<Url> {
    let text = message.system_connection().and_then(|endpoint| endpoint.url.as_deref());
    Ok(text.context("the job's endpoint SystemVssConnection has no URL")?.parse()?)
}

impl PlanServer {
    pub(crate) async fn connect(
        http: &HttpClient,
        base: &Url,
        credential: &Arc<Credential>,
        message: &JobMessage,
    ) -> Result<Self, ClientError> {
        let connection = Connection::connect(http, base, credential).await?;
        let Plan { scope_identifier, plan_type, plan_id, .. } = &message.plan;
        Ok(Self {
            connection,
            scope: scope_identifier.clone(),
            hub: plan_type.clone(),
            plan: plan_id.clone(),
            timeline: message.timeline.id.clone(),
        })
    }

    fn call(&self, method: Method, place: Place) -> Call<'static> {
        Call::new(method, place)
            .at("scopeIdentifier", &self.scope)
            .at("hubName", &self.hub)
            .at("planId", &self.plan)
    }

    /// Merges records into the timeline.
    pub(crate) async fn update_records(&self, records: &[Value]) -> Result<(), ClientError> {
        let body = json!({ "count": records.len(), "value": records });
        self.connection
            .call(self.call(Method::PATCH, RECORDS).at("timelineId", &self.timeline).json(body))
            .await?;
        Ok(())
    }

    pub(crate) async fn records(&self) -> Result<Vec<Value>, ClientError> {
        let call = self
            .call(Method::GET, TIMELINES)
            .at("timelineId", &self.timeline)
            .query("includeRecords", "True");
        let timeline: Option<Value> = self.connection.call_json(call).await?;
        let records = timeline.and_then(|mut timeline| timeline.get_mut("records").map(Value::take));
        Ok(records.and_then(|records| records.as_array().cloned()).unwrap_or_default())
    }

    /// Sends console lines; the URL names the job's record, the body the step's.
    pub(crate) async fn feed(
        &self,
        job: &str,
        step: &str,
        start_line: u64,
        lines: &[String],
    ) -> Result<(), ClientError> {
        let body = json!({ "count": lines.len(), "value": lines, "stepId": step, "startLine": start_line });
        let call =
            self.call(Method::POST, FEED).at("timelineId", &self.timeline).at("recordId", job).json(body);
        self.connection.call(call).await?;
        Ok(())
    }

    pub(crate) async fn create_log(&self, record: &str) -> Result<i64, ClientError> {
        let call = self.call(Method::POST, LOGS).json(json!({ "path": format!("logs\\{record}") }));
        let log: Option<TaskLog> = self.connection.call_json(call).await?;
        log.map(|log| log.id)
            .filter(|id| *id > 0)
            .ok_or_else(|| ClientError::Protocol("The server made no log.".to_owned()))
    }

    pub(crate) async fn append_log(&self, log: i64, page: &[u8]) -> Result<(), ClientError> {
        let call = self.call(Method::POST, LOGS).at("logId", log).bytes(page);
        self.connection.call(call).await?;
        Ok(())
    }

    pub(crate) async fn raise(&self, event: &Value) -> Result<(), ClientError> {
        self.connection.call(self.call(Method::POST, EVENTS).json(event.clone())).await?;
        Ok(())
    }
}

/// Where tasks come from; it may be another URL than the plan's.
#[derive(Debug)]
pub(crate) struct TaskServer(Connection);

impl TaskServer {
    pub(crate) async fn connect(
        http: &HttpClient,
        base: &Url,
        credential: &Arc<Credential>,
    ) -> Result<Self, ClientError> {
        Ok(Self(Connection::connect(http, base, credential).await?))
    }

    /// A task as a zip archive.
    pub(crate) async fn download(&self, id: &str, version: &str) -> Result<Vec<u8>, ClientError> {
        let call = Call::new(Method::GET, TASKS)
            .at("taskId", id)
            .at("versionString", version)
            .accept("application/zip")
            .within(TASK_DOWNLOAD);
        Ok(self.0.call(call).await?.body)
    }

    /// The vendor's agent asks a server on premises whether it knows the task resource; the answer is not used.
    pub(crate) async fn probe(&self) {
        let call = Call::new(Method::GET, TASKS).at("taskId", "d9bafed4-0b18-4f58-968d-86655b4d2ce9");
        drop(self.0.call_json::<List<Value>>(call).await);
    }
}
