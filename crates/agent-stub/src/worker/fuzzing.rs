//! The worker's side of the fuzz targets' doors.

use super::commands::Command;
use super::condition::{Facts, Status, evaluate};
use super::variables::Variables;
use crate::wire::JobMessage;

/// Reads what a job's steps say: conditions, and macros in their inputs.
pub(crate) fn steps(job: &JobMessage) {
    let variables = Variables::of_job(&job.variables);
    for step in &job.steps {
        let facts = Facts { status: Status::Succeeded, variables: &variables };
        let _ = evaluate(step.condition.as_deref(), &facts);
        for input in step.inputs.values() {
            variables.expand(&input.0);
        }
    }
}

/// Reads a line of a step's output.
pub(crate) fn line(text: &str) {
    let _ = Command::parse(text);
}
