//! Resource ids, and what is known of resources only once they are deployed.

use super::{Allowed, Arguments, Function, MANY, Outcome, Run, unable};
use crate::expr::Call;
use crate::expr::eval::{Eval, Evaluator, Fault, RuntimeCall};
use crate::resources::Target;
use crate::roles::BuiltInRole;
use crate::target::Level;
use crate::value::{same_name, text, type_name};
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("extensionResourceId", 3, MANY, extension_resource_id),
    Function::special("managementGroupResourceId", 2, MANY, management_group_resource_id),
    Function::unsupported(
        "providers",
        "the function is deprecated and the api-versions of all providers are not known",
    ),
    Function::special("reference", 1, 3, reference).only(Allowed::Runtime),
    Function::special("references", 1, 2, references).only(Allowed::Runtime),
    Function::special("resourceId", 2, MANY, resource_id),
    Function::unsupported(
        "resourceInfo",
        "Bicep writes it only where its experimental feature 'resourceInfoCodegen' is on, and it is not documented",
    ),
    Function::special("roleDefinitions", 1, 1, role_definitions),
    Function::special("subscriptionResourceId", 2, MANY, subscription_resource_id),
    Function::plain("tenantResourceId", 2, MANY, tenant_resource_id),
];

/// `list*`: every name that starts with `list`.
pub(super) static LIST: Function =
    Function { name: "list*", least: 2, most: 3, place: Allowed::Runtime, run: Run::Special(list) };

/// `/providers/ns/t1/n1/t2/n2` of a type and its names.
///
/// # Errors
/// With the message when type and names do not fit together.
fn path_of(function: &str, resource_type: &str, names: &[String]) -> Result<String, String> {
    // The service takes a type with a slash at its end.
    let resource_type = resource_type.strip_suffix('/').unwrap_or(resource_type);
    let mut segments = resource_type.split('/');
    let namespace = segments.next().unwrap_or_default();
    let types: Vec<&str> = segments.collect();
    if namespace.is_empty() || types.is_empty() || types.iter().any(|segment| segment.is_empty()) {
        return Err(unable(
            function,
            format_args!(
                "the resource type '{resource_type}' is not valid: it must have a namespace and at least one type"
            ),
        ));
    }
    if types.len() != names.len() {
        return Err(unable(
            function,
            format_args!(
                "the type '{resource_type}' requires '{}' resource name argument(s), '{}' are given",
                types.len(),
                names.len()
            ),
        ));
    }
    if let Some(empty) = names.iter().position(String::is_empty) {
        return Err(unable(function, format_args!("the resource name argument '{}' is empty", empty + 1)));
    }
    let mut path = format!("/providers/{namespace}");
    for (kind, name) in types.iter().zip(names) {
        let _ = write!(path, "/{kind}/{name}");
    }
    Ok(path)
}

/// How many arguments stand before the type, the first one with a slash.
fn leading(function: &str, arguments: &[String], most: usize) -> Result<usize, String> {
    arguments
        .iter()
        .take(most + 1)
        .position(|argument| argument.contains('/'))
        .filter(|place| place + 1 < arguments.len())
        .ok_or_else(|| {
            unable(
                function,
                format_args!(
                    "function requires exactly one multi-segmented argument which must be the resource type including \
                     resource provider namespace, and at least one resource name argument. Current function arguments '{}'",
                    arguments.join(",")
                ),
            )
        })
}

