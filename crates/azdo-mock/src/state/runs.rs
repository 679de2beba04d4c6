//! Runs of pipeline files: their jobs are queued as what they depend on ends.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use pipeline_yaml::{JobResult, JobState, Phase, Plan, Progress, RunResult};
use serde::{Deserialize, Serialize};

use super::attempts::Attempt;
use super::project::Person;
use super::run_jobs::{demands, of};
use super::{Document, EventKind, Moment, Refusal, State};
use crate::wire::demand::Demand;
use crate::wire::ids::{DefinitionId, PoolId, RequestId, RunId};
use crate::wire::job::Variable;

/// One run of a pipeline file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: RunId,
    /// Its build number.
    pub(crate) name: String,
    /// The pool of phases that name none.
    pub(crate) pool: PoolId,
    pub(crate) plan: Plan,
    #[serde(default)]
    pub(crate) order: Order,
    /// By identifier; a job that is not there waits.
    pub(crate) jobs: BTreeMap<String, RunJob>,
    /// The attempts before this one, the first one first.
    #[serde(default)]
    pub(crate) earlier: Vec<Attempt>,
    pub(crate) cancelled: bool,
    pub(crate) queue_time: Timestamp,
    pub(crate) finish_time: Option<Timestamp>,
    pub(crate) result: Option<RunResult>,
    /// The progress that was decided last, so that nothing is decided anew while nothing happens.
    #[serde(skip)]
    decided: Option<Progress>,
}

/// What whoever queued a run said with it. The default is what the control API says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Order {
    pub(crate) definition: DefinitionId,
    /// The definition's and those of whoever queued it; the file's come over them.
    pub(crate) variables: BTreeMap<String, Variable>,
    /// Those of whoever queued it, by name.
    pub(crate) set: BTreeSet<String>,
    /// What every job demands beside what the file says.
    pub(crate) demands: Vec<Demand>,
    pub(crate) template_parameters: BTreeMap<String, String>,
    pub(crate) stages_to_skip: Vec<String>,
    pub(crate) source_branch: Option<String>,
    pub(crate) source_version: Option<String>,
    /// `None`: `manual`.
    pub(crate) reason: Option<String>,
    /// `None`: `normal`.
    pub(crate) priority: Option<String>,
    pub(crate) requested_by: Option<Person>,
    pub(crate) requested_for: Option<Person>,
}

/// What has become of a job of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RunJob {
    /// It was queued; its request knows more.
    Queued(RequestId),
    /// It ended without having been queued.
    Ended(JobResult),
}

/// All runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Runs {
    pub(crate) all: BTreeMap<RunId, Run>,
    /// Those that have not ended: only they cost anything.
    open: BTreeSet<RunId>,
    /// They were just restored, and each of them is looked at once.
    fresh: bool,
}

impl Runs {
    /// As they were left.
    pub(crate) fn restored(all: BTreeMap<RunId, Run>) -> Self {
        let open = all.values().filter(|run| run.result.is_none()).map(|run| run.id).collect();
        Self { all, open, fresh: true }
    }

    /// A run that goes on, though it had ended.
    pub(super) fn reopen(&mut self, id: RunId) -> Option<&mut Run> {
        let run = self.all.get_mut(&id)?;
        run.cancelled = false;
        run.finish_time = None;
        run.result = None;
        run.decided = None;
        self.open.insert(id);
        Some(run)
    }
}

/// What is queued.
#[derive(Debug)]
pub(crate) struct NewRun {
    pub(crate) pool: PoolId,
    pub(crate) name: Option<String>,
    pub(crate) plan: Plan,
    pub(crate) order: Order,
}

impl State {
    /// Begins a run. Its first jobs are queued when the state settles.
    pub(crate) fn queue_run(&mut self, new: NewRun, moment: Moment<'_>) -> Result<RunId, Refusal> {
        for phase in &new.plan.phases {
            self.pool_of(phase, new.pool)?;
            demands(phase)?;
        }
        if let Some(name) = self.missing_groups(&new.plan).first() {
            return Err(Refusal::Invalid(format!(
                "the pipeline file names the variable group `{name}`, which is not there; make it with \
                 `POST _apis/distributedtask/variablegroups`"
            )));
        }
        let id = RunId(self.meta.next_request);
        self.meta.next_request += 1;
        let number = || format!("{}.{id}", moment.now.strftime("%Y%m%d"));
        let name = new.name.or_else(|| new.plan.name.clone()).unwrap_or_else(number);
        let run = Run {
            id,
            name,
            pool: new.pool,
            plan: new.plan,
            order: new.order,
            jobs: BTreeMap::new(),
            earlier: Vec::new(),
            cancelled: false,
            queue_time: moment.now,
            finish_time: None,
            result: None,
            decided: None,
        };
        self.note(moment.now, EventKind::RunQueued { run_id: id, name: run.name.clone() });
        self.runs.all.insert(id, run);
        self.runs.open.insert(id);
        self.dirty.extend([Document::Meta, Document::Run(id)]);
        Ok(id)
    }

