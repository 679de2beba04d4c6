//! Locks, and tags as a resource of their own.

use serde_json::json;

use crate::stack::{SUBSCRIPTION, Stack, deployment, deployment_body, group, group_body, resource_group};

const LOCK: &str = "/providers/Microsoft.Authorization/locks/keep";

fn network(name: &str) -> String {
    format!("{}/providers/Microsoft.Network/virtualNetworks/{name}", resource_group())
}

#[tokio::test]
async fn a_lock_against_deletion_holds_below_and_above_it() {
    let stack = Stack::start().await;
    stack.put(&network("a"), json!({"location": "westeurope"})).await.expect(201);
    stack.put(&group("agent"), group_body("web:1")).await.expect(201);
    let lock = format!("{}{LOCK}", network("a"));
    stack.put(&lock, json!({"properties": {"level": "Sometimes"}})).await.refused(400, "LockLevelInvalid");
    stack.put(&lock, json!({"properties": {"level": "CanNotDelete"}})).await.expect(201);
    let refused = stack.delete(&network("a")).await.refused(409, "ScopeLocked");
    assert!(
        refused.text.contains("delete operation") && refused.text.contains("virtualNetworks/a"),
        "{}",
        refused.text
    );
    stack.delete(&resource_group()).await.refused(409, "ScopeLocked");
    stack.put(&network("a"), json!({"location": "westeurope", "tags": {"a": "b"}})).await.expect(200);
    stack.delete(&group("agent")).await.expect(200);
    let at = async |scope: String| {
        stack.get(&format!("{scope}/providers/Microsoft.Authorization/locks")).await.expect(200).body["value"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(at(network("a")).await, 1);
    assert_eq!(at(format!("/subscriptions/{SUBSCRIPTION}")).await, 1);
    stack.delete(&lock).await.expect(200);
    stack.delete(&network("a")).await.expect(200);
    stack.finish().await;
}

#[tokio::test]
async fn a_lock_against_changes_stops_requests_and_deployments() {
    let stack = Stack::start().await;
    stack.put(&group("agent"), group_body("web:1")).await.expect(201);
    let lock = format!("{}{LOCK}", resource_group());
    stack.put(&lock, json!({"properties": {"level": "ReadOnly"}})).await.expect(201);
    stack.put(&network("a"), json!({"location": "westeurope"})).await.refused(409, "ScopeLocked");
    stack.post(&format!("{}/stop", group("agent")), json!({})).await.refused(409, "ScopeLocked");
    stack.patch(&resource_group(), json!({"tags": {}})).await.refused(409, "ScopeLocked");
    stack.delete(&group("agent")).await.refused(409, "ScopeLocked");
    stack.get(&group("agent")).await.expect(200);
    let template = include_str!("templates/network.json");
    let body = deployment_body("Incremental", template, json!({}));
    stack.put(&deployment("d"), body.clone()).await.refused(409, "ScopeLocked");
    stack.post(&format!("{}/validate", deployment("d")), body).await.expect(200);
    stack.delete(&lock).await.expect(200);
    stack.put(&network("a"), json!({"location": "westeurope"})).await.expect(201);
    stack.finish().await;
}

#[tokio::test]
async fn complete_mode_leaves_what_is_locked() {
    let stack = Stack::start().await;
    for name in ["kept", "gone"] {
        stack.put(&network(name), json!({"location": "westeurope"})).await.expect(201);
    }
    let lock = format!("{}{LOCK}", network("kept"));
    stack.put(&lock, json!({"properties": {"level": "CanNotDelete"}})).await.expect(201);
    let done = stack.deploy("c", "Complete", include_str!("templates/network.json"), json!({})).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    stack.get(&network("kept")).await.expect(200);
    stack.get(&network("gone")).await.refused(404, "ResourceNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn tags_are_a_resource_of_every_scope() {
    let stack = Stack::start().await;
    stack.put(&network("a"), json!({"location": "westeurope", "tags": {"Owner": "me"}})).await.expect(201);
    let started = stack.put(&group("agent"), group_body("web:1")).await.expect(201);
    stack.ended(&started).await;
    let tags = |scope: &str| format!("{scope}/providers/Microsoft.Resources/tags/default");
    for scope in [network("a"), group("agent"), resource_group(), format!("/subscriptions/{SUBSCRIPTION}")] {
        let path = tags(&scope);
        let put = stack
            .put(&path, json!({"properties": {"tags": {"team": "x", "env": "prod"}}}))
            .await
            .expect(200)
            .body;
        assert_eq!((&put["name"], &put["properties"]["tags"]["team"]), (&json!("default"), &json!("x")));
        stack
            .patch(&path, json!({"operation": "Merge", "properties": {"tags": {"TEAM": "y", "new": "1"}}}))
            .await
            .expect(200);
        stack
            .patch(&path, json!({"operation": "Delete", "properties": {"tags": {"env": "prod", "new": "2"}}}))
            .await
            .expect(200);
        let got = stack.get(&path).await.expect(200).body;
        assert_eq!(got["properties"]["tags"], json!({"team": "y", "new": "1"}), "{scope}");
        stack
            .patch(&path, json!({"operation": "Replace", "properties": {"tags": {"only": "1"}}}))
            .await
            .expect(200);
        if scope != format!("/subscriptions/{SUBSCRIPTION}") {
            assert_eq!(stack.get(&scope).await.expect(200).body["tags"], json!({"only": "1"}), "{scope}");
        }
        stack.delete(&path).await.expect(200);
        assert_eq!(stack.get(&path).await.expect(200).body["properties"]["tags"], json!({}));
    }
    stack
        .patch(&tags(&network("a")), json!({"operation": "Shuffle", "properties": {"tags": {}}}))
        .await
        .refused(400, "InvalidRequestContent");
    stack.get(&tags(&network("none"))).await.refused(404, "ResourceNotFound");
    stack.finish().await;
}
