//! Comparison and logic.

use super::{Arguments, Function, MANY, Outcome, type_name};
use crate::expr::Call;
use crate::expr::eval::{Eval, Evaluator, Fault};
use crate::value::{compare_text, equal};
use serde_json::Value;
use std::cmp::Ordering;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::special("and", 2, MANY, and),
    Function::plain("bool", 1, 1, bool),
    Function::special("coalesce", 1, MANY, coalesce),
    Function::plain("equals", 2, 2, |arguments| Ok(equals(&arguments))),
    Function::plain("false", 0, 0, |_| Ok(Value::Bool(false))),
    Function::plain("greater", 2, 2, |arguments| compare(arguments, Ordering::is_gt)),
    Function::plain("greaterOrEquals", 2, 2, |arguments| compare(arguments, Ordering::is_ge)),
    Function::special("if", 3, 3, condition),
    Function::plain("less", 2, 2, |arguments| compare(arguments, Ordering::is_lt)),
    Function::plain("lessOrEquals", 2, 2, |arguments| compare(arguments, Ordering::is_le)),
    Function::plain("not", 1, 1, not),
    Function::special("or", 2, MANY, or),
    Function::plain("true", 0, 0, |_| Ok(Value::Bool(true))),
];

fn bool(mut arguments: Arguments) -> Outcome {
    match arguments.take(0) {
        Value::Bool(value) => Ok(Value::Bool(value)),
        Value::Number(number) if number.is_i64() => Ok(Value::Bool(number.as_i64() != Some(0))),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        other => Err(arguments.error(format_args!(
            "cannot convert the provided value of type '{}' to a boolean value",
            type_name(&other)
        ))),
    }
}

fn not(mut arguments: Arguments) -> Outcome {
    Ok(Value::Bool(!arguments.boolean(0)?))
}

fn equals(arguments: &Arguments) -> Value {
    Value::Bool(equal(&arguments.values[0], &arguments.values[1]))
}

fn compare(arguments: Arguments, holds: fn(Ordering) -> bool) -> Outcome {
    let ordering = match (&arguments.values[0], &arguments.values[1]) {
        (Value::String(left), Value::String(right)) => Some(compare_text(left, right)),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64().partial_cmp(&right.as_f64()),
        },
        _ => None,
    };
    ordering.map(|ordering| Value::Bool(holds(ordering))).ok_or_else(|| {
        arguments.error(format_args!(
            "the parameters must both be integers or both be strings, they are of types '{}' and '{}'",
            type_name(&arguments.values[0]),
            type_name(&arguments.values[1])
        ))
    })
}

/// Only the chosen branch is evaluated.
fn condition(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    match evaluator.boolean(call, 0) {
        Ok(true) => evaluator.value(&call.arguments[1]),
        Ok(false) => evaluator.value(&call.arguments[2]),
        Err(Fault::Deferred) => {
            // Which branch is taken is not known yet: both may be needed, neither may fail.
            for branch in &call.arguments[1..] {
                let _ = evaluator.value(branch);
            }
            Err(Fault::Deferred)
        }
        Err(fault) => Err(fault),
    }
}

fn and(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    until(evaluator, call, false)
}

fn or(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    until(evaluator, call, true)
}

/// Stops at the first argument that decides.
fn until(evaluator: &mut Evaluator<'_>, call: &Call, decides: bool) -> Eval<Value> {
    let mut deferred = false;
    for index in 0..call.arguments.len() {
        match evaluator.boolean(call, index) {
            Ok(value) if value == decides && !deferred => return Ok(Value::Bool(decides)),
            Ok(_) => {}
            Err(Fault::Deferred) => deferred = true,
            // What stands after an unknown argument may never be evaluated.
            Err(_) if deferred => {}
            Err(fault) => return Err(fault),
        }
    }
    if deferred { Err(Fault::Deferred) } else { Ok(Value::Bool(!decides)) }
}

/// The first argument that is not null.
fn coalesce(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let mut deferred = false;
    for argument in &call.arguments {
        match evaluator.value(argument) {
            Ok(Value::Null) => {}
            Ok(value) if !deferred => return Ok(value),
            Ok(_) => break,
            Err(Fault::Deferred) => deferred = true,
            Err(_) if deferred => break,
            Err(fault) => return Err(fault),
        }
    }
    if deferred { Err(Fault::Deferred) } else { Ok(Value::Null) }
}
