//! What a deployment would change in one resource, property by property. Pure.
//!
//! Paths and kinds as the service gives them and az prints them (`azure-cli: resource/_formatters.py`): members of objects
//! are joined by dots, an array is one change whose children are its elements by number.

use serde::Serialize;
use serde_json::{Map, Value};

/// One changed property (`azure-rest-api-specs: WhatIfPropertyChange`).
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PropertyChange {
    path: String,
    #[serde(rename = "propertyChangeType")]
    kind: Kind,
    before: Option<Value>,
    after: Option<Value>,
    children: Option<Vec<PropertyChange>>,
}

impl PropertyChange {
    /// Whether the change, or one inside of it, does anything.
    pub(crate) fn has_effect(&self) -> bool {
        match &self.children {
            Some(children) => children.iter().any(Self::has_effect),
            None => self.kind != Kind::NoEffect,
        }
    }

    /// Visits what is shown of the wanted state.
    pub(crate) fn each_value(&mut self, visit: &mut impl FnMut(&mut Option<Value>)) {
        visit(&mut self.after);
        for child in self.children.iter_mut().flatten() {
            child.each_value(visit);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Kind {
    Create,
    Delete,
    Modify,
    Array,
    /// A property that the resource provider sets itself.
    NoEffect,
}

/// What is known of a resource type's properties. A path has dots between its members and `*` for any element.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Set by the provider: their absence in a template removes nothing.
    pub(crate) read_only: &'static [&'static str],
    /// Given and never shown again: nothing to compare, nothing to show.
    pub(crate) write_only: &'static [&'static str],
    /// What a property is when a template does not say, as JSON.
    pub(crate) defaults: &'static [(&'static str, &'static str)],
    /// Properties whose values compare without regard to case.
    pub(crate) words: &'static [&'static str],
}

/// Of every resource, whatever its type.
const IDENTIFYING: [&str; 4] = ["id", "name", "type", "apiVersion"];
const DEFAULT_TAGS: (&str, &str) = ("tags", "{}");

impl Shape {
    /// The differences between a resource as it is and as a template wants it.
    pub(crate) fn changes(&self, before: &Value, after: &Value) -> Vec<PropertyChange> {
        let mut changes = Vec::new();
        self.compare(&At::root(), before, after, &mut changes);
        changes
    }

    /// The resource without what is never shown.
    pub(crate) fn shown(&self, resource: Value) -> Value {
        without(&At::root(), resource, &[self.write_only])
    }

    /// The resource as a template would ask for it: without what its provider sets and what is never shown.
    pub(crate) fn settable(&self, resource: Value) -> Value {
        without(&At::root(), resource, &[self.read_only, self.write_only, &IDENTIFYING])
    }

