//! Objects.

use super::{Arguments, Function, MANY, Outcome, type_name};
use crate::value::{find_key, get};
use serde_json::{Map, Value, json};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("createObject", 0, MANY, create_object),
    Function::plain("items", 1, 1, items),
    Function::plain("null", 0, 0, |_| Ok(Value::Null)),
    Function::plain("objectKeys", 1, 1, object_keys),
    Function::plain("shallowMerge", 1, 1, shallow_merge),
    Function::plain("tryGet", 2, MANY, try_get),
];

fn create_object(mut arguments: Arguments) -> Outcome {
    if arguments.len() % 2 == 1 {
        return Err(arguments.error("the number of arguments must be even: names and values by turns"));
    }
    let mut map = Map::new();
    for index in (0..arguments.len()).step_by(2) {
        let key = arguments.string(index)?;
        if find_key(&map, &key).is_some() {
            return Err(arguments.error(format_args!("the property name '{key}' is given more than once")));
        }
        map.insert(key, arguments.take(index + 1));
    }
    Ok(Value::Object(map))
}

/// Ordinal without regard to case, stable.
fn sorted(map: Map<String, Value>) -> Vec<(String, Value)> {
    let mut pairs: Vec<_> = map.into_iter().collect();
    pairs.sort_by_cached_key(|(key, _)| key.to_uppercase());
    pairs
}

fn items(mut arguments: Arguments) -> Outcome {
    let pairs = sorted(arguments.object(0)?);
    Ok(pairs.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect())
}

fn object_keys(mut arguments: Arguments) -> Outcome {
    Ok(sorted(arguments.object(0)?).into_iter().map(|(key, _)| Value::from(key)).collect())
}

fn shallow_merge(mut arguments: Arguments) -> Outcome {
    let mut merged = Map::new();
    for value in arguments.array(0)? {
        let Value::Object(map) = value else {
            return Err(arguments.wrong_type(0, "an array of objects", &value));
        };
        for (key, value) in map {
            let key = find_key(&merged, &key).map_or(key.clone(), str::to_owned);
            merged.insert(key, value);
        }
    }
    Ok(Value::Object(merged))
}

/// The value at a property name or index.
///
/// # Errors
/// With the message when it is not there or the two do not fit.
pub(crate) fn access<'v>(value: &'v Value, key: &Value) -> Result<&'v Value, String> {
    match (value, key) {
        (Value::Object(map), Value::String(name)) => get(map, name).ok_or_else(|| {
            let available: Vec<_> = map.keys().map(String::as_str).collect();
            format!(
                "The language expression property '{name}' doesn't exist, available properties are '{}'.",
                available.join(", ")
            )
        }),
        (Value::Array(values), Value::Number(index)) => {
            index.as_u64().and_then(|index| values.get(usize::try_from(index).ok()?)).ok_or_else(|| {
                format!("The language expression property array index '{index}' is out of bounds.")
            })
        }
        (Value::Object(_), other) => Err(format!(
            "The language expression property '{}' can't be evaluated, property name must be a string.",
            crate::value::text(other)
        )),
        (Value::Array(_), other) => Err(format!(
            "The language expression property '{}' can't be evaluated, an array index must be an integer.",
            crate::value::text(other)
        )),
        (other, key) => Err(format!(
            "The language expression property '{}' can't be evaluated: a value of type '{}' has no properties.",
            crate::value::text(key),
            type_name(other)
        )),
    }
}

/// Only the first step is safe; a later one that is missing is an error.
fn try_get(mut arguments: Arguments) -> Outcome {
    let container = arguments.take(0);
    let key = arguments.take(1);
    match (&container, &key) {
        (Value::Object(_), Value::String(_)) | (Value::Array(_), Value::Number(_)) => {}
        (Value::Null, _) => return Ok(Value::Null),
        (Value::Object(_), other) => return Err(arguments.wrong_type(1, "a string", other)),
        (Value::Array(_), other) => return Err(arguments.wrong_type(1, "an integer", other)),
        (other, _) => return Err(arguments.wrong_type(0, "an object or an array", other)),
    }
    let Ok(mut found) = access(&container, &key) else { return Ok(Value::Null) };
    for index in 2..arguments.len() {
        let key = arguments.take(index);
        found = access(found, &key)?;
    }
    Ok(found.clone())
}
