//! Lambdas and what takes one.

use super::{Function, unable};
use crate::expr::eval::{Eval, Evaluator, Fault};
use crate::expr::{Call, Kind};
use crate::value::{integer, same_name, text, type_name};
use serde_json::{Map, Value};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::special("filter", 2, 2, filter),
    Function::special("groupBy", 2, 3, group_by),
    Function::special("lambda", 1, super::MANY, |_, call| Err(misplaced(call))),
    Function::special("lambdaVariables", 1, 1, lambda_variables),
    Function::special("map", 2, 2, map),
    Function::special("mapValues", 2, 2, map_values),
    Function::special("reduce", 3, 3, reduce),
    Function::special("sort", 2, 2, sort),
    Function::special("toObject", 2, 3, to_object),
];

fn misplaced(call: &Call) -> Fault {
    Fault::new(unable(&call.name, "a lambda can only be an argument of a function that takes one"))
}

fn lambda_variables(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let name = match evaluator.value(&call.arguments[0])? {
        Value::String(name) => name,
        other => {
            return Err(Fault::new(unable(
                &call.name,
                format_args!("the name must be a string, it is of type '{}'", type_name(&other)),
            )));
        }
    };
    match evaluator.lambdas.iter().rev().find(|(known, _)| same_name(known, &name)) {
        Some((_, Some(value))) => {
            let value = value.clone();
            evaluator.spend(&value)?;
            Ok(value)
        }
        Some((_, None)) => Err(Fault::Deferred),
        None => Err(Fault::new(format!("The template lambda variable '{name}' is not found."))),
    }
}

/// A lambda: the names of its variables and its body.
struct Lambda<'c> {
    names: Vec<&'c str>,
    call: &'c Call,
}

impl<'c> Lambda<'c> {
    /// Argument `index` of `call`, a lambda with `least` to `most` variables.
    fn of(call: &'c Call, index: usize, least: usize, most: usize) -> Eval<Self> {
        let lambda = match &call.arguments[index].kind {
            Kind::Call(lambda) if lambda.function.is_some_and(|function| function.name == "lambda") => lambda,
            _ => {
                return Err(Fault::new(unable(
                    &call.name,
                    format_args!("the parameter at position '{}' must be a lambda", index + 1),
                )));
            }
        };
        let variables = lambda.arguments.len() - 1;
        let mut names = Vec::with_capacity(variables);
        for argument in &lambda.arguments[..variables] {
            let Kind::String(name) = &argument.kind else {
                return Err(Fault::new(unable("lambda", "the variables must be string literals")));
            };
            names.push(name.as_str());
        }
        if !(least..=most).contains(&variables) {
            return Err(Fault::new(unable(
                &call.name,
                format_args!("the lambda has '{variables}' variables, expected are '{least}' to '{most}'"),
            )));
        }
        Ok(Self { names, call: lambda })
    }

    fn run(&self, evaluator: &mut Evaluator<'_>, values: &[Option<Value>]) -> Eval<Value> {
        let known = evaluator.lambdas.len();
        for (name, value) in self.names.iter().zip(values) {
            evaluator.lambdas.push(((*name).to_owned(), value.clone()));
        }
        let result = evaluator.value(&self.call.arguments[self.names.len()]);
        evaluator.lambdas.truncate(known);
        result
    }

    /// Looks at the body while its variables have no values yet.
    fn look(&self, evaluator: &mut Evaluator<'_>) {
        let nothing = vec![None; self.names.len()];
        let _ = self.run(evaluator, &nothing);
    }

    fn boolean(&self, evaluator: &mut Evaluator<'_>, values: &[Option<Value>]) -> Eval<bool> {
        match self.run(evaluator, values)? {
            Value::Bool(value) => Ok(value),
            other => Err(Fault::new(unable(
                "lambda",
                format_args!("the result must be a boolean, it is of type '{}'", type_name(&other)),
            ))),
        }
    }

    fn key(&self, evaluator: &mut Evaluator<'_>, value: &Value) -> Eval<String> {
        match self.run(evaluator, &[Some(value.clone())])? {
            Value::String(key) => Ok(key),
            other @ Value::Number(_) => Ok(text(&other)),
            other => Err(Fault::new(unable(
                "lambda",
                format_args!("the key must be a string, it is of type '{}'", type_name(&other)),
            ))),
        }
    }
}

/// Argument 0, an array; the lambdas are looked at when it is not known yet.
fn array(evaluator: &mut Evaluator<'_>, call: &Call, lambdas: &[&Lambda<'_>]) -> Eval<Vec<Value>> {
    match evaluator.value(&call.arguments[0]) {
        Ok(Value::Array(values)) => Ok(values),
        Ok(other) => Err(Fault::new(unable(
            &call.name,
            format_args!(
                "the parameter at position '1' must be an array, it is of type '{}'",
                type_name(&other)
            ),
        ))),
        Err(Fault::Deferred) => {
            for lambda in lambdas {
                lambda.look(evaluator);
            }
            Err(Fault::Deferred)
        }
        Err(fault) => Err(fault),
    }
}

