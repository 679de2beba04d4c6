//! What a deployment would do, without doing it.

use serde_json::{Value, json};

use crate::stack::{Stack, deployment, deployment_body, group, group_body};

const PLAIN: &str = include_str!("templates/plain.json");
const SCHEMA: &str = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";

async fn what_if(
    stack: &Stack,
    mode: &str,
    template: &str,
    parameters: Value,
    format: Option<&str>,
) -> Value {
    let mut body = deployment_body(mode, template, parameters);
    if let Some(format) = format {
        body["properties"]["whatIfSettings"] = json!({"resultFormat": format});
    }
    let accepted = stack.post(&format!("{}/whatIf", deployment("look")), body).await.expect(202);
    let answer = stack.located(&accepted).await.expect(200).body;
    assert_eq!(answer["status"], "Succeeded", "{answer:#}");
    assert_eq!(answer["properties"]["potentialChanges"], json!([]));
    answer["properties"]["changes"].clone()
}

fn kinds(changes: &Value) -> Vec<String> {
    let words = |change: &Value| {
        let name = change["resourceId"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        format!("{} {name}", change["changeType"].as_str().unwrap())
    };
    changes.as_array().unwrap().iter().map(words).collect()
}

fn names(names: &[&str]) -> Value {
    json!({"names": {"value": names}})
}

#[tokio::test]
async fn policies_of_a_registry_are_compared_one_by_one() {
    let stack = Stack::start().await;
    let template = |policies: Value| {
        json!({"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": [{
            "type": "Microsoft.ContainerRegistry/registries", "apiVersion": "2023-07-01", "name": "lookimages",
            "location": "westeurope", "sku": {"name": "Premium"}, "properties": {"policies": policies},
        }]})
        .to_string()
    };
    stack.deploy("plain", "Incremental", &template(Value::Null), json!({})).await;
    // Each api-version shows another part of them.
    for version in ["2019-05-01", "2023-07-01", "2025-11-01"] {
        let template = template(Value::Null).replace("2023-07-01", version);
        let changes = what_if(&stack, "Incremental", &template, json!({}), None).await;
        assert_eq!(kinds(&changes), ["NoChange lookimages"], "{version}: {changes:#}");
    }
    let retained = json!({"retentionPolicy": {"status": "enabled", "days": 15}});
    let done = stack.deploy("first", "Incremental", &template(retained.clone()), json!({})).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    let look =
        async |policies: Value| what_if(&stack, "Incremental", &template(policies), json!({}), None).await;
    assert_eq!(kinds(&look(retained).await), ["NoChange lookimages"]);
    let longer = look(json!({"retentionPolicy": {"status": "Enabled", "days": 30}})).await;
    assert_eq!(kinds(&longer), ["Modify lookimages"]);
    assert_eq!(longer[0]["delta"].as_array().unwrap().len(), 1, "{longer:#}");
    let other = look(json!({"exportPolicy": {"status": "disabled"}})).await;
    assert_eq!(kinds(&other), ["Modify lookimages"], "and the retention goes");
    stack.finish().await;
}

#[tokio::test]
async fn create_no_change_ignore_and_delete() {
    let stack = Stack::start().await;
    let changes = what_if(&stack, "Incremental", PLAIN, names(&["one", "two"]), None).await;
    assert_eq!(kinds(&changes), ["Create one", "Create two"]);
    assert_eq!(changes[0]["after"]["id"], json!(group("one")));
    assert!(changes[0]["after"]["apiVersion"].is_string() && changes[0].get("before").is_none());
    assert!(stack.group_names().await.is_empty(), "nothing is deployed");
    stack.deploy("first", "Incremental", PLAIN, names(&["one", "two"])).await;
    let changes = what_if(&stack, "Incremental", PLAIN, names(&["one"]), None).await;
    assert_eq!(kinds(&changes), ["NoChange one", "Ignore two"], "{changes:#}");
    let changes = what_if(&stack, "Complete", PLAIN, names(&["one", "new"]), None).await;
    assert_eq!(kinds(&changes), ["Create new", "NoChange one", "Delete two"]);
    assert_eq!(stack.group_names().await, ["one", "two"], "and nothing is deleted");
    let changes = what_if(&stack, "Complete", PLAIN, names(&["one", "new"]), Some("ResourceIdOnly")).await;
    assert_eq!(kinds(&changes), ["Create new", "Deploy one", "Delete two"]);
    assert!(changes.as_array().unwrap().iter().all(|change| change.get("after").is_none()));
    // What it foresees is what happens.
    stack.deploy("second", "Complete", PLAIN, names(&["one", "new"])).await;
    assert_eq!(stack.group_names().await, ["new", "one"]);
    stack.finish().await;
}

#[tokio::test]
async fn a_changed_property_has_its_path_and_values() {
    let stack = Stack::start().await;
    stack.put(&group("one"), group_body("web:1")).await.expect(201);
    let mut resource = group_body("web:1");
    let image = resource["properties"]["containers"][0]["properties"]["image"].clone();
    resource["properties"]["containers"][0]["properties"]["image"] = json!("another:2");
    resource["tags"] = json!({"new": "tag"});
    resource["type"] = json!("Microsoft.ContainerInstance/containerGroups");
    resource["apiVersion"] = json!("2023-05-01");
    resource["name"] = json!("one");
    let template =
        json!({"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": [resource]}).to_string();
    let changes = what_if(&stack, "Incremental", &template, json!({}), None).await;
    assert_eq!(kinds(&changes), ["Modify one"], "{changes:#}");
    let delta = changes[0]["delta"].as_array().unwrap();
    let containers =
        delta.iter().find(|change| change["path"] == "properties.containers").expect("containers");
    assert_eq!(containers["propertyChangeType"], "Array");
    let inner = &containers["children"][0];
    assert_eq!((&inner["path"], &inner["propertyChangeType"]), (&json!("0"), &json!("Modify")));
    assert_eq!(
        inner["children"],
        json!([{"path": "properties.image", "propertyChangeType": "Modify", "before": image, "after": "another:2",
            "children": null}])
    );
    assert!(
        delta.iter().any(|change| change["path"] == "tags.new" && change["propertyChangeType"] == "Create")
    );
    stack.finish().await;
}

#[tokio::test]
async fn secure_parameters_are_not_in_the_answer() {
    let stack = Stack::start().await;
    let mut resource = group_body("web:1");
    resource["properties"]["containers"][0]["properties"]["environmentVariables"] = json!([
        {"name": "TOKEN", "secureValue": "[parameters('token')]"},
        {"name": "CARELESS", "value": "[concat('token=', parameters('token'))]"},
    ]);
    resource["type"] = json!("Microsoft.ContainerInstance/containerGroups");
    resource["apiVersion"] = json!("2023-05-01");
    resource["name"] = json!("one");
    let template = json!({"$schema": SCHEMA, "contentVersion": "1.0.0.0",
        "parameters": {"token": {"type": "securestring"}}, "resources": [resource]})
    .to_string();
    let changes =
        what_if(&stack, "Incremental", &template, json!({"token": {"value": "correct horse"}}), None).await;
    assert!(!changes.to_string().contains("correct horse"), "{changes:#}");
    assert!(changes.to_string().contains("token=***"), "{changes:#}");
    stack.finish().await;
}

#[tokio::test]
async fn bad_requests_are_refused_as_a_deployment_is() {
    let stack = Stack::start().await;
    let path = format!("{}/whatIf", deployment("look"));
    let body = deployment_body("Incremental", "{\"resources\": []}", json!({}));
    stack.post(&path, body).await.refused(400, "InvalidRequestContent");
    let mut body = deployment_body("Incremental", PLAIN, names(&["one"]));
    body["properties"]["whatIfSettings"] = json!({"resultFormat": "Novel"});
    let refused = stack.post(&path, body).await;
    assert!(refused.body.to_string().contains("FullResourcePayloads, ResourceIdOnly"), "{:#}", refused.body);
    stack.finish().await;
}
