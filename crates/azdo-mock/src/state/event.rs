//! What happened, for the control API. Holds names and ids only.

use jiff::Timestamp;
use pipeline_yaml::RunResult;
use serde::Serialize;

use crate::wire::ids::{AgentId, RequestId, RunId};
use crate::wire::result::TaskResult;

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Event {
    pub(crate) time: Timestamp,
    #[serde(flatten)]
    pub(crate) kind: EventKind,
}

/// What it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum EventKind {
    AgentRegistered { agent: String, agent_id: AgentId, key: String },
    AgentReplaced { agent: String, agent_id: AgentId, key: String, previous_key: String },
    AgentEnabled { agent: String, agent_id: AgentId },
    AgentDisabled { agent: String, agent_id: AgentId },
    AgentDeleted { agent: String, agent_id: AgentId },
    SessionCreated { agent: String, agent_id: AgentId },
    SessionDeleted { agent: String, agent_id: AgentId },
    SessionExpired { agent: String, agent_id: AgentId },
    SessionReleased { agent: String, agent_id: AgentId },
    JobQueued { request_id: RequestId, name: String },
    JobAssigned { request_id: RequestId, agent: String, agent_id: AgentId },
    JobReceived { request_id: RequestId, agent: String, agent_id: AgentId },
    JobRequeued { request_id: RequestId, agent: String, agent_id: AgentId },
    JobCompleted { request_id: RequestId, result: TaskResult },
    JobAbandoned { request_id: RequestId, agent: String },
    RunQueued { run_id: RunId, name: String },
    RunCompleted { run_id: RunId, result: RunResult },
    TokenAdded,
    TokenRevoked,
    MemberAdded { member: String },
    MemberRemoved { member: String },
}
