//! Template expressions: reading and evaluating in one pass, which is enough for a language without side effects.
//!
//! Source: azure-devops-docs: expressions.md (literals, functions), template-expressions.md. Texts of errors: public error
//! reports of the service.

use super::functions;
use super::value::{self, Value, same};

/// Deepest nesting of calls and indexes (the service's own bound is 50 too).
const DEEPEST: usize = 50;

/// What names stand for: `parameters`, and the variables of `each`, the inner ones last.
#[derive(Debug, Clone)]
pub(super) struct Scope(pub(super) Vec<(String, Value)>);

impl Scope {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(known, _)| same(known, name)).map(|(_, value)| value)
    }
}

/// The value of an expression, or what is wrong with it.
pub(super) fn evaluate(text: &str, scope: &Scope) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0, depth: 0, scope };
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
    scope: &'a Scope,
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
        loop {
            let index = if self.take('.') {
                let name = self.word();
                if name.is_empty() {
                    return Err(self.unexpected());
                }
                Value::String(name)
            } else if self.take('[') {
                let index = self.expression()?;
                if !self.take(']') {
                    return Err(self.unexpected());
                }
                index
            } else {
                break;
            };
            value = value.at(&index);
        }
        self.depth -= 1;
        Ok(value)
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
        if let Some(value) = self.scope.get(word) {
            return Ok(value.clone());
        }
        match word.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            "null" => Ok(Value::Null),
            _ => {
                let what = format!("Unrecognized value: '{word}'; only `parameters` is known here");
                Err(self.wrong(&what, at))
            }
        }
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
