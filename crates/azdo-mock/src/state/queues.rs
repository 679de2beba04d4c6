//! The project's queues. A queue is the project's door to a pool of the organization; each pool gets one.
//!
//! Source: MicrosoftDocs/azure-devops-docs: pools-queues.md; azure-devops (PyPI): `add_agent_queue`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::pools::PoolKind;
use super::{Document, Refusal, State};
use crate::wire::ids::{PoolId, QueueId};

/// One queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Queue {
    pub(crate) id: QueueId,
    pub(crate) name: String,
    pub(crate) pool_id: PoolId,
}

impl State {
    /// Gives the pools their queues in a store that is from before there were any. Later a queue that is gone was deleted.
    pub(crate) fn adopt_pools(&mut self) {
        if self.meta.next_queue == 0 {
            let pools: Vec<_> = self.pools.values().map(|pool| (pool.id, pool.name.clone())).collect();
            for (pool, name) in pools {
                self.open_queue(pool, name);
            }
        }
    }

    pub(super) fn open_queue(&mut self, pool_id: PoolId, name: String) -> QueueId {
        let id = QueueId(self.meta.next_queue.max(1));
        self.meta.next_queue = id.0 + 1;
        self.project.queues.insert(id, Queue { id, name, pool_id });
        self.dirty.extend([Document::Meta, Document::Queue(id)]);
        id
    }

    /// Connects the project to a pool: the one that is named by its id, else the one of the queue's name, which is made
    /// where there is none.
    pub(crate) fn add_queue(
        &mut self,
        name: Option<String>,
        pool: Option<PoolId>,
        now: Timestamp,
    ) -> Result<QueueId, Refusal> {
        let name = match (name, pool) {
            (Some(name), _) => name,
            (None, Some(pool)) => self.pool(pool)?.name.clone(),
            (None, None) => return Err(Refusal::Invalid("A queue needs a name or a pool.".to_owned())),
        };
        if self.project.queues.values().any(|queue| queue.name.eq_ignore_ascii_case(&name)) {
            return Err(Refusal::QueueExists(name));
        }
        let known = pool.or_else(|| self.pool_named(&name).map(|pool| pool.id));
        let Some(pool) = known else {
            // A new pool brings its queue with it.
            self.ensure_pool(&name, now);
            let queue = self.project.queues.values().find(|queue| queue.name == name);
            return queue.map(|queue| queue.id).ok_or(Refusal::QueueExists(name));
        };
        let led_to = self.pool(pool)?;
        if led_to.kind == PoolKind::Deployment {
            let why = format!("Pool {} is of the type deployment; a queue needs automation.", led_to.name);
            return Err(Refusal::Invalid(why));
        }
        if let Some(queue) = self.queue_of(pool) {
            return Err(Refusal::QueueExists(queue.name.clone()));
        }
        Ok(self.open_queue(pool, name))
    }

    /// Cuts the project off a pool, which stays.
    pub(crate) fn delete_queue(&mut self, id: QueueId) -> Result<(), Refusal> {
        self.project.queues.remove(&id).ok_or(Refusal::QueueNotFound(id))?;
        self.dirty.insert(Document::Queue(id));
        Ok(())
    }

    /// The queue, or the refusal that says it is not there.
    pub(crate) fn queue(&self, id: QueueId) -> Result<&Queue, Refusal> {
        self.project.queues.get(&id).ok_or(Refusal::QueueNotFound(id))
    }

    /// Where jobs go that name no pool. Nobody takes jobs in the hosted pool.
    pub(crate) fn first_queue(&self) -> Option<&Queue> {
        let hosted =
            |queue: &&Queue| self.pools.get(&queue.pool_id).is_some_and(|pool| pool.kind == PoolKind::Hosted);
        self.project.queues.values().find(|queue| !hosted(queue))
    }

    /// The queue of a pool.
    pub(crate) fn queue_of(&self, pool: PoolId) -> Option<&Queue> {
        self.project.queues.values().find(|queue| queue.pool_id == pool)
    }
}
