//! Runs of pipeline files: their jobs are queued as what they depend on ends.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use pipeline_yaml::{Copies, Job, JobResult, JobState, Phase, Plan, Progress, RunResult};
use serde::{Deserialize, Serialize};

use super::requests::{Limits, NewJob, NewStep};
use super::{Document, EventKind, Moment, Refusal, State};
use crate::wire::demand::Demand;
use crate::wire::ids::{PoolId, RequestId, RunId};
use crate::wire::job::{Placement, Shell, StepOptions, Variable};
use crate::wire::result::TaskResult;

/// One run of a pipeline file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: RunId,
    /// Its build number.
    pub(crate) name: String,
    /// The pool of phases that name none.
    pub(crate) pool: PoolId,
    pub(crate) plan: Plan,
    /// By identifier; a job that is not there waits.
    pub(crate) jobs: BTreeMap<String, RunJob>,
    pub(crate) cancelled: bool,
    pub(crate) queue_time: Timestamp,
    pub(crate) finish_time: Option<Timestamp>,
    pub(crate) result: Option<RunResult>,
    /// The progress that was decided last, so that nothing is decided anew while nothing happens.
    #[serde(skip)]
    decided: Option<Progress>,
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
#[derive(Debug, Default)]
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
}

/// What is queued.
#[derive(Debug)]
pub(crate) struct NewRun {
    pub(crate) pool: PoolId,
    pub(crate) name: Option<String>,
    pub(crate) plan: Plan,
}

impl State {
    /// Begins a run. Its first jobs are queued when the state settles.
    pub(crate) fn queue_run(&mut self, new: NewRun, moment: Moment<'_>) -> Result<RunId, Refusal> {
        for phase in &new.plan.phases {
            self.pool_of(phase, new.pool)?;
            demands(phase)?;
        }
        let id = RunId(self.meta.next_request);
        self.meta.next_request += 1;
        let number = || format!("{}.{id}", moment.now.strftime("%Y%m%d"));
        let run = Run {
            id,
            name: new.name.or_else(|| new.plan.name.clone()).unwrap_or_else(number),
            pool: new.pool,
            plan: new.plan,
            jobs: BTreeMap::new(),
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
            let Some(run) = self.runs.all.get(&id) else { continue };
            let progress = self.progress(run);
            if run.decided.as_ref() != Some(&progress) {
                self.advance_run(id, progress, moment);
            }
        }
    }

    fn advance_run(&mut self, id: RunId, progress: Progress, moment: Moment<'_>) {
        // Out of the map, so that jobs can be queued while it is held; nothing below asks for it there.
        let Some(mut run) = self.runs.all.remove(&id) else { return };
        let decision = run.plan.decide(&progress);
        for (job, result) in decision.end {
            run.jobs.insert(job, RunJob::Ended(result));
        }
        for identifier in decision.start {
            let found = run.plan.jobs().find(|(phase, job)| phase.identifier(job) == identifier);
            let Some((phase, job)) = found else { continue };
            let queued = self.new_job(&run, phase, job).and_then(|job| self.queue_job(job, moment));
            // A pool can be gone by now; then nobody could ever run the job.
            let state = queued.map_or(RunJob::Ended(JobResult::Failed), RunJob::Queued);
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

    fn pool_of(&self, phase: &Phase, default: PoolId) -> Result<PoolId, Refusal> {
        let Some(name) = &phase.pool.name else { return Ok(default) };
        self.pool_named(name).map(|pool| pool.id).ok_or_else(|| {
            let known: Vec<_> = self.pools.values().map(|pool| pool.name.as_str()).collect();
            let known = known.join("`, `");
            Refusal::Invalid(format!("the job `{}` wants the pool `{name}`; there are `{known}`", phase.name))
        })
    }

    fn new_job(&self, run: &Run, phase: &Phase, job: &Job) -> Result<NewJob, Refusal> {
        let plain = |(name, value): (&String, &String)| {
            (name.clone(), Variable { value: value.clone(), is_secret: false })
        };
        let copies = job.copies.map(|copies| match copies {
            Copies::MultiConfiguration => "MultiConfiguration".to_owned(),
            Copies::MultiMachine => "MultiMachine".to_owned(),
        });
        Ok(NewJob {
            pool: self.pool_of(phase, run.pool)?,
            name: job.display_name.clone(),
            steps: phase.steps.iter().map(step).collect(),
            demands: demands(phase)?,
            variables: job.variables.iter().map(plain).collect(),
            limits: Limits {
                timeout: phase.timeout_in_minutes,
                cancel_timeout: phase.cancel_timeout_in_minutes,
            },
            placement: Placement {
                run: Some(run.id),
                run_name: Some(run.name.clone()),
                phase: phase.name.clone(),
                phase_display_name: phase.display_name.clone(),
                job: job.name.clone(),
                position: job.position,
                total: job.total,
                parallel_execution: copies,
            },
        })
    }
}

fn demands(phase: &Phase) -> Result<Vec<Demand>, Refusal> {
    let demand = |text: &String| {
        text.parse().map_err(|error| Refusal::Invalid(format!("the job `{}`: {error}", phase.name)))
    };
    phase.pool.demands.iter().map(demand).collect()
}

fn step(step: &pipeline_yaml::Step) -> NewStep {
    let shell = match step.shell {
        pipeline_yaml::Shell::Script => Shell::Default,
        pipeline_yaml::Shell::Bash => Shell::Bash,
        pipeline_yaml::Shell::Pwsh => Shell::Pwsh,
        pipeline_yaml::Shell::PowerShell => Shell::Windows,
    };
    NewStep {
        display_name: step.display_name.clone().unwrap_or_else(|| shell.task().name.to_owned()),
        script: step.script.clone(),
        shell,
        options: StepOptions {
            name: step.name.clone(),
            env: step.env.clone(),
            working_directory: step.working_directory.clone(),
            condition: Some(step.condition.to_string()),
            continue_on_error: step.continue_on_error,
            timeout_in_minutes: step.timeout_in_minutes,
            disabled: !step.enabled,
        },
    }
}

fn of(result: TaskResult) -> JobResult {
    match result {
        TaskResult::Succeeded => JobResult::Succeeded,
        TaskResult::SucceededWithIssues => JobResult::SucceededWithIssues,
        TaskResult::Failed => JobResult::Failed,
        TaskResult::Canceled => JobResult::Canceled,
        TaskResult::Skipped => JobResult::Skipped,
        TaskResult::Abandoned => JobResult::Abandoned,
    }
}
