//! How many jobs the organization may run at once, and why a job waits.
//!
//! Source: azure-devops-docs: licensing/concurrent-jobs.md; the texts as people report them (microsoft/azuredevopslabs#535).

use super::requests::Request;
use super::{Document, State};

impl State {
    /// Sets the number of jobs that run at once; `None`: no limit. Jobs that run already go on.
    pub(crate) fn set_parallel_jobs(&mut self, limit: Option<u32>) {
        self.meta.parallel_jobs = limit;
        self.stirred = true;
        self.dirty.insert(Document::Meta);
    }

    /// How many more jobs may be given to agents now. A job counts from when it is an agent's until it ends.
    pub(super) fn free_parallel_jobs(&self) -> usize {
        let Some(limit) = self.meta.parallel_jobs else { return usize::MAX };
        let used = self.held_jobs();
        usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(used)
    }

    /// Why a job waits; `None` when it does not.
    pub(crate) fn waits_for(&self, request: &Request) -> Option<String> {
        if !request.queued() {
            return None;
        }
        let before = |other: &&Request| other.queued() && other.id <= request.id;
        if self.free_parallel_jobs() == 0 {
            let position = self.requests.values().filter(before).count();
            return Some(format!(
                "This agent request is not running because you have reached the maximum number of requests that can run \
                 for parallelism type 'Self-Hosted Private'. Current position in queue: {position}"
            ));
        }
        let pool = self.pools.get(&request.pool_id).map_or("", |pool| pool.name.as_str());
        let mut matched = self.matched_agents(request).peekable();
        if matched.peek().is_none() {
            let demands: Vec<_> = request.demands.iter().map(ToString::to_string).collect();
            return Some(format!(
                "No agent found in pool {pool} which satisfies the following demands: {}.",
                demands.join(", ")
            ));
        }
        if !matched.any(|agent| agent.enabled && self.online(agent.id)) {
            return Some("All eligible agents are disabled or offline".to_owned());
        }
        let position = self.requests.values().filter(|r| r.pool_id == request.pool_id).filter(before).count();
        Some(format!(
            "The agent request is not running because all potential agents are running other requests. Current position \
             in queue: {position}"
        ))
    }
}
