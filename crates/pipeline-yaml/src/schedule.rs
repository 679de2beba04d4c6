//! The scheduler: from what has become of the jobs so far to what happens next. Pure; asking twice gives the same answer.
//!
//! A phase is decided once everything it depends on has ended. Status functions look at all phases before it, direct or not
//! (azure-devops-docs: conditions.md, expressions.md). `succeededOrFailed` is false when nothing before it ran, which the
//! documentation hints at ("use `not(canceled())` when there are previous skipped jobs").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::condition::{Condition, StatusFunction};
use crate::graph::Graph;
use crate::plan::{Phase, Plan};

/// How a job ended (the service's `TaskResult`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobResult {
    /// All went well.
    Succeeded,
    /// It failed, but was allowed to, or has warnings.
    SucceededWithIssues,
    /// It failed.
    Failed,
    /// It was cancelled.
    Canceled,
    /// It never ran.
    Skipped,
    /// Its agent fell silent. No status function but `always` counts it, not even `failed`.
    Abandoned,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunResult {
    /// All jobs that ran succeeded.
    Succeeded,
    /// The same, some with issues.
    SucceededWithIssues,
    /// A job failed or lost its agent.
    Failed,
    /// The run or one of its jobs was cancelled.
    Canceled,
}

/// What has become of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobState {
    /// Queued or running.
    Started,
    /// Over, as its agent reported it.
    Ended(JobResult),
}

/// What has become of a run's jobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// By identifier; a job that is not there has not been started.
    pub jobs: BTreeMap<String, JobState>,
    /// Whether somebody asked for the end of the run.
    pub cancelled: bool,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Identifiers of jobs that start now, in the order of the file.
    pub start: Vec<String>,
    /// Jobs that end without having run.
    pub end: Vec<(String, JobResult)>,
    /// The result of the run, once all its jobs have ended.
    pub outcome: Option<RunResult>,
}

impl Plan {
    /// What happens next. The caller starts and ends what the decision names, and asks again when a job has ended or the
    /// run is cancelled.
    pub fn decide(&self, progress: &Progress) -> Decision {
        let mut decision = Decision::default();
        let mut known = progress.clone();
        let graph = Graph::of(self);
        let before = graph.before();
        // What is skipped can decide what depends on it, which comes later in this order.
        for index in graph.order() {
            let before = self.phases.iter().zip(&before[*index]).filter(|(_, before)| **before);
            let before: Vec<_> = before.map(|(phase, _)| phase).collect();
            advance(&self.phases[*index], &before, &mut known, &mut decision);
        }
        // In the order of the file.
        let place = |id: &String| self.jobs().position(|(phase, job)| phase.identifier(job) == *id);
        decision.start.sort_by_cached_key(place);
        decision.end.sort_by_cached_key(|(id, _)| place(id));
        decision.outcome = self.outcome(&known);
        decision
    }

    fn outcome(&self, known: &Progress) -> Option<RunResult> {
        let results = self.phases.iter().map(|phase| result_of(phase, known));
        let results = results.collect::<Option<Vec<_>>>()?;
        let any = |wanted: JobResult| results.contains(&wanted);
        Some(if known.cancelled || any(JobResult::Canceled) {
            RunResult::Canceled
        } else if any(JobResult::Failed) || any(JobResult::Abandoned) {
            RunResult::Failed
        } else if any(JobResult::SucceededWithIssues) {
            RunResult::SucceededWithIssues
        } else {
            RunResult::Succeeded
        })
    }
}

/// Decides a phase, given what it depends on.
fn advance(phase: &Phase, before: &[&Phase], known: &mut Progress, decision: &mut Decision) {
    let ids = phase.jobs.iter().map(|job| phase.identifier(job));
    let (begun, waiting): (Vec<_>, Vec<_>) = ids.partition(|id| known.jobs.contains_key(id));
    if waiting.is_empty() {
        return;
    }
    // A phase that has begun goes on as it began, unless the run is cancelled and its condition minds that.
    let end = if begun.is_empty() || known.cancelled {
        let results = before.iter().map(|phase| Some((phase.name.as_str(), result_of(phase, known)?)));
        let Some(results) = results.collect::<Option<Vec<_>>>() else { return };
        let never = if begun.is_empty() { JobResult::Skipped } else { JobResult::Canceled };
        (!holds(&phase.condition, &results, known.cancelled)).then_some(never)
    } else {
        None
    };
    if let Some(result) = end {
        for id in waiting {
            known.jobs.insert(id.clone(), JobState::Ended(result));
            decision.end.push((id, result));
        }
        return;
    }
    let running = begun.iter().filter(|id| known.jobs.get(*id) == Some(&JobState::Started)).count();
    let room = match phase.max_parallel {
        0 => usize::MAX,
        most => (most as usize).saturating_sub(running),
    };
    for id in waiting.into_iter().take(room) {
        known.jobs.insert(id.clone(), JobState::Started);
        decision.start.push(id);
    }
}

impl Phase {
    /// What a job's own result counts as in the run.
    pub fn counted(&self, result: JobResult) -> JobResult {
        match result {
            JobResult::Failed if self.continue_on_error => JobResult::SucceededWithIssues,
            other => other,
        }
    }
}

/// How a phase ended; `None` while one of its jobs has not.
fn result_of(phase: &Phase, known: &Progress) -> Option<JobResult> {
    let ended = phase.jobs.iter().map(|job| match known.jobs.get(&phase.identifier(job)) {
        Some(JobState::Ended(result)) => Some(phase.counted(*result)),
        _ => None,
    });
    ended.collect::<Option<Vec<_>>>()?.into_iter().reduce(JobResult::worse)
}

impl JobResult {
    /// The result of a phase after one more of its jobs (the service's `TaskResultUtil.MergeTaskResults`: the worst wins,
    /// and cancelled is worse than failed).
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        let rank = |result: Self| match result {
            Self::Skipped => 0,
            Self::Succeeded => 1,
            Self::SucceededWithIssues => 2,
            Self::Failed => 3,
            Self::Abandoned => 4,
            Self::Canceled => 5,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// Whether a condition holds over the results of what came before.
fn holds(condition: &Condition, before: &[(&str, JobResult)], cancelled: bool) -> bool {
    let asked = |name: &str| {
        condition.of.is_empty() || condition.of.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    let results: Vec<_> = before.iter().filter(|(name, _)| asked(name)).map(|(_, result)| *result).collect();
    let good = |result: &JobResult| matches!(result, JobResult::Succeeded | JobResult::SucceededWithIssues);
    match condition.function {
        StatusFunction::Always => true,
        StatusFunction::Canceled => cancelled,
        StatusFunction::Failed => results.contains(&JobResult::Failed),
        StatusFunction::Succeeded => !cancelled && results.iter().all(good),
        StatusFunction::SucceededOrFailed => {
            let ran = |result: &JobResult| good(result) || *result == JobResult::Failed;
            !cancelled && (results.is_empty() || results.iter().any(ran))
        }
    }
}