fn all_strings(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Vec<String>> {
    let values = evaluator.arguments(call)?;
    let name = call.function.map_or("", |function| function.name);
    Arguments { name, values }.strings(0).map_err(Fault::new)
}

fn resource_id(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let arguments = all_strings(evaluator, call)?;
    let scope = &evaluator.scope.scope;
    let id = || {
        let place = leading(&call.name, &arguments, 2)?;
        let path = path_of(&call.name, &arguments[place], &arguments[place + 1..])?;
        let is_subscription = |text: &String| uuid::Uuid::try_parse(text).is_ok() && text.len() == 36;
        let (subscription, group) = match &arguments[..place] {
            [] => (&scope.subscription_id, Some(&scope.resource_group.name)),
            [one] if is_subscription(one) => (one, None),
            [group] => (&scope.subscription_id, Some(group)),
            [subscription, group] if is_subscription(subscription) => (subscription, Some(group)),
            [subscription, ..] => {
                return Err(unable(
                    &call.name,
                    format_args!("the subscription id '{subscription}' is not a GUID"),
                ));
            }
        };
        if is_resource_group(&arguments[place]) && place < 2 && scope.level == Level::Subscription {
            return Ok(format!("/subscriptions/{subscription}/resourceGroups/{}", arguments[place + 1]));
        }
        match (scope.level, place) {
            (Level::Subscription, 0) => Ok(format!("/subscriptions/{subscription}{path}")),
            (Level::Subscription, _) if group.is_none() => Ok(format!("/subscriptions/{subscription}{path}")),
            // Above subscriptions the resource is the tenant's.
            (Level::ManagementGroup | Level::Tenant, 0) => Ok(path),
            // A subscription without a group means the group that the template is deployed to.
            _ => {
                let group = group.unwrap_or(&scope.resource_group.name);
                Ok(format!("/subscriptions/{subscription}/resourceGroups/{group}{path}"))
            }
        }
    };
    id().map(Value::from).map_err(Fault::new)
}

fn subscription_resource_id(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let arguments = all_strings(evaluator, call)?;
    let own = &evaluator.scope.scope.subscription_id;
    let id = || {
        let place = leading(&call.name, &arguments, 1)?;
        let subscription = if place == 1 { &arguments[0] } else { own };
        let path = path_of(&call.name, &arguments[place], &arguments[place + 1..])?;
        if is_resource_group(&arguments[place]) {
            return Ok(format!("/subscriptions/{subscription}/resourceGroups/{}", arguments[place + 1]));
        }
        Ok::<_, String>(format!("/subscriptions/{subscription}{path}"))
    };
    id().map(Value::from).map_err(Fault::new)
}

/// Resource groups have ids without a provider.
fn is_resource_group(resource_type: &str) -> bool {
    same_name(resource_type.trim_end_matches('/'), "Microsoft.Resources/resourceGroups")
}

fn tenant_resource_id(mut arguments: Arguments) -> Outcome {
    let arguments_text = arguments.strings(0)?;
    leading(arguments.name, &arguments_text, 0)?;
    Ok(path_of(arguments.name, &arguments_text[0], &arguments_text[1..])?.into())
}

fn management_group_resource_id(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let arguments = all_strings(evaluator, call)?;
    let scope = &evaluator.scope.scope;
    let id = || {
        let place = leading(&call.name, &arguments, 1)?;
        let own = (scope.level == Level::ManagementGroup).then_some(&scope.management_group);
        let group = if place == 1 { Some(&arguments[0]) } else { own };
        let group = group.ok_or_else(|| {
            unable(
                &call.name,
                "the deployment is not one to a management group: the first argument must be its name",
            )
        })?;
        let path = path_of(&call.name, &arguments[place], &arguments[place + 1..])?;
        Ok::<_, String>(format!("/providers/Microsoft.Management/managementGroups/{group}{path}"))
    };
    id().map(Value::from).map_err(Fault::new)
}

fn extension_resource_id(mut arguments: Arguments) -> Outcome {
    let texts = arguments.strings(0)?;
    let path = path_of(arguments.name, &texts[1], &texts[2..])?;
    Ok(format!("{}{path}", texts[0].trim_end_matches('/')).into())
}

/// Finds the target of a runtime call, and notes that it was asked for.
fn target(evaluator: &mut Evaluator<'_>, call: &Call, name: &Value) -> Eval<Target> {
    let Value::String(name) = name else {
        return Err(Fault::new(unable(
            &call.name,
            format_args!("the resource must be given as a string, it is of type '{}'", type_name(name)),
        )));
    };
    let Some(index) = evaluator.index else {
        return Err(Fault::new(crate::expr::eval::unexpected_here(&call.name)));
    };
    let target = index.target(name)?;
    evaluator.calls.push(RuntimeCall { resource: target.resource, outer: target.outer });
    Ok(target)
}

/// The arguments, and the target if at least that is known.
fn with_target(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<(Target, Vec<Value>)> {
    let first = evaluator.value(&call.arguments[0]);
    let target = match &first {
        Ok(name) => Some(target(evaluator, call, name)?),
        Err(Fault::Deferred) => None,
        Err(fault) => return Err(fault.clone()),
    };
    let mut rest = Vec::new();
    let mut deferred = false;
    for argument in &call.arguments[1..] {
        match evaluator.value(argument) {
            Ok(value) => rest.push(value),
            Err(Fault::Deferred) => deferred = true,
            Err(fault) => return Err(fault),
        }
    }
    match target {
        Some(target) if !deferred => Ok((target, rest)),
        _ => Err(Fault::Deferred),
    }
}

/// A role by its name: a built-in one, or one that somebody defined. Azure answers as it is written here below the tenant
/// (`Azure/bicep#19507`), and finds custom roles too (`MicrosoftDocs/azure-docs#128423`).
fn role_definitions(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let name = all_strings(evaluator, call)?.pop().unwrap_or_default();
    let fails = |why: std::fmt::Arguments<'_>| Fault::new(unable(&call.name, why));
    let id = match (BuiltInRole::named(&name), &evaluator.scope.custom_roles) {
        (Some(role), _) => Some(role.id),
        (None, Some(custom)) => custom.named(&name).map_err(|why| fails(format_args!("{why}")))?,
        (None, None) => {
            return Err(fails(format_args!(
                "no built-in role is named '{name}', and custom roles are known to a deployment alone"
            )));
        }
    };
    let id = id.ok_or_else(|| fails(format_args!("no role definition is named '{name}'")))?;
    let scope = &evaluator.scope.scope;
    let above = if scope.level.has_subscription() {
        format!("/subscriptions/{}", scope.subscription_id)
    } else {
        String::new()
    };
    Ok(json!({
        "id": format!("{above}/providers/Microsoft.Authorization/roleDefinitions/{id}"),
        "roleDefinitionId": id,
    }))
}

fn reference(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let (target, rest) = with_target(evaluator, call)?;
    let mut api_version = None;
    let mut full = false;
    for (index, value) in rest.iter().enumerate() {
        match value {
            Value::String(text) if same_name(text, "Full") && (index == 1 || rest.len() == 1) => full = true,
            Value::String(text) if index == 0 => api_version = Some(text.as_str()),
            Value::Null if index == 0 => {}
            other => {
                return Err(Fault::new(unable(
                    &call.name,
                    format_args!("the parameter '{}' is neither an api-version nor 'Full'", text(other)),
                )));
            }
        }
    }
    let api_version = api_version.or(target.api_version.as_deref());
    if api_version.is_none() {
        let (kind, name) = evaluator.owner;
        return Err(Fault::new(format!(
            "The template {kind} '{name}' reference to '{}' requires an API version. Please see https://aka.ms/arm-template for usage \
             details.",
            target.id
        )));
    }
    match evaluator.deployed {
        Some(deployed) if !deployed.only_placeholders() => {
            let value = deployed.reference(&target.id, api_version, full).map_err(Fault::new)?;
            evaluator.spend(&value)?;
            Ok(value)
        }
        _ => Err(Fault::Deferred),
    }
}

fn list(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let (target, rest) = with_target(evaluator, call)?;
    let Some(Value::String(api_version)) = rest.first() else {
        return Err(Fault::new(unable(&call.name, "the api-version must be a string")));
    };
    match evaluator.deployed {
        Some(deployed) if !deployed.only_placeholders() => {
            let value =
                deployed.list(&call.name, &target.id, api_version, rest.get(1)).map_err(Fault::new)?;
            evaluator.spend(&value)?;
            Ok(value)
        }
        _ => Err(Fault::Deferred),
    }
}

/// All resources of a copy loop, in the order of their index, those with a false condition left out.
fn references(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let mut values = evaluator.arguments(call)?.into_iter();
    let name = values.next().unwrap_or_default();
    let full = match values.next() {
        None => false,
        Some(Value::String(text)) if same_name(&text, "Full") => true,
        Some(other) => {
            return Err(Fault::new(unable(
                &call.name,
                format_args!("the parameter '{}' must be 'Full'", text(&other)),
            )));
        }
    };
    let Some(index) = evaluator.index else {
        return Err(Fault::new(crate::expr::eval::unexpected_here(&call.name)));
    };
    let targets = match &name {
        Value::String(name) => index.loop_targets(name)?,
        other => {
            return Err(Fault::new(unable(
                &call.name,
                format_args!(
                    "the parameter at position '1' must be a string, it is of type '{}'",
                    type_name(other)
                ),
            )));
        }
    };
    evaluator
        .calls
        .extend(targets.iter().map(|target| RuntimeCall { resource: target.resource, outer: target.outer }));
    match evaluator.deployed {
        Some(deployed) if !deployed.only_placeholders() => targets
            .iter()
            .map(|target| {
                deployed.reference(&target.id, target.api_version.as_deref(), full).map_err(Fault::new)
            })
            .collect(),
        _ => Err(Fault::Deferred),
    }
}
