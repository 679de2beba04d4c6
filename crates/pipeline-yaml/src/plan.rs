//! What a pipeline file asks for.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::fault::{Faults, Found};
use crate::template::{self, Inputs};
use crate::{graph, read, yaml};

/// The name of a job that is the only one of its phase (the service's `PipelineConstants.DefaultJobName`).
pub(crate) const ONLY_JOB: &str = "__default";
/// The name of a phase that the file does not name, and the word before the number of a slice.
pub(crate) const UNNAMED: &str = "Job";

/// A file that was understood: phases in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// `name`: what the run is called.
    pub name: Option<String>,
    /// One for each `job` of the file.
    pub phases: Vec<Phase>,
}

/// What a `job` of the file stands for: one job, or one for each leg of its `strategy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The name in the file; `Job` where the file has only steps.
    pub name: String,
    /// For people.
    pub display_name: String,
    /// Names of phases that must have ended.
    pub depends_on: Vec<String>,
    /// Whether it runs, once these have ended.
    pub condition: Condition,
    /// Whether its failures count as issues only.
    pub continue_on_error: bool,
    /// How long each of its jobs may run, in minutes; 0: without limit.
    pub timeout_in_minutes: u32,
    /// How long a cancelled job may take to end, in minutes.
    pub cancel_timeout_in_minutes: u32,
    /// How many of its jobs may run at once; 0: all.
    pub max_parallel: u32,
    /// Where it runs; `None`: in the pool that the run is queued for.
    pub pool: Pool,
    /// What each of its jobs does.
    pub steps: Vec<Step>,
    /// Its jobs; at least one.
    pub jobs: Vec<Job>,
}

/// Where jobs run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pool {
    /// The pool's name; `None`: the one that the run is queued for.
    pub name: Option<String>,
    /// What an agent must have, as the service writes it: `name`, `name -equals value`.
    pub demands: Vec<String>,
}

/// What an agent is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The name within its phase: the leg of a matrix, `Job2` for a slice, else `__default`.
    pub name: String,
    /// For people: `Build linux`.
    pub display_name: String,
    /// Which one of the phase's jobs it is, from 1: `System.JobPositionInPhase`.
    pub position: u32,
    /// How many there are: `System.TotalJobsInPhase`.
    pub total: u32,
    /// Why there are several: `System.ParallelExecutionType`.
    pub copies: Option<Copies>,
    /// The file's variables, then the job's, then the leg's. Names differ in more than case.
    pub variables: BTreeMap<String, String>,
    /// The variable groups that its variables come from too, in the order of the file.
    #[serde(default)]
    pub groups: Vec<VariableGroup>,
}

/// A variable group that a job's variables name. What is in it is not the file's to say, so it is laid between the
/// variables of the file by whoever knows it: see [`Job::takes_from`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableGroup {
    /// Its name.
    pub name: String,
    /// Names of the file's variables that stand before it, in lower case: its own come over these.
    pub over: BTreeSet<String>,
}

/// Why a phase has several jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Copies {
    /// `strategy.matrix`.
    MultiConfiguration,
    /// `strategy.parallel`.
    MultiMachine,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which shell runs it.
    pub shell: Shell,
    /// Its text. `$(name)` in it is the agent's to replace.
    pub script: String,
    /// `name`: before the dot in the names of output variables.
    pub name: Option<String>,
    /// For people.
    pub display_name: Option<String>,
    /// Variables of its process.
    pub env: BTreeMap<String, String>,
    /// Where it runs.
    pub working_directory: Option<String>,
    /// Whether it runs; evaluated by the agent.
    pub condition: Condition,
    /// Whether its failure counts as an issue only.
    pub continue_on_error: bool,
    /// How long it may run, in minutes; 0: as long as its job.
    pub timeout_in_minutes: u32,
    /// A step that is not enabled is left out.
    pub enabled: bool,
}

/// The keyword of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shell {
    /// `script`: the shell of the agent's system.
    Script,
    /// `bash`.
    Bash,
    /// `pwsh`: PowerShell Core.
    Pwsh,
    /// `powershell`: Windows PowerShell on Windows.
    PowerShell,
}

impl Plan {
    /// Reads a pipeline file alone: its parameters have their defaults, and there are no templates.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        Self::read(text, &Inputs::default())
    }

    /// Reads a pipeline file. The error is everything that is wrong with it, with its templates or with the inputs.
    pub fn read(text: &str, inputs: &Inputs<'_>) -> Result<Self, Faults> {
        let mut found = Found::default();
        let root = yaml::read(text, &mut found);
        let root = root.and_then(|root| template::expand(root, text, inputs, &mut found));
        let plan = root.and_then(|root| read::pipeline(&root, &mut found));
        // Where a template is missing, a job that another one depends on may be in it.
        if let Some((plan, places)) = &plan
            && found.is_whole()
        {
            graph::check(plan, places, &mut found);
        }
        let plan = plan.map(|(plan, _)| plan);
        found.or(plan)
    }

    /// The phase of a name, in any case.
    pub fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name.eq_ignore_ascii_case(name))
    }

    /// All jobs with their phases, in the order of the file.
    pub fn jobs(&self) -> impl Iterator<Item = (&Phase, &Job)> {
        self.phases.iter().flat_map(|phase| phase.jobs.iter().map(move |job| (phase, job)))
    }
}

impl Job {
    /// Whether a group's variable of this name is the job's. What stands later in the file wins (azure-devops-docs:
    /// variables.md, "Expansion of variables"; variable-groups.md).
    pub fn takes_from(&self, group: &VariableGroup, variable: &str) -> bool {
        let said = self.variables.keys().any(|own| own.eq_ignore_ascii_case(variable));
        !said || group.over.contains(&variable.to_ascii_lowercase())
    }
}

impl Phase {
    /// A job's identifier in the whole run: `Build.linux`, `Build.__default` (the service's `system.jobIdentifier`).
    pub fn identifier(&self, job: &Job) -> String {
        format!("{}.{}", self.name, job.name)
    }
}
