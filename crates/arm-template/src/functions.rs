//! The built-in functions. Each group's table names a function, how many arguments it takes and where it may stand.

mod array;
mod cidr;
mod date;
mod format;
mod hash;
mod lambda;
mod logic;
mod number;
pub(crate) mod object;
mod resource;
mod scope;
mod string;
#[cfg(test)]
mod tests;
pub(crate) mod uri;
mod zone;

use crate::expr::Call;
use crate::expr::eval::{Eval, Evaluator};
use crate::value::type_name;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::LazyLock;

/// A built-in function.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) place: Allowed,
    pub(crate) run: Run,
}

/// Where a function may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    Anywhere,
    /// `utcNow` and `newGuid`: they give another value each time.
    ParameterDefault,
    /// `reference` and `list*`: they read what has been deployed.
    Runtime,
    /// `copyIndex`: inside of a copy loop.
    Loop,
}

/// How a function is computed.
pub(crate) enum Run {
    /// From its arguments alone.
    Plain(fn(Arguments) -> Outcome),
    /// A parameter or a variable by its name.
    Named,
    /// With the evaluator: lazy arguments, scopes, lambdas, deployed state.
    Special(fn(&mut Evaluator<'_>, &Call) -> Eval<Value>),
    /// Documented by Microsoft, not available here; the text says why.
    Unsupported(&'static str),
}

pub(crate) type Outcome = Result<Value, String>;

/// Longest text that a function may make: the size limit of a whole template.
pub(crate) const LONGEST_TEXT: usize = 4 * 1024 * 1024;

/// No upper bound for the number of arguments.
pub(crate) const MANY: usize = usize::MAX;

impl Function {
    pub(crate) const fn plain(
        name: &'static str,
        least: usize,
        most: usize,
        run: fn(Arguments) -> Outcome,
    ) -> Self {
        Self { name, least, most, place: Allowed::Anywhere, run: Run::Plain(run) }
    }

    pub(crate) const fn special(
        name: &'static str,
        least: usize,
        most: usize,
        run: fn(&mut Evaluator<'_>, &Call) -> Eval<Value>,
    ) -> Self {
        Self { name, least, most, place: Allowed::Anywhere, run: Run::Special(run) }
    }

    pub(crate) const fn unsupported(name: &'static str, reason: &'static str) -> Self {
        Self { name, least: 0, most: MANY, place: Allowed::Anywhere, run: Run::Unsupported(reason) }
    }

    pub(crate) const fn only(mut self, place: Allowed) -> Self {
        self.place = place;
        self
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

static ALL: LazyLock<HashMap<String, &'static Function>> = LazyLock::new(|| {
    groups().into_iter().flatten().map(|function| (function.name.to_lowercase(), function)).collect()
});

/// The tables of all groups.
fn groups() -> [&'static [Function]; 14] {
    [
        array::FUNCTIONS,
        cidr::FUNCTIONS,
        date::FUNCTIONS,
        format::FUNCTIONS,
        hash::FUNCTIONS,
        lambda::FUNCTIONS,
        logic::FUNCTIONS,
        number::FUNCTIONS,
        object::FUNCTIONS,
        resource::FUNCTIONS,
        scope::FUNCTIONS,
        string::FUNCTIONS,
        uri::FUNCTIONS,
        zone::FUNCTIONS,
    ]
}

/// The function of that name, compared without regard to case. Every name that starts with `list` is one.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    let folded = name.to_lowercase();
    match ALL.get(&folded) {
        Some(function) => Some(function),
        None if folded.starts_with("list") => Some(&resource::LIST),
        None => None,
    }
}

/// The values that a function was called with.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) name: &'static str,
    pub(crate) values: Vec<Value>,
}

impl Arguments {
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Takes an argument out; `null` for one that was not given.
    pub(crate) fn take(&mut self, index: usize) -> Value {
        self.values.get_mut(index).map(Value::take).unwrap_or_default()
    }

    pub(crate) fn string(&mut self, index: usize) -> Result<String, String> {
        match self.take(index) {
            Value::String(text) => Ok(text),
            other => Err(self.wrong_type(index, "a string", &other)),
        }
    }

    /// All arguments from `first` on, each a string.
    pub(crate) fn strings(&mut self, first: usize) -> Result<Vec<String>, String> {
        (first..self.len()).map(|index| self.string(index)).collect()
    }

    pub(crate) fn integer(&mut self, index: usize) -> Result<i64, String> {
        match self.take(index) {
            Value::Number(number) if number.is_i64() => Ok(number.as_i64().unwrap_or_default()),
            other => Err(self.wrong_type(index, "an integer", &other)),
        }
    }

    pub(crate) fn boolean(&mut self, index: usize) -> Result<bool, String> {
        match self.take(index) {
            Value::Bool(value) => Ok(value),
            other => Err(self.wrong_type(index, "a boolean", &other)),
        }
    }

    pub(crate) fn array(&mut self, index: usize) -> Result<Vec<Value>, String> {
        match self.take(index) {
            Value::Array(values) => Ok(values),
            other => Err(self.wrong_type(index, "an array", &other)),
        }
    }

    pub(crate) fn object(&mut self, index: usize) -> Result<Map<String, Value>, String> {
        match self.take(index) {
            Value::Object(map) => Ok(map),
            other => Err(self.wrong_type(index, "an object", &other)),
        }
    }

    pub(crate) fn wrong_type(&self, index: usize, expected: &str, found: &Value) -> String {
        format!(
            "The template language function '{}' expects its parameter at position '{}' to be {expected}. The provided \
             value is of type '{}'. Please see https://aka.ms/arm-functions#{} for usage details.",
            self.name,
            index + 1,
            type_name(found),
            self.name.to_lowercase(),
        )
    }

    /// An error of this call: `Unable to evaluate template language function 'x': …`.
    pub(crate) fn error(&self, reason: impl std::fmt::Display) -> String {
        unable(self.name, reason)
    }
}

pub(crate) fn unable(name: &str, reason: impl std::fmt::Display) -> String {
    format!(
        "Unable to evaluate template language function '{name}': {reason}. Please see https://aka.ms/arm-functions#{} \
         for usage details.",
        name.to_lowercase(),
    )
}
