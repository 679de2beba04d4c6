//! What an api-version does not know is refused in requests and absent from answers.

use serde_json::{Value, json};

use crate::stack::{Stack, group, group_body, groups, registry};

fn with(name: &str, value: Value) -> Value {
    let mut body = group_body("web:1");
    body["properties"][name] = value;
    body
}

fn at(path: &str, version: &str) -> String {
    format!("{path}?api-version={version}")
}

#[tokio::test]
async fn a_group_has_what_its_api_version_knows() {
    let stack = Stack::start().await;
    let path = group("agent");
    let subnet = json!([{"id": "/subscriptions/x"}]);
    let login = json!([{"server": "localhost:1", "identity": "/x"}]);
    for (version, body, code, named) in [
        ("2018-10-01", with("initContainers", json!([])), "InvalidRequestContent", "initContainers"),
        ("2021-03-01", with("subnetIds", subnet), "InvalidRequestContent", "subnetIds"),
        ("2021-09-01", with("priority", json!("Regular")), "InvalidRequestContent", "priority"),
        (
            "2021-03-01",
            with("imageRegistryCredentials", login),
            "InvalidImageRegistryCredentialType",
            "Identity in 'imageRegistryCredentials' of container group 'agent' is not supported.",
        ),
    ] {
        let refused = stack.put(&at(&path, version), body).await.refused(400, code);
        assert!(refused.text.contains(named), "{}", refused.text);
    }
    assert!(stack.group_names().await.is_empty());
    let mut body = with("priority", json!("Regular"));
    body["zones"] = json!(["1"]);
    let started = stack.put(&at(&path, "2023-05-01"), body).await.expect(201);
    stack.ended(&started).await;
    let shown = async |path: &str, version: &str| stack.get(&at(path, version)).await.expect(200).body;
    let new = shown(&path, "2023-05-01").await;
    assert_eq!((&new["zones"], &new["properties"]["priority"]), (&json!(["1"]), &json!("Regular")));
    assert_eq!(new["properties"]["sku"], "Standard");
    let old = shown(&path, "2018-10-01").await;
    let listed = shown(&groups(), "2018-10-01").await["value"][0].clone();
    for old in [old, listed] {
        assert_eq!(old["properties"]["osType"], "Linux");
        for (of, name) in [(&old, "zones"), (&old["properties"], "priority"), (&old["properties"], "sku")] {
            assert!(of.get(name).is_none(), "{name}: {old}");
        }
    }
    let patched = stack.patch(&at(&path, "2018-10-01"), json!({"tags": {}})).await.expect(200).body;
    assert!(patched["properties"].get("sku").is_none(), "{patched}");
    let deleted = stack.delete(&at(&path, "2018-10-01")).await.expect(200).body;
    assert!(deleted["properties"].get("sku").is_none(), "{deleted}");
    stack.finish().await;
}

#[tokio::test]
async fn a_registry_has_what_its_api_version_knows() {
    let stack = Stack::start().await;
    let path = registry("fleetimages");
    let body = json!({"location": "westeurope", "sku": {"name": "Standard"}, "properties": {"anonymousPullEnabled": true}});
    for method in ["put", "patch"] {
        let path = at(&path, "2023-07-01");
        let answer = if method == "put" {
            stack.put(&path, body.clone()).await
        } else {
            stack.put(&at(&registry("fleetimages"), "2023-11-01-preview"), body.clone()).await.expect(201);
            stack.patch(&path, json!({"properties": {"anonymousPullEnabled": false}})).await
        };
        let refused = answer.refused(400, "InvalidRequestContent");
        assert!(refused.text.contains("anonymousPullEnabled"), "{}", refused.text);
    }
    let shown = async |version: &str| {
        stack.get(&at(&path, version)).await.expect(200).body["properties"]["anonymousPullEnabled"].clone()
    };
    assert_eq!(shown("2023-11-01-preview").await, true);
    assert_eq!(shown("2023-07-01").await, Value::Null);
    assert_eq!(shown("2025-04-01").await, true);
    stack.finish().await;
}

#[tokio::test]
async fn a_template_is_held_to_the_api_versions_of_its_resources() {
    let stack = Stack::start().await;
    let template = |version: &str| {
        let mut resource = group_body("web:1");
        resource["type"] = json!("Microsoft.ContainerInstance/containerGroups");
        resource["apiVersion"] = json!(version);
        resource["name"] = json!("agent");
        resource["zones"] = json!(["1"]);
        json!({
            "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
            "contentVersion": "1.0.0.0",
            "resources": [resource],
            "outputs": {
                "old": {"type": "bool", "value": "[contains(reference('agent', '2018-10-01'), 'sku')]"},
                "new": {"type": "bool", "value": "[contains(reference('agent', '2021-09-01'), 'sku')]"},
            },
        })
        .to_string()
    };
    let refused = stack
        .put(
            &crate::stack::deployment("old"),
            crate::stack::deployment_body("Incremental", &template("2021-07-01"), json!({})),
        )
        .await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.text.contains("'zones'"), "{}", refused.text);
    let deployed = stack.deploy("new", "Incremental", &template("2021-09-01"), json!({})).await;
    assert_eq!(deployed["properties"]["provisioningState"], "Succeeded", "{deployed}");
    let outputs = &deployed["properties"]["outputs"];
    assert_eq!((&outputs["old"]["value"], &outputs["new"]["value"]), (&json!(false), &json!(true)));
    stack.finish().await;
}
