//! What the language says about JSON values: type names, equality, text.

use serde_json::{Map, Number, Value};
use std::cmp::Ordering;

/// The type's name in the service's messages.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "Null",
        Value::Bool(_) => "Boolean",
        Value::Number(number) if number.is_f64() => "Float",
        Value::Number(_) => "Integer",
        Value::String(_) => "String",
        Value::Array(_) => "Array",
        Value::Object(_) => "Object",
    }
}

/// Deep equality: strings by case, 1 equals 1.0, objects without regard to order.
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left == right,
            _ => left.as_f64() == right.as_f64(),
        },
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => left == right,
    }
}

/// A text that is the same for equal values alone.
pub(crate) fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) => number_text(number),
        Value::Array(values) => {
            let inner: Vec<String> = values.iter().map(canonical).collect();
            format!("[{}]", inner.join(","))
        }
        Value::Object(map) => {
            let mut inner: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)))
                .collect();
            inner.sort_unstable();
            format!("{{{}}}", inner.join(","))
        }
        other => other.to_string(),
    }
}

/// The key under which `name` is stored, compared without regard to case; an exact match wins.
pub(crate) fn find_key<'m>(map: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    match map.get_key_value(name) {
        Some((key, _)) => Some(key),
        None => map.keys().find(|key| same_name(key, name)).map(String::as_str),
    }
}

pub(crate) fn get<'m>(map: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    map.get(name).or_else(|| map.iter().find(|(key, _)| same_name(key, name)).map(|(_, value)| value))
}

/// Ordinal comparison without regard to case.
pub(crate) fn same_name(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
        || (!left.is_ascii() && !right.is_ascii() && left.to_lowercase() == right.to_lowercase())
}

/// The key for maps whose names do not regard case.
pub(crate) fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// The text that `string`, `concat` and `format` print: `True`, `5`, compact JSON for objects and arrays.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number_text(number),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A number as .NET prints it: no `.0` on a whole float.
pub(crate) fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => format!("{float}"),
        _ => number.to_string(),
    }
}

/// Comparison as by an invariant culture: letters before case, lower case first.
pub(crate) fn compare_text(left: &str, right: &str) -> Ordering {
    let folded = left.chars().flat_map(char::to_lowercase).cmp(right.chars().flat_map(char::to_lowercase));
    folded.then_with(|| {
        let upper = |text: &str| text.chars().map(char::is_uppercase).collect::<Vec<_>>();
        upper(left).cmp(&upper(right))
    })
}

pub(crate) fn integer(value: i64) -> Value {
    Value::Number(value.into())
}

/// An id for comparison: lower case, without a slash at its end.
pub(crate) fn folded_id(id: &str) -> String {
    folded(id.trim_end_matches('/'))
}
