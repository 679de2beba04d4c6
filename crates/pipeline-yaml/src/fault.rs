//! What is wrong with a pipeline file, and where.

use std::fmt;

use serde::Serialize;

/// A place in the text. Both count from 1; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// Where it is.
    #[serde(flatten)]
    pub at: Position,
    /// The way to the key, such as `jobs[0].steps[2].task`; empty for the file as a whole.
    pub key: String,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.at;
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
pub struct Found(Vec<Fault>);

impl Found {
    /// Notes a fault.
    pub fn add(&mut self, at: Position, key: &str, message: impl Into<String>) {
        if self.0.len() < MOST {
            self.0.push(Fault { at, key: key.to_owned(), message: message.into() });
        }
    }

    /// The faults, or what there is without one.
    pub fn or<T>(mut self, value: Option<T>) -> Result<T, Faults> {
        self.0.sort();
        self.0.dedup();
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => {
                if self.0.is_empty() {
                    // No reader gives up without a word; this keeps the promise that there is one.
                    self.add(Position { line: 1, column: 1 }, "", "the file cannot be read");
                }
                Err(Faults(self.0))
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
