//! What is wrong with a pipeline file, and where.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// A place in a text. Lines and columns count from 1; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Which text it is: 0 for the file itself, else the number of one of its templates.
    #[serde(skip)]
    pub(crate) file: usize,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// Where the file itself begins.
    pub(crate) const START: Self = Self { file: 0, line: 1, column: 1 };
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// Where it is.
    #[serde(flatten)]
    pub at: Position,
    /// The template that it is in, by its path from the root of the repository; `None` for the file itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The way to the key, such as `jobs[0].steps[2].task`; empty for the file as a whole.
    pub key: String,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column, .. } = self.at;
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
        }
        if self.key.is_empty() {
            write!(f, "{line}:{column}: {}", self.message)
        } else {
            write!(f, "{line}:{column}: `{}` {}", self.key, self.message)
        }
    }
}

/// Everything that is wrong with a file, in the order of the text. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Faults(pub Vec<Fault>);

/// How many faults are told at once.
const MOST: usize = 100;

/// Faults as they are found, the first hundred of them.
#[derive(Debug, Default)]
pub struct Found {
    faults: Vec<Fault>,
    /// The paths of the templates that were read, in the order of their numbers.
    templates: Vec<String>,
    /// Items that name a template which could not be put in: what is wrong with them is told.
    left_out: BTreeSet<Position>,
}

impl Found {
    /// Notes a fault.
    pub fn add(&mut self, at: Position, key: &str, message: impl Into<String>) {
        if self.faults.len() < MOST {
            let file = at.file.checked_sub(1).and_then(|number| self.templates.get(number).cloned());
            self.faults.push(Fault { at, file, key: key.to_owned(), message: message.into() });
        }
    }

    /// The number of a template, by which places in it are known.
    pub(crate) fn template(&mut self, path: &str) -> usize {
        self.templates.push(path.to_owned());
        self.templates.len()
    }

    /// Notes that an item was told of and is not to be read.
    pub(crate) fn leave_out(&mut self, at: Position) {
        self.left_out.insert(at);
    }

    /// Whether an item is not to be read.
    pub(crate) fn leaves_out(&self, at: Position) -> bool {
        self.left_out.contains(&at)
    }

    /// Whether all of the pipeline is there.
    pub(crate) fn is_whole(&self) -> bool {
        self.left_out.is_empty()
    }

    /// A place for people, where another file may be meant: `line 3`, `line 3 of /steps.yml`.
    pub(crate) fn line(&self, at: Position) -> String {
        let file = at.file.checked_sub(1).and_then(|number| self.templates.get(number));
        file.map_or_else(|| format!("line {}", at.line), |file| format!("line {} of {file}", at.line))
    }

    /// The faults, or what there is without one.
    pub fn or<T>(mut self, value: Option<T>) -> Result<T, Faults> {
        self.faults.sort();
        self.faults.dedup();
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => {
                if self.faults.is_empty() {
                    // No reader gives up without a word; this keeps the promise that there is one.
                    self.add(Position::START, "", "the file cannot be read");
                }
                Err(Faults(self.faults))
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.faults.len()
    }
}