/// Runs `each` for every element; one that is not known yet does not hide faults of the others.
fn for_each(values: Vec<Value>, mut each: impl FnMut(usize, Value) -> Eval<()>) -> Eval<()> {
    let mut deferred = false;
    for (index, value) in values.into_iter().enumerate() {
        match each(index, value) {
            Err(Fault::Deferred) => deferred = true,
            other => other?,
        }
    }
    if deferred { Err(Fault::Deferred) } else { Ok(()) }
}

fn with_index(value: &Value, index: usize) -> [Option<Value>; 2] {
    [Some(value.clone()), Some(integer(index as i64))]
}

fn filter(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let lambda = Lambda::of(call, 1, 1, 2)?;
    let mut kept = Vec::new();
    for_each(array(evaluator, call, &[&lambda])?, |index, value| {
        if lambda.boolean(evaluator, &with_index(&value, index))? {
            kept.push(value);
        }
        Ok(())
    })?;
    Ok(Value::Array(kept))
}

fn map(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let lambda = Lambda::of(call, 1, 1, 2)?;
    let mut mapped = Vec::new();
    for_each(array(evaluator, call, &[&lambda])?, |index, value| {
        mapped.push(lambda.run(evaluator, &with_index(&value, index))?);
        Ok(())
    })?;
    Ok(Value::Array(mapped))
}

fn map_values(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let lambda = Lambda::of(call, 1, 1, 1)?;
    let object = match evaluator.value(&call.arguments[0]) {
        Ok(Value::Object(object)) => object,
        Ok(other) => {
            return Err(Fault::new(unable(
                &call.name,
                format_args!(
                    "the parameter at position '1' must be an object, it is of type '{}'",
                    type_name(&other)
                ),
            )));
        }
        Err(Fault::Deferred) => {
            lambda.look(evaluator);
            return Err(Fault::Deferred);
        }
        Err(fault) => return Err(fault),
    };
    let mut mapped = Map::new();
    let (keys, values): (Vec<_>, Vec<_>) = object.into_iter().unzip();
    for_each(values, |index, value| {
        mapped.insert(keys[index].clone(), lambda.run(evaluator, &[Some(value)])?);
        Ok(())
    })?;
    Ok(Value::Object(mapped))
}

fn reduce(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let lambda = Lambda::of(call, 2, 2, 3)?;
    let values = array(evaluator, call, &[&lambda])?;
    let mut current = evaluator.value(&call.arguments[1])?;
    for (index, next) in values.into_iter().enumerate() {
        current = lambda.run(evaluator, &[Some(current), Some(next), Some(integer(index as i64))])?;
        evaluator.spend(&current)?;
    }
    Ok(current)
}

/// A stable merge sort by a lambda that tells whether the first value is less than the second.
fn sort(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let lambda = Lambda::of(call, 1, 2, 2)?;
    let mut runs: Vec<Vec<Value>> =
        array(evaluator, call, &[&lambda])?.into_iter().map(|value| vec![value]).collect();
    while runs.len() > 1 {
        let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
        let mut pairs = runs.into_iter();
        while let Some(left) = pairs.next() {
            merged.push(match pairs.next() {
                Some(right) => merge(evaluator, &lambda, left, right)?,
                None => left,
            });
        }
        runs = merged;
    }
    Ok(Value::Array(runs.pop().unwrap_or_default()))
}

fn merge(
    evaluator: &mut Evaluator<'_>,
    lambda: &Lambda<'_>,
    left: Vec<Value>,
    right: Vec<Value>,
) -> Eval<Vec<Value>> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        // Only what is strictly less overtakes, so equal values keep their order.
        let overtakes = lambda.boolean(evaluator, &[Some(second.clone()), Some(first.clone())])?;
        merged.extend(if overtakes { right.next() } else { left.next() });
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}

fn to_object(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let keys = Lambda::of(call, 1, 1, 1)?;
    let values = if call.arguments.len() == 3 { Some(Lambda::of(call, 2, 1, 1)?) } else { None };
    let lambdas: Vec<&Lambda<'_>> = std::iter::once(&keys).chain(&values).collect();
    let mut object = Map::new();
    for_each(array(evaluator, call, &lambdas)?, |_, value| {
        let key = keys.key(evaluator, &value)?;
        let value = match &values {
            Some(lambda) => lambda.run(evaluator, &[Some(value)])?,
            None => value,
        };
        object.insert(key, value);
        Ok(())
    })?;
    Ok(Value::Object(object))
}

fn group_by(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let keys = Lambda::of(call, 1, 1, 1)?;
    let values = if call.arguments.len() == 3 { Some(Lambda::of(call, 2, 1, 1)?) } else { None };
    let lambdas: Vec<&Lambda<'_>> = std::iter::once(&keys).chain(&values).collect();
    let mut groups: Map<String, Value> = Map::new();
    for_each(array(evaluator, call, &lambdas)?, |_, value| {
        let key = keys.key(evaluator, &value)?;
        let value = match &values {
            Some(lambda) => lambda.run(evaluator, &[Some(value)])?,
            None => value,
        };
        if let Value::Array(group) = groups.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
            group.push(value);
        }
        Ok(())
    })?;
    Ok(Value::Object(groups))
}
