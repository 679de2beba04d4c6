//! JSON as Azure Resource Manager accepts it: comments, strings over several lines and in single quotes, member names
//! without quotes, a comma before a closing bracket. Every value keeps its place in the text.
//!
//! Duplicate members are kept in order; the last one counts, as in the service's reader. `NaN` and
//! hexadecimal numbers are refused.

pub(crate) mod reader;
#[cfg(test)]
mod tests;

use crate::diagnostic::{Diagnostic, Span};
use serde_json::{Map, Number, Value};
use std::fmt::Write as _;

/// A JSON value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub kind: Kind,
    /// Byte range of the value, quotes and brackets included.
    pub span: Span,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub name: String,
    pub name_span: Span,
    pub value: Node,
}

/// How deep arrays and objects may be nested.
pub const MAX_DEPTH: usize = 100;

/// Reads one JSON text.
///
/// # Errors
/// A `Diagnostic` with the code `InvalidRequestContent` that names the place of the first fault.
pub fn parse(text: &str) -> Result<Node, Diagnostic> {
    reader::read(text)
}

impl Node {
    /// The member of that name, compared without regard to case; the last one when there are several.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.member(name).map(|member| &member.value)
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members().iter().rev().find(|member| member.name.eq_ignore_ascii_case(name))
    }

    /// The members of an object, nothing for any other value.
    pub fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }

    /// The elements of an array.
    pub fn elements(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Array(elements) => Some(elements),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self.kind, Kind::Object(_))
    }

    /// The value without its places.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::String(text) => Value::String(text.clone()),
            Kind::Array(elements) => Value::Array(elements.iter().map(Node::to_value).collect()),
            Kind::Object(members) => {
                let mut map = Map::with_capacity(members.len());
                for member in members {
                    map.insert(member.name.clone(), member.value.to_value());
                }
                Value::Object(map)
            }
        }
    }

    /// The JSON path of the innermost value or member that contains `span`, for example `resources[1].name`.
    pub fn path_of(&self, span: Span) -> String {
        let mut path = String::new();
        let mut node = self;
        'deeper: loop {
            match &node.kind {
                Kind::Object(members) => {
                    for member in members {
                        let inside_name = member.name_span.contains(span);
                        if inside_name || member.value.span.contains(span) {
                            push_name(&mut path, &member.name);
                            if inside_name {
                                return path;
                            }
                            node = &member.value;
                            continue 'deeper;
                        }
                    }
                }
                Kind::Array(elements) => {
                    for (index, element) in elements.iter().enumerate() {
                        if element.span.contains(span) {
                            let _ = write!(path, "[{index}]");
                            node = element;
                            continue 'deeper;
                        }
                    }
                }
                _ => {}
            }
            return path;
        }
    }
}

fn push_name(path: &mut String, name: &str) {
    let plain =
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-' || c == '$');
    if plain {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
    } else {
        let _ = write!(path, "['{}']", name.replace('\'', "\\'"));
    }
}
