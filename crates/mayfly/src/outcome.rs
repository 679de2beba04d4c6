//! Exit codes, and the one place where an error reaches a person.

use std::process::ExitCode;

use crate::output;

/// How a command ended. The numbers are a contract with scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Used in a way that cannot work.
    Usage,
    /// Refused by a guard: foreign resources, another writer, wrong target.
    Refused,
    /// A service or the network; a retry may help.
    Service,
    /// `run`: the job failed.
    JobFailed,
    /// `run`: the job was cancelled.
    JobCancelled,
    /// `sandbox az`: what `az` ended with.
    Passed(u8),
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::Usage => 2,
            Outcome::Refused => 3,
            Outcome::Service => 4,
            Outcome::JobFailed => 10,
            Outcome::JobCancelled => 11,
            Outcome::Passed(code) => code,
        })
    }
}

/// An error with the exit code it stands for and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Problem {
    message: String,
    outcome: Outcome,
    details: Vec<String>,
    hints: Vec<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Problem {
    /// A problem with its own text.
    pub(crate) fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self { message: message.into(), outcome, details: Vec::new(), hints: Vec::new(), source: None }
    }

    /// An error of a library as a problem.
    pub(crate) fn from_error(
        outcome: Outcome,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        let source = error.source().map(|source| chain(source).into());
        Self { message: error.to_string(), outcome, details: Vec::new(), hints: Vec::new(), source }
    }

    /// Further lines: the end of a log, a list of ids.
    pub(crate) fn details(mut self, lines: Vec<String>) -> Self {
        self.details.extend(lines);
        self
    }

    /// What to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Prints an error, its causes and its hints on stderr, and says how the process ends.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let problem = error.chain().find_map(|cause| cause.downcast_ref::<Problem>());
    let mut last = String::new();
    for (depth, cause) in error.chain().enumerate() {
        let text = cause.to_string();
        // Some libraries repeat their cause in their own text.
        if !last.contains(&text) {
            output::note(&if depth == 0 { format!("error: {text}") } else { format!("  because: {text}") });
        }
        last = text;
    }
    for line in problem.into_iter().flat_map(|problem| &problem.details) {
        output::note(&format!("  {line}"));
    }
    for hint in problem.into_iter().flat_map(|problem| &problem.hints) {
        output::note(&format!("hint: {hint}"));
    }
    problem.map_or(Outcome::Failed, |problem| problem.outcome).into()
}
