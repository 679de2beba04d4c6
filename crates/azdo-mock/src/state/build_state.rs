//! What a build's jobs make of it: status, result, times, logs.

use jiff::Timestamp;
use pipeline_yaml::{JobResult, RunResult};

use super::attempts::Before;
use super::builds::{Build, Source};
use super::plans::{Log, Plan};
use super::requests::Request;
use super::run_jobs::of;
use super::runs::RunJob;
use crate::wire::ids::JobId;
use crate::wire::result::RecordState;

/// How far a build has come. Words of `BuildStatus` (azure-devops, PyPI).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    NotStarted,
    InProgress,
    Cancelling,
    Completed,
}

impl Status {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NotStarted => "notStarted",
            Self::InProgress => "inProgress",
            Self::Cancelling => "cancelling",
            Self::Completed => "completed",
        }
    }
}

/// How a build ended. Words of `BuildResult`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeded,
    PartiallySucceeded,
    Failed,
    Canceled,
}

impl Outcome {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::PartiallySucceeded => "partiallySucceeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// A job of a build, queued or not.
#[derive(Debug)]
pub(crate) struct BuildJob<'a> {
    pub(crate) phase: &'a str,
    pub(crate) phase_display_name: &'a str,
    /// `Build.linux`.
    pub(crate) identifier: String,
    pub(crate) display_name: &'a str,
    /// Within its phase, from 1.
    pub(crate) position: u32,
    pub(crate) id: JobId,
    pub(crate) request: Option<&'a Request>,
    /// As it counts in the build.
    pub(crate) result: Option<JobResult>,
    /// From 1.
    pub(crate) attempt: u32,
    pub(crate) before: Vec<Before>,
}

impl BuildJob<'_> {
    pub(crate) fn state(&self) -> RecordState {
        match self.request {
            _ if self.result.is_some() => RecordState::Completed,
            Some(request) if request.receive_time.is_some() => RecordState::InProgress,
            _ => RecordState::Pending,
        }
    }
}

/// A log of a build.
#[derive(Debug)]
pub(crate) struct BuildLog<'a> {
    /// Its number in the build.
    pub(crate) number: i64,
    pub(crate) plan: &'a Plan,
    pub(crate) log: &'a Log,
}

impl<'a> Build<'a> {
    /// Its jobs, in the order of the file.
    pub(crate) fn jobs(&self) -> Vec<BuildJob<'a>> {
        let state = self.state;
        match self.source {
            Source::Job(request, spec) => vec![BuildJob {
                phase: &spec.placement.phase,
                phase_display_name: &spec.placement.phase_display_name,
                identifier: format!("{}.{}", spec.placement.phase, spec.placement.job),
                display_name: &request.name,
                position: spec.placement.position,
                id: request.job_id,
                request: Some(request),
                result: request.result.map(of),
                attempt: 1,
                before: Vec::new(),
            }],
            Source::Run(run) => {
                let (jobs, attempt) = match self.attempt {
                    Some(past) => (&run.earlier[past.0].jobs, past.number()),
                    None => (&run.jobs, run.attempt()),
                };
                let job = |(phase, job): (&'a pipeline_yaml::Phase, &'a pipeline_yaml::Job)| {
                    let identifier = phase.identifier(job);
                    let known = jobs.get(&identifier).copied();
                    let request = match known {
                        Some(RunJob::Queued(request)) => state.requests.get(&request),
                        _ => None,
                    };
                    let spec = request.and_then(|request| state.jobs.get(&request.id));
                    let before = run.before(&identifier);
                    let attempt = spec.map_or(attempt, |spec| spec.placement.attempt);
                    BuildJob {
                        phase: &phase.name,
                        phase_display_name: &phase.display_name,
                        display_name: &job.display_name,
                        position: job.position,
                        id: request.map_or_else(
                            || state.job_id(run.id, &identifier, attempt),
                            |request| request.job_id,
                        ),
                        request,
                        result: known.and_then(|known| state.counted(phase, known)),
                        attempt,
                        before: before.into_iter().filter(|before| before.attempt < attempt).collect(),
                        identifier,
                    }
                };
                run.plan.jobs().map(job).collect()
            }
        }
    }

    fn requests(&self) -> Vec<&'a Request> {
        match self.source {
            Source::Job(request, _) => vec![request],
            Source::Run(run) => {
                run.requests().iter().filter_map(|request| self.state.requests.get(request)).collect()
            }
        }
    }

    /// A build has begun when an agent took one of its jobs.
    pub(crate) fn start_time(&self) -> Option<Timestamp> {
        self.requests().iter().filter_map(|request| request.receive_time).min()
    }

    pub(crate) fn queue_time(&self) -> Timestamp {
        match self.source {
            Source::Run(run) => run.queue_time,
            Source::Job(request, _) => request.queue_time,
        }
    }

    pub(crate) fn finish_time(&self) -> Option<Timestamp> {
        match self.source {
            Source::Run(run) => run.finish_time,
            Source::Job(request, _) => request.finish_time,
        }
    }

    pub(crate) fn status(&self) -> Status {
        let cancelled = match self.source {
            Source::Run(run) => run.cancelled,
            Source::Job(request, _) => request.cancel_deadline.is_some(),
        };
        if self.finish_time().is_some() {
            Status::Completed
        } else if cancelled {
            Status::Cancelling
        } else if self.start_time().is_some() {
            Status::InProgress
        } else {
            Status::NotStarted
        }
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        Some(match self.source {
            Source::Run(run) => match run.result? {
                RunResult::Succeeded => Outcome::Succeeded,
                RunResult::SucceededWithIssues => Outcome::PartiallySucceeded,
                RunResult::Failed => Outcome::Failed,
                RunResult::Canceled => Outcome::Canceled,
            },
            Source::Job(request, _) => match of(request.result?) {
                JobResult::Succeeded | JobResult::Skipped => Outcome::Succeeded,
                JobResult::SucceededWithIssues => Outcome::PartiallySucceeded,
                JobResult::Failed | JobResult::Abandoned => Outcome::Failed,
                JobResult::Canceled => Outcome::Canceled,
            },
        })
    }

    /// When something happened to it last.
    pub(crate) fn changed_on(&self) -> Timestamp {
        let noted = self.notes.and_then(|notes| notes.changed.as_ref()).map(|change| change.time);
        let times = [noted, self.start_time(), self.finish_time()];
        times.into_iter().flatten().max().unwrap_or_else(|| self.queue_time())
    }

    /// The plans of all its jobs.
    pub(crate) fn plans(&self) -> Vec<&'a Plan> {
        let all = self.requests().into_iter();
        all.filter_map(|request| self.state.plans.get(&request.plan_id)).collect()
    }

    /// The logs of all its jobs, by number.
    pub(crate) fn logs(&self) -> Vec<BuildLog<'a>> {
        let all = self.plans().into_iter().flat_map(|plan| plan.logs.values().map(move |log| (plan, log)));
        let mut logs: Vec<_> = all.map(|(plan, log)| BuildLog { number: number(log), plan, log }).collect();
        logs.sort_by_key(|log| log.number);
        logs
    }
}

/// A log's number in its build.
pub(crate) fn number(log: &Log) -> i64 {
    if log.number == 0 { log.id.0 } else { log.number }
}
