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
    Object(Rc<Vec<Field>>),
}

/// One key of an object with its value.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) key: String,
    pub(super) value: Value,
    /// Where a file says the key and the value: what is wrong with a step that a parameter holds is told there.
    pub(super) at: Option<(Position, Position)>,
}

impl Field {
    pub(super) fn new(key: &str, value: Value) -> Self {
        Self { key: key.to_owned(), value, at: None }
    }
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value
    }
}

/// Whether a value remembers where it stands.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Origin {
    /// In a file of the pipeline.
    File,
    /// In a text that came with the request.
    Request,
}

impl Value {
    /// What a text says at one place: its scalars are text.
    pub(super) fn of(node: &Node, origin: Origin) -> Self {
        match &node.value {
            yaml::Value::Null => Self::String(String::new()),
            yaml::Value::Text(text) => Self::String(text.clone()),
            yaml::Value::List(items) => {
                Self::Array(Rc::new(items.iter().map(|item| Self::of(item, origin)).collect()))
            }
            yaml::Value::Map(entries) => {
                let field = |entry: &Entry| Field {
                    key: entry.key.clone(),
                    value: Self::of(&entry.value, origin),
                    at: (origin == Origin::File).then_some((entry.at, entry.value.at)),
                };
                Self::Object(Rc::new(entries.iter().map(field).collect()))
            }
        }
    }

    /// As it stands in the file in place of its expression.
    pub(super) fn node(&self, at: Position) -> Node {
        let value = match self {
            Self::Array(items) => yaml::Value::List(items.iter().map(|item| item.node(at)).collect()),
            Self::Object(fields) => {
                let entry = |field: &Field| {
                    let (key_at, value_at) = field.at.unwrap_or((at, at));
                    Entry { key: field.key.clone(), at: key_at, value: field.value.node(value_at) }
                };
                yaml::Value::Map(fields.iter().map(entry).collect())
            }
            scalar => yaml::Value::Text(scalar.text().unwrap_or_default()),
        };
        // A mapping begins where its first key does.
        let at = match &value {
            yaml::Value::Map(entries) => entries.first().map_or(at, |entry| entry.at),
            _ => at,
        };
        Node { at, value, plain: false }
    }

    /// How deep it is nested: 0 for a scalar.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Array(items) => 1 + items.iter().map(Self::depth).max().unwrap_or_default(),
            Self::Object(fields) => {
                1 + fields.iter().map(|field| field.value.depth()).max().unwrap_or_default()
            }
            _ => 0,
        }
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
                let field = |field: &Field| format!("{}:{}", quoted(&field.key), field.value.json());
                format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// What is under a name or a number.
    pub(super) fn get(&self, index: &Self) -> Option<&Self> {
        match self {
            Self::Object(fields) => {
                let name = index.text()?;
                fields.iter().find(|field| same(&field.key, &name)).map(|field| &field.value)
            }
            // What is no whole number from 0 is no place in a list.
            Self::Array(items) => items.get(index.number()?.to_string().parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// The same; null where there is nothing.
    pub(super) fn at(&self, index: &Self) -> Self {
        self.get(index).cloned().unwrap_or(Self::Null)
    }
}

/// A number as people write it; no `inf`, no `NaN`.
pub(super) fn number(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    let text = text.trim();
    text.parse().ok().filter(|_| text.chars().all(plain))
}

/// Whether two texts differ in case only.
pub(super) fn same(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    one.to_lowercase() == other.to_lowercase()
}
