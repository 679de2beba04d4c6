//! Builds: what a run of a pipeline file, or a job that was queued by itself, is for people. Nothing here runs; a build is
//! seen through the run or the job that it is, and has notes of its own beside.
//!
//! Source: azure-devops (PyPI): build/models.py (`Build`); MicrosoftDocs/vsts-rest-api-specs: build/7.1.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::build_refusal::BuildRefusal;
use super::project::Person;
use super::requests::Request;
use super::runs::{Order, Run};
use super::{Document, State};
use crate::wire::ids::{DefinitionId, PlanId, PoolId, RequestId, RunId};
use crate::wire::job::JobSpec;

/// What was noted on a build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Notes {
    pub(crate) build: RunId,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) keep_forever: bool,
    /// In place of the number that it was queued with.
    pub(crate) number: Option<String>,
    pub(crate) deleted: Option<Change>,
    pub(crate) changed: Option<Change>,
    /// What jobs said to have published, by name, as they sent it.
    pub(crate) artifacts: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) properties: Map<String, Value>,
}

/// When and by whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) time: Timestamp,
    pub(crate) by: Option<Person>,
}

/// A build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build<'a> {
    pub(crate) id: RunId,
    pub(crate) state: &'a State,
    pub(crate) source: Source<'a>,
    pub(crate) notes: Option<&'a Notes>,
    /// As it was at the end of this attempt; `None`: as it is.
    pub(crate) attempt: Option<Past>,
}

/// An attempt that is over, by its place among them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Past(pub(crate) usize);

impl Past {
    /// From 1.
    pub(crate) fn number(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// What a build is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    Run(&'a Run),
    /// A job that was queued by itself.
    Job(&'a Request, &'a JobSpec),
}

/// What is changed on a build beside its status.
#[derive(Debug, Default)]
pub(crate) struct BuildPatch {
    pub(crate) keep_forever: Option<bool>,
    pub(crate) number: Option<String>,
    pub(crate) tags: Option<BTreeSet<String>>,
}

impl<'a> Build<'a> {
    pub(crate) fn number(&self) -> &'a str {
        let changed = self.notes.and_then(|notes| notes.number.as_deref());
        changed.unwrap_or(match self.source {
            Source::Run(run) => &run.name,
            Source::Job(request, _) => &request.build_number,
        })
    }

    pub(crate) fn definition(&self) -> DefinitionId {
        match self.source {
            Source::Run(run) => run.order.definition,
            Source::Job(_, spec) => spec.placement.definition.id,
        }
    }

    /// What was said when it was queued; nothing of a job that was queued by itself.
    pub(crate) fn order(&self) -> Option<&'a Order> {
        match self.source {
            Source::Run(run) => Some(&run.order),
            Source::Job(..) => None,
        }
    }

    pub(crate) fn pool(&self) -> PoolId {
        match self.source {
            Source::Run(run) => run.pool,
            Source::Job(request, _) => request.pool_id,
        }
    }

    /// The plan that it is known by: that of its job where it has one job.
    pub(crate) fn plan(&self) -> PlanId {
        match self.source {
            Source::Run(run) => self.state.plan_id(run.id),
            Source::Job(request, _) => request.plan_id,
        }
    }

    /// The build as it was when the attempt ended whose timeline this is.
    pub(crate) fn at_attempt(&self, timeline: Uuid) -> Option<Self> {
        let Source::Run(run) = self.source else { return None };
        let mut all = (0..run.earlier.len()).map(Past);
        let past = all.find(|past| self.state.attempt_timeline(run.id, past.number()) == timeline)?;
        Some(Self { attempt: Some(past), ..*self })
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.notes.is_some_and(|notes| notes.deleted.is_some())
    }

    pub(crate) fn tags(&self) -> impl Iterator<Item = &'a String> {
        self.notes.into_iter().flat_map(|notes| &notes.tags)
    }
}

