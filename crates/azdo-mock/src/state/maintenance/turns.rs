//! Whose turn it is: the agents of maintenance get their jobs one after the other.

use super::{MaintenanceJob, MaintenanceSettings, Turn, only};
use crate::state::requests::{Limits, NewJob};
use crate::state::{Document, Moment, State};
use crate::wire::ids::{MaintenanceId, MaintenanceJobId, PoolId};
use crate::wire::job::{Placement, Variable};

impl State {
    /// Queues the jobs of the agents whose turn has come, and ends what has ended.
    pub(in crate::state) fn advance_maintenance(&mut self, moment: Moment<'_>) {
        if self.maintenance.open.is_empty() || self.dirty.is_empty() {
            return;
        }
        for id in self.maintenance.open.clone() {
            // Out of the map, so that jobs can be queued while it is held; nothing below asks for it there.
            let Some(mut job) = self.maintenance.jobs.remove(&id) else { continue };
            let before = job.targets.iter().map(|target| target.turn).collect::<Vec<_>>();
            self.take_turns(&mut job, moment);
            if job.targets.iter().all(|target| target.result(self).is_some()) {
                job.finish_time = Some(moment.now);
                self.maintenance.open.remove(&id);
            }
            let same = before.iter().eq(job.targets.iter().map(|target| &target.turn));
            if !same || job.finish_time.is_some() {
                self.dirty.insert(Document::MaintenanceJob(id));
            }
            let kept = (job.definition, job.settings.history as usize, job.finish_time.is_some());
            self.maintenance.jobs.insert(id, job);
            if let (definition, history @ 1.., true) = kept {
                self.keep_newest(definition, history);
            }
        }
    }

    fn take_turns(&mut self, job: &mut MaintenanceJob, moment: Moment<'_>) {
        let at_once = job.at_once();
        let mut running = 0;
        for target in &mut job.targets {
            let here = self.agents.contains_key(&target.agent);
            // Nobody else ever takes the job of an agent that is gone.
            if let Some(request) = target.request(self).filter(|one| one.queued() && !here).map(|one| one.id)
            {
                let _ = self.cancel(request, moment.now);
            }
            if target.turn == Turn::Waits && (job.cancelled || !here) {
                target.turn = Turn::Dropped;
            }
            running += usize::from(target.turn != Turn::Waits && target.result(self).is_none());
        }
        let (id, pool, settings) = (job.id, job.pool, &job.settings);
        for target in job.targets.iter_mut().filter(|target| target.turn == Turn::Waits) {
            if running >= at_once {
                break;
            }
            let new = maintenance_of(id, pool, settings, &target.name);
            target.turn = match self.queue_job(new, moment) {
                Ok(request) => Turn::Queued(request),
                Err(error) => {
                    tracing::warn!(maintenance = %id, agent = %target.name, %error, "maintenance cannot be queued");
                    Turn::Dropped
                }
            };
            running += 1;
        }
    }

    /// Forgets the oldest ended jobs of a definition.
    fn keep_newest(&mut self, definition: MaintenanceId, history: usize) {
        let ended = |job: &&MaintenanceJob| job.definition == definition && job.finish_time.is_some();
        let old: Vec<_> =
            self.maintenance.jobs.values().filter(ended).map(|job| job.id).rev().skip(history).collect();
        for id in old {
            self.forget_job(id);
        }
    }
}

fn maintenance_of(id: MaintenanceJobId, pool: PoolId, settings: &MaintenanceSettings, agent: &str) -> NewJob {
    let plain = |value: u32| Variable { value: value.to_string(), is_secret: false };
    let variables = [
        ("maintenance.deleteworkingdirectory.daysthreshold", settings.expiration_days),
        ("maintenance.jobtimeoutinminutes", settings.timeout_minutes),
    ];
    NewJob {
        pool,
        name: "Maintenance".to_owned(),
        steps: Vec::new(),
        demands: vec![only(agent)],
        variables: variables.into_iter().map(|(name, value)| (name.to_owned(), plain(value))).collect(),
        limits: Limits { timeout: settings.timeout_minutes, ..Limits::default() },
        placement: Placement { maintenance: Some(id), ..Placement::default() },
    }
}
