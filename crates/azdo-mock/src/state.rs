//! The organization as one plain struct. Every change is a synchronous function that takes the moment as an
//! argument; nothing in here waits, reads a clock or touches a file.
//!
//! Laws, stated as properties in `tests.rs`: a job is never lost, runs to its end at most once, and goes only to
//! an agent that is online, enabled, idle and meets its demands.

pub(crate) mod agents;
pub(crate) mod alarms;
pub(crate) mod attempts;
pub(crate) mod build_refusal;
pub(crate) mod build_state;
pub(crate) mod builds;
mod changes;
pub(crate) mod definitions;
pub(crate) mod documents;
pub(crate) mod event;
pub(crate) mod folders;
mod index;
mod issues;
pub(crate) mod leases;
pub(crate) mod limits;
mod listeners;
pub(crate) mod maintenance;
pub(crate) mod members;
pub(crate) mod parallelism;
pub(crate) mod plans;
pub(crate) mod pools;
pub(crate) mod project;
pub(crate) mod project_settings;
pub(crate) mod properties;
pub(crate) mod queue;
mod queueing;
pub(crate) mod queues;
pub(crate) mod refusal;
pub(crate) mod requests;
mod restored;
pub(crate) mod run_jobs;
pub(crate) mod runs;
pub(crate) mod secrets;
pub(crate) mod seeding;
pub(crate) mod sessions;
mod tags;
#[cfg(test)]
mod tests;
mod tracked;
pub(crate) mod updates;
pub(crate) mod variable_groups;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_kit::Entropy;
use uuid::Uuid;

use crate::settings::Switches;
use crate::wire::ids::{AgentId, DefinitionId, PlanId, PoolId, RequestId, SessionId};
use crate::wire::job::JobSpec;

use agents::Agent;
use alarms::Sighting;
use definitions::Definition;
use documents::Document;
use event::{Event, EventKind};
use index::Index;
use maintenance::Maintenance;
use members::Member;
use plans::Plan;
use pools::Pool;
use project::Project;
use refusal::Refusal;
use requests::Request;
use runs::Runs;
use secrets::{Pat, TokenKey};
use seeding::KeptSeed;
use sessions::Session;
use tracked::Tracked;

/// When a change happens, and the randomness it may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) now: Timestamp,
    /// `'static`, since only such an entropy makes ids.
    pub(crate) entropy: &'a (dyn Entropy + 'static),
}

/// What is made once per instance, and the counters.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// Names the client's on-disk cache: fresh per instance, constant within one.
    pub(crate) instance_id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) token_key: TokenKey,
    pub(crate) created_on: Timestamp,
    next_pool: i32,
    next_agent: i32,
    next_request: i64,
    /// 0 in a store that is from before there were queues.
    #[serde(default)]
    next_queue: i32,
    #[serde(default)]
    next_definition: i32,
    #[serde(default)]
    next_group: i32,
    #[serde(default)]
    next_lease: i32,
    #[serde(default)]
    next_maintenance: i32,
    #[serde(default)]
    next_maintenance_job: i32,
    /// How many jobs of the organization run at once; `None`: as many as there are agents.
    #[serde(default)]
    pub(crate) parallel_jobs: Option<u32>,
}

impl Meta {
    /// A new organization.
    pub(crate) fn create(moment: Moment<'_>) -> Self {
        Self {
            instance_id: moment.entropy.uuid(),
            project_id: moment.entropy.uuid(),
            token_key: TokenKey::generate(moment.entropy),
            created_on: moment.now,
            next_pool: 1,
            next_agent: 1,
            next_request: 1,
            next_queue: 1,
            next_definition: 2,
            next_group: 1,
            next_lease: 1,
            next_maintenance: 1,
            next_maintenance_job: 1,
            parallel_jobs: None,
        }
    }
}

