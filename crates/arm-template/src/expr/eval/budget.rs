//! The bounds of evaluation: a template of a few lines can ask for any amount.

use super::Eval;
use super::fault::Fault;
use serde_json::Value;
use std::cell::Cell;

/// How many values one evaluation may make: a template of a few lines can ask for any number.
pub(super) const MAX_STEPS: usize = 2_000_000;
/// How many values all evaluations of one plan may make.
const MAX_PLAN_STEPS: usize = 20_000_000;
/// Most nested deployments that one plan looks into.
const MAX_NESTED: usize = 800;
/// Deepest value; deeper than a template can write it, and no deeper than other JSON readers take.
const MAX_VALUE_DEPTH: usize = 100;

/// What is left of the bounds of one plan.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: Cell<usize>,
    nested: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: Cell::new(MAX_PLAN_STEPS), nested: Cell::new(MAX_NESTED) }
    }
}

impl Budget {
    /// Takes one nested deployment.
    ///
    /// # Errors
    /// With the message when none is left.
    pub(crate) fn take_nested(&self) -> Result<(), String> {
        match self.nested.get().checked_sub(1) {
            Some(left) => {
                self.nested.set(left);
                Ok(())
            }
            None => Err(format!("The number of nested deployments limit exceeded. Limit: '{MAX_NESTED}'.")),
        }
    }

    #[cfg(test)]
    pub(crate) fn steps_left(&self) -> usize {
        self.steps.get()
    }

    pub(super) fn take_steps(&self, steps: usize) -> bool {
        let left = self.steps.get().checked_sub(steps);
        self.steps.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// How many values and blocks of text there are in a value, as far as a little more than `most`.
pub(super) fn weight(value: &Value, most: usize, depth: usize) -> Eval<usize> {
    if depth > MAX_VALUE_DEPTH {
        return Err(Fault::new(format!(
            "The template language expression can't be evaluated: its value is nested deeper than '{MAX_VALUE_DEPTH}' levels."
        )));
    }
    let mut total = 1;
    let mut add = |inner: &Value| -> Eval<bool> {
        total += weight(inner, most.saturating_sub(total), depth + 1)?;
        Ok(total > most)
    };
    match value {
        Value::Array(values) => {
            for inner in values {
                if add(inner)? {
                    break;
                }
            }
        }
        Value::Object(map) => {
            for inner in map.values() {
                if add(inner)? {
                    break;
                }
            }
        }
        Value::String(text) => total += text.len() / 64,
        _ => {}
    }
    Ok(total)
}

pub(super) fn exhausted() -> Fault {
    Fault::new(format!(
        "The template language expression can't be evaluated: it makes more than '{MAX_STEPS}' values."
    ))
}
