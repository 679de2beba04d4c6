//! Directives: in which scopes what stands below them is put in.

use std::rc::Rc;

use super::directive::Directive;
use super::expansion::Expansion;
use super::expression::Scope;
use super::value::{Field, Value};
use crate::fault::Position;

/// What became of the conditions before an `elseif` or `else`.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Chain {
    None,
    Open,
    Taken,
}

impl Expansion<'_> {
    /// In which scopes what is below a directive is put in: in none, one, or one for each value.
    pub(super) fn chosen(
        &mut self,
        directive: &Directive<'_>,
        at: Position,
        scope: &Scope,
        chain: &mut Chain,
    ) -> Vec<Scope> {
        let condition = match directive {
            Directive::If(condition) => Some(*condition),
            Directive::ElseIf(_) | Directive::Else if *chain == Chain::None => {
                self.fault(at, "`elseif` and `else` stand behind an `if`");
                return Vec::new();
            }
            Directive::ElseIf(_) | Directive::Else if *chain == Chain::Taken => return Vec::new(),
            Directive::ElseIf(condition) => Some(*condition),
            Directive::Else | Directive::Insert => None,
            Directive::Each(name, list) => {
                *chain = Chain::None;
                return self.each(name, list, at, scope);
            }
        };
        let holds = match condition {
            Some(condition) => self.evaluate(condition, at, scope).is_some_and(|value| value.truth()),
            None => true,
        };
        *chain = match (condition, holds) {
            (None, _) => Chain::None,
            (Some(_), true) => Chain::Taken,
            (Some(_), false) => Chain::Open,
        };
        if holds { vec![scope.clone()] } else { Vec::new() }
    }

    /// A mapping's values have `key` and `value`.
    fn each(&mut self, name: &str, list: &str, at: Position, scope: &Scope) -> Vec<Scope> {
        let pair = |field: &Field| {
            let key = Field { at: field.at, ..Field::new("key", Value::String(field.key.clone())) };
            let value = Field { key: "value".to_owned(), ..field.clone() };
            Value::Object(Rc::new(vec![key, value]))
        };
        let values = match self.evaluate(list, at, scope) {
            Some(Value::Array(items)) => items.to_vec(),
            Some(Value::Object(fields)) => fields.iter().map(pair).collect(),
            Some(Value::Null) | None => Vec::new(),
            Some(other) => {
                self.fault(at, format!("Expected an array or object. Value: {}", other.kind()));
                Vec::new()
            }
        };
        let inner = |value| Scope(scope.0.iter().cloned().chain([(name.to_owned(), value)]).collect());
        values.into_iter().map(inner).collect()
    }
}
