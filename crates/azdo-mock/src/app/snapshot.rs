//! The organization in a file, and back again.
//!
//! A file holds everything that is kept over a restart: documents, logs, attachments. It holds no connection: sessions end
//! when it is taken up. Requests that were journaled, faults and the clock belong to the process.

use std::io::{BufRead, Write};
use std::sync::PoisonError;

use service_kit::{
    Batch, SnapshotFileError, SnapshotReader, SnapshotWriter, Store, StoreDocument, StoreError, StoreKey,
};

use super::AzureDevOps;
use super::lifecycle::Past;
use crate::error::StartError;
use crate::files::Staged;
use crate::packages::Packages;
use crate::persist;
use crate::state::documents::table;
use crate::state::event::Event;
use crate::state::{Moment, State};
use crate::wire::ids::PlanId;

/// What a file of an Azure DevOps holds, or a part of one, and in which form.
pub const SNAPSHOT_HOLDS: (&str, u32) = ("azure-devops", 1);

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
    /// The file is not one, or not whole, or sealed with another key, or makes no organization.
    #[error("read the snapshot")]
    File(#[from] SnapshotFileError),
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

/// What an organization keeps at one moment.
#[derive(Debug)]
pub struct Held {
    documents: Vec<StoreDocument>,
    plans: Vec<PlanFiles>,
}

/// A snapshot that was read and fits, and is not taken up yet. What is not goes.
#[derive(Debug)]
pub struct Incoming {
    documents: Vec<StoreDocument>,
    fresh: State,
    packages: Packages,
    events: Vec<Event>,
    logs: Staged,
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
        let held = self.hold()?;
        let mut file = SnapshotWriter::new(out, key, SNAPSHOT_HOLDS, self.entropy())?;
        self.write_snapshot(&held, &mut file)?;
        Ok(file.end()?)
    }

    /// Everything that is kept now. Logs only grow, so that their files may be read later.
    pub fn hold(&self) -> Result<Held, SnapshotError> {
        let _order = self.inner.order.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state();
        let plans: Vec<_> = state.plans.values().map(|plan| plan_files(&state, plan)).collect();
        drop(state);
        let mut documents = self.inner.store.documents(&[table::PREFIX])?;
        documents.retain(|document| document.table != table::RESTORED);
        Ok(Held { documents, plans })
    }

    /// Writes it into a file, or into a part of one.
    pub fn write_snapshot<W: Write>(
        &self,
        held: &Held,
        file: &mut SnapshotWriter<W>,
    ) -> Result<(), SnapshotError> {
        for document in &held.documents {
            file.document(document)?;
        }
        for plan in &held.plans {
            let folder = plan.id.to_string();
            self.inner.files.each_of(plan, |name, length, text| file.file(&folder, name, length, text))?;
        }
        Ok(())
    }

    /// Takes up a snapshot in the place of all that is there, or nothing of it. Sessions end, a poll that is held is answered
    /// at once; a job that an agent had taken goes on if its agent does, one that was only on its way is in the queue again.
    /// Numbers that were given out since are not given out again, what settings name is there in any case.
    pub fn restore<R: BufRead>(&self, input: R, key: &StoreKey) -> Result<Restored, RestoreError> {
        let mut file = SnapshotReader::open(input, key)?;
        file.expect(SNAPSHOT_HOLDS)?;
        let incoming = self.read_snapshot(&mut file)?;
        file.finish()?;
        self.take_up(incoming, |batch| self.inner.store.write(batch))
    }

    /// Reads the part that begins; nothing is changed by it. What cannot be an organization is found out here.
    pub fn read_snapshot<R: BufRead>(&self, file: &mut SnapshotReader<R>) -> Result<Incoming, RestoreError> {
        let documents = file.documents(|document| document.table.starts_with(table::PREFIX))?;
        let logs = self.inner.files.stage(self.entropy())?;
        while let Some((plan, name)) = file.next_file()? {
            let plan: PlanId = plan.parse().map_err(|_| content(format!("a text of the plan `{plan}`")))?;
            logs.write::<RestoreError>(plan, &name, |out| Ok(file.copy_file(out)?))?;
        }
        // As at a start.
        let read = Store::in_memory();
        read.write(documents.iter().cloned().fold(Batch::new(), Batch::document))?;
        if read.documents(&[table::META])?.is_empty() {
            return Err(content("no organization".to_owned()));
        }
        let moment = Moment { now: self.now(), entropy: self.inner.entropy.as_ref() };
        let mut fresh = persist::restore(&read, self.inner.switches, moment)?;
        let packages = Packages::restore(&self.inner.beginning.packages, &mut fresh)?;
        Ok(Incoming { documents, fresh, packages, events: persist::events(&read)?, logs })
    }

    /// Takes up what was read, in one transaction, which `write` makes of the changes.
    pub fn take_up(
        &self,
        incoming: Incoming,
        write: impl FnOnce(Batch) -> Result<(), StoreError>,
    ) -> Result<Restored, RestoreError> {
        let Incoming { documents, mut fresh, packages, events, logs } = incoming;
        let _order = self.inner.order.lock().unwrap_or_else(PoisonError::into_inner);
        let moment = Moment { now: self.now(), entropy: self.inner.entropy.as_ref() };
        fresh.follow(&self.state(), moment.now);
        self.inner.beginning.make(&mut fresh, moment.now);
        fresh.settle(moment);
        let restored = restored(&fresh);
        let documents = documents.into_iter().fold(Batch::new(), Batch::document);
        let past = Past { documents: documents.put(table::RESTORED, "logs", &logs.name())?, events };
        self.become_as(fresh, past, write)?;
        self.inner.packages.become_as(&packages);
        // The store names the logs: where this ends half-way, the next start goes on.
        self.inner.files.adopt(&logs.keep()).map_err(RestoreError::Late)?;
        Ok(restored)
    }
}

fn content(what: String) -> RestoreError {
    SnapshotFileError::Content(what).into()
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
