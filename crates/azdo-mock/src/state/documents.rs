//! Which parts of the state are one document in the store, so that a change writes little.

use serde_json::Value;
use uuid::Uuid;

use super::{Refusal, State};
use crate::wire::ids::{
    AgentId, DefinitionId, GroupId, LeaseId, LogId, MaintenanceId, MaintenanceJobId, PlanId, PoolId, QueueId,
    RecordId, RequestId, RunId, SessionId, TimelineId,
};
use crate::wire::job::HUB;

/// One document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Document {
    Meta,
    Pool(PoolId),
    Agent(AgentId),
    Session(SessionId),
    Request(RequestId),
    Job(RequestId),
    Plan(PlanId),
    Run(RunId),
    Record(PlanId, TimelineId, RecordId),
    Log(PlanId, LogId),
    Pat(String),
    Member(Uuid),
    Assertion(String),
    Offer(String),
    Queue(QueueId),
    Definition(DefinitionId),
    VariableGroup(GroupId),
    /// A pipeline file, by its path.
    File(String),
    /// What was noted on a build.
    Build(RunId),
    Lease(LeaseId),
    /// A folder of definitions, by its path.
    Folder(String),
    ProjectSettings,
    MaintenanceDefinition(MaintenanceId),
    MaintenanceJob(MaintenanceJobId),
    Seed(u32),
}

/// The store's table names, one per kind of document.
pub(crate) mod table {
    /// What the names of all of them begin with.
    pub(crate) const PREFIX: &str = "azdo.";
    pub(crate) const META: &str = "azdo.meta";
    pub(crate) const POOLS: &str = "azdo.pools";
    pub(crate) const AGENTS: &str = "azdo.agents";
    pub(crate) const SESSIONS: &str = "azdo.sessions";
    pub(crate) const REQUESTS: &str = "azdo.requests";
    pub(crate) const JOBS: &str = "azdo.jobs";
    pub(crate) const PLANS: &str = "azdo.plans";
    pub(crate) const RUNS: &str = "azdo.runs";
    pub(crate) const RECORDS: &str = "azdo.records";
    pub(crate) const LOGS: &str = "azdo.logs";
    pub(crate) const PATS: &str = "azdo.pats";
    pub(crate) const MEMBERS: &str = "azdo.members";
    pub(crate) const ASSERTIONS: &str = "azdo.assertions";
    pub(crate) const OFFERS: &str = "azdo.offers";
    pub(crate) const QUEUES: &str = "azdo.queues";
    pub(crate) const DEFINITIONS: &str = "azdo.definitions";
    pub(crate) const VARIABLE_GROUPS: &str = "azdo.variablegroups";
    pub(crate) const FILES: &str = "azdo.files";
    pub(crate) const BUILDS: &str = "azdo.builds";
    pub(crate) const LEASES: &str = "azdo.leases";
    pub(crate) const FOLDERS: &str = "azdo.folders";
    pub(crate) const PROJECT: &str = "azdo.project";
    pub(crate) const MAINTENANCE: &str = "azdo.maintenance";
    pub(crate) const MAINTENANCE_JOBS: &str = "azdo.maintenancejobs";
    pub(crate) const SEEDS: &str = "azdo.seeds";
    pub(crate) const EVENTS: &str = "azdo.events";
    /// What of a snapshot still waits; of this folder and in no snapshot.
    pub(crate) const RESTORED: &str = "azdo.restored";
}

