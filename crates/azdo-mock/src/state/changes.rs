//! Numbers that count over all jobs of a build, though each has a plan of its own: those of changes to records, so that
//! who follows a build asks for what is new since one number, and those of logs.

use serde_json::json;

use super::builds::{Build, Source};
use super::runs::Run;
use super::{Document, State};
use crate::wire::ids::{PlanId, RequestId};

impl Build<'_> {
    /// The number of the last change to a record of the build.
    pub(crate) fn change_id(&self) -> i64 {
        let last = match self.source {
            Source::Run(run) => self.state.next_change(run),
            Source::Job(request, _) => self.state.change_over(&[request.plan_id]),
        };
        (last - 1).max(1)
    }
}

impl State {
    /// The plans of the build that a plan is of, itself among them.
    fn plans_beside(&self, id: PlanId) -> Vec<PlanId> {
        let request = self.plans.get(&id).map(|plan| plan.request_id);
        let run = request.and_then(|request| self.jobs.get(&request)?.placement.run);
        let run = run.and_then(|run| self.runs.all.get(&run));
        run.map_or_else(|| vec![id], |run| self.plans_of(run))
    }

    fn plans_of(&self, run: &Run) -> Vec<PlanId> {
        run.requests().into_iter().filter_map(|request| Some(self.requests.get(&request)?.plan_id)).collect()
    }

    fn change_over(&self, plans: &[PlanId]) -> i64 {
        let changes = plans.iter().filter_map(|plan| self.plans.get(plan)).map(|plan| plan.change_id);
        changes.max().unwrap_or(0) + 1
    }

    /// The number of the next change to records of a plan.
    pub(super) fn change_after(&self, id: PlanId) -> i64 {
        self.change_over(&self.plans_beside(id))
    }

    /// The number of the next change in a run, which need not be among the others.
    pub(super) fn next_change(&self, run: &Run) -> i64 {
        self.change_over(&self.plans_of(run))
    }

    /// The records of a job that has just been queued are as new as this number says.
    pub(super) fn begin_at(&mut self, request: RequestId, change: i64) {
        let Some(id) = self.requests.get(&request).map(|request| request.plan_id) else { return };
        let Some(plan) = self.plans.get_mut(&id) else { return };
        plan.change_id = change;
        self.dirty.insert(Document::Plan(id));
        for ((timeline, record_id), record) in &mut plan.records {
            record.insert("changeId".to_owned(), json!(change));
            self.dirty.insert(Document::Record(id, *timeline, *record_id));
        }
    }

    /// The number that the next log of a plan has in its build.
    pub(super) fn next_log_number(&self, id: PlanId) -> i64 {
        let plans = self.plans_beside(id);
        let logs = plans.iter().filter_map(|plan| self.plans.get(plan)).flat_map(|plan| plan.logs.values());
        logs.map(|log| log.number.max(log.id.0)).max().unwrap_or(0) + 1
    }
}