    fn compare(&self, at: &At, before: &Value, after: &Value, changes: &mut Vec<PropertyChange>) {
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => self.compare_members(at, before, after, changes),
            (Value::Array(before), Value::Array(after)) => {
                let children = self.compare_elements(at, before, after);
                if !children.is_empty() {
                    changes.push(PropertyChange {
                        path: at.shown.clone(),
                        kind: Kind::Array,
                        before: None,
                        after: None,
                        children: Some(children),
                    });
                }
            }
            (before, after) if self.equal(at, before, after) => {}
            (before, after) => changes.push(at.change(Kind::Modify, Some(before), Some(after))),
        }
    }

    fn compare_members(
        &self,
        at: &At,
        before: &Map<String, Value>,
        after: &Map<String, Value>,
        changes: &mut Vec<PropertyChange>,
    ) {
        // Null asks for nothing, as for Resource Manager.
        let asked = |wanted: &Value| !wanted.is_null();
        for (name, wanted) in after.iter().filter(|(_, wanted)| asked(wanted)) {
            let here = at.member(name);
            if here.is_any(&IDENTIFYING) || here.is_any(self.write_only) {
                continue;
            }
            match member(before, name) {
                Some(present) if here.is_any(self.read_only) && !self.equal(&here, present, wanted) => {
                    changes.push(here.change(Kind::NoEffect, Some(present), Some(wanted)));
                }
                Some(present) => self.compare(&here, present, wanted, changes),
                None if self.is_default(&here, wanted) => {}
                None if here.is_any(self.read_only) => {
                    changes.push(here.change(Kind::NoEffect, None, Some(wanted)));
                }
                None => changes.push(here.change(Kind::Create, None, Some(wanted))),
            }
        }
        for (name, present) in before {
            let here = at.member(name);
            let kept = here.is_any(&IDENTIFYING) || here.is_any(self.read_only);
            if !kept
                && !member(after, name).is_some_and(asked)
                && !present.is_null()
                && !self.is_unset(&here, present)
            {
                changes.push(here.change(Kind::Delete, Some(present), None));
            }
        }
    }

    fn compare_elements(&self, at: &At, before: &[Value], after: &[Value]) -> Vec<PropertyChange> {
        let mut children = Vec::new();
        for index in 0..before.len().max(after.len()) {
            let here = At { shown: index.to_string(), pattern: at.element().pattern };
            match (before.get(index), after.get(index)) {
                (Some(before), Some(after)) if before.is_object() && after.is_object() => {
                    let mut inner = Vec::new();
                    let from = At { shown: String::new(), pattern: here.pattern.clone() };
                    self.compare(&from, before, after, &mut inner);
                    if !inner.is_empty() {
                        children.push(PropertyChange {
                            children: Some(inner),
                            ..here.change(Kind::Modify, None, None)
                        });
                    }
                }
                (Some(before), Some(after)) => self.compare(&here, before, after, &mut children),
                (before, after) => {
                    let kind = if before.is_none() { Kind::Create } else { Kind::Delete };
                    children.push(here.change(kind, before, after));
                }
            }
        }
        children
    }

    /// Whether a value is as it would be if nobody had set it: its default, or an object of such alone.
    fn is_unset(&self, at: &At, value: &Value) -> bool {
        let unset = |(name, value): (&String, &Value)| {
            let here = at.member(name);
            value.is_null() || here.is_any(self.read_only) || self.is_unset(&here, value)
        };
        let members = value.as_object().filter(|members| !members.is_empty());
        self.is_default(at, value) || members.is_some_and(|members| members.iter().all(unset))
    }

    fn is_default(&self, at: &At, value: &Value) -> bool {
        self.defaults.iter().chain([&DEFAULT_TAGS]).any(|(path, default)| {
            at.is(path)
                && serde_json::from_str::<Value>(default).is_ok_and(|default| self.equal(at, &default, value))
        })
    }

    /// Equality as the provider sees it: `"0.5"` is 0.5, regions and ids have several spellings.
    fn equal(&self, at: &At, before: &Value, after: &Value) -> bool {
        match (before, after) {
            (Value::String(before), Value::String(after)) => {
                let squeezed = |text: &str| text.replace(' ', "").to_lowercase();
                let is_id = before.starts_with("/subscriptions/");
                before == after
                    || at.is("location") && squeezed(before) == squeezed(after)
                    || (is_id || at.is_any(self.words)) && before.eq_ignore_ascii_case(after)
            }
            (Value::Number(number), Value::String(text)) | (Value::String(text), Value::Number(number)) => {
                text.trim().parse() == Ok(number.as_f64().unwrap_or(f64::NAN))
            }
            (Value::Number(before), Value::Number(after)) => before.as_f64() == after.as_f64(),
            (before, after) => before == after,
        }
    }
}

/// Member names compare without regard to case, as everywhere in Resource Manager.
fn member<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    members
        .get(name)
        .or_else(|| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// The value without the members at these paths.
fn without(at: &At, value: Value, hidden: &[&[&str]]) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (at.member(&name), name, value))
            .filter(|(at, ..)| !hidden.iter().any(|paths| at.is_any(paths)))
            .map(|(at, name, value)| (name, without(&at, value, hidden)))
            .collect(),
        Value::Array(values) => {
            values.into_iter().map(|value| without(&at.element(), value, hidden)).collect()
        }
        plain => plain,
    }
}

/// A place in a resource: as it is printed, and as rules name it.
struct At {
    shown: String,
    pattern: Vec<String>,
}

impl At {
    fn root() -> Self {
        Self { shown: String::new(), pattern: Vec::new() }
    }

    fn member(&self, name: &str) -> Self {
        let shown = if self.shown.is_empty() { name.to_owned() } else { format!("{}.{name}", self.shown) };
        Self { shown, pattern: [&self.pattern[..], &[name.to_owned()]].concat() }
    }

    fn element(&self) -> Self {
        Self { shown: String::new(), pattern: [&self.pattern[..], &["*".to_owned()]].concat() }
    }

    fn is(&self, path: &str) -> bool {
        path.split('.').count() == self.pattern.len()
            && path
                .split('.')
                .zip(&self.pattern)
                .all(|(rule, name)| rule == "*" || rule.eq_ignore_ascii_case(name))
    }

    fn is_any(&self, paths: &[&str]) -> bool {
        paths.iter().any(|path| self.is(path))
    }

    fn change(&self, kind: Kind, before: Option<&Value>, after: Option<&Value>) -> PropertyChange {
        PropertyChange {
            path: self.shown.clone(),
            kind,
            before: before.cloned(),
            after: after.cloned(),
            children: None,
        }
    }
}

#[cfg(test)]
mod tests;
