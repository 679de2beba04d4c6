//! Integers of 64 bits, and floats where a value already is one.

use super::{Arguments, Function, MANY, Outcome, type_name};
use crate::value::integer;
use serde_json::Value;
use std::cmp::Ordering;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("add", 2, 2, |arguments| whole(arguments, i64::checked_add)),
    Function::plain("div", 2, 2, |arguments| divide(arguments, i64::checked_div)),
    Function::plain("float", 1, 1, float),
    Function::plain("int", 1, 1, int),
    Function::plain("max", 1, MANY, |arguments| extreme(arguments, Ordering::Greater)),
    Function::plain("min", 1, MANY, |arguments| extreme(arguments, Ordering::Less)),
    Function::plain("mod", 2, 2, |arguments| divide(arguments, i64::checked_rem)),
    Function::plain("mul", 2, 2, |arguments| whole(arguments, i64::checked_mul)),
    Function::plain("sub", 2, 2, |arguments| whole(arguments, i64::checked_sub)),
];

fn whole(mut arguments: Arguments, compute: fn(i64, i64) -> Option<i64>) -> Outcome {
    let (left, right) = (arguments.integer(0)?, arguments.integer(1)?);
    compute(left, right)
        .map(integer)
        .ok_or_else(|| arguments.error("the arithmetic operation resulted in an overflow"))
}

fn divide(mut arguments: Arguments, compute: fn(i64, i64) -> Option<i64>) -> Outcome {
    if arguments.values[1].as_i64() == Some(0) {
        arguments.integer(0)?;
        return Err(arguments.error("attempted to divide by zero"));
    }
    whole(arguments, compute)
}

fn int(mut arguments: Arguments) -> Outcome {
    let value = arguments.take(0);
    let converted = match &value {
        Value::Number(number) if number.is_i64() => number.as_i64(),
        Value::Number(number) => {
            number.as_f64().filter(|float| float.abs() < 9.2e18).map(|float| float.trunc() as i64)
        }
        Value::String(text) => text.trim().parse().ok(),
        _ => {
            return Err(arguments.error(format_args!(
                "the provided value of type '{}' is neither an integer nor a string",
                type_name(&value)
            )));
        }
    };
    converted.map(integer).ok_or_else(|| {
        format!(
            "The template language function 'int' cannot convert provided value '{}' to integer value. Please see \
             https://aka.ms/arm-functions#int for usage details.",
            crate::value::text(&value)
        )
    })
}

fn float(mut arguments: Arguments) -> Outcome {
    let value = arguments.take(0);
    let converted = match &value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse::<f64>().ok().filter(|float| float.is_finite()),
        _ => return Err(arguments.wrong_type(0, "a string or an integer", &value)),
    };
    converted.and_then(serde_json::Number::from_f64).map(Value::Number).ok_or_else(|| {
        arguments
            .error(format_args!("cannot convert provided value '{}' to a float", crate::value::text(&value)))
    })
}

/// Of integers, or of one array of integers.
fn extreme(mut arguments: Arguments, wanted: Ordering) -> Outcome {
    let values = match arguments.values.first_mut() {
        Some(Value::Array(values)) => std::mem::take(values),
        _ => std::mem::take(&mut arguments.values),
    };
    let mut best: Option<i64> = None;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value.as_i64() else {
            return Err(arguments.wrong_type(index, "an integer", value));
        };
        if best.is_none_or(|best| value.cmp(&best) == wanted) {
            best = Some(value);
        }
    }
    best.map(integer).ok_or_else(|| arguments.error("the array must not be empty"))
}
