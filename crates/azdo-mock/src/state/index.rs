//! What is found without walking over everything: the agent of a name, an agent's session and job, what is due, what
//! waits and who could take it. The cost of a change must not grow with the agents and jobs that it does not touch.
//!
//! Everything here is derived from agents, sessions and requests, which remember what was touched ([`Tracked`]). A
//! question looks at what was touched itself and at what the index says of the rest, and checks both, so it is right
//! at any moment. Law (`tests.rs`): after [`State::reindex`] the index is what it would be if it were made anew.
//!
//! [`Tracked`]: super::tracked::Tracked

mod questions;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::State;
use super::agents::Agent;
use super::requests::Request;
use super::sessions::Session;
use crate::wire::demand::Demand;
use crate::wire::ids::{AgentId, JobId, PoolId, RequestId, SessionId};

/// What of an agent is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AgentFacts {
    pool: PoolId,
    /// In lower case: names match in any case.
    name: String,
    client: Uuid,
}

/// What of a session is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SessionFacts {
    agent: AgentId,
    /// Since when nobody polls; `None` while a poll is held.
    silent_since: Option<Timestamp>,
}

/// Which agents could be given a job: jobs that want the same have the same chances.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Want {
    pool: PoolId,
    demands: Vec<Demand>,
}

impl Want {
    fn of(request: &Request) -> Self {
        Self { pool: request.pool_id, demands: request.demands.clone() }
    }
}

/// What of a request is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RequestFacts {
    pool: PoolId,
    job: JobId,
    agent: Option<AgentId>,
    finished: Option<Timestamp>,
    /// When it has to be looked at if nothing happens.
    due: Option<Timestamp>,
    /// Of one that waits.
    want: Option<Want>,
}

impl RequestFacts {
    fn of(request: &Request) -> Self {
        let agent = request.assignment.as_ref().map(|held| held.agent_id);
        let limit = request.receive_time.filter(|_| request.limits.timeout > 0).map(|since| {
            let limit = SignedDuration::from_mins(request.limits.timeout.into());
            since.saturating_add(limit).unwrap_or(Timestamp::MAX)
        });
        let due = [request.locked_until, request.cancel_deadline, limit].into_iter().flatten().min();
        Self {
            pool: request.pool_id,
            job: request.job_id,
            agent,
            finished: request.finish_time,
            due: due.filter(|_| request.finish_time.is_none()),
            want: request.queued().then(|| Want::of(request)),
        }
    }
}

/// The order in which agents of a pool are given jobs. An agent whose poll is held comes before one that was only seen
/// lately: of the two it is certain to be alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    pool: PoolId,
    absent: bool,
    since: Timestamp,
    agent: AgentId,
}

/// The index. See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Index {
    agents: BTreeMap<AgentId, AgentFacts>,
    names: BTreeSet<(PoolId, String, AgentId)>,
    clients: BTreeSet<(Uuid, AgentId)>,
    sizes: BTreeMap<PoolId, usize>,
    sessions: BTreeMap<SessionId, SessionFacts>,
    sessions_of: BTreeSet<(AgentId, SessionId)>,
    silent: BTreeSet<(Timestamp, SessionId)>,
    requests: BTreeMap<RequestId, RequestFacts>,
    jobs: BTreeSet<(JobId, RequestId)>,
    queued: BTreeMap<Want, BTreeSet<RequestId>>,
    open: BTreeSet<(PoolId, RequestId)>,
    held: BTreeSet<(AgentId, RequestId)>,
    done: BTreeSet<(PoolId, Timestamp, RequestId)>,
    done_by: BTreeSet<(AgentId, Timestamp, RequestId)>,
    due: BTreeSet<(Timestamp, RequestId)>,
    turns: BTreeMap<AgentId, Turn>,
    ready: BTreeSet<Turn>,
}

/// Adds or removes: an entry's old facts leave the sets, its new ones enter them.
fn set<T: Ord>(into: &mut BTreeSet<T>, item: T, there: bool) {
    if there {
        into.insert(item);
    } else {
        into.remove(&item);
    }
}

impl Index {
    fn put_agent(&mut self, id: AgentId, agent: Option<&Agent>) {
        let facts = agent.map(|agent| AgentFacts {
            pool: agent.pool_id,
            name: agent.name.to_ascii_lowercase(),
            client: agent.client_id,
        });
        let old = match &facts {
            Some(facts) => self.agents.insert(id, facts.clone()),
            None => self.agents.remove(&id),
        };
        if old == facts {
            return;
        }
        for (facts, there) in [(old, false), (facts, true)] {
            let Some(facts) = facts else { continue };
            set(&mut self.names, (facts.pool, facts.name, id), there);
            set(&mut self.clients, (facts.client, id), there);
            let size = self.sizes.entry(facts.pool).or_default();
            *size = if there { *size + 1 } else { *size - 1 };
            if *size == 0 {
                self.sizes.remove(&facts.pool);
            }
        }
    }

