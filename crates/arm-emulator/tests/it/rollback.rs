//! `onErrorDeployment`: an earlier deployment is run again when one fails.

use serde_json::{Value, json};

use crate::stack::{SUBSCRIPTION, Stack, deployment, resource_group};

const PLANTED: &str = "planted-rollback-secret";

fn network(name: &str) -> Value {
    json!({
        "type": "Microsoft.Network/virtualNetworks", "apiVersion": "2023-11-01", "name": name, "location": "westeurope",
    })
}

/// A template of these networks which cannot be run without its secret.
fn template(resources: Value) -> Value {
    json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {"token": {"type": "securestring"}},
        "resources": resources,
    })
}

/// One whose second resource has no parent.
fn failing() -> Value {
    let orphan = json!({
        "type": "Microsoft.Network/virtualNetworks/subnets", "apiVersion": "2023-11-01", "name": "nothing/inner",
    });
    template(json!([network("c"), orphan]))
}

fn body(template: Value, on_error: Value) -> Value {
    json!({"properties": {
        "mode": "Incremental", "template": template, "parameters": {"token": {"value": PLANTED}},
        "onErrorDeployment": on_error,
    }})
}

async fn run(stack: &Stack, name: &str, body: Value) -> Value {
    let started = stack.put(&deployment(name), body).await;
    assert!([200, 201].contains(&started.status), "{}", started.text);
    stack.ended(&started).await;
    stack.get(&deployment(name)).await.expect(200).body["properties"].clone()
}

async fn networks(stack: &Stack) -> Vec<String> {
    let path = format!("{}/providers/Microsoft.Network/virtualNetworks", resource_group());
    let listed = stack.get(&path).await.expect(200).body;
    listed["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_last_successful_deployment_is_run_again_with_its_parameters_in_complete_mode() {
    let stack = Stack::start().await;
    run(&stack, "older", body(template(json!([network("older")])), Value::Null)).await;
    let good = run(&stack, "good", body(template(json!([network("a")])), Value::Null)).await;
    assert_eq!((&good["mode"], good.get("onErrorDeployment")), (&json!("Incremental"), None));
    let failed = run(&stack, "bad", body(failing(), json!({"type": "LastSuccessful"}))).await;
    assert_eq!(failed["provisioningState"], "Failed", "{failed:#}");
    assert_eq!(
        failed["onErrorDeployment"],
        json!({"type": "LastSuccessful", "deploymentName": "good", "provisioningState": "Succeeded"})
    );
    assert_eq!(networks(&stack).await, ["a"]);
    let again = stack.get(&deployment("good")).await.expect(200).body["properties"].clone();
    assert_eq!((&again["provisioningState"], &again["mode"]), (&json!("Succeeded"), &json!("Complete")));
    assert_eq!(again["correlationId"], failed["correlationId"]);
    assert!(!stack.answers().contains(PLANTED), "an answer carries the secret");
    stack.finish().await;
}

#[tokio::test]
async fn a_specific_deployment_is_run_again_also_after_a_crash() {
    let stack = Stack::start().await;
    run(&stack, "older", body(template(json!([network("older")])), Value::Null)).await;
    run(&stack, "good", body(template(json!([network("a")])), Value::Null)).await;
    let stack = stack.crash().await;
    let wanted = json!({"type": "SpecificDeployment", "deploymentName": "OLDER"});
    let failed = run(&stack, "bad", body(failing(), wanted.clone())).await;
    assert_eq!(failed["onErrorDeployment"]["deploymentName"], "older");
    assert_eq!(networks(&stack).await, ["older"]);
    let fine = run(&stack, "fine", body(template(json!([network("b")])), wanted)).await;
    assert_eq!(fine["provisioningState"], "Succeeded");
    assert_eq!(fine["onErrorDeployment"], json!({"type": "SpecificDeployment", "deploymentName": "older"}));
    assert_eq!(networks(&stack).await, ["b", "older"], "nothing is run again where nothing failed");
    stack.finish().await;
}

#[tokio::test]
async fn what_cannot_be_run_again_is_refused_before_anything_happens() {
    let stack = Stack::start().await;
    let last = json!({"type": "LastSuccessful"});
    let ask = async |on_error: Value| stack.put(&deployment("next"), body(failing(), on_error)).await;
    ask(last.clone()).await.refused(400, "InvalidOnErrorDeployment");
    run(&stack, "bad", body(failing(), Value::Null)).await;
    ask(last.clone()).await.refused(400, "InvalidOnErrorDeployment");
    let specific = |name: &str| json!({"type": "SpecificDeployment", "deploymentName": name});
    ask(specific("bad")).await.refused(400, "InvalidOnErrorDeployment");
    ask(specific("nothing")).await.refused(404, "DeploymentNotFound");
    ask(specific("next")).await.refused(400, "InvalidOnErrorDeployment");
    for wrong in [
        json!({"type": "SpecificDeployment"}),
        json!({"type": "LastSuccessful", "deploymentName": "bad"}),
        json!({"type": "Sometimes"}),
        json!({}),
    ] {
        ask(wrong).await.refused(400, "InvalidRequestContent");
    }
    let mut above = body(
        json!({
            "$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
            "contentVersion": "1.0.0.0", "resources": [],
        }),
        last,
    );
    above["location"] = json!("westeurope");
    above["properties"]["parameters"] = json!({});
    let path = format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Resources/deployments/above");
    stack.put(&path, above).await.refused(400, "InvalidOnErrorDeployment");
    stack.get(&deployment("next")).await.refused(404, "DeploymentNotFound");
    stack.finish().await;
}
