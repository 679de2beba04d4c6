//! Bringing what the record says and what the engine has together, whenever they may differ.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use super::Worker;
use crate::record::Operation;
use crate::runtime::{RuntimeError, Seen, SeenStatus};
use crate::state::{Ended, Event, Found};
use crate::view::ProvisioningState;

/// What a look at the engine found.
pub(super) enum Reconciled {
    /// All is as it should be, or on its way.
    Whole,
    /// The network that several containers shared is gone: all of them must be made anew.
    NetworkLost,
}

impl Worker {
    /// Looks at what the engine has and goes on from there; tries until the engine answers or the group is deleted.
    pub(super) async fn reconcile(&mut self) {
        loop {
            self.signals = JoinSet::new();
            match self.reconcile_once().await {
                Ok(Reconciled::Whole) => match self.advance().await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(%error, "container engine failed; reconciling"),
                },
                Ok(Reconciled::NetworkLost) => {
                    let now = self.shared.now();
                    self.entry.update(&self.shared, |record| {
                        record.begin(Operation::Deploy, ProvisioningState::Updating, now);
                    });
                    return self.operate(Operation::Deploy).await;
                }
                Err(error) => tracing::debug!(%error, "container engine does not answer yet"),
            }
            if !self.pause().await {
                return;
            }
        }
    }

    pub(super) async fn reconcile_once(&mut self) -> Result<Reconciled, RuntimeError> {
        self.shared.runtime.ping().await?;
        let spec = self.entry.record().spec.clone();
        let seen = self.list().await?;
        if !self.holder_runs(&seen) {
            return Ok(Reconciled::NetworkLost);
        }
        for container in spec.all_containers() {
            let mut found = Vec::new();
            for one in seen.iter().filter(|one| one.labels.container == container.name) {
                let state = match one.status {
                    SeenStatus::Created => Found::Created,
                    SeenStatus::Running { started } => Found::Running { since: started },
                    SeenStatus::Exited { started, exit } => Found::Exited(Ended {
                        out_of_memory: exit.out_of_memory,
                        ..Ended::with(Some(started), exit.finished, exit.code)
                    }),
                };
                found.push((one.labels.generation, state));
            }
            // The id that is watched is that of the generation that the machine settles on.
            let ids: BTreeMap<u64, String> = seen
                .iter()
                .filter(|one| one.labels.container == container.name)
                .map(ids_by_generation)
                .collect();
            self.feed_with(&container.name, Event::Found(found), &ids).await?;
        }
        self.watch_holder();
        self.watch_time();
        self.remove_strangers(&spec).await?;
        Ok(Reconciled::Whole)
    }
}

fn ids_by_generation(one: &Seen) -> (u64, String) {
    (one.labels.generation, one.id.clone())
}
