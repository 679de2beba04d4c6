//! Who gets which job, and what becomes of a job whose agent keeps silent.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::agents::Agent;
use super::requests::{Assignment, Request};
use super::sessions::{Message, Session};
use super::{Document, EventKind, Moment, State};
use crate::wire::ids::{AgentId, RequestId, SessionId};
use crate::wire::result::TaskResult;

impl State {
    /// Agents of the pool that could run the job, now or when they are idle and online.
    pub(crate) fn matched_agents(&self, request: &Request) -> impl Iterator<Item = &Agent> {
        self.agents.values().filter(|agent| agent.pool_id == request.pool_id && agent.meets(&request.demands))
    }

    /// The session through which an agent would be given a job now.
    pub(super) fn ready_session(&self, agent: &Agent) -> Option<&Session> {
        // A session that a replaced key opened gets no job: jobs carry secrets.
        self.session_of(agent.id)
            .filter(|session| session.generation == agent.key_generation)
            .filter(|session| !session.retired && session.finished_at.is_none())
            .filter(|_| agent.enabled && self.assigned_request(agent.id).is_none())
    }

    /// Hands queued jobs to agents, oldest job first. An agent whose poll is held comes before one that was only
    /// seen lately: of the two it is certain to be alive. What is looked at are the jobs that are given away, and of
    /// those that want the same the first that is not: it speaks for all behind it.
    pub(super) fn assign(&mut self, moment: Moment<'_>) {
        self.reindex();
        if !std::mem::take(&mut self.stirred) {
            return;
        }
        let mut free = self.free_parallel_jobs();
        let mut next: BTreeSet<_> = self.first_in_queues().collect();
        while free > 0
            && let Some(id) = next.pop_first()
        {
            #[cfg(test)]
            {
                self.looked_at += 1;
            }
            let Some(request) = self.requests.get(&id) else { continue };
            let best = self
                .ready_agents(request.pool_id)
                .filter(|agent| agent.meets(&request.demands))
                .find_map(|agent| Some((agent, self.ready_session(agent)?)));
            let Some((agent, session)) = best else { continue };
            next.extend(self.next_in_queue(request));
            let assignment = Assignment {
                agent_id: agent.id,
                agent_name: agent.name.clone(),
                session_id: session.id,
                generation: session.generation,
                time: moment.now,
            };
            self.give(id, assignment, moment.now);
            self.reindex();
            free -= 1;
        }
    }

    fn give(&mut self, id: RequestId, assignment: Assignment, now: Timestamp) {
        let lock = self.lock_from(now);
        let (agent, agent_id) = (assignment.agent_name.clone(), assignment.agent_id);
        if let Some(session) = self.sessions.get_mut(&assignment.session_id) {
            session.push(Message::Job { request: id });
        }
        self.dirty.insert(Document::Session(assignment.session_id));
        if let Some(request) = self.requests.get_mut(&id) {
            request.assignment = Some(assignment);
            request.locked_until = Some(lock);
        }
        self.dirty.insert(Document::Request(id));
        self.note(now, EventKind::JobAssigned { request_id: id, agent, agent_id });
    }

    /// Puts a job back that its agent never took.
    pub(super) fn requeue_unreceived(&mut self, id: RequestId, session: SessionId, now: Timestamp) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let taken = request.finish_time.is_some() || request.receive_time.is_some();
        if taken || request.assignment.as_ref().is_none_or(|held| held.session_id != session) {
            return;
        }
        request.locked_until = None;
        self.dirty.insert(Document::Request(id));
        if let Some(held) = request.assignment.take() {
            self.note(
                now,
                EventKind::JobRequeued { request_id: id, agent: held.agent_name, agent_id: held.agent_id },
            );
        }
    }

    /// Ends what nobody renews: a running job is abandoned, one that was never taken goes back into the queue and
    /// its agent gets no other in that session.
    pub(super) fn expire_locks(&mut self, now: Timestamp) {
        let passed = |time: Option<Timestamp>| time.is_some_and(|time| time < now);
        let due: Vec<_> = self
            .due_requests(now)
            .filter(|request| request.finish_time.is_none() && request.assignment.is_some())
            .filter(|request| passed(request.locked_until) || passed(request.cancel_deadline))
            .map(|request| request.id)
            .collect();
        for id in due {
            let Some(request) = self.requests.get(&id) else { continue };
            let Some(held) = request.assignment.clone() else { continue };
            if request.cancel_deadline.is_some() {
                self.finish(id, TaskResult::Canceled, Some(true), now);
                self.report_error(
                    id,
                    &format!("The agent {} did not end the cancelled job in time.", held.agent_name),
                );
            } else if request.receive_time.is_some() {
                self.note(now, EventKind::JobAbandoned { request_id: id, agent: held.agent_name.clone() });
                self.finish(id, TaskResult::Abandoned, Some(true), now);
                self.report_error(id, &stopped_hearing(&held.agent_name));
            } else {
                if let Some(session) = self.sessions.get_mut(&held.session_id) {
                    session.retired = true;
                    session.messages.retain(|_, message| *message != Message::Job { request: id });
                    self.dirty.insert(Document::Session(held.session_id));
                }
                self.requeue_unreceived(id, held.session_id, now);
            }
        }
    }

    /// After a restart: nobody could poll or renew while the service was away, so nobody is late.
    pub(crate) fn resume(&mut self, now: Timestamp) {
        let lock = self.lock_from(now);
        for session in self.sessions.values_mut() {
            session.polls = 0;
            session.last_seen = now;
        }
        for request in self.requests.values_mut() {
            if request.finish_time.is_none() && request.locked_until.is_some_and(|until| until < lock) {
                request.locked_until = Some(lock);
                self.dirty.insert(Document::Request(request.id));
            }
            if request.finish_time.is_none() && request.cancel_deadline.is_some_and(|end| end < lock) {
                request.cancel_deadline = Some(lock);
                self.dirty.insert(Document::Request(request.id));
            }
        }
    }

    /// Whether an agent is listening.
    pub(crate) fn online(&self, agent: AgentId) -> bool {
        self.session_of(agent).is_some()
    }
}

/// In the service's words (microsoft/azure-pipelines-agent#3994).
fn stopped_hearing(agent: &str) -> String {
    format!(
        "We stopped hearing from agent {agent}. Verify the agent machine is running and has a healthy network \
         connection. Anything that terminates an agent process, starves it for CPU, or blocks its network access can \
         cause this error."
    )
}
