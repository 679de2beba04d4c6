//! Template expressions: reading and evaluating in one pass, which is enough for a language without side effects.
//!
//! Source: azure-devops-docs: expressions.md (literals, functions), template-expressions.md. Texts of errors: public error
//! reports of the service.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::functions;
use super::value::{self, Field, Value, same};

/// Deepest nesting of calls and indexes (the service's own bound is 50 too).
const DEEPEST: usize = 50;

/// What names stand for: `parameters`, and the variables of `each`, the inner ones last.
#[derive(Debug, Clone)]
pub(super) struct Scope(pub(super) Vec<(String, Value)>);

/// What an expression may name.
pub(super) struct Known<'a> {
    pub(super) scope: &'a Scope,
    /// `variables`: what is known of them before the run, the one that counts last.
    pub(super) variables: &'a [(String, String)],
    /// How many variables were put into objects: `variables` as a whole is a copy.
    pub(super) copied: Cell<usize>,
}

impl Scope {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(known, _)| same(known, name)).map(|(_, value)| value)
    }
}

/// The value of an expression, or what is wrong with it.
pub(super) fn evaluate(text: &str, known: &Known<'_>) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0, depth: 0, known };
    let value = reader.expression()?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.unexpected()),
    }
}

struct Reader<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
    depth: usize,
    known: &'a Known<'a>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        self.at += if there { wanted.len_utf8() } else { 0 };
        there
    }

    fn word(&mut self) -> String {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let word: String = self.rest().chars().take_while(|c| inner(*c)).collect();
        self.at += word.len();
        word
    }

    fn wrong(&self, what: &str, at: usize) -> String {
        let position = self.text.get(..at).unwrap_or_default().chars().count() + 1;
        format!("{what}. Located at position {position} within expression: {}", self.text.trim())
    }

    fn unexpected(&mut self) -> String {
        match self.peek() {
            Some(_) => {
                let symbol: String =
                    self.rest().chars().take_while(|c| !c.is_whitespace()).take(40).collect();
                self.wrong(&format!("Unexpected symbol: '{symbol}'"), self.at)
            }
            None => self.wrong("Unexpected end of the expression", self.text.len()),
        }
    }

    fn expression(&mut self) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("The expression is nested too deep", self.at));
        }
        let mut value = self.operand()?;
        while let Some(index) = self.index()? {
            value = value.at(&index);
        }
        self.depth -= 1;
        Ok(value)
    }

    /// `.name` or `[index]`, if one of them follows.
    fn index(&mut self) -> Result<Option<Value>, String> {
        if self.take('.') {
            let name = self.word();
            return if name.is_empty() { Err(self.unexpected()) } else { Ok(Some(Value::String(name))) };
        }
        if !self.take('[') {
            return Ok(None);
        }
        let index = self.expression()?;
        if self.take(']') { Ok(Some(index)) } else { Err(self.unexpected()) }
    }

    fn operand(&mut self) -> Result<Value, String> {
        let Some(first) = self.peek() else { return Err(self.unexpected()) };
        let at = self.at;
        match first {
            '\'' => self.string(),
            '0'..='9' | '-' | '+' | '.' => {
                let number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
                let text: String = self.rest().chars().take_while(|c| number(*c)).collect();
                self.at += text.len();
                let value = value::number(&text).map(Value::Number);
                value.ok_or_else(|| self.wrong(&format!("Unrecognized value: '{text}'"), at))
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let word = self.word();
                if self.take('(') { self.call(&word, at) } else { self.named(&word, at) }
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `'it''s'`.
    fn string(&mut self) -> Result<Value, String> {
        let (start, mut text) = (self.at, String::new());
        self.at += 1;
        loop {
            let Some(end) = self.rest().find('\'') else {
                return Err(self.wrong("Unclosed string", start));
            };
            text.push_str(&self.rest()[..end]);
            self.at += end + 1;
            if !self.rest().starts_with('\'') {
                return Ok(Value::String(text));
            }
            text.push('\'');
            self.at += 1;
        }
    }

    fn named(&mut self, word: &str, at: usize) -> Result<Value, String> {
        if let Some(value) = self.known.scope.get(word) {
            return if same(word, "parameters") { self.of_parameters(value, at) } else { Ok(value.clone()) };
        }
        match word.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            "null" => Ok(Value::Null),
            "variables" => self.of_variables(),
            _ => {
                let what =
                    format!("Unrecognized value: '{word}'; only `parameters` and `variables` are known here");
                Err(self.wrong(&what, at))
            }
        }
    }

    /// One parameter, or all of them as an object. One that was not declared is a mistake, where a missing key of an object
    /// is null ("Key not found 'undefined'": ChristopherHX/runner.server#246).
    fn of_parameters(&mut self, all: &Value, at: usize) -> Result<Value, String> {
        let Some(index) = self.index()? else { return Ok(all.clone()) };
        all.get(&index).cloned().ok_or_else(|| {
            let name = index.text().unwrap_or_else(|| index.kind().to_owned());
            self.wrong(&format!("Key not found '{name}'"), at)
        })
    }

    /// One variable, or all of them as an object. What is not known is null.
    fn of_variables(&mut self) -> Result<Value, String> {
        let variables = self.known.variables;
        let Some(index) = self.index()? else {
            self.known.copied.set(self.known.copied.get() + variables.len());
            let mut seen = BTreeSet::new();
            let last = variables.iter().rev().filter(|(name, _)| seen.insert(name.to_lowercase()));
            let mut fields: Vec<_> =
                last.map(|(name, value)| Field::new(name, Value::String(value.clone()))).collect();
            fields.reverse();
            return Ok(Value::Object(Rc::new(fields)));
        };
        let Some(name) = index.text() else { return Ok(Value::Null) };
        let known = variables.iter().rev().find(|(known, _)| same(known, &name));
        Ok(known.map_or(Value::Null, |(_, value)| Value::String(value.clone())))
    }

    fn call(&mut self, name: &str, at: usize) -> Result<Value, String> {
        let mut arguments = Vec::new();
        if !self.take(')') {
            loop {
                arguments.push(self.expression()?);
                if self.take(')') {
                    break;
                }
                if !self.take(',') {
                    return Err(self.unexpected());
                }
            }
        }
        functions::call(name, &arguments).map_err(|what| self.wrong(&what, at))
    }
}
