//! A run that has failed is begun again: what succeeded stays, what failed and what depends on it runs in a new attempt.
//!
//! Source: azure-devops (PyPI): build/build_client.py (`update_build`, `update_stage`), build/models.py
//! (`UpdateStageParameters`, `TimelineAttempt`); MicrosoftDocs/azure-devops-docs: stages.md, "Rerun a failed stage".

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use pipeline_yaml::{JobResult, Phase, RunResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::build_refusal::BuildRefusal;
use super::builds::Source;
use super::project::Person;
use super::runs::{Run, RunJob};
use super::{Document, EventKind, State};
use crate::wire::ids::{RequestId, RunId};

/// An attempt that is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// Every job, by identifier.
    pub(crate) jobs: BTreeMap<String, RunJob>,
    pub(crate) result: RunResult,
}

/// Which jobs run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Those that did not succeed, and what depends on them.
    Failed,
    All,
}

/// Where a job of a run stood in an attempt before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    /// From 1.
    pub(crate) attempt: u32,
    pub(crate) job: RunJob,
}

impl Run {
    /// Which attempt this is, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        u32::try_from(self.earlier.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The requests of all attempts.
    pub(crate) fn requests(&self) -> BTreeSet<RequestId> {
        let earlier = self.earlier.iter().flat_map(|attempt| attempt.jobs.values());
        let queued = self.jobs.values().chain(earlier).filter_map(|job| match job {
            RunJob::Queued(request) => Some(*request),
            RunJob::Ended(_) => None,
        });
        queued.collect()
    }

    /// What became of a job in the attempts before the one that it is in now. One that succeeded is in no later attempt.
    pub(crate) fn before(&self, identifier: &str) -> Vec<Before> {
        let now = self.jobs.get(identifier);
        let attempts = (1..).zip(&self.earlier);
        let known = attempts
            .filter_map(|(attempt, earlier)| Some(Before { attempt, job: *earlier.jobs.get(identifier)? }));
        known.filter(|before| now != Some(&before.job)).collect()
    }
}

impl State {
    /// The id of the timeline that shows a run as it was at the end of an attempt.
    pub(crate) fn attempt_timeline(&self, run: RunId, attempt: u32) -> Uuid {
        Uuid::new_v5(&self.meta.project_id, format!("{run}/attempt/{attempt}").as_bytes())
    }

    /// Begins a run again. Its jobs are queued when the state settles.
    pub(crate) fn retry_build(
        &mut self,
        id: RunId,
        again: Again,
        by: Option<Person>,
        now: Timestamp,
    ) -> Result<(), BuildRefusal> {
        let refuse =
            |why: &str| Err(BuildRefusal::InvalidBuild(format!("The build {id} cannot be retried: {why}.")));
        let Source::Run(run) = self.build(id)?.source else {
            return refuse("it is a job that was queued by itself, not a run of a pipeline");
        };
        let Some(result) = run.result else { return refuse("it has not ended") };
        let jobs = match again {
            Again::All => BTreeMap::new(),
            Again::Failed if !matches!(result, RunResult::Failed | RunResult::Canceled) => {
                return refuse("none of its jobs failed");
            }
            Again::Failed => self.kept(run),
        };
        let Some(run) = self.runs.reopen(id) else { return Ok(()) };
        let jobs = std::mem::replace(&mut run.jobs, jobs);
        run.earlier.push(Attempt { jobs, result });
        let (attempt, name) = (run.attempt(), run.name.clone());
        self.dirty.insert(Document::Run(id));
        self.note(now, EventKind::RunRetried { run_id: id, name, attempt });
        self.noted(id, by, now);
        Ok(())
    }

    /// The jobs that stay as they are: they succeeded, and so did all that they depend on.
    fn kept(&self, run: &Run) -> BTreeMap<String, RunJob> {
        let good = |phase: &Phase, job: &pipeline_yaml::Job| {
            let known = run.jobs.get(&phase.identifier(job)).copied()?;
            let result = self.counted(phase, known)?;
            matches!(result, JobResult::Succeeded | JobResult::SucceededWithIssues).then_some(known)
        };
        let whole = |phase: &Phase| phase.jobs.iter().all(|job| good(phase, job).is_some());
        let bad = run.plan.phases.iter().filter(|phase| !whole(phase));
        let mut again: BTreeSet<String> = bad.map(|phase| phase.name.to_lowercase()).collect();
        // As often as it takes: what comes after may stand before in the file.
        loop {
            let after =
                |phase: &&Phase| phase.depends_on.iter().any(|name| again.contains(&name.to_lowercase()));
            let found: Vec<_> =
                run.plan.phases.iter().filter(after).map(|phase| phase.name.to_lowercase()).collect();
            let before = again.len();
            again.extend(found);
            if again.len() == before {
                break;
            }
        }
        let mut kept = BTreeMap::new();
        for (phase, job) in run.plan.jobs() {
            // Of a matrix only the legs that failed run again, unless what is before it does.
            let depends = phase.depends_on.iter().any(|name| again.contains(&name.to_lowercase()));
            if let Some(known) = good(phase, job).filter(|_| !depends) {
                kept.insert(phase.identifier(job), known);
            }
        }
        kept
    }
}
