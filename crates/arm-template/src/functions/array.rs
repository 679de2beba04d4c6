//! Arrays, and what works on strings and arrays alike.

use super::string::{find_ignoring_case, length as text_length};
use super::{Arguments, Function, MANY, Outcome, type_name};
use crate::value::{canonical, equal, find_key, folded, integer, text};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("array", 1, 1, |arguments| Ok(array(arguments))),
    Function::plain("concat", 1, MANY, concat),
    Function::plain("contains", 2, 2, contains),
    Function::plain("createArray", 0, MANY, |arguments| Ok(Value::Array(arguments.values))),
    Function::plain("distinct", 1, 1, distinct),
    Function::plain("empty", 1, 1, empty),
    Function::plain("first", 1, 1, first),
    Function::plain("flatten", 1, 1, flatten),
    Function::plain("indexFromEnd", 2, 2, index_from_end),
    Function::plain("indexOf", 2, 2, index_of),
    Function::plain("intersection", 2, MANY, intersection),
    Function::plain("last", 1, 1, last),
    Function::plain("lastIndexOf", 2, 2, last_index_of),
    Function::plain("length", 1, 1, length),
    Function::plain("range", 2, 2, range),
    Function::plain("skip", 2, 2, skip),
    Function::plain("take", 2, 2, take),
    Function::plain("tryIndexFromEnd", 2, 2, try_index_from_end),
    Function::plain("union", 2, MANY, union),
];

fn array(mut arguments: Arguments) -> Value {
    match arguments.take(0) {
        Value::Array(values) => Value::Array(values),
        other => Value::Array(vec![other]),
    }
}

fn concat(arguments: Arguments) -> Outcome {
    let arrays = arguments.values.iter().filter(|value| value.is_array()).count();
    if arrays == arguments.len() {
        let parts = arguments.values.into_iter();
        return Ok(parts
            .fold(Vec::new(), |mut all, part| {
                if let Value::Array(part) = part {
                    all.extend(part);
                }
                all
            })
            .into());
    }
    if arrays > 0 || arguments.values.iter().any(Value::is_object) {
        let types: Vec<_> = arguments.values.iter().map(type_name).collect();
        return Err(arguments.error(format_args!(
            "the provided arguments must be all arrays or all string literals, they are of types '{}'",
            types.join(", ")
        )));
    }
    let mut joined = String::new();
    for value in &arguments.values {
        joined.push_str(&text(value));
        if joined.len() > super::LONGEST_TEXT {
            return Err(arguments.error("the result is too long"));
        }
    }
    Ok(joined.into())
}

fn contains(mut arguments: Arguments) -> Outcome {
    let (container, item) = (arguments.take(0), arguments.take(1));
    let found = match (&container, &item) {
        (Value::String(container), Value::String(_) | Value::Number(_)) => container.contains(&text(&item)),
        (Value::Array(container), item) => container.iter().any(|element| equal(element, item)),
        (Value::Object(container), Value::String(key)) => find_key(container, key).is_some(),
        (Value::String(_) | Value::Object(_), other) => {
            return Err(arguments.wrong_type(1, "a string", other));
        }
        (other, _) => return Err(arguments.wrong_type(0, "a string, an array or an object", other)),
    };
    Ok(Value::Bool(found))
}

/// The first of each, in their order. What is equal is what `union` takes for equal.
fn distinct(mut arguments: Arguments) -> Outcome {
    let mut seen = HashSet::new();
    let values = arguments.array(0)?.into_iter();
    Ok(Value::Array(values.filter(|value| seen.insert(canonical(value))).collect()))
}

fn empty(mut arguments: Arguments) -> Outcome {
    let value = arguments.take(0);
    Ok(Value::Bool(match &value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(map) => map.is_empty(),
        other => return Err(arguments.wrong_type(0, "a string, an array, an object or null", other)),
    }))
}

fn first(mut arguments: Arguments) -> Outcome {
    match arguments.take(0) {
        Value::String(text) => Ok(text.chars().next().map(String::from).unwrap_or_default().into()),
        Value::Array(values) => Ok(values.into_iter().next().unwrap_or_default()),
        other => Err(arguments.wrong_type(0, "a string or an array", &other)),
    }
}

fn last(mut arguments: Arguments) -> Outcome {
    match arguments.take(0) {
        Value::String(text) => Ok(text.chars().next_back().map(String::from).unwrap_or_default().into()),
        Value::Array(values) => Ok(values.into_iter().next_back().unwrap_or_default()),
        other => Err(arguments.wrong_type(0, "a string or an array", &other)),
    }
}

fn flatten(mut arguments: Arguments) -> Outcome {
    let mut flat = Vec::new();
    for value in arguments.array(0)? {
        match value {
            Value::Array(values) => flat.extend(values),
            other => return Err(arguments.wrong_type(0, "an array of arrays", &other)),
        }
    }
    Ok(Value::Array(flat))
}

fn length(mut arguments: Arguments) -> Outcome {
    match arguments.take(0) {
        Value::String(text) => Ok(text_length(&text)),
        Value::Array(values) => Ok(integer(values.len() as i64)),
        Value::Object(map) => Ok(integer(map.len() as i64)),
        Value::Null => Ok(integer(0)),
        other => Err(arguments.wrong_type(0, "a string, an array or an object", &other)),
    }
}

fn index_of(arguments: Arguments) -> Outcome {
    place_of(arguments, false)
}

