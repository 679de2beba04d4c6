//! What a template names: parameters, variables, its own functions.

use super::fault::{Fault, not_a_name, unexpected_here, unknown_function, wrong_count};
use super::{Eval, Evaluator, Place};
use crate::document::VariableValue;
use crate::expr::Call;
use crate::functions::unable;
use crate::value::{folded, same_name, type_name};
use serde_json::{Map, Value};
use std::sync::Arc;

impl Evaluator<'_> {
    /// `parameters` and `variables`, without a copy of the value.
    pub(super) fn named_value(&mut self, call: &Call, function: &str) -> Eval<Arc<Value>> {
        let name = match self.value(&call.arguments[0])? {
            Value::String(name) => name,
            other => return Err(not_a_name(function, &other)),
        };
        if function == "variables" {
            return self.variable(&name);
        }
        if let Some(arguments) = &self.user_arguments {
            return match crate::value::get(arguments, &name) {
                Some(value) => Ok(Arc::new(value.clone())),
                None => Err(Fault::new(format!(
                    "The template function parameter '{name}' is not found. Please see https://aka.ms/arm-template for \
                     usage details."
                ))),
            };
        }
        self.parameter(&name)
    }

    /// The value of a template parameter, given or by default.
    pub(crate) fn parameter(&mut self, name: &str) -> Eval<Arc<Value>> {
        let scope = self.scope;
        let key = folded(name);
        let definition = scope.document.parameters.iter().find(|parameter| same_name(&parameter.name, name));
        if self.placeholders() && definition.is_some_and(|definition| definition.secure) {
            // What is printed for people shows no secret.
            return Err(Fault::Deferred);
        }
        if let Some(known) = scope.known_parameter(&key) {
            return Ok(known);
        }
        let Some(default) = definition.and_then(|definition| definition.default.as_ref()) else {
            return Err(Fault::new(format!(
                "The template parameter '{name}' is not found. Please see https://aka.ms/arm-template/#parameters for \
                 usage details."
            )));
        };
        let value =
            Arc::new(self.elsewhere(Place::ParameterDefault, format!("parameter '{name}'"), |this| {
                this.tree(default)
            })?);
        scope.keep_parameter(key, Arc::clone(&value));
        Ok(value)
    }

    fn variable(&mut self, name: &str) -> Eval<Arc<Value>> {
        let scope = self.scope;
        if self.place == Place::UserFunction || self.place == Place::ParameterDefault {
            return Err(Fault::new(unexpected_here("variables")));
        }
        let key = folded(name);
        // A variable may hold a secret, which placeholders hide: computed anew for them.
        let cached = !(self.placeholders() && scope.conceals);
        if let Some(known) = scope.known_variable(&key).filter(|_| cached) {
            return known.map_err(Fault::Failed);
        }
        let Some(variable) = scope.document.variables.get(&key) else {
            return Err(Fault::new(format!(
                "The template variable '{name}' is not found. Please see https://aka.ms/arm-template/#variables for usage \
                 details."
            )));
        };
        let result = self
            .elsewhere(Place::Variable, format!("variable '{}'", variable.name), |this| {
                match &variable.value {
                    VariableValue::Tree(tree) => this.tree(tree),
                    VariableValue::Copy(copy) => this.copy(&copy.name, &copy.count, &copy.input),
                }
            })
            .map_err(|fault| {
                fault.wrapped(|message| {
                    if message.starts_with("The template variable '") {
                        return message.to_owned();
                    }
                    format!(
                        "The template variable '{}' is not valid: {message}. Please see \
                         https://aka.ms/arm-template-expressions for usage details.",
                        variable.name,
                        message = message.trim_end_matches('.')
                    )
                })
            });
        match result {
            Ok(value) => {
                let value = Arc::new(value);
                if !cached {
                    return Ok(value);
                }
                scope.keep_variable(key, Ok(Arc::clone(&value)));
                Ok(value)
            }
            // A cycle or an exhausted bound depends on where the evaluation started: not kept.
            Err(Fault::Failed(failure)) if self.active.is_empty() => {
                scope.keep_variable(key, Err(failure.clone()));
                Err(Fault::Failed(failure))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Evaluates at another place of the template: no loops, lambdas or function arguments from here.
    fn elsewhere<T>(
        &mut self,
        place: Place,
        what: String,
        run: impl FnOnce(&mut Self) -> Eval<T>,
    ) -> Eval<T> {
        if self.active.contains(&what) {
            let mut cycle = self.active.clone();
            cycle.push(what);
            return Err(Fault::new(format!("Circular reference detected: {}.", cycle.join(" -> "))));
        }
        self.active.push(what);
        let place = std::mem::replace(&mut self.place, place);
        let loops = std::mem::take(&mut self.loops);
        let lambdas = std::mem::take(&mut self.lambdas);
        let arguments = self.user_arguments.take();
        let result = run(self);
        self.place = place;
        self.loops = loops;
        self.lambdas = lambdas;
        self.user_arguments = arguments;
        self.active.pop();
        result
    }

    pub(super) fn user_function(&mut self, call: &Call) -> Eval<Value> {
        let scope = self.scope;
        let name = call.full_name();
        let Some(function) = scope.document.functions.get(&folded(&name)) else {
            return Err(Fault::new(unknown_function(&name)));
        };
        let values = self.arguments(call)?;
        if values.len() != function.parameters.len() {
            return Err(Fault::new(wrong_count(
                &name,
                values.len(),
                function.parameters.len(),
                function.parameters.len(),
            )));
        }
        let mut arguments = Map::new();
        for (parameter, value) in function.parameters.iter().zip(values) {
            if let Some(defined) = &parameter.defined {
                defined.check(&scope.document.definitions, &value).map_err(|mismatch| {
                    let place = format!("{}{}", parameter.name, mismatch.path);
                    Fault::new(unable(&name, format_args!("of '{place}': {}", mismatch.sentence)))
                })?;
            } else if !parameter.kind.accepts(&value) {
                return Err(Fault::new(unable(
                    &name,
                    format_args!(
                        "the parameter '{}' must be of type '{}', the provided value is of type '{}'",
                        parameter.name,
                        parameter.kind.expected(),
                        type_name(&value)
                    ),
                )));
            }
            arguments.insert(parameter.name.clone(), value);
        }
        self.elsewhere(Place::UserFunction, format!("function '{name}'"), |this| {
            this.user_arguments = Some(arguments);
            this.tree(&function.output)
        })
    }
}
