//! YAML as JSON, by the core schema (YAML 1.2.2, 10.3.2): what has quotes is text, what has none and looks like a number or a
//! truth value is one.

use pipeline_yaml::{Node, Value as Yaml};
use serde_json::Value;

/// The value of a node.
pub(super) fn value(node: &Node) -> Value {
    match &node.value {
        Yaml::Null => Value::Null,
        Yaml::Text(text) if node.plain => plain(text),
        Yaml::Text(text) => Value::String(text.clone()),
        Yaml::List(items) => items.iter().map(value).collect(),
        Yaml::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), value(&entry.value))).collect(),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

/// JSON's numbers are those of the schema but for a sign before and leading zeros, which names and codes have too.
fn number(text: &str) -> Option<Value> {
    let starts_so = text.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    starts_so.then(|| serde_json::from_str::<serde_json::Number>(text).ok().map(Value::Number))?
}