impl Document {
    /// Table and key.
    pub(crate) fn address(&self) -> (&'static str, String) {
        match self {
            Self::Meta => (table::META, "meta".to_owned()),
            Self::Pool(id) => (table::POOLS, format!("{:010}", id.0)),
            Self::Agent(id) => (table::AGENTS, format!("{:010}", id.0)),
            Self::Session(id) => (table::SESSIONS, id.to_string()),
            Self::Request(id) => (table::REQUESTS, format!("{:020}", id.0)),
            Self::Job(id) => (table::JOBS, format!("{:020}", id.0)),
            Self::Plan(id) => (table::PLANS, id.to_string()),
            Self::Run(id) => (table::RUNS, format!("{:020}", id.0)),
            Self::Record(plan, timeline, record) => (table::RECORDS, format!("{plan}/{timeline}/{record}")),
            Self::Log(plan, log) => (table::LOGS, format!("{plan}/{:020}", log.0)),
            Self::Pat(hash) => (table::PATS, hash.clone()),
            Self::Member(id) => (table::MEMBERS, id.to_string()),
            Self::Assertion(jti) => (table::ASSERTIONS, jti.clone()),
            Self::Offer(file) => (table::OFFERS, file.clone()),
            Self::Queue(id) => (table::QUEUES, format!("{:010}", id.0)),
            Self::Definition(id) => (table::DEFINITIONS, format!("{:010}", id.0)),
            Self::VariableGroup(id) => (table::VARIABLE_GROUPS, format!("{:010}", id.0)),
            Self::File(path) => (table::FILES, path.clone()),
            Self::Build(id) => (table::BUILDS, format!("{:020}", id.0)),
            Self::Lease(id) => (table::LEASES, format!("{:010}", id.0)),
            Self::Folder(path) => (table::FOLDERS, path.clone()),
            Self::ProjectSettings => (table::PROJECT, "settings".to_owned()),
            Self::MaintenanceDefinition(id) => (table::MAINTENANCE, format!("{:010}", id.0)),
            Self::MaintenanceJob(id) => (table::MAINTENANCE_JOBS, format!("{:010}", id.0)),
            Self::Seed(number) => (table::SEEDS, format!("{number:010}")),
        }
    }
}

impl State {
    /// The document's present content; `None` when it is gone. Holds secrets: for the encrypted store only.
    pub(crate) fn content(&self, document: &Document) -> Result<Option<Value>, serde_json::Error> {
        fn some<T: serde::Serialize>(item: Option<&T>) -> Result<Option<Value>, serde_json::Error> {
            item.map(serde_json::to_value).transpose()
        }
        match document {
            Document::Meta => some(Some(&self.meta)),
            Document::Pool(id) => some(self.pools.get(id)),
            Document::Agent(id) => some(self.agents.get(id)),
            Document::Session(id) => some(self.sessions.get(id)),
            Document::Request(id) => some(self.requests.get(id)),
            Document::Job(id) => some(self.jobs.get(id)),
            Document::Plan(id) => some(self.plans.get(id)),
            Document::Run(id) => some(self.runs.all.get(id)),
            Document::Record(plan, timeline, record) => {
                some(self.plans.get(plan).and_then(|plan| plan.records.get(&(*timeline, *record))))
            }
            Document::Log(plan, log) => some(self.plans.get(plan).and_then(|plan| plan.logs.get(log))),
            Document::Pat(hash) => some(self.pats.get(hash)),
            Document::Member(id) => some(self.members.get(id)),
            Document::Assertion(jti) => some(self.assertions.get(jti)),
            Document::Offer(file) => some(self.offers.get(file)),
            Document::Queue(id) => some(self.project.queues.get(id)),
            Document::Definition(id) => some(self.project.definitions.get(id)),
            Document::VariableGroup(id) => some(self.project.variable_groups.get(id)),
            Document::File(path) => some(self.project.files.get(path)),
            Document::Build(id) => some(self.project.notes.get(id)),
            Document::Lease(id) => some(self.project.leases.get(id)),
            Document::Folder(path) => some(self.project.folders.get(path)),
            Document::ProjectSettings => some(Some(&self.project.settings)),
            Document::MaintenanceDefinition(id) => some(self.maintenance.definitions.get(id)),
            Document::MaintenanceJob(id) => some(self.maintenance.job(*id).ok()),
            Document::Seed(number) => some(self.seeds.get(number)),
        }
    }

    /// The hub that a plan is of.
    pub(crate) fn hub(&self, id: PlanId) -> &'static str {
        let request = self.plans.get(&id).map(|plan| plan.request_id);
        let spec = request.and_then(|request| self.jobs.get(&request));
        spec.map_or(HUB, |spec| spec.placement.hub())
    }

    /// The plan, or the refusal that says it is not there.
    pub(crate) fn plan(&self, id: PlanId) -> Result<&super::Plan, Refusal> {
        self.plans.get(&id).ok_or(Refusal::PlanNotFound(id))
    }
}
