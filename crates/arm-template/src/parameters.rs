//! The values that a deployment gives to a template.

use crate::diagnostic::{Code, Diagnostic, position};
use crate::document::{Document, Parameter};
use crate::expr::eval::{Budget, Evaluator, Fault, Place};
use crate::scope::{TemplateScope, locked};
use crate::value::{folded, get, same_name, text, type_name};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// Checks the given values, fills in defaults, and gives what the deployment's history shows.
///
/// # Errors
/// Everything that is wrong with the parameters.
pub(crate) fn resolve(
    scope: &TemplateScope,
    given: &Map<String, Value>,
    guid: &dyn Fn() -> Uuid,
    budget: &Budget,
) -> Result<Map<String, Value>, Vec<Diagnostic>> {
    let document = &scope.document;
    let mut faults: Vec<Diagnostic> = unknown(document, given).into_iter().collect();
    let shown = document.parameters.iter().map(|parameter| {
        let value = if parameter.secure || get(given, &parameter.name).is_none() {
            Value::Null
        } else {
            get(given, &parameter.name).and_then(|given| given.get("value")).cloned().unwrap_or_default()
        };
        (parameter.name.clone(), json!({"value": value}))
    });
    *locked(&scope.given_parameters) = shown.collect();
    let mut missing = Vec::new();
    for parameter in &document.parameters {
        match get(given, &parameter.name) {
            Some(given) if is_left_out(parameter, given) => missing.push(parameter),
            Some(given) => match given_value(document, parameter, given) {
                Ok(value) => {
                    // Kept before it is checked, so that no message shows a secret.
                    scope.keep_parameter(folded(&parameter.name), Arc::new(value.clone()));
                    faults.extend(check(document, parameter, &value).map(|fault| scrubbed(scope, fault)));
                }
                Err(fault) => faults.push(fault),
            },
            None => missing.push(parameter),
        }
    }
    if !faults.is_empty() {
        // Defaults may use the values that are wrong.
        faults.extend(missing.iter().filter_map(|parameter| not_provided(document, parameter)));
        return Err(faults);
    }
    for parameter in missing {
        if let Some(fault) = not_provided(document, parameter) {
            faults.push(fault);
            continue;
        }
        if parameter.default.is_none() {
            scope.keep_parameter(folded(&parameter.name), Arc::new(Value::Null));
            continue;
        }
        let mut evaluator = Evaluator::new(scope, Place::ParameterDefault);
        evaluator.guid = Some(guid);
        evaluator.budget = Some(budget);
        let place = parameter.default.as_ref().map_or(parameter.name_span, |default| default.span);
        match evaluator.parameter(&parameter.name) {
            Ok(value) => {
                faults.extend(check(document, parameter, &value).map(|fault| scrubbed(scope, fault)));
            }
            Err(Fault::Failed(failure)) => {
                let detail = format!(
                    "The template parameter '{}' is not valid: {}. Please see https://aka.ms/arm-template-expressions for \
                     usage details.",
                    parameter.name,
                    scope.scrub(failure.message.trim_end_matches('.'))
                );
                faults.push(document.diagnostic(failure.code, detail, failure.span.unwrap_or(place)));
            }
            Err(Fault::Deferred) => {
                faults.push(document.invalid("A default value can't depend on deployed state.", place));
            }
        }
    }
    if faults.is_empty() { Ok(history(scope)) } else { Err(faults) }
}

/// Null for a parameter that has a default counts as not given: Bicep's modules rely on it.
fn is_left_out(parameter: &Parameter, given: &Value) -> bool {
    let value = given.as_object().and_then(|members| get(members, "value"));
    parameter.default.is_some() && !parameter.nullable && value.is_some_and(Value::is_null)
}

fn scrubbed(scope: &TemplateScope, mut fault: Diagnostic) -> Diagnostic {
    fault.detail = scope.scrub(&fault.detail);
    fault
}

/// `{"p": {"type": "String", "value": …}}`, secure ones without a value.
fn history(scope: &TemplateScope) -> Map<String, Value> {
    let parameters = scope.document.parameters.iter().map(|parameter| {
        let shown = match scope.known_parameter(&folded(&parameter.name)) {
            Some(value) if !parameter.secure => {
                json!({"type": parameter.kind.name_beside(&value), "value": *value})
            }
            _ => json!({"type": parameter.kind.name()}),
        };
        (parameter.name.clone(), shown)
    });
    parameters.collect()
}