impl Meta {
    /// The same organization with nothing in it: what it signed before counts no more.
    pub(crate) fn reborn(&self, moment: Moment<'_>) -> Self {
        Self {
            instance_id: self.instance_id,
            project_id: self.project_id,
            created_on: self.created_on,
            ..Self::create(moment)
        }
    }
}

/// The whole organization. A clone is what a change is tried on that may fail half-way.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) switches: Switches,
    pub(crate) meta: Meta,
    pub(crate) pools: BTreeMap<PoolId, Pool>,
    pub(crate) agents: Tracked<AgentId, Agent>,
    pub(crate) sessions: Tracked<SessionId, Session>,
    pub(crate) requests: Tracked<RequestId, Request>,
    pub(crate) jobs: BTreeMap<RequestId, JobSpec>,
    pub(crate) plans: BTreeMap<PlanId, Plan>,
    pub(crate) runs: Runs,
    pub(crate) project: Project,
    pub(crate) maintenance: Maintenance,
    /// By the SHA-256 of the token.
    pub(crate) pats: BTreeMap<String, Pat>,
    /// Principals of the directory that belong to the organization, by object id.
    pub(crate) members: BTreeMap<Uuid, Member>,
    /// Assertions that were used, by `jti`, and when they may be forgotten.
    pub(crate) assertions: BTreeMap<String, Timestamp>,
    /// The same by when they may be forgotten.
    forgettable: BTreeSet<(Timestamp, String)>,
    index: Index,
    /// Something happened that may let a queued job be given to an agent.
    stirred: bool,
    /// How many queued jobs were looked at to give them away.
    #[cfg(test)]
    looked_at: usize,
    /// Documents that differ from what the store holds.
    pub(crate) dirty: BTreeSet<Document>,
    /// What happened since the events were last taken.
    pub(crate) events: Vec<Event>,
    /// The number of the next event.
    pub(crate) next_event: u64,
    /// Signs of theft that were noted. A restart forgets them, so that one that goes on is noted again.
    sightings: BTreeSet<Sighting>,
    /// Agent packages that were added to those of the settings, by file name.
    pub(crate) offers: BTreeMap<String, PathBuf>,
    /// The seeds that were applied, by number from 1: a reset applies them again.
    pub(crate) seeds: BTreeMap<u32, KeptSeed>,
}

impl State {
    /// An organization with nothing in it.
    pub(crate) fn new(meta: Meta, switches: Switches) -> Self {
        let mut project = Project::default();
        let control = Definition::control(meta.created_on);
        project.definitions.insert(control.id, control);
        Self {
            switches,
            meta,
            pools: BTreeMap::new(),
            agents: Tracked::default(),
            sessions: Tracked::default(),
            requests: Tracked::default(),
            jobs: BTreeMap::new(),
            plans: BTreeMap::new(),
            runs: Runs::default(),
            project,
            maintenance: Maintenance::default(),
            pats: BTreeMap::new(),
            members: BTreeMap::new(),
            assertions: BTreeMap::new(),
            forgettable: BTreeSet::new(),
            index: Index::default(),
            stirred: true,
            #[cfg(test)]
            looked_at: 0,
            dirty: BTreeSet::from([Document::Meta, Document::Definition(DefinitionId::CONTROL)]),
            events: Vec::new(),
            next_event: 1,
            sightings: BTreeSet::new(),
            offers: BTreeMap::new(),
            seeds: BTreeMap::new(),
        }
    }

    /// Lets time pass: expires sessions, gives up on silent agents, hands out queued jobs.
    pub(crate) fn settle(&mut self, moment: Moment<'_>) {
        self.reindex();
        self.expire_sessions(moment.now);
        self.expire_locks(moment.now);
        self.expire_time_limits(moment.now);
        self.forget_assertions(moment.now);
        self.advance_runs(moment);
        self.advance_maintenance(moment);
        self.assign(moment);
    }

    fn note(&mut self, now: Timestamp, kind: EventKind) {
        self.events.push(Event { number: self.next_event, time: now, kind });
        self.next_event += 1;
    }
}
