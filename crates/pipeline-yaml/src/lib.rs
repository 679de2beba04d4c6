//! Pipeline files: the part of Azure Pipelines' YAML that jobs need, without any I/O, clock or environment.
//!
//! [`Plan::read`] puts parameters, variables and templates into the text and expands `matrix` and `parallel` into the jobs that an agent is given.
//! [`Plan::decide`] is the scheduler: from what has become of the jobs so far it says which start now, which end without
//! having run, and how the whole run ended.
//!
//! Everything that is wrong is a [`Fault`] with a place in the text and the key; several at once. Nothing that is not
//! understood is passed over: a key that is read over would let a job run that is not the one in the file.
//!
//! [`tree`], [`Fields`] and [`steps`] read other files in the same YAML, such as a seed.
//!
//! Sources: Microsoft's `azure-devops-yaml-schema` (what may be written), `azure-devops-docs` `conditions.md` and
//! `expressions.md` (which job runs when), and the service's own public model of a phase (`ParallelExecutionOptions`, names
//! and variables of the copies of a job). `docs/pipeline-files.md` lists what is supported.

mod condition;
mod fault;
mod graph;
mod plan;
mod read;
mod schedule;
mod template;
#[cfg(test)]
mod tests;
mod yaml;

pub use condition::{Condition, StatusFunction};
pub use fault::{Fault, Faults, Found, Position};
pub use plan::{Copies, Job, Phase, Plan, Pool, Shell, Step, VariableGroup};
pub use read::{Fields, steps};
pub use schedule::{Decision, JobResult, JobState, Progress, RunResult};
pub use template::{Inputs, Templates};
pub use yaml::{Entry, Node, Value, parts, tree};
