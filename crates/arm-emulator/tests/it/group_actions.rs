//! Resource groups as templates, and moves from one to another.

use serde_json::{Value, json};

use crate::identities::{identity, made, up};
use crate::stack::{
    SUBSCRIPTION, Stack, deployment, deployment_body, group, group_body, registry, resource_group,
};

fn network(name: &str) -> String {
    format!("{}/providers/Microsoft.Network/virtualNetworks/{name}", resource_group())
}

async fn exported(stack: &Stack, options: Option<&str>) -> Value {
    let body = json!({"resources": ["*"], "options": options});
    stack.post(&format!("{}/exportTemplate", resource_group()), body).await.expect(200).body["template"]
        .clone()
}

/// A group with one of each: with behaviour, without, a child, and something that refers to something.
async fn filled(stack: &Stack) {
    made(stack, "puller").await;
    stack
        .put(
            &registry("images"),
            json!({"location": "westeurope", "sku": {"name": "Basic"}, "tags": {"a": "[b"}}),
        )
        .await
        .expect(201);
    let mut agent = group_body("web:1");
    agent["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {identity("puller"): {}}});
    agent["properties"]["restartPolicy"] = json!("Never");
    up(stack, "agent", agent).await;
    let space = json!({"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}});
    stack.put(&network("net"), json!({"location": "westeurope", "properties": space})).await.expect(201);
    let subnet = json!({"properties": {"addressPrefix": "10.0.1.0/24", "uses": registry("images")}});
    stack.put(&format!("{}/subnets/one", network("net")), subnet).await.expect(201);
}

#[tokio::test]
async fn what_is_exported_makes_the_same_again() {
    let stack = Stack::start().await;
    filled(&stack).await;
    let template = exported(&stack, Some("IncludeParameterDefaultValue")).await;
    let parameters = template["parameters"].as_object().unwrap();
    assert_eq!(parameters["registries_images_name"], json!({"defaultValue": "images", "type": "String"}));
    assert_eq!(template["resources"].as_array().unwrap().len(), 5, "{template:#}");
    let text = template.to_string();
    for never in ["provisioningState", "principalId", "instanceView", "systemData", "loginServer", "etag"] {
        assert!(!text.contains(never), "{never}: {template:#}");
    }
    let of = |kind: &str| {
        let all = template["resources"].as_array().unwrap();
        all.iter().find(|one| one["type"] == kind).unwrap().clone()
    };
    let subnet = of("Microsoft.Network/virtualNetworks/subnets");
    assert_eq!(subnet["name"], "[concat(parameters('virtualNetworks_net_name'), '/one')]");
    assert_eq!(
        subnet["dependsOn"],
        json!([
            "[resourceId('Microsoft.ContainerRegistry/registries', parameters('registries_images_name'))]",
            "[resourceId('Microsoft.Network/virtualNetworks', parameters('virtualNetworks_net_name'))]",
        ])
    );
    assert_eq!(of("Microsoft.ContainerRegistry/registries")["tags"], json!({"a": "[[b"}));
    let body = deployment_body("Complete", &text, json!({}));
    let started = stack.post(&format!("{}/whatIf", deployment("again")), body).await.expect(202);
    let foreseen = stack.located(&started).await.expect(200).body;
    for change in foreseen["properties"]["changes"].as_array().unwrap() {
        assert_eq!(change["changeType"], "NoChange", "{change:#}");
    }
    let done = stack.deploy("again", "Complete", &text, json!({})).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    assert_eq!(exported(&stack, Some("IncludeParameterDefaultValue")).await, template);
    stack.finish().await;
}

#[tokio::test]
async fn an_export_has_the_options_and_the_resources_that_were_asked_for() {
    let stack = Stack::start().await;
    filled(&stack).await;
    let plain = exported(&stack, None).await;
    assert_eq!(plain["parameters"]["registries_images_name"], json!({"type": "String"}));
    let literal = exported(&stack, Some("SkipAllParameterization,IncludeComments")).await;
    assert_eq!(literal["parameters"], json!({}));
    let resources = literal["resources"].as_array().unwrap();
    let images = resources.iter().find(|one| one["name"] == "images").unwrap();
    assert_eq!(images["comments"], format!("Generalized from resource: '{}'.", registry("images")));
    let path = format!("{}/exportTemplate", resource_group());
    let one = stack.post(&path, json!({"resources": [network("NET")]})).await.expect(200).body;
    assert_eq!(one["template"]["resources"].as_array().unwrap().len(), 1);
    for (body, status, code) in [
        (json!({"resources": [network("none")]}), 404, "ResourceNotFound"),
        (json!({"resources": []}), 400, "InvalidRequestContent"),
        (json!({"resources": ["*"], "options": "Pretty"}), 400, "InvalidRequestContent"),
        (json!({"resources": ["*"], "outputFormat": "Bicep"}), 400, "InvalidRequestContent"),
        (json!({"resources": ["x"]}), 400, "InvalidResourceId"),
    ] {
        stack.post(&path, body).await.refused(status, code);
    }
    let nowhere = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/nowhere/exportTemplate");
    stack.post(&nowhere, json!({"resources": ["*"]})).await.refused(404, "ResourceGroupNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn a_large_group_is_exported_in_the_background_and_a_huge_one_is_refused() {
    let stack = Stack::start().await;
    let path = format!("{}/exportTemplate", resource_group());
    let put = async |from: usize, to: usize| {
        for number in from..to {
            stack.put(&network(&format!("n{number}")), json!({"location": "westeurope"})).await.expect(201);
        }
    };
    put(0, 21).await;
    let started = stack.post(&path, json!({"resources": ["*"]})).await.expect(202);
    let done = stack.located(&started).await.expect(200).body;
    assert_eq!(done["template"]["resources"].as_array().unwrap().len(), 21);
    put(21, 201).await;
    let refused = stack.post(&path, json!({"resources": ["*"]})).await;
    refused.refused(400, "ResourceGroupExportLimitExceeded");
    stack.finish().await;
}

#[tokio::test]
async fn resources_move_with_what_is_below_them() {
    let stack = Stack::start().await;
    filled(&stack).await;
    let target = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/other");
    stack.put(&target, json!({"location": "westeurope"})).await.expect(201);
    let lock = format!("{}/providers/Microsoft.Authorization/locks/keep", network("net"));
    stack.put(&lock, json!({"properties": {"level": "CanNotDelete"}})).await.expect(201);
    let body = json!({"resources": [network("net"), registry("images")], "targetResourceGroup": target});
    stack.post(&format!("{}/validateMoveResources", resource_group()), body.clone()).await.expect(204);
    stack.get(&network("net")).await.expect(200);
    let started = stack.post(&format!("{}/moveResources", resource_group()), body).await.expect(202);
    stack.located(&started).await.expect(204);
    stack.get(&network("net")).await.refused(404, "ResourceNotFound");
    stack.get(&registry("images")).await.refused(404, "ResourceNotFound");
    let moved = |path: String| path.replace("/resourceGroups/Fleet", "/resourceGroups/other");
    for path in [network("net"), format!("{}/subnets/one", network("net")), registry("images"), lock] {
        let found = stack.get(&moved(path.clone())).await.expect(200).body;
        assert_eq!(found["id"], moved(path));
    }
    let (_, events) = stack.control(reqwest::Method::GET, "/events", Value::Null).await;
    let told: Vec<_> =
        events.as_array().unwrap().iter().filter(|event| event["kind"] == "resourceMoved").collect();
    assert_eq!(told.len(), 2, "{events}");
    assert_eq!((&told[0]["from"], &told[0]["id"]), (&json!(network("net")), &json!(moved(network("net")))));
    stack.finish().await;
}

#[tokio::test]
async fn what_cannot_move_is_refused_by_name() {
    let stack = Stack::start().await;
    filled(&stack).await;
    let target = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/other");
    stack.put(&target, json!({"location": "westeurope"})).await.expect(201);
    let there = network("net").replace("/resourceGroups/Fleet", "/resourceGroups/other");
    stack.put(&there, json!({"location": "westeurope"})).await.expect(201);
    let path = format!("{}/validateMoveResources", resource_group());
    let ask = async |resources: Value, target: &str| {
        stack.post(&path, json!({"resources": resources, "targetResourceGroup": target})).await
    };
    let refused = ask(json!([group("agent")]), &target).await.refused(409, "ResourceMoveNotSupported");
    assert!(refused.text.contains("Microsoft.ContainerInstance/containerGroups"), "{}", refused.text);
    ask(json!([network("net")]), &target).await.refused(409, "ResourceAlreadyExists");
    let both = ask(json!([group("agent"), network("net")]), &target).await.refused(409, "ResourceMoveFailed");
    assert_eq!(both.body["error"]["details"].as_array().unwrap().len(), 2);
    ask(json!([registry("none")]), &target).await.refused(404, "ResourceNotFound");
    ask(json!([format!("{}/subnets/one", network("net"))]), &target).await.refused(409, "InvalidResourceId");
    ask(json!([registry("images")]), &resource_group()).await.refused(400, "InvalidMoveTarget");
    ask(json!([registry("images")]), &format!("{target}2")).await.refused(404, "ResourceGroupNotFound");
    ask(json!([]), &target).await.refused(400, "InvalidRequestContent");
    let lock = format!("{target}/providers/Microsoft.Authorization/locks/closed");
    stack.put(&lock, json!({"properties": {"level": "ReadOnly"}})).await.expect(201);
    ask(json!([registry("images")]), &target).await.refused(409, "ScopeLocked");
    stack.finish().await;
}
