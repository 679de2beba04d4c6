//! What happened, for the control API. Holds names, ids and addresses only.

use std::net::IpAddr;

use jiff::Timestamp;
use pipeline_yaml::RunResult;
use serde::{Deserialize, Serialize};

use super::alarms::KeyUse;
use crate::wire::ids::{AgentId, RequestId, RunId};
use crate::wire::result::TaskResult;

/// One thing that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Grows by one with each event of the organization's life.
    pub(crate) number: u64,
    pub(crate) time: Timestamp,
    #[serde(flatten)]
    pub(crate) kind: EventKind,
}

/// What it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum EventKind {
    PoolAdded {
        pool: String,
    },
    PoolDeleted {
        pool: String,
    },
    AgentRegistered {
        agent: String,
        agent_id: AgentId,
        /// `null`: it has none.
        key: Option<String>,
    },
    AgentReplaced {
        agent: String,
        agent_id: AgentId,
        key: String,
        previous_key: Option<String>,
    },
    AgentEnabled {
        agent: String,
        agent_id: AgentId,
    },
    AgentDisabled {
        agent: String,
        agent_id: AgentId,
    },
    AgentDeleted {
        agent: String,
        agent_id: AgentId,
    },
    SessionCreated {
        agent: String,
        agent_id: AgentId,
    },
    SessionDeleted {
        agent: String,
        agent_id: AgentId,
    },
    SessionExpired {
        agent: String,
        agent_id: AgentId,
    },
    SessionReleased {
        agent: String,
        agent_id: AgentId,
    },
    /// A session of a replaced key is still in the way: usual after a container was killed, so no alarm.
    SessionConflict {
        agent: String,
        agent_id: AgentId,
        owner: String,
        from: Option<IpAddr>,
        open_owner: String,
        open_from: Option<IpAddr>,
    },
    /// Alarm: somebody else with the same key while its session is open.
    SecondSession {
        agent: String,
        agent_id: AgentId,
        owner: String,
        from: Option<IpAddr>,
        open_owner: String,
        open_from: Option<IpAddr>,
    },
    /// Alarm: the agent's key, or a token made with it, at another address than the one it registered from.
    KeyUsedElsewhere {
        agent: String,
        agent_id: AgentId,
        used_for: KeyUse,
        from: IpAddr,
        registered_from: IpAddr,
    },
    /// Alarm: a key after it was replaced, or a token made with it.
    DeadKeyUsed {
        agent: String,
        agent_id: AgentId,
        used_for: KeyUse,
        key: String,
        from: Option<IpAddr>,
    },
    UpdateRequested {
        agent: String,
        agent_id: AgentId,
        version: String,
    },
    UpdateReported {
        agent: String,
        agent_id: AgentId,
        state: String,
    },
    AgentUpdated {
        agent: String,
        agent_id: AgentId,
        version: String,
    },
    JobQueued {
        request_id: RequestId,
        name: String,
    },
    JobAssigned {
        request_id: RequestId,
        agent: String,
        agent_id: AgentId,
    },
    JobReceived {
        request_id: RequestId,
        agent: String,
        agent_id: AgentId,
    },
    JobRequeued {
        request_id: RequestId,
        agent: String,
        agent_id: AgentId,
    },
    JobCompleted {
        request_id: RequestId,
        result: TaskResult,
    },
    JobAbandoned {
        request_id: RequestId,
        agent: String,
    },
    RunQueued {
        run_id: RunId,
        name: String,
    },
    /// Somebody began a run again that had ended.
    RunRetried {
        run_id: RunId,
        name: String,
        /// From 2.
        attempt: u32,
    },
    RunCompleted {
        run_id: RunId,
        result: RunResult,
    },
    /// All of this comes from a snapshot.
    StateRestored,
    TokenAdded,
    TokenRevoked,
    MemberAdded {
        member: String,
    },
    MemberRemoved {
        member: String,
    },
}

impl EventKind {
    /// Whether it points to a stolen key, so that a person should look.
    pub(crate) fn is_alarm(&self) -> bool {
        matches!(self, Self::SecondSession { .. } | Self::KeyUsedElsewhere { .. } | Self::DeadKeyUsed { .. })
    }
}