    /// Asks for the end of a run: what runs is cancelled, of what waits only what asks for it (`always()`) still starts.
    /// Asking again cancels that too. Whether there was anything to cancel.
    pub(crate) fn cancel_run(&mut self, id: RunId, now: Timestamp) -> bool {
        let Some(run) = self.runs.all.get_mut(&id).filter(|run| run.result.is_none()) else { return false };
        run.cancelled = true;
        let queued: Vec<_> = run
            .jobs
            .values()
            .filter_map(|job| if let RunJob::Queued(request) = job { Some(*request) } else { None })
            .collect();
        self.dirty.insert(Document::Run(id));
        for request in queued {
            // One that has ended is not cancelled any more.
            let _ = self.cancel(request, now);
        }
        true
    }

    /// Queues the jobs whose time has come, and ends the runs whose jobs have all ended.
    pub(super) fn advance_runs(&mut self, moment: Moment<'_>) {
        let open: Vec<_> = if std::mem::take(&mut self.runs.fresh) {
            self.runs.open.iter().copied().collect()
        } else {
            self.changed_runs().into_iter().filter(|id| self.runs.open.contains(id)).collect()
        };
        for id in open {
            // A job that could not be queued has ended, and that may decide what comes after it.
            while self.look_at(id, moment) {}
        }
    }

    /// Decides a run if anything happened to it. Whether it must be looked at again.
    fn look_at(&mut self, id: RunId, moment: Moment<'_>) -> bool {
        let Some(run) = self.runs.all.get(&id) else { return false };
        let progress = self.progress(run);
        run.decided.as_ref() != Some(&progress) && self.advance_run(id, progress, moment)
    }

    /// Whether a job could not be queued.
    fn advance_run(&mut self, id: RunId, progress: Progress, moment: Moment<'_>) -> bool {
        // Out of the map, so that jobs can be queued while it is held; nothing below asks for it there.
        let Some(mut run) = self.runs.all.remove(&id) else { return false };
        let mut failed = false;
        let decision = run.plan.decide(&progress);
        for (job, result) in decision.end {
            run.jobs.insert(job, RunJob::Ended(result));
        }
        for identifier in decision.start {
            let found = run.plan.jobs().find(|(phase, job)| phase.identifier(job) == identifier);
            let Some((phase, job)) = found else { continue };
            let change = self.next_change(&run);
            let queued = self.new_job(&run, phase, job).and_then(|job| self.queue_job(job, moment));
            let state = match queued {
                Ok(request) => {
                    self.begin_at(request, change);
                    RunJob::Queued(request)
                }
                // A pool or a variable group can be gone by now; then nobody could ever run the job.
                Err(error) => {
                    tracing::warn!(run = %id, job = %identifier, %error, "job of a run cannot be queued; it fails");
                    failed = true;
                    RunJob::Ended(JobResult::Failed)
                }
            };
            run.jobs.insert(identifier, state);
        }
        run.result = decision.outcome;
        if let Some(result) = run.result {
            run.finish_time = Some(moment.now);
            self.runs.open.remove(&id);
            self.note(moment.now, EventKind::RunCompleted { run_id: id, result });
        }
        run.decided = Some(progress);
        self.runs.all.insert(id, run);
        self.dirty.insert(Document::Run(id));
        failed
    }

    fn progress(&self, run: &Run) -> Progress {
        let state = |job: &RunJob| match job {
            RunJob::Ended(result) => JobState::Ended(*result),
            RunJob::Queued(request) => match self.requests.get(request) {
                Some(request) => {
                    request.result.map_or(JobState::Started, |result| JobState::Ended(of(result)))
                }
                None => JobState::Ended(JobResult::Abandoned),
            },
        };
        let jobs = run.jobs.iter().map(|(id, job)| (id.clone(), state(job))).collect();
        Progress { jobs, cancelled: run.cancelled }
    }

    /// How a job of a run counts, once it has ended.
    pub(crate) fn counted(&self, phase: &Phase, job: RunJob) -> Option<JobResult> {
        match job {
            RunJob::Ended(result) => Some(result),
            RunJob::Queued(request) => {
                self.requests.get(&request)?.result.map(|result| phase.counted(of(result)))
            }
        }
    }
}
