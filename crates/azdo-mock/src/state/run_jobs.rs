//! The jobs of a run as they are queued.

use std::collections::BTreeMap;

use pipeline_yaml::{Copies, Job, JobResult, Phase};
use uuid::Uuid;

use super::requests::{Limits, NewJob, NewStep};
use super::runs::{Order, Run};
use super::{Refusal, State};
use crate::wire::demand::Demand;
use crate::wire::ids::{JobId, PoolId, RunId};
use crate::wire::job::{COMMIT, DefinitionReference, PROJECT, Placement, Shell, StepOptions, Variable};
use crate::wire::record_id::ONLY_STAGE;
use crate::wire::result::TaskResult;

/// What a build is of when nobody says.
pub(crate) const BRANCH: &str = "refs/heads/main";

impl State {
    /// The id of a job of a run, also before it is queued, so that whoever follows its record need not look for another
    /// one. The service's ids are the same in every build; here a job's id names one job of the organization.
    pub(crate) fn job_id(&self, run: RunId, identifier: &str, attempt: u32) -> JobId {
        let name = format!("{run}/{}", identifier.to_lowercase());
        let name = if attempt == 1 { name } else { format!("{name}/{attempt}") };
        JobId(Uuid::new_v5(&self.meta.project_id, name.as_bytes()))
    }

    pub(super) fn pool_of(&self, phase: &Phase, default: PoolId) -> Result<PoolId, Refusal> {
        let Some(name) = &phase.pool.name else { return Ok(default) };
        self.pool_named(name).map(|pool| pool.id).ok_or_else(|| {
            let known = self.pool_names();
            Refusal::Invalid(format!("the job `{}` wants the pool `{name}`; there are `{known}`", phase.name))
        })
    }

    fn definition_reference(&self, run: &Run) -> DefinitionReference {
        let id = run.order.definition;
        let name = self.project.definitions.get(&id).map(|known| known.content.name.clone());
        name.map_or_else(DefinitionReference::default, |name| DefinitionReference { id, name })
    }

    pub(super) fn new_job(&self, run: &Run, phase: &Phase, job: &Job) -> Result<NewJob, Refusal> {
        let copies = job.copies.map(|copies| match copies {
            Copies::MultiConfiguration => "MultiConfiguration".to_owned(),
            Copies::MultiMachine => "MultiMachine".to_owned(),
        });
        Ok(NewJob {
            pool: self.pool_of(phase, run.pool)?,
            name: job.display_name.clone(),
            steps: phase.steps.iter().map(step).collect(),
            demands: demands(phase)?.into_iter().chain(run.order.demands.iter().cloned()).collect(),
            variables: self.variables(run, job)?,
            limits: Limits {
                timeout: phase.timeout_in_minutes,
                cancel_timeout: phase.cancel_timeout_in_minutes,
            },
            placement: Placement {
                run: Some(run.id),
                run_name: Some(run.name.clone()),
                identifier: Some(phase.identifier(job)),
                // A plan has one job, and the first attempt's is there still.
                plan: (run.plan.jobs().count() == 1 && run.attempt() == 1).then(|| self.plan_id(run.id)),
                attempt: run.attempt(),
                definition: self.definition_reference(run),
                phase: phase.name.clone(),
                phase_display_name: phase.display_name.clone(),
                job: job.name.clone(),
                position: job.position,
                total: job.total,
                parallel_execution: copies,
                maintenance: None,
            },
        })
    }

    /// A job's variables. Where a name is in several places, the file's, with its groups, come over those of whoever queued
    /// the run (azure-devops-docs: variables.md, "Expansion of variables"). Groups are read now, so that a secret is held
    /// by no run that waits, and what was changed since counts.
    fn variables(&self, run: &Run, job: &Job) -> Result<BTreeMap<String, Variable>, Refusal> {
        let mut all = of_build(&run.order);
        for (name, value) in &run.order.variables {
            set(&mut all, name, value.clone());
        }
        for (name, value) in &job.variables {
            set(&mut all, name, Variable { value: value.clone(), is_secret: false });
        }
        for named in &job.groups {
            let group = self.variable_group_named(&named.name).ok_or_else(|| {
                let name = &named.name;
                Refusal::Invalid(format!(
                    "the variable group `{name}` of the job `{}` is gone",
                    job.display_name
                ))
            })?;
            for (name, variable) in &group.content.variables {
                if job.takes_from(named, name) {
                    let value = variable.value.clone().unwrap_or_default();
                    set(&mut all, name, Variable { value, is_secret: variable.is_secret });
                }
            }
        }
        Ok(all)
    }
}

