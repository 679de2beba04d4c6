//! What the index is asked: each question looks at what was touched itself and at what the index says of the rest.

use std::collections::BTreeSet;
use std::ops::Bound;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Turn, Want};
use crate::state::agents::Agent;
use crate::state::requests::Request;
use crate::state::sessions::Session;
use crate::state::{Document, State};
use crate::wire::ids::{AgentId, JobId, PoolId, RequestId, RunId, SessionId};

impl State {
    /// Whether nothing happens by itself at `now`, so that the state can be read as it is.
    pub(crate) fn at_rest(&self, now: Timestamp) -> bool {
        let settled = self.agents.at_rest() && self.sessions.at_rest() && self.requests.at_rest();
        let saved = self.dirty.is_empty() && self.events.is_empty() && !self.stirred;
        let due = self.index.due.first().is_some_and(|(due, _)| *due < now)
            || self.index.silent.first().is_some_and(|(since, _)| self.expires(*since) < now)
            || self.forgettable.first().is_some_and(|(end, _)| *end < now);
        settled && saved && !due
    }

    /// Requests of which something may be due.
    pub(in crate::state) fn due_requests(&self, now: Timestamp) -> impl Iterator<Item = &Request> {
        let due = self.index.due.iter().take_while(move |(due, _)| *due < now).map(|(_, id)| *id);
        let due: BTreeSet<_> = due.chain(self.requests.touched().map(|request| request.id)).collect();
        due.into_iter().filter_map(|id| self.requests.get(&id))
    }

    /// Sessions that may have expired.
    pub(in crate::state) fn silent_sessions(&self, now: Timestamp) -> impl Iterator<Item = &Session> {
        let silent = self.index.silent.iter().take_while(move |(since, _)| self.expires(*since) < now);
        silent.filter_map(|(_, id)| self.sessions.get(id))
    }

    /// How many jobs are an agent's. Complete after [`Self::reindex`].
    pub(in crate::state) fn held_jobs(&self) -> usize {
        self.index.held.len()
    }

    /// The oldest of the queued jobs that want the same, for each kind of want. Complete after [`Self::reindex`].
    pub(in crate::state) fn first_in_queues(&self) -> impl Iterator<Item = RequestId> {
        self.index.queued.values().filter_map(|queue| queue.first().copied())
    }

    /// The queued job that comes after another and wants the same. Complete after [`Self::reindex`].
    pub(in crate::state) fn next_in_queue(&self, request: &Request) -> Option<RequestId> {
        let queue = self.index.queued.get(&Want::of(request))?;
        queue.range((Bound::Excluded(request.id), Bound::Unbounded)).next().copied()
    }

    /// Agents of a pool that a job can be given to, in their turn. Complete after [`Self::reindex`].
    pub(in crate::state) fn ready_agents(&self, pool: PoolId) -> impl Iterator<Item = &Agent> {
        let first = Turn { pool, absent: false, since: Timestamp::MIN, agent: AgentId(i32::MIN) };
        let turns = self.index.ready.range(first..).take_while(move |turn| turn.pool == pool);
        turns.filter_map(|turn| self.agents.get(&turn.agent))
    }

    /// How many agents a pool has.
    pub(crate) fn size(&self, pool: PoolId) -> usize {
        self.index.sizes.get(&pool).copied().unwrap_or(0)
    }

    /// The live session of an agent.
    pub(crate) fn session_of(&self, agent: AgentId) -> Option<&Session> {
        let known = self.index.sessions_of.range((agent, SessionId(Uuid::nil()))..).map(|(_, id)| *id).next();
        self.sessions.candidates(known).find(|session| session.agent_id == agent)
    }

    /// The agent of a name in a pool; names match in any case.
    pub(crate) fn agent_named(&self, pool: PoolId, name: &str) -> Option<&Agent> {
        let first = (pool, name.to_ascii_lowercase(), AgentId(i32::MIN));
        let known = self.index.names.range(first..).map(|(_, _, id)| *id).next();
        let same = |agent: &&Agent| agent.pool_id == pool && agent.name.eq_ignore_ascii_case(name);
        self.agents.candidates(known).find(same)
    }

    /// The agent that asks for tokens under this name.
    pub(crate) fn agent_of_client(&self, client: Uuid) -> Option<&Agent> {
        let known = self.index.clients.range((client, AgentId(i32::MIN))..).map(|(_, id)| *id).next();
        self.agents.candidates(known).find(|agent| agent.client_id == client)
    }

    /// The request of a job.
    pub(crate) fn request_of_job(&self, job: JobId) -> Option<&Request> {
        let known = self.index.jobs.range((job, RequestId(i64::MIN))..).map(|(_, id)| *id).next();
        self.requests.candidates(known).find(|request| request.job_id == job)
    }

    /// The unfinished request that is an agent's, if any: an agent never has two.
    pub(crate) fn assigned_request(&self, agent: AgentId) -> Option<&Request> {
        let held = self.index.held.range((agent, RequestId(i64::MIN))..=(agent, RequestId(i64::MAX)));
        self.requests
            .candidates(held.map(|(_, id)| *id))
            .find(|request| request.finish_time.is_none() && request.is_of(agent))
    }

    /// The requests an agent finished, the last one first. Complete after [`Self::reindex`].
    pub(crate) fn finished_by(&self, agent: AgentId) -> impl Iterator<Item = &Request> {
        let first = (agent, Timestamp::MIN, RequestId(i64::MIN));
        let last = (agent, Timestamp::MAX, RequestId(i64::MAX));
        self.index.done_by.range(first..=last).rev().filter_map(|(_, _, id)| self.requests.get(id))
    }

    /// The request an agent finished last.
    pub(crate) fn last_completed_request(&self, agent: AgentId) -> Option<&Request> {
        let of = |request: &&Request| request.finish_time.is_some() && request.is_of(agent);
        let known = self.finished_by(agent).find(of);
        self.requests
            .touched()
            .filter(of)
            .chain(known)
            .max_by_key(|request| (request.finish_time, request.id))
    }

    /// The unfinished requests of a pool, oldest first. Complete after [`Self::reindex`].
    pub(crate) fn open_requests(&self, pool: PoolId) -> impl Iterator<Item = &Request> {
        let range = (pool, RequestId(i64::MIN))..=(pool, RequestId(i64::MAX));
        self.index.open.range(range).filter_map(|(_, id)| self.requests.get(id))
    }

    /// The finished requests of a pool, the last one first. Complete after [`Self::reindex`].
    pub(crate) fn finished_requests(&self, pool: PoolId) -> impl Iterator<Item = &Request> {
        let first = (pool, Timestamp::MIN, RequestId(i64::MIN));
        let last = (pool, Timestamp::MAX, RequestId(i64::MAX));
        self.index.done.range(first..=last).rev().filter_map(|(_, _, id)| self.requests.get(id))
    }

    /// Runs to which something happened that is not saved yet.
    pub(in crate::state) fn changed_runs(&self) -> BTreeSet<RunId> {
        let run = |id: &RequestId| self.jobs.get(id).and_then(|job| job.placement.run);
        let changed = self.dirty.iter().filter_map(|document| match document {
            Document::Run(id) => Some(*id),
            Document::Request(id) => run(id),
            _ => None,
        });
        changed.collect()
    }
}
