//! Deployments inside of deployments, and the templates under `fixtures/arm`.

use std::path::Path;

use serde_json::{Value, json};

use crate::stack::{SUBSCRIPTION, Stack, deployment, group, group_body, resource_group};

fn container_group(name: &str) -> Value {
    let mut resource = group_body("web:1");
    resource["type"] = json!("Microsoft.ContainerInstance/containerGroups");
    resource["apiVersion"] = json!("2023-05-01");
    resource["name"] = json!(name);
    resource
}

fn template(resources: Value, outputs: Value) -> Value {
    json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0", "resources": resources, "outputs": outputs,
    })
}

fn nested(name: &str, group: Option<&str>, inner: Value) -> Value {
    let mut resource = json!({
        "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": name,
        "properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"}, "template": inner},
    });
    if let Some(group) = group {
        resource["resourceGroup"] = json!(group);
    }
    resource
}

#[tokio::test]
async fn a_nested_deployment_has_a_history_of_its_own_and_gives_its_outputs() {
    let stack = Stack::start().await;
    stack
        .put(&resource_group().replace("Fleet", "Other"), json!({"location": "westeurope"}))
        .await
        .expect(201);
    let inner = template(
        json!([container_group("inside")]),
        json!({"where": {"type": "string", "value": "[resourceGroup().name]"}}),
    );
    let outer = template(
        json!([nested("inner", Some("Other"), inner)]),
        json!({"where": {"type": "string", "value": "[reference('inner').outputs.where.value]"}}),
    );
    let done = stack.deploy("outer", "Incremental", &outer.to_string(), json!({})).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    assert_eq!(done["properties"]["outputs"]["where"]["value"], "Other");
    let inner = stack.get(&deployment("inner").replace("/Fleet/", "/Other/")).await.expect(200).body;
    assert_eq!(inner["properties"]["provisioningState"], "Succeeded");
    assert_eq!(inner["properties"]["correlationId"], done["properties"]["correlationId"]);
    stack.get(&group("inside").replace("/Fleet/", "/Other/")).await.expect(200);
    stack.finish().await;
}

#[tokio::test]
async fn complete_mode_keeps_what_nested_deployments_of_the_same_group_hold() {
    let stack = Stack::start().await;
    for name in ["inside", "outside", "rest"] {
        let started = stack.put(&group(name), group_body("web:1")).await.expect(201);
        stack.ended(&started).await;
    }
    let inner = template(json!([container_group("inside")]), json!({}));
    let outer = template(json!([container_group("outside"), nested("inner", None, inner)]), json!({}));
    let done = stack.deploy("outer", "Complete", &outer.to_string(), json!({})).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    assert_eq!(stack.group_names().await, ["inside", "outside"]);
    stack.finish().await;
}

#[tokio::test]
async fn a_failure_inside_fails_what_is_around_it() {
    let stack = Stack::start().await;
    stack.runtime.refuse_image("gone:1");
    let mut broken = container_group("broken");
    broken["properties"]["containers"][0]["properties"]["image"] = json!("gone:1");
    let mut innermost = template(json!([broken]), json!({}));
    innermost = template(json!([nested("second", None, innermost)]), json!({}));
    let outer = template(json!([nested("first", None, innermost)]), json!({}));
    let done = stack.deploy("outer", "Incremental", &outer.to_string(), json!({})).await;
    assert_eq!(done["properties"]["provisioningState"], "Failed");
    assert!(done["properties"]["error"].to_string().contains("InaccessibleImage"), "{done:#}");
    for name in ["first", "second"] {
        let shown = stack.get(&deployment(name)).await.expect(200).body;
        assert_eq!(shown["properties"]["provisioningState"], "Failed", "{shown:#}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn the_templates_under_fixtures_deploy() {
    let stack = Stack::start().await;
    let read = |case: &str, file: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/arm").join(case).join(file);
        fs_err::read_to_string(path).unwrap()
    };
    let given = |case: &str| {
        let file: Value = serde_json::from_str(&read(case, "parameters.json")).unwrap();
        file["parameters"].clone()
    };
    let fleet = given("aci");
    let images = fleet["registryGroup"]["value"].as_str().unwrap();
    let path = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{images}");
    stack.put(&path, json!({"location": "westeurope"})).await.expect(201);
    for (case, target) in [("acr", images), ("aci", "Fleet")] {
        let path = deployment(case).replace("/Fleet/", &format!("/{target}/"));
        // The service wants a whole core for a group; the template asks for half of one.
        let template = read(case, "template.json").replace("\"cpu\": 0.5", "\"cpu\": 1");
        // As az sends it: the file as it is, behind a key without quotes.
        let body = format!(
            "{{\"properties\": {{\"parameters\": {}, \"mode\": \"Incremental\", template:{}}}}}",
            given(case),
            template
        );
        let started = stack.send(reqwest::Method::PUT, &path, Some(body)).await.expect(201);
        stack.ended(&started).await;
        let done = stack.get(&path).await.expect(200).body;
        assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    }
    let agents = fleet["agentCount"]["value"].as_u64().unwrap() as usize;
    assert_eq!(stack.group_names().await.len(), agents);
    assert!(!stack.answers().contains(fleet["token"]["value"].as_str().unwrap()));
    stack.finish().await;
}
