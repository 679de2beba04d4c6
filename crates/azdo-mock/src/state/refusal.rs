//! Why a change was not made. Only `error` knows what each is on the wire.

use crate::wire::ids::{
    AgentId, GroupId, LogId, MaintenanceId, MaintenanceJobId, PlanId, PoolId, QueueId, RecordId, RequestId,
    TimelineId,
};

/// Why a change was not made. The texts are those of the real service where they are public.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    // microsoft/azure-pipelines-agent#489 and #876 show the text.
    #[error("No agent pool found with identifier {0}.")]
    PoolNotFound(PoolId),
    #[error("Agent pool {0} already exists.")]
    PoolExists(String),
    #[error("The agent {agent} in pool {pool} was not found.")]
    AgentNotFound { agent: AgentId, pool: PoolId },
    #[error("Pool {pool} already contains an agent with name {name}.")]
    AgentExists { pool: PoolId, name: String },
    #[error("Agent \"{agent}\" is running a job for pool \"{pool}\"")]
    AgentBusy { agent: String, pool: String },
    #[error("The task agent {agent} already has an active session for owner {owner}.")]
    SessionConflict { agent: String, owner: String },
    #[error("The session has expired. Create a new session.")]
    SessionExpired,
    #[error("The access token was issued to a key that has been replaced.")]
    KeyReplaced,
    #[error("Agent request {0} was not found.")]
    JobNotFound(RequestId),
    #[error("Agent request {request} cannot be changed: {reason}.")]
    JobTokenExpired { request: RequestId, reason: &'static str },
    #[error("The plan {0} was not found.")]
    PlanNotFound(PlanId),
    #[error("The timeline {timeline} was not found in plan {plan}.")]
    TimelineNotFound { timeline: TimelineId, plan: PlanId },
    #[error("The timeline {timeline} already exists in plan {plan}.")]
    TimelineExists { timeline: TimelineId, plan: PlanId },
    #[error("The timeline record {record} was not found in timeline {timeline}.")]
    RecordNotFound { record: RecordId, timeline: TimelineId },
    #[error("Log {log} was not found in plan {plan}.")]
    LogNotFound { log: LogId, plan: PlanId },
    #[error("No agent queue found with identifier {0}.")]
    QueueNotFound(QueueId),
    #[error("The agent queue {0} already exists.")]
    QueueExists(String),
    #[error("Variable group with id {0} does not exist.")]
    VariableGroupNotFound(GroupId),
    #[error("Variable group '{0}' already exists.")]
    VariableGroupExists(String),
    #[error("No maintenance definition found with identifier {0}.")]
    MaintenanceDefinitionNotFound(MaintenanceId),
    #[error("No maintenance job found with identifier {0}.")]
    MaintenanceJobNotFound(MaintenanceJobId),
    #[error("Maintenance is not enabled for agent pool {0}.")]
    MaintenanceNotEnabled(String),
    #[error("The maintenance job {0} has not ended. Cancel it first.")]
    MaintenanceRuns(MaintenanceJobId),
    #[error("Access denied. {0}")]
    Denied(String),
    #[error("{0}")]
    Invalid(String),
}
