//! What the tests share: a scope, a stand-in for deployed resources, short ways to evaluate.

use crate::{Deployed, Diagnostic, Mode, Plan, PlanRequest, ResourceGroupInfo, Scope, Template};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";

pub(crate) fn scope() -> Scope {
    Scope {
        subscription_id: SUBSCRIPTION.to_owned(),
        tenant_id: "00000000-0000-0000-0000-00000000000f".to_owned(),
        resource_group: ResourceGroupInfo {
            name: "example-group".to_owned(),
            location: "westeurope".to_owned(),
            ..ResourceGroupInfo::default()
        },
        ..Scope::default()
    }
}

pub(crate) fn guid() -> Uuid {
    Uuid::from_u128(0x1234)
}

pub(crate) fn request(parameters: Value) -> PlanRequest<'static> {
    let Value::Object(parameters) = parameters else { panic!("parameters are an object") };
    PlanRequest {
        parameters,
        scope: scope(),
        deployment_name: "example".to_owned(),
        mode: Mode::Incremental,
        now: "2019-03-05T17:53:18Z".parse().expect("a timestamp"),
        new_guid: &guid,
        environment: None,
        deployer: None,
        custom_roles: None,
        linked: None,
        template_uri: None,
    }
}

pub(crate) fn plan(text: &str, parameters: Value) -> Result<Plan, Vec<Diagnostic>> {
    Template::parse(text)?.plan(&request(parameters))
}

/// A template with the given sections; what is not given is empty.
pub(crate) fn template(sections: Value) -> String {
    let mut document = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [],
    });
    let (Some(document_map), Value::Object(sections)) = (document.as_object_mut(), sections) else {
        panic!("sections are an object")
    };
    document_map.extend(sections);
    serde_json::to_string_pretty(&document).expect("JSON")
}

/// A template whose variable `v` is the given value.
pub(crate) fn output_of(variable: &Value) -> Result<Value, String> {
    // An array wraps the value, so that any type fits the output.
    let text = template(json!({
        "variables": {"v": variable},
        "outputs": {"o": {"type": "array", "value": "[createArray(variables('v'))]"}},
    }));
    let plan = plan(&text, json!({})).map_err(|faults| faults[0].detail.clone())?;
    let outputs = plan.outputs(&crate::Placeholders).map_err(|fault| fault.detail)?;
    Ok(outputs["o"]["value"][0].clone())
}

/// The value of an expression without its brackets, or the message.
pub(crate) fn evaluate(expression: &str) -> Result<Value, String> {
    output_of(&Value::String(format!("[{expression}]")))
}

/// One registry, and container groups that answer with their id.
#[derive(Debug)]
pub(crate) struct Registry;

impl Deployed for Registry {
    fn reference(&self, resource_id: &str, api_version: Option<&str>, full: bool) -> Result<Value, String> {
        if resource_id.contains("missing") {
            return Err(format!("The Resource '{resource_id}' was not found."));
        }
        let properties = json!({"loginServer": "localhost:5000", "id": resource_id, "api": api_version});
        Ok(if full { json!({"properties": properties, "location": "westeurope"}) } else { properties })
    }

    fn list(
        &self,
        function: &str,
        resource_id: &str,
        _: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        assert_eq!(function, "listCredentials");
        assert!(resource_id.contains("registries"));
        Ok(json!({
            "username": "admin",
            "passwords": [{"name": "password", "value": "first"}, {"name": "password2", "value": "second"}],
            "body": body,
        }))
    }
}

/// Everything of a plan, for comparison.
pub(crate) fn describe(plan: &Plan, deployed: &dyn Deployed) -> Value {
    let resources: Vec<Value> = plan
        .resources()
        .iter()
        .enumerate()
        .map(|(index, resource)| {
            json!({
                "id": resource.id,
                "apiVersion": resource.api_version,
                "dependsOn": resource.depends_on,
                "body": plan.body(index, deployed).expect("a body"),
            })
        })
        .collect();
    json!({
        "resources": resources,
        "skipped": plan.skipped().iter().map(|resource| resource.id.clone()).collect::<Vec<_>>(),
        "outputs": Value::Object(plan.outputs(deployed).expect("outputs")),
        "parameters": Value::Object(plan.parameters_for_history()),
    })
}

pub(crate) fn details(faults: &[Diagnostic]) -> Vec<&str> {
    faults.iter().map(|fault| fault.detail.as_str()).collect()
}

pub(crate) fn ids(plan: &Plan) -> Vec<&str> {
    plan.resources().iter().map(|resource| resource.name.as_str()).collect()
}