    /// The agents whose session it is or was.
    fn put_session(&mut self, id: SessionId, session: Option<&Session>) -> Vec<AgentId> {
        let facts = session.map(|session| SessionFacts {
            agent: session.agent_id,
            silent_since: (session.polls == 0).then_some(session.last_seen),
        });
        let old = match &facts {
            Some(facts) => self.sessions.insert(id, facts.clone()),
            None => self.sessions.remove(&id),
        };
        let agents = [&old, &facts].into_iter().flatten().map(|facts| facts.agent).collect();
        for (facts, there) in [(old, false), (facts, true)] {
            let Some(facts) = facts else { continue };
            set(&mut self.sessions_of, (facts.agent, id), there);
            if let Some(since) = facts.silent_since {
                set(&mut self.silent, (since, id), there);
            }
        }
        agents
    }

    /// The agents whose job it is or was, and whether somebody may be given a job now.
    fn put_request(&mut self, id: RequestId, request: Option<&Request>) -> (Vec<AgentId>, bool) {
        let facts = request.map(RequestFacts::of);
        let old = match &facts {
            Some(facts) => self.requests.insert(id, facts.clone()),
            None => self.requests.remove(&id),
        };
        let agents = [&old, &facts].into_iter().flatten().filter_map(|facts| facts.agent).collect();
        let stirred = facts.as_ref().is_none_or(|facts| facts.want.is_some() || facts.finished.is_some());
        for (facts, there) in [(old, false), (facts, true)] {
            let Some(facts) = facts else { continue };
            set(&mut self.jobs, (facts.job, id), there);
            match facts.finished {
                None => set(&mut self.open, (facts.pool, id), there),
                Some(end) => set(&mut self.done, (facts.pool, end, id), there),
            }
            match (facts.agent, facts.finished) {
                (Some(agent), None) => set(&mut self.held, (agent, id), there),
                (Some(agent), Some(end)) => set(&mut self.done_by, (agent, end, id), there),
                (None, _) => {}
            }
            if let Some(want) = facts.want {
                self.put_queued(want, id, there);
            }
            if let Some(due) = facts.due {
                set(&mut self.due, (due, id), there);
            }
        }
        (agents, stirred)
    }

    fn put_queued(&mut self, want: Want, id: RequestId, there: bool) {
        match self.queued.entry(want) {
            Entry::Vacant(entry) if there => drop(entry.insert(BTreeSet::from([id]))),
            Entry::Vacant(_) => {}
            Entry::Occupied(mut entry) => {
                set(entry.get_mut(), id, there);
                if entry.get().is_empty() {
                    entry.remove();
                }
            }
        }
    }

    /// Whether the agent became ready.
    fn put_turn(&mut self, agent: AgentId, turn: Option<Turn>) -> bool {
        let old = match turn {
            Some(turn) => self.turns.insert(agent, turn),
            None => self.turns.remove(&agent),
        };
        if let Some(old) = old {
            self.ready.remove(&old);
        }
        self.ready.extend(turn);
        old.is_none() && turn.is_some()
    }
}

impl State {
    /// Brings the index up to date with what was touched.
    pub(super) fn reindex(&mut self) {
        let mut affected = self.agents.take_touched();
        for id in &affected {
            self.index.put_agent(*id, self.agents.get(id));
            // What it is able to do may have changed.
            self.stirred = true;
        }
        for id in self.sessions.take_touched() {
            affected.extend(self.index.put_session(id, self.sessions.get(&id)));
        }
        for id in self.requests.take_touched() {
            let (agents, stirred) = self.index.put_request(id, self.requests.get(&id));
            affected.extend(agents);
            self.stirred |= stirred;
        }
        for id in affected {
            let turn = self.agents.get(&id).and_then(|agent| self.turn(agent));
            self.stirred |= self.index.put_turn(id, turn);
        }
    }

    fn turn(&self, agent: &Agent) -> Option<Turn> {
        let session = self.ready_session(agent)?;
        Some(Turn {
            pool: agent.pool_id,
            absent: session.polls == 0,
            since: session.created_on,
            agent: agent.id,
        })
    }

    #[cfg(test)]
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// The index made anew.
    #[cfg(test)]
    pub(super) fn recomputed(&self) -> Index {
        let mut index = Index::default();
        for agent in self.agents.values() {
            index.put_agent(agent.id, Some(agent));
        }
        for session in self.sessions.values() {
            index.put_session(session.id, Some(session));
        }
        for request in self.requests.values() {
            index.put_request(request.id, Some(request));
        }
        for agent in self.agents.values() {
            let session = self.sessions.values().find(|session| session.agent_id == agent.id);
            let busy = self.requests.values().any(|r| r.finish_time.is_none() && r.is_of(agent.id));
            let ready = session.filter(|session| {
                let may = session.generation == agent.key_generation && !session.retired && agent.enabled;
                may && session.finished_at.is_none() && !busy
            });
            let turn = ready.map(|session| Turn {
                pool: agent.pool_id,
                absent: session.polls == 0,
                since: session.created_on,
                agent: agent.id,
            });
            index.put_turn(agent.id, turn);
        }
        index
    }
}
