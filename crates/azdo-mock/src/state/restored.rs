//! A state that takes the place of another one.

use jiff::Timestamp;

use super::{Document, EventKind, State};

impl State {
    /// Comes behind another state. Connections end; within one organization nothing that was given out before is given out
    /// again: neither numbers, which tokens of jobs and agents name, nor generations of keys, nor assertions that were used.
    pub(crate) fn follow(&mut self, before: &Self, now: Timestamp) {
        if self.meta.instance_id == before.meta.instance_id {
            self.go_on_counting(before);
            for (used, forgettable) in &before.assertions {
                if !self.assertions.contains_key(used) {
                    self.remember_assertion(used.clone(), *forgettable);
                }
            }
        }
        self.end_all_sessions(now);
        self.note(now, EventKind::StateRestored);
    }

    fn go_on_counting(&mut self, before: &Self) {
        let (meta, other) = (&mut self.meta, &before.meta);
        meta.next_pool = meta.next_pool.max(other.next_pool);
        meta.next_agent = meta.next_agent.max(other.next_agent);
        meta.next_request = meta.next_request.max(other.next_request);
        meta.next_queue = meta.next_queue.max(other.next_queue);
        meta.next_definition = meta.next_definition.max(other.next_definition);
        meta.next_group = meta.next_group.max(other.next_group);
        meta.next_lease = meta.next_lease.max(other.next_lease);
        meta.next_maintenance = meta.next_maintenance.max(other.next_maintenance);
        meta.next_maintenance_job = meta.next_maintenance_job.max(other.next_maintenance_job);
        self.dirty.insert(Document::Meta);
        let ids: Vec<_> = self.agents.keys().copied().collect();
        for id in ids {
            let later = before.agents.get(&id).map_or(0, |agent| agent.key_generation);
            if self.agents.get(&id).is_some_and(|agent| agent.key_generation < later)
                && let Some(agent) = self.agents.get_mut(&id)
            {
                // The key of before is the current one again, and no token of a later key is.
                agent.key_generation = later + 1;
                self.dirty.insert(Document::Agent(id));
            }
        }
    }
}
