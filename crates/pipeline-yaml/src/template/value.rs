//! Values of template expressions and how they become one another (azure-devops-docs: expressions.md, "Type casting").

use std::rc::Rc;

use crate::fault::Position;
use crate::yaml::{self, Entry, Node};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Number(f64),
    String(String),
    // Shared: each expression that names a list holds it, and so does each turn of a loop.
    Array(Rc<Vec<Value>>),
    /// In the order of the file.
    Object(Rc<Vec<(String, Value)>>),
}

impl Value {
    /// What the file says at one place: its scalars are text.
    pub(super) fn of(node: &Node) -> Self {
        match &node.value {
            yaml::Value::Null => Self::String(String::new()),
            yaml::Value::Text(text) => Self::String(text.clone()),
            yaml::Value::List(items) => Self::Array(Rc::new(items.iter().map(Self::of).collect())),
            yaml::Value::Map(entries) => {
                let entry = |entry: &Entry| (entry.key.clone(), Self::of(&entry.value));
                Self::Object(Rc::new(entries.iter().map(entry).collect()))
            }
        }
    }

    /// As it stands in the file in place of its expression.
    pub(super) fn node(&self, at: Position) -> Node {
        let value = match self {
            Self::Array(items) => yaml::Value::List(items.iter().map(|item| item.node(at)).collect()),
            Self::Object(fields) => {
                let entry =
                    |(key, value): &(String, Self)| Entry { key: key.clone(), at, value: value.node(at) };
                yaml::Value::Map(fields.iter().map(entry).collect())
            }
            scalar => yaml::Value::Text(scalar.text().unwrap_or_default()),
        };
        Node { at, value, plain: false }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "Null",
            Self::Boolean(_) => "Boolean",
            Self::Number(_) => "Number",
            Self::String(_) => "String",
            Self::Array(_) => "Array",
            Self::Object(_) => "Object",
        }
    }

    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Boolean(value) => *value,
            Self::Number(value) => *value != 0.0,
            Self::String(text) => !text.is_empty(),
            Self::Array(_) | Self::Object(_) => true,
        }
    }

    /// `None`: it has no text.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Null => Some(String::new()),
            Self::Boolean(true) => Some("True".to_owned()),
            Self::Boolean(false) => Some("False".to_owned()),
            Self::Number(value) => Some(value.to_string()),
            Self::String(text) => Some(text.clone()),
            Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// `None`: it is no number.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Null => Some(0.0),
            Self::Boolean(value) => Some(f64::from(u8::from(*value))),
            Self::Number(value) => Some(*value),
            Self::String(text) if text.trim().is_empty() => Some(0.0),
            Self::String(text) => number(text),
            Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Whether another value, made what this one is, is this one. Case does not tell texts apart.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match self {
            Self::Null => *other == Self::Null || *other == Self::String(String::new()),
            Self::Boolean(value) => match other {
                Self::Array(_) | Self::Object(_) => false,
                // Any text that is not empty is true: `eq(true, 'false')` holds on the service too.
                _ => *value == other.truth(),
            },
            Self::Number(value) => other.number() == Some(*value),
            Self::String(text) => other.text().is_some_and(|other| same(text, &other)),
            Self::Array(_) | Self::Object(_) => self == other,
        }
    }

    /// The JSON of `convertToJson`.
    pub(super) fn json(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Self::Null => "null".to_owned(),
            Self::Boolean(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::String(text) => quoted(text),
            Self::Array(items) => format!("[{}]", items.iter().map(Self::json).collect::<Vec<_>>().join(",")),
            Self::Object(fields) => {
                let field = |(name, value): &(String, Self)| format!("{}:{}", quoted(name), value.json());
                format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// What is under a name or a number; null where there is nothing.
    pub(super) fn at(&self, index: &Self) -> Self {
        let found = match self {
            Self::Object(fields) => index
                .text()
                .and_then(|name| fields.iter().find(|(known, _)| same(known, &name)))
                .map(|(_, value)| value),
            // What is no whole number from 0 is no place in a list.
            Self::Array(items) => {
                index.number().and_then(|place| items.get(place.to_string().parse::<usize>().ok()?))
            }
            _ => None,
        };
        found.cloned().unwrap_or(Self::Null)
    }
}

/// A number as people write it; no `inf`, no `NaN`.
pub(super) fn number(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    let text = text.trim();
    text.parse().ok().filter(|_| text.chars().all(plain))
}

pub(super) fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}
