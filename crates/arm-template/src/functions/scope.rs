//! Parameters, variables, loops, and what surrounds the deployment.

use super::{Allowed, Function, Run};
use crate::expr::Call;
use crate::expr::eval::unexpected_here;
use crate::expr::eval::{Eval, Evaluator, Fault};
use crate::target::{Level, Scope};
use crate::value::{integer, same_name, type_name};
use serde_json::{Value, json};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::special("copyIndex", 0, 2, copy_index).only(Allowed::Loop),
    Function::special("deployer", 0, 0, |evaluator, _| evaluator.scope.deployer()),
    Function::special("deployment", 0, 0, |evaluator, _| Ok(evaluator.scope.deployment())),
    Function::special("environment", 0, 0, |evaluator, _| Ok(evaluator.scope.environment.clone())),
    Function::unsupported("externalInputs", "it belongs to Bicep parameter files"),
    Function::special("managementGroup", 0, 0, management_group),
    Function { name: "parameters", least: 1, most: 1, place: Allowed::Anywhere, run: Run::Named },
    Function::special("resourceGroup", 0, 0, resource_group),
    Function::special("subscription", 0, 0, subscription),
    Function::special("tenant", 0, 0, |evaluator, _| Ok(tenant(&evaluator.scope.scope))),
    Function { name: "variables", least: 1, most: 1, place: Allowed::Anywhere, run: Run::Named },
];

/// The group that the template is deployed to; above groups the function is not expected.
fn resource_group(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let scope = &evaluator.scope.scope;
    if scope.level != Level::ResourceGroup {
        return Err(Fault::new(unexpected_here(&call.name)));
    }
    let group = &scope.resource_group;
    Ok(json!({
        "id": scope.id(),
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "tags": group.tags,
        "properties": {"provisioningState": "Succeeded"},
    }))
}

fn subscription(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let scope = &evaluator.scope.scope;
    if !scope.level.has_subscription() {
        return Err(Fault::new(unexpected_here(&call.name)));
    }
    Ok(json!({
        "id": format!("/subscriptions/{}", scope.subscription_id),
        "subscriptionId": scope.subscription_id,
        "tenantId": scope.tenant_id,
        "displayName": scope.subscription_id,
    }))
}

/// The management group that the template is deployed to; elsewhere the function is not expected.
fn management_group(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let scope = &evaluator.scope.scope;
    if scope.level != Level::ManagementGroup {
        return Err(Fault::new(unexpected_here(&call.name)));
    }
    let tenant = &scope.tenant_id;
    let parent = format!("/providers/Microsoft.Management/managementGroups/{tenant}");
    Ok(json!({
        "id": scope.id(),
        "name": scope.management_group,
        "properties": {
            "details": {
                "parent": {"displayName": "Tenant Root Group", "id": parent, "name": tenant},
                "updatedBy": "00000000-0000-0000-0000-000000000000",
                "updatedTime": "2020-07-23T21:05:52.661306Z",
                "version": "1",
            },
            "displayName": scope.management_group,
            "tenantId": tenant,
        },
        "type": "/providers/Microsoft.Management/managementGroups",
    }))
}

fn tenant(scope: &Scope) -> Value {
    let tenant_id = &scope.tenant_id;
    json!({
        "countryCode": "US",
        "displayName": tenant_id,
        "id": format!("/tenants/{tenant_id}"),
        "tenantId": tenant_id,
    })
}

/// `copyIndex()`, `copyIndex(offset)`, `copyIndex('loop')`, `copyIndex('loop', offset)`.
fn copy_index(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let mut values = evaluator.arguments(call)?.into_iter();
    let (name, offset) = match (values.next(), values.next()) {
        (None, _) => (None, None),
        (Some(offset @ Value::Number(_)), None) => (None, Some(offset)),
        (Some(Value::String(name)), offset) => (Some(name), offset),
        (Some(other), _) => {
            return Err(Fault::new(super::unable(
                &call.name,
                format_args!(
                    "the parameter must be a loop name or an offset, it is of type '{}'",
                    type_name(&other)
                ),
            )));
        }
    };
    let offset = match &offset {
        None => 0,
        Some(offset) => offset.as_i64().filter(|_| offset.is_i64()).ok_or_else(|| {
            Fault::new(super::unable(
                &call.name,
                format_args!("the offset must be an integer, it is of type '{}'", type_name(offset)),
            ))
        })?,
    };
    let running = evaluator.loops.iter().rev().find(|running| match &name {
        Some(name) => running.name.as_ref().is_some_and(|known| same_name(known, name)),
        None => running.unnamed,
    });
    match (running, name) {
        (Some(running), _) => running.index.checked_add(offset).map(integer).ok_or_else(|| {
            Fault::new(super::unable(&call.name, "the arithmetic operation resulted in an overflow"))
        }),
        (None, Some(name)) => Err(Fault::new(format!(
            "The template function 'copyIndex' is not expected at this location: no copy loop with the name '{name}' runs \
             here. Please see https://aka.ms/arm-copy for usage details."
        ))),
        (None, None) => Err(Fault::new(
            "The template function 'copyIndex' is not expected at this location. The function can only be used in a resource \
             with copy specified. Please see https://aka.ms/arm-copy for usage details.",
        )),
    }
}