fn unknown(document: &Document, given: &Map<String, Value>) -> Option<Diagnostic> {
    let known = |name: &str| document.parameters.iter().any(|parameter| same_name(&parameter.name, name));
    let unknown: Vec<&str> = given.keys().map(String::as_str).filter(|name| !known(name)).collect();
    if unknown.is_empty() {
        return None;
    }
    let supported: Vec<&str> = document.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let detail = format!(
        "The template parameters '{}' in the parameters file are not valid; they are not present in the original template and \
         can therefore not be provided at deployment time. The only supported parameters for this template are '{}'. Please \
         see https://aka.ms/arm-deploy/#parameter-file for usage details.",
        unknown.join(", "),
        supported.join(", ")
    );
    Some(Diagnostic::new(Code::InvalidTemplate, detail).with_path("parameters"))
}

fn not_provided(document: &Document, parameter: &Parameter) -> Option<Diagnostic> {
    if parameter.default.is_some() || parameter.nullable {
        return None;
    }
    let detail = format!(
        "The value for the template parameter '{}' {} is not provided. Please see \
         https://aka.ms/arm-create-parameter-file for usage details.",
        parameter.name,
        place(document, parameter)
    );
    Some(document.invalid(detail, parameter.name_span))
}

fn place(document: &Document, parameter: &Parameter) -> String {
    let position = position(&document.source, parameter.name_span.start);
    format!("at line '{}' and column '{}'", position.line, position.column)
}

/// The value inside of `{"value": …}`.
fn given_value(document: &Document, parameter: &Parameter, given: &Value) -> Result<Value, Diagnostic> {
    let fault = |code, detail: String| Err(document.diagnostic(code, detail, parameter.name_span));
    let Value::Object(members) = given else {
        return fault(
            Code::InvalidRequestContent,
            format!(
                "Error converting value of the parameter '{}' to type 'DeploymentParameterDefinition': it must be an object \
                 with the member 'value'.",
                parameter.name
            ),
        );
    };
    if get(members, "reference").is_some() {
        return fault(
            Code::KeyVaultParameterReferenceNotFound,
            format!(
                "The specified KeyVault of the parameter '{}' could not be found: key vault references are not supported \
                 here, pass the value itself.",
                parameter.name
            ),
        );
    }
    if let Some(other) = members
        .keys()
        .find(|key| !["value", "metadata", "type"].iter().any(|known| known.eq_ignore_ascii_case(key)))
    {
        return fault(
            Code::InvalidRequestContent,
            format!(
                "Could not find member '{other}' on object of type 'DeploymentParameterDefinition'. Path \
                 'properties.parameters.{}.{other}'.",
                parameter.name
            ),
        );
    }
    match get(members, "value") {
        Some(value) => Ok(value.clone()),
        None => match not_provided(document, parameter) {
            Some(fault) => Err(fault),
            None => fault(
                Code::InvalidTemplate,
                format!("The parameter '{}' has neither a value nor a reference.", parameter.name),
            ),
        },
    }
}

/// Type, allowed values and bounds.
fn check(document: &Document, parameter: &Parameter, value: &Value) -> Option<Diagnostic> {
    if value.is_null() && parameter.nullable {
        return None;
    }
    if let Some(defined) = &parameter.defined {
        let mismatch = defined.check(&document.definitions, value).err()?;
        let detail = format!(
            "The provided value for the template parameter '{}' is not valid. {}",
            parameter.name, mismatch.sentence
        );
        let help = format!("the value is that of '{}{}'", parameter.name, mismatch.path);
        return Some(document.invalid(detail, parameter.name_span).with_help(help));
    }
    if !parameter.kind.accepts(value) {
        let detail = format!(
            "Template parameter JToken type is not valid. Expected '{}'. Actual '{}'. Please see \
             https://aka.ms/resource-manager-parameter-files for usage details.",
            parameter.kind.expected(),
            type_name(value)
        );
        let help = format!(
            "the value is that of the parameter '{}', of type '{}'",
            parameter.name,
            parameter.kind.name()
        );
        return Some(document.invalid(detail, parameter.name_span).with_help(help));
    }
    let provided = || {
        let shown = match value {
            _ if parameter.secure => String::new(),
            Value::Array(_) | Value::Object(_) => String::new(),
            plain => format!(" '{}'", text(plain)),
        };
        format!(
            "The provided value{shown} for the template parameter '{}' {} is not valid.",
            parameter.name,
            place(document, parameter)
        )
    };
    parameter
        .limits
        .broken_by(value)
        .map(|broken| document.invalid(format!("{} {broken}", provided()), parameter.name_span))
}
