//! The text of an expression with everything computed that can be computed before a deployment.

use super::ast::{Accessor, Call, Expr, Kind, Step};
use super::eval::Evaluator;
use crate::functions;
use serde_json::Value;

/// Replaces what has a value by that value; what waits for the deployment stays a call.
pub(super) fn reduce(evaluator: &mut Evaluator<'_>, expr: &Expr) -> Expr {
    if let Ok(value) = evaluator.value(expr) {
        return literal(&value);
    }
    let kind = match &expr.kind {
        Kind::String(_) | Kind::Integer(_) => expr.kind.clone(),
        Kind::Call(call) => Kind::Call(reduce_call(evaluator, call)),
        Kind::Access(call, steps) => {
            let call = reduce_call(evaluator, call);
            let steps = steps
                .iter()
                .map(|step| {
                    let accessor = match &step.accessor {
                        Accessor::Property(name) => Accessor::Property(name.clone()),
                        Accessor::Index(index) => Accessor::Index(Box::new(reduce(evaluator, index))),
                    };
                    Step { accessor, at: step.at }
                })
                .collect();
            Kind::Access(call, steps)
        }
    };
    Expr { kind, at: expr.at }
}

fn reduce_call(evaluator: &mut Evaluator<'_>, call: &Call) -> Call {
    let lambda = call.function.is_some_and(|function| function.name == "lambda");
    if lambda {
        return call.clone();
    }
    let arguments = call.arguments.iter().map(|argument| reduce(evaluator, argument)).collect();
    Call { arguments, ..call.clone() }
}

fn literal(value: &Value) -> Expr {
    let kind = match value {
        Value::String(text) => Kind::String(text.clone()),
        Value::Number(number) if number.is_i64() => Kind::Integer(number.as_i64().unwrap_or_default()),
        Value::Null => call("null", Vec::new()),
        Value::Bool(true) => call("true", Vec::new()),
        Value::Bool(false) => call("false", Vec::new()),
        other => call("json", vec![Kind::String(other.to_string())]),
    };
    Expr { kind, at: (0, 0) }
}

fn call(name: &str, arguments: Vec<Kind>) -> Kind {
    let arguments = arguments.into_iter().map(|kind| Expr { kind, at: (0, 0) }).collect();
    Kind::Call(Call { namespace: None, name: name.to_owned(), arguments, function: functions::find(name) })
}
