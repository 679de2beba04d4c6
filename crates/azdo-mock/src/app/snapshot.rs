//! The organization in a file, and back again.
//!
//! A file holds everything that is kept over a restart: documents, logs, attachments. It holds no connection: sessions end
//! when it is taken up. Requests that were journaled, faults and the clock belong to the process.

mod form;

use std::io::{BufRead, Write};
use std::sync::PoisonError;

use service_kit::{Batch, SealedError, SealedReader, SealedWriter, Store, StoreError, StoreKey};

use self::form::{Reader, Writer};
use super::AzureDevOps;
use super::lifecycle::Past;
use crate::error::StartError;
use crate::packages::Packages;
use crate::persist;
use crate::state::documents::table;
use crate::state::{Moment, State};
use crate::wire::ids::PlanId;

/// What a file holds, and in which form.
const HOLDS: (&str, u32) = ("azure-devops", 1);

/// Why no snapshot was written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The state could not be read.
    #[error("take a snapshot")]
    Store(#[from] StoreError),
    /// A log could not be read, or the snapshot not be written.
    #[error("write the snapshot")]
    Write(#[from] std::io::Error),
}

/// Why a snapshot was not taken up. But for the last reason, the organization is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file is not one, or not whole, or sealed with another key.
    #[error("read the snapshot")]
    File(#[from] SealedError),
    /// What it holds makes no organization.
    #[error("read the snapshot: {0}")]
    Content(String),
    /// It does not fit this service's settings.
    #[error("take up the snapshot")]
    Start(#[from] StartError),
    /// The store could not be written.
    #[error("take up the snapshot")]
    Store(#[from] StoreError),
    /// Its logs could not be written.
    #[error("write the logs of the snapshot")]
    Logs(#[from] std::io::Error),
    /// The organization is that of the snapshot, but not all of its logs are in their place yet.
    #[error("put the logs of the snapshot in their place, which the next start does")]
    Late(#[source] std::io::Error),
}

/// What came back with a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Agents that are registered.
    pub agents: usize,
    /// Jobs, ended ones among them.
    pub jobs: usize,
    /// Jobs that an agent had taken. Whoever works on them goes on; else they are abandoned when their lock ends.
    pub running: usize,
}

impl AzureDevOps {
    /// The key that snapshots are sealed with where no other is given: that of the store.
    pub fn snapshot_key(&self) -> &StoreKey {
        self.inner.store.key()
    }

    /// Writes everything that is kept into a file that only the key opens.
    pub fn snapshot<W: Write>(&self, out: W, key: &StoreKey) -> Result<W, SnapshotError> {
        let (documents, plans) = {
            let _order = self.inner.order.lock().unwrap_or_else(PoisonError::into_inner);
            let state = self.state();
            let plans: Vec<_> = state.plans.values().map(|plan| plan_files(&state, plan)).collect();
            drop(state);
            (self.inner.store.documents(table::PREFIX)?, plans)
        };
        let mut file = Writer(SealedWriter::new(out, key, HOLDS, self.entropy())?);
        for document in documents.iter().filter(|document| document.table != table::RESTORED) {
            file.document(document)?;
        }
        for plan in &plans {
            self.inner.files.each_of(plan, |name, length, text| file.text(plan.id, name, length, text))?;
        }
        Ok(file.end()?)
    }

    /// Takes up a snapshot in the place of all that is there, or nothing of it. Sessions end, a poll that is held is answered
    /// at once; a job that an agent had taken goes on if its agent does, one that was only on its way is in the queue again.
    /// Numbers that were given out since are not given out again, what settings name is there in any case.
    pub fn restore<R: BufRead>(&self, input: R, key: &StoreKey) -> Result<Restored, RestoreError> {
        let mut file = Reader::new(SealedReader::open(input, key, HOLDS)?);
        let documents = file.documents()?;
        let staged = self.inner.files.stage(self.entropy())?;
        while let Some((plan, name)) = file.next_text()? {
            staged.write(plan, &name, |out| file.copy_text(out))?;
        }
        // As at a start: what cannot be an organization is found out here.
        let read = Store::in_memory();
        read.write(documents.iter().cloned().fold(Batch::new(), Batch::document))?;
        if read.documents(table::META)?.is_empty() {
            return Err(RestoreError::Content("it holds no organization".to_owned()));
        }

        let _order = self.inner.order.lock().unwrap_or_else(PoisonError::into_inner);
        let moment = Moment { now: self.now(), entropy: self.inner.entropy.as_ref() };
        let mut fresh = persist::restore(&read, self.inner.switches, moment)?;
        let packages = Packages::restore(&self.inner.beginning.packages, &mut fresh)?;
        fresh.follow(&self.state(), moment.now);
        self.inner.beginning.make(&mut fresh, moment.now);
        fresh.settle(moment);
        let restored = restored(&fresh);
        let documents = documents.into_iter().fold(Batch::new(), Batch::document);
        let past = Past {
            documents: documents.put(table::RESTORED, "logs", &staged.name())?,
            events: persist::events(&read)?,
        };
        self.become_as(fresh, past)?;
        self.inner.packages.become_as(&packages);
        // The store names the logs: where this ends half-way, the next start goes on.
        self.inner.files.adopt(&staged.keep()).map_err(RestoreError::Late)?;
        Ok(restored)
    }
}

fn restored(state: &State) -> Restored {
    let running = |request: &&crate::state::requests::Request| {
        request.finish_time.is_none() && request.receive_time.is_some()
    };
    Restored {
        agents: state.agents.len(),
        jobs: state.requests.len(),
        running: state.requests.values().filter(running).count(),
    }
}

/// What of a plan's files counts.
#[derive(Debug)]
pub(crate) struct PlanFiles {
    pub(crate) id: PlanId,
    /// How many bytes of each log.
    pub(crate) logs: Vec<(String, u64)>,
    /// Its job has not ended, so its console lines are what they are: also none.
    pub(crate) open: bool,
}

fn plan_files(state: &State, plan: &crate::state::plans::Plan) -> PlanFiles {
    let request = state.requests.get(&plan.request_id);
    PlanFiles {
        id: plan.id,
        logs: plan.logs.values().map(|log| (format!("{}.log", log.id), log.bytes)).collect(),
        open: request.is_some_and(|request| request.finish_time.is_none()),
    }
}