fn last_index_of(arguments: Arguments) -> Outcome {
    place_of(arguments, true)
}

fn place_of(mut arguments: Arguments, from_end: bool) -> Outcome {
    let place = match arguments.take(0) {
        Value::String(text) => {
            let needle = arguments.string(1)?;
            find_ignoring_case(&text, &needle, from_end)
        }
        Value::Array(values) => {
            let item = arguments.take(1);
            let mut places = values.iter();
            if from_end {
                places.rposition(|value| equal(value, &item))
            } else {
                places.position(|value| equal(value, &item))
            }
        }
        other => return Err(arguments.wrong_type(0, "a string or an array", &other)),
    };
    Ok(integer(place.map_or(-1, |place| place as i64)))
}

fn intersection(mut arguments: Arguments) -> Outcome {
    let others = arguments.values.split_off(1);
    let first = arguments.take(0);
    match first {
        Value::Array(first) => {
            let mut everywhere = Vec::with_capacity(others.len());
            for (index, other) in others.iter().enumerate() {
                let Value::Array(other) = other else {
                    return Err(arguments.wrong_type(index + 1, "an array, as the first one", other));
                };
                everywhere.push(other.iter().map(canonical).collect::<HashSet<_>>());
            }
            let mut seen = HashSet::new();
            let common = first.into_iter().filter(|value| {
                let key = canonical(value);
                everywhere.iter().all(|other| other.contains(&key)) && seen.insert(key)
            });
            Ok(common.collect())
        }
        Value::Object(first) => {
            let mut common = Map::new();
            for (key, value) in first {
                let mut everywhere = true;
                for (index, other) in others.iter().enumerate() {
                    let Value::Object(other) = other else {
                        return Err(arguments.wrong_type(index + 1, "an object, as the first one", other));
                    };
                    everywhere &= crate::value::get(other, &key).is_some_and(|other| equal(other, &value));
                }
                if everywhere {
                    common.insert(key, value);
                }
            }
            Ok(Value::Object(common))
        }
        other => Err(arguments.wrong_type(0, "an array or an object", &other)),
    }
}

fn union(mut arguments: Arguments) -> Outcome {
    let values = std::mem::take(&mut arguments.values);
    if values.iter().all(Value::is_array) {
        let mut seen = HashSet::new();
        let elements = values.into_iter().flat_map(|value| match value {
            Value::Array(elements) => elements,
            _ => Vec::new(),
        });
        return Ok(elements.filter(|element| seen.insert(canonical(element))).collect());
    }
    let mut merged = Map::new();
    for (index, value) in values.into_iter().enumerate() {
        match value {
            Value::Object(map) => merge(&mut merged, map),
            other => return Err(arguments.wrong_type(index, "an object or an array, as all others", &other)),
        }
    }
    Ok(Value::Object(merged))
}

/// Deep merge: later values win, objects merge, everything else is replaced.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    let mut names: HashMap<String, String> = into.keys().map(|key| (folded(key), key.clone())).collect();
    for (key, value) in from {
        let known = names.entry(folded(&key)).or_insert_with(|| key.clone());
        match (into.get_mut(known.as_str()), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => merge(inner, value),
            (Some(slot), value) => *slot = value,
            (None, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn range(mut arguments: Arguments) -> Outcome {
    let (start, count) = (arguments.integer(0)?, arguments.integer(1)?);
    if !(0..=10_000).contains(&count) {
        return Err(arguments.error(format_args!("the count '{count}' must be between '0' and '10000'")));
    }
    if start.saturating_add(count) > i64::from(i32::MAX) || start < i64::from(i32::MIN) {
        return Err(arguments.error("the sum of start and count must not exceed '2147483647'"));
    }
    Ok(Value::Array((start..start + count).map(integer).collect()))
}

fn skip(mut arguments: Arguments) -> Outcome {
    let container = arguments.take(0);
    let count = usize::try_from(arguments.integer(1)?.max(0)).unwrap_or(usize::MAX);
    match container {
        Value::String(text) => Ok(text.chars().skip(count).collect::<String>().into()),
        Value::Array(values) => Ok(Value::Array(values.into_iter().skip(count).collect())),
        other => Err(arguments.wrong_type(0, "a string or an array", &other)),
    }
}

fn take(mut arguments: Arguments) -> Outcome {
    let container = arguments.take(0);
    let count = usize::try_from(arguments.integer(1)?.max(0)).unwrap_or(usize::MAX);
    match container {
        Value::String(text) => Ok(text.chars().take(count).collect::<String>().into()),
        Value::Array(values) => Ok(Value::Array(values.into_iter().take(count).collect())),
        other => Err(arguments.wrong_type(0, "a string or an array", &other)),
    }
}

fn from_end(arguments: &mut Arguments) -> Result<(Option<Value>, i64), String> {
    let mut values = arguments.array(0)?;
    let index = arguments.integer(1)?;
    let place = usize::try_from(index).ok().and_then(|index| values.len().checked_sub(index));
    let found = place.filter(|place| *place < values.len()).map(|place| values.swap_remove(place));
    Ok((found, index))
}

fn index_from_end(mut arguments: Arguments) -> Outcome {
    let (found, index) = from_end(&mut arguments)?;
    found.ok_or_else(|| {
        format!("The language expression property array index '{index}' from the end is out of bounds.")
    })
}

fn try_index_from_end(mut arguments: Arguments) -> Outcome {
    Ok(from_end(&mut arguments)?.0.unwrap_or_default())
}
