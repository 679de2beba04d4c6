//! What is expanded where the cost of an expansion is measured, and how: as the command `expand` does it.

use arm_template::{Diagnostic, Mode, Placeholders, PlanRequest, ResourceGroupInfo, Scope, Template};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A text is read, planned, and every body is made.
pub(crate) fn expand(text: &str) -> Result<Value, Vec<Diagnostic>> {
    let template = Template::parse(text)?;
    let group = ResourceGroupInfo {
        name: "bench".to_owned(),
        location: "westeurope".to_owned(),
        ..Default::default()
    };
    let plan = template.plan(&PlanRequest {
        parameters: Map::new(),
        scope: Scope {
            level: template.level(),
            management_group: String::new(),
            location: "westeurope".to_owned(),
            subscription_id: Uuid::nil().to_string(),
            tenant_id: Uuid::nil().to_string(),
            resource_group: group,
        },
        deployment_name: "bench".to_owned(),
        mode: Mode::Incremental,
        now: Timestamp::UNIX_EPOCH,
        new_guid: &Uuid::nil,
        environment: None,
        deployer: None,
        custom_roles: None,
        linked: None,
        template_uri: None,
    })?;
    let mut resources = Vec::new();
    for (planned, body) in plan.into_bodies(&Placeholders).map_err(|fault| vec![fault])? {
        // As the command does it: `json!` would copy the body.
        let one = [("id".to_owned(), Value::from(planned.id)), ("body".to_owned(), body)];
        resources.push(Value::Object(Map::from_iter(one)));
    }
    Ok(Value::Object(Map::from_iter([("resources".to_owned(), Value::Array(resources))])))
}

/// One container group as fleets have it, so many times over.
pub(crate) fn looped(copies: i32) -> String {
    let variable = |n: i32| json!({"name": format!("SETTING_{n}"), "value": format!("[format('{{0}}/{n}', parameters('prefix'))]")});
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {
            "prefix": {"type": "string", "defaultValue": "agent"},
            "count": {"type": "int", "defaultValue": copies},
            "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
        },
        "variables": {"image": "[concat('registry.example.com/', parameters('prefix'), ':1.0')]"},
        "resources": [{
            "type": "Microsoft.ContainerInstance/containerGroups",
            "apiVersion": "2023-05-01",
            "name": "[concat(parameters('prefix'), '-', copyIndex())]",
            "location": "[parameters('location')]",
            "tags": {"fleet": "bench", "number": "[string(copyIndex())]"},
            "copy": {"name": "agents", "count": "[parameters('count')]"},
            "properties": {
                "osType": "Linux", "restartPolicy": "Always",
                "containers": [{"name": "agent", "properties": {
                    "image": "[variables('image')]",
                    "command": ["/bin/sh", "-c", "echo ready; exec sleep infinity"],
                    "environmentVariables": (0..8).map(variable).collect::<Vec<_>>(),
                    "resources": {"requests": {"cpu": 1, "memoryInGB": 1.5}},
                }}],
                "diagnostics": {"note": "what does not change, as long as most of a resource is".repeat(4)},
            },
        }],
    });
    format!("{template:#}")
}

/// As many resources as may be, in as many bytes as may be.
pub(crate) fn large() -> String {
    let filling = "what a template holds that is no expression\n".repeat(112);
    let resource = |n: i32| {
        json!({
            "type": "Microsoft.Network/virtualNetworks", "apiVersion": "2023-05-01",
            "name": format!("[concat('network-', {n})]"), "location": "westeurope", "tags": {"n": n.to_string()},
            "properties": {"filling": filling},
        })
    };
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": (0..800).map(resource).collect::<Vec<_>>(),
    });
    format!("{template:#}").replace("\\n", " ")
}