/// What the service says of a build before its file is read: what template expressions know (azure-devops-docs:
/// build/variables.md, "Available in templates?"). The addresses of the collection are not among them, for a run has none
/// until an agent asks for its jobs.
pub(crate) fn known_before(state: &State, order: &Order) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([
        ("build.reason".to_owned(), "Manual".to_owned()),
        ("build.sourceVersion".to_owned(), COMMIT.to_owned()),
        ("system.collectionId".to_owned(), state.meta.instance_id.to_string()),
        ("system.definitionId".to_owned(), order.definition.to_string()),
        ("system.hostType".to_owned(), "build".to_owned()),
        ("system.pullRequest.isFork".to_owned(), "False".to_owned()),
        ("system.stageName".to_owned(), ONLY_STAGE.to_owned()),
        ("system.teamProject".to_owned(), PROJECT.to_owned()),
        ("system.teamProjectId".to_owned(), state.meta.project_id.to_string()),
    ]);
    if let Some(definition) = state.project.definitions.get(&order.definition) {
        all.insert("build.definitionName".to_owned(), definition.content.name.clone());
        all.insert("build.definitionVersion".to_owned(), definition.revision.to_string());
    }
    all.extend(of_branch(order.source_branch.as_deref().unwrap_or(BRANCH)));
    all.extend(of_build(order).into_iter().map(|(name, variable)| (name, variable.value)));
    all
}

fn of_branch(branch: &str) -> [(String, String); 2] {
    let short = branch.strip_prefix("refs/heads/").unwrap_or(branch);
    let short = short.rsplit('/').next().unwrap_or(short);
    [
        ("build.sourceBranch".to_owned(), branch.to_owned()),
        ("build.sourceBranchName".to_owned(), short.to_owned()),
    ]
}

/// What the service says of a build.
fn of_build(order: &Order) -> BTreeMap<String, Variable> {
    let plain = |value: &str| Variable { value: value.to_owned(), is_secret: false };
    let mut all = BTreeMap::new();
    if order.requested_by.is_some() {
        let branch = of_branch(order.source_branch.as_deref().unwrap_or(BRANCH));
        all.extend(branch.map(|(name, value)| (name, plain(&value))));
        if let Some(version) = &order.source_version {
            all.insert("build.sourceVersion".to_owned(), plain(version));
        }
    }
    if let Some(reason) = &order.reason {
        // `individualCI` is `IndividualCI` in the variable.
        let mut letters = reason.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        let reason: String = first.into_iter().chain(letters).collect();
        all.insert("build.reason".to_owned(), plain(&reason));
    }
    for (name, person) in [
        ("build.requestedFor", order.requested_for.as_ref().or(order.requested_by.as_ref())),
        ("build.queuedBy", order.requested_by.as_ref()),
    ] {
        if let Some(person) = person {
            all.insert(name.to_owned(), plain(&person.name));
            all.insert(format!("{name}Id"), plain(&person.id.to_string()));
        }
    }
    all
}

/// Sets a variable in place of the one of that name, in any case.
fn set(all: &mut BTreeMap<String, Variable>, name: &str, value: Variable) {
    all.retain(|known, _| !known.eq_ignore_ascii_case(name));
    all.insert(name.to_owned(), value);
}

pub(super) fn demands(phase: &Phase) -> Result<Vec<Demand>, Refusal> {
    let demand = |text: &String| {
        text.parse().map_err(|error| Refusal::Invalid(format!("the job `{}`: {error}", phase.name)))
    };
    phase.pool.demands.iter().map(demand).collect()
}

/// A step of a file as it is queued.
pub(super) fn step(step: &pipeline_yaml::Step) -> NewStep {
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

pub(super) fn of(result: TaskResult) -> JobResult {
    match result {
        TaskResult::Succeeded => JobResult::Succeeded,
        TaskResult::SucceededWithIssues => JobResult::SucceededWithIssues,
        TaskResult::Failed => JobResult::Failed,
        TaskResult::Canceled => JobResult::Canceled,
        TaskResult::Skipped => JobResult::Skipped,
        TaskResult::Abandoned => JobResult::Abandoned,
    }
}
