//! The parts of Azure DevOps' answers that are read here (vsts-rest-api-specs: distributedTask/7.1/taskAgent.json).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// User capability that says that a drain of ours disabled this agent. Its value is `<group id>;enabled=<bool>`: what the
/// agent was before, so that an interrupted drain can be undone without enabling what somebody else disabled.
pub(crate) const DRAIN_MARK: &str = "Mayfly.Drain";

/// User capability with the id of the container group that the agent runs in. It tells our registrations from those of
/// another fleet of the same name.
pub(crate) const OWNER_MARK: &str = "Mayfly.Group";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct PoolId(i64);

impl fmt::Display for PoolId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Id of a registration within its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct AgentId(pub(crate) i64);

impl fmt::Display for AgentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct List<T> {
    pub(crate) value: Vec<T>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Pool {
    pub(crate) id: PoolId,
    pub(crate) name: String,
}

/// The service capitalises some of its words differently from version to version; compared without case.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Agent {
    pub(crate) id: AgentId,
    pub(crate) name: String,
    #[serde(default = "enabled")]
    pub(crate) enabled: bool,
    #[serde(default)]
    pub(crate) status: String,
    pub(crate) user_capabilities: Option<BTreeMap<String, String>>,
    pub(crate) assigned_request: Option<JobRequest>,
}

fn enabled() -> bool {
    true
}

impl Agent {
    pub(crate) fn is_online(&self) -> bool {
        self.status.eq_ignore_ascii_case("online")
    }

    pub(crate) fn capability(&self, name: &str) -> Option<&str> {
        let capabilities = self.user_capabilities.as_ref()?;
        capabilities.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn job(&self) -> Option<JobSummary> {
        self.assigned_request.as_ref().map(JobRequest::summary)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobRequest {
    pub(crate) request_id: i64,
    pub(crate) job_name: Option<String>,
    pub(crate) definition: Option<NamedReference>,
    pub(crate) owner: Option<NamedReference>,
    pub(crate) result: Option<serde_json::Value>,
    pub(crate) finish_time: Option<String>,
    pub(crate) assign_time: Option<String>,
    pub(crate) receive_time: Option<String>,
    pub(crate) queue_time: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct NamedReference {
    pub(crate) name: Option<String>,
}

impl JobRequest {
    pub(crate) fn is_finished(&self) -> bool {
        self.result.as_ref().is_some_and(|result| !result.is_null()) || self.finish_time.is_some()
    }

    pub(crate) fn is_assigned(&self) -> bool {
        self.assign_time.is_some() || self.receive_time.is_some()
    }

    fn summary(&self) -> JobSummary {
        let name =
            |reference: &Option<NamedReference>| reference.as_ref().and_then(|named| named.name.clone());
        JobSummary {
            request_id: self.request_id,
            name: self.job_name.clone().or_else(|| name(&self.owner)),
            pipeline: name(&self.definition),
        }
    }
}

/// A job as far as the pool tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobSummary {
    /// Id of the request in the pool.
    pub request_id: i64,
    /// Name of the job or of its run.
    pub name: Option<String>,
    /// Pipeline it belongs to.
    pub pipeline: Option<String>,
}

impl fmt::Display for JobSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(formatter, "`{name}` (request {})", self.request_id)?,
            None => write!(formatter, "request {}", self.request_id)?,
        }
        match &self.pipeline {
            Some(pipeline) => write!(formatter, " of pipeline `{pipeline}`"),
            None => Ok(()),
        }
    }
}
