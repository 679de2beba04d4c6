//! Request bodies, read case-sensitively as current clients write them. Fields that the service also ignores are
//! not listed.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::capabilities::Capabilities;
use super::crypto::PublicKey;
use super::result::TaskResult;
use super::words;

/// `POST pools` and `PATCH pools/{poolId}` (azure-devops, PyPI: task_agent/models.py, `TaskAgentPool`).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolBody {
    #[serde(default)]
    pub(crate) id: Option<i32>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) is_hosted: Option<bool>,
    #[serde(default, deserialize_with = "pool_type")]
    pub(crate) pool_type: Option<PoolType>,
    #[serde(default)]
    pub(crate) auto_provision: Option<bool>,
    #[serde(default)]
    pub(crate) auto_update: Option<bool>,
    #[serde(default)]
    pub(crate) auto_size: Option<bool>,
    #[serde(default)]
    pub(crate) target_size: Option<i32>,
    #[serde(default)]
    pub(crate) agent_cloud_id: Option<i32>,
    #[serde(default)]
    pub(crate) properties: Option<Map<String, Value>>,
}

/// What a pool is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PoolType {
    /// Jobs of builds.
    Automation,
    /// Machines that are released to.
    Deployment,
}

impl PoolType {
    /// From its word or number.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        match words::word(value, words::POOL_TYPES)? {
            "automation" => Some(Self::Automation),
            _ => Some(Self::Deployment),
        }
    }
}

fn pool_type<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PoolType>, D::Error> {
    let Some(value) = Option::<Value>::deserialize(from)? else { return Ok(None) };
    let unknown =
        || serde::de::Error::custom(format!("{value} is not valid for poolType: automation, deployment"));
    PoolType::read(&value).map(Some).ok_or_else(unknown)
}

/// `POST` and `PUT agents` (azure-pipelines-agent: ConfigurationManager.cs).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentBody {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) version: Option<String>,
    #[serde(default)]
    pub(crate) os_description: Option<String>,
    #[serde(default)]
    pub(crate) max_parallelism: Option<i32>,
    #[serde(default)]
    pub(crate) authorization: Option<AuthorizationBody>,
    #[serde(default)]
    pub(crate) system_capabilities: Option<Capabilities>,
}

/// The part of an agent that says who it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthorizationBody {
    #[serde(default)]
    pub(crate) public_key: Option<PublicKey>,
}

/// `PATCH agents/{agentId}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentPatch {
    #[serde(default)]
    pub(crate) id: Option<i32>,
    #[serde(default)]
    pub(crate) enabled: Option<bool>,
    #[serde(default)]
    pub(crate) max_parallelism: Option<i32>,
}

/// `POST sessions` (actions/runner: TaskAgentSession.cs).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionBody {
    pub(crate) owner_name: String,
    pub(crate) agent: SessionAgent,
    #[serde(default)]
    pub(crate) system_capabilities: Option<Capabilities>,
}

/// The agent a session is for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionAgent {
    pub(crate) id: i32,
    #[serde(default)]
    pub(crate) version: Option<String>,
    #[serde(default)]
    pub(crate) os_description: Option<String>,
}

/// `PATCH jobrequests/{requestId}`: a renewal, or with `result` the end of the job.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestPatch {
    pub(crate) request_id: i64,
    #[serde(default)]
    pub(crate) result: Option<TaskResult>,
    #[serde(default)]
    pub(crate) finish_time: Option<String>,
}

/// `POST plans/{planId}/events` (actions/runner: JobEvent.cs).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventBody {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) job_id: Option<Uuid>,
    #[serde(default)]
    pub(crate) request_id: Option<i64>,
    #[serde(default)]
    pub(crate) result: Option<TaskResult>,
    #[serde(default)]
    pub(crate) outputs: Option<Map<String, Value>>,
    #[serde(default)]
    pub(crate) agent_shutting_down: Option<bool>,
}

/// The wrapper of the two bodies that are lists. `count` may be left out.
#[derive(Debug, Deserialize)]
pub(crate) struct Wrapped<T> {
    pub(crate) value: Vec<T>,
}

/// `POST feed` (actions/runner: TimelineRecordFeedLinesWrapper.cs).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FeedBody {
    pub(crate) value: Vec<String>,
    #[serde(default)]
    pub(crate) step_id: Option<Uuid>,
    #[serde(default)]
    pub(crate) start_line: Option<u64>,
}

/// `POST logs`.
#[derive(Debug, Deserialize)]
pub(crate) struct LogBody {
    pub(crate) path: String,
}

/// `POST timelines`.
#[derive(Debug, Deserialize)]
pub(crate) struct TimelineBody {
    pub(crate) id: Uuid,
}
