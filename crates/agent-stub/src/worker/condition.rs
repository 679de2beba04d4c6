//! Conditions of steps: `and(succeeded(), eq(variables['x'], 'y'))` and the like
//! (azure-pipelines-agent: Agent.Worker/ExpressionManager.cs, DistributedTask expressions).

use super::variables::Variables;

/// What a condition can ask about.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) status: Status,
    pub(crate) variables: &'a Variables,
}

/// The state of the job so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Succeeded,
    Failed,
    Canceled,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Bool(bool),
    Text(String),
}

impl Value {
    fn truth(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Text(text) => !text.is_empty(),
        }
    }
    fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Text(text) => text.clone(),
        }
    }
    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(left), right) => *left == right.truth(),
            (left, right) => left.text().eq_ignore_ascii_case(&right.text()),
        }
    }
}

const KNOWN: &str = "succeeded, failed, always, canceled, succeededOrFailed, and, or, not, eq, ne, startsWith, contains, variables";

/// Evaluates a condition; an empty one is `succeeded()`.
pub(crate) fn evaluate(condition: Option<&str>, facts: &Facts<'_>) -> Result<bool, String> {
    let text = condition.map(str::trim).filter(|text| !text.is_empty()).unwrap_or("succeeded()");
    let mut parser = Parser { rest: text, depth: 0, facts };
    let value = parser.value()?;
    parser.skip_blanks();
    if !parser.rest.is_empty() {
        return Err(format!("The condition '{text}' goes on after its end: '{}'.", parser.rest));
    }
    Ok(value.truth())
}

struct Parser<'a> {
    rest: &'a str,
    depth: u32,
    facts: &'a Facts<'a>,
}

impl Parser<'_> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: char) -> bool {
        self.skip_blanks();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > 50 {
            return Err("The condition is nested too deeply.".to_owned());
        }
        self.skip_blanks();
        let value = if self.rest.starts_with('\'') { self.text().map(Value::Text) } else { self.named() };
        self.depth -= 1;
        value
    }

    /// `'it''s'`.
    fn text(&mut self) -> Result<String, String> {
        let mut out = String::new();
        let mut characters = self.rest.char_indices().skip(1).peekable();
        while let Some((index, character)) = characters.next() {
            if character != '\'' {
                out.push(character);
            } else if characters.peek().is_some_and(|(_, next)| *next == '\'') {
                characters.next();
                out.push('\'');
            } else {
                self.rest = &self.rest[index + 1..];
                return Ok(out);
            }
        }
        Err("A text in the condition has no end.".to_owned())
    }

    fn word(&mut self) -> String {
        let end = self
            .rest
            .find(|character: char| !(character.is_ascii_alphanumeric() || "_.-".contains(character)))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn named(&mut self) -> Result<Value, String> {
        let word = self.word();
        let lower = word.to_ascii_lowercase();
        if self.take('(') {
            let arguments = self.arguments()?;
            return self.function(&lower, &word, &arguments);
        }
        match lower.as_str() {
            "" => Err(format!("The condition cannot be read at '{}'.", self.rest)),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "variables" if self.take('[') => {
                let name = self.value()?.text();
                if !self.take(']') {
                    return Err("`variables[` has no end.".to_owned());
                }
                Ok(self.variable(&name))
            }
            _ if lower.starts_with("variables.") => Ok(self.variable(&word["variables.".len()..])),
            _ if word.parse::<f64>().is_ok() => Ok(Value::Text(word)),
            _ => Err(format!("Unrecognized value: '{word}'. This agent knows: {KNOWN}.")),
        }
    }

    fn variable(&self, name: &str) -> Value {
        self.facts.variables.get(name).map_or(Value::Null, |value| Value::Text(value.to_owned()))
    }

    fn arguments(&mut self) -> Result<Vec<Value>, String> {
        let mut arguments = Vec::new();
        if self.take(')') {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.value()?);
            if self.take(')') {
                return Ok(arguments);
            }
            if !self.take(',') {
                return Err(format!("The condition cannot be read at '{}'.", self.rest));
            }
        }
    }

    fn function(&self, lower: &str, word: &str, arguments: &[Value]) -> Result<Value, String> {
        let status = self.facts.status;
        let value = match (lower, arguments) {
            ("succeeded", []) => status == Status::Succeeded,
            ("failed", []) => status == Status::Failed,
            ("canceled", []) => status == Status::Canceled,
            ("succeededorfailed", []) => status != Status::Canceled,
            ("always", []) => true,
            ("and", [_, _, ..]) => arguments.iter().all(Value::truth),
            ("or", [_, _, ..]) => arguments.iter().any(Value::truth),
            ("not", [value]) => !value.truth(),
            ("eq", [left, right]) => left.equals(right),
            ("ne", [left, right]) => !left.equals(right),
            ("startswith", [whole, part]) => {
                whole.text().to_lowercase().starts_with(&part.text().to_lowercase())
            }
            ("contains", [whole, part]) => whole.text().to_lowercase().contains(&part.text().to_lowercase()),
            _ => {
                return Err(format!(
                    "Unrecognized function: '{word}' with {} arguments. This agent knows: {KNOWN}.",
                    arguments.len()
                ));
            }
        };
        Ok(Value::Bool(value))
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, Status, evaluate};
    use crate::worker::variables::Variables;

    fn check(condition: &str, status: Status) -> Result<bool, String> {
        let mut variables = Variables::default();
        variables.set("mode", "Fast");
        evaluate(Some(condition), &Facts { status, variables: &variables })
    }

    #[test]
    fn conditions_by_status() {
        for (condition, succeeded, failed, canceled) in [
            ("", true, false, false),
            ("succeeded()", true, false, false),
            ("failed()", false, true, false),
            ("always()", true, true, true),
            ("canceled()", false, false, true),
            ("succeededOrFailed()", true, true, false),
            ("and(always(), eq(variables['MODE'], 'fast'))", true, true, true),
            ("or( failed() , not(eq(variables.mode,'fast')) )", false, true, false),
            ("ne(variables['absent'], 'it''s')", true, true, true),
            ("and(succeeded(), contains(variables.mode, 'as'), startsWith('Fast', 'f'))", true, false, false),
        ] {
            assert_eq!(check(condition, Status::Succeeded), Ok(succeeded), "{condition}");
            assert_eq!(check(condition, Status::Failed), Ok(failed), "{condition}");
            assert_eq!(check(condition, Status::Canceled), Ok(canceled), "{condition}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let deep = "not(".repeat(200);
        for condition in [
            "frob()",
            "succeeded(",
            "eq('a)",
            "eq('a' 'b')",
            "always() x",
            "succeeded('step')",
            "=",
            deep.as_str(),
        ] {
            check(condition, Status::Succeeded).expect_err(condition);
        }
    }
}