impl State {
    /// The build, or the refusal that says it is not there.
    pub(crate) fn build(&self, id: RunId) -> Result<Build<'_>, BuildRefusal> {
        let found = self.any_build(id).filter(|build| !build.is_deleted());
        found.ok_or(BuildRefusal::BuildNotFound(id))
    }

    fn any_build(&self, id: RunId) -> Option<Build<'_>> {
        let source = if let Some(run) = self.runs.all.get(&id) {
            Source::Run(run)
        } else {
            let (request, spec) = (RequestId(id.0), self.jobs.get(&RequestId(id.0))?);
            // The others are part of a run, and the run is the build.
            spec.placement.is_build().then_some(())?;
            Source::Job(self.requests.get(&request)?, spec)
        };
        Some(Build { id, state: self, source, notes: self.project.notes.get(&id), attempt: None })
    }

    /// All builds, deleted ones too, by their numbers.
    pub(crate) fn builds(&self) -> impl Iterator<Item = Build<'_>> {
        let alone = self.jobs.values().filter(|spec| spec.placement.is_build());
        let ids: BTreeSet<_> =
            self.runs.all.keys().copied().chain(alone.map(|spec| RunId(spec.request_id.0))).collect();
        ids.into_iter().filter_map(|id| self.any_build(id))
    }

    /// Asks for the end of a build, and its jobs'.
    pub(crate) fn cancel_build(
        &mut self,
        id: RunId,
        by: Option<Person>,
        now: Timestamp,
    ) -> Result<(), BuildRefusal> {
        let build = self.build(id)?;
        let cancelled = match build.source {
            Source::Run(_) => self.cancel_run(id, now),
            Source::Job(request, _) => {
                let request = request.id;
                self.cancel(request, now).is_ok()
            }
        };
        if !cancelled {
            return Err(BuildRefusal::StatusChange { build: id, from: "Completed", to: "Cancelling" });
        }
        self.noted(id, by, now);
        Ok(())
    }

    /// Changes what is noted on a build.
    pub(crate) fn patch_build(
        &mut self,
        id: RunId,
        patch: BuildPatch,
        by: Option<Person>,
        now: Timestamp,
    ) -> Result<(), BuildRefusal> {
        self.build(id)?;
        if patch.number.as_ref().is_some_and(|number| number.trim().is_empty() || number.len() > 255) {
            return Err(BuildRefusal::InvalidBuild(
                "The build number is empty or longer than 255 characters.".to_owned(),
            ));
        }
        let notes = self.noted(id, by, now);
        notes.keep_forever = patch.keep_forever.unwrap_or(notes.keep_forever);
        notes.number = patch.number.or(notes.number.take());
        notes.tags = patch.tags.unwrap_or_else(|| std::mem::take(&mut notes.tags));
        Ok(())
    }

    /// Keeps what a job said to have published.
    pub(crate) fn add_artifact(
        &mut self,
        id: RunId,
        name: &str,
        artifact: Value,
        now: Timestamp,
    ) -> Result<(), BuildRefusal> {
        self.build(id)?;
        self.noted(id, None, now).artifacts.insert(name.to_owned(), artifact);
        Ok(())
    }

    /// Takes a build that has ended off the lists.
    pub(crate) fn delete_build(
        &mut self,
        id: RunId,
        by: Option<Person>,
        now: Timestamp,
    ) -> Result<(), BuildRefusal> {
        let build = self.build(id)?;
        if build.notes.is_some_and(|notes| notes.keep_forever) || self.leased(id, now) {
            return Err(BuildRefusal::BuildRetained(id));
        }
        if build.finish_time().is_none() {
            return Err(BuildRefusal::BuildRuns(id));
        }
        self.mark_deleted(id, by, now);
        Ok(())
    }

    pub(super) fn mark_deleted(&mut self, id: RunId, by: Option<Person>, now: Timestamp) {
        let deleted = Change { time: now, by: by.clone() };
        self.noted(id, by, now).deleted = Some(deleted);
    }

    /// The notes of a build that somebody changes.
    pub(super) fn noted(&mut self, build: RunId, by: Option<Person>, now: Timestamp) -> &mut Notes {
        self.dirty.insert(Document::Build(build));
        let notes = self.project.notes.entry(build).or_insert_with(|| Notes {
            build,
            tags: BTreeSet::new(),
            keep_forever: false,
            number: None,
            deleted: None,
            changed: None,
            artifacts: BTreeMap::new(),
            properties: Map::new(),
        });
        notes.changed = Some(Change { time: now, by });
        notes
    }
}
