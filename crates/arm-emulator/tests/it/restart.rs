//! After a crash everything is there again, and nothing says that it runs when nobody runs it.

use serde_json::json;

use crate::stack::{SUBSCRIPTION, Stack, deployment, deployment_body, group, group_body, registry, until};

const PLAIN: &str = include_str!("templates/plain.json");

#[tokio::test]
async fn groups_registries_and_history_survive() {
    let stack = Stack::start().await;
    let body = json!({"location": "westeurope", "sku": {"name": "Basic"}, "tags": {"a": "1"}, "properties": {"adminUserEnabled": true}});
    stack.put(&registry("fleetimages"), body).await.expect(201);
    let done = stack.deploy("roll", "Incremental", PLAIN, json!({"names": {"value": ["one"]}})).await;
    let operations = stack.get(&format!("{}/operations", deployment("roll"))).await.expect(200).body;
    let images = stack.get(&registry("fleetimages")).await.expect(200).body;
    let started = stack.put(&group("two"), group_body("web:1")).await.expect(201);
    stack.ended(&started).await;
    let container = stack.runtime.running()[0].id.clone();

    let stack = stack.crash().await;
    assert_eq!(stack.get(&deployment("roll")).await.expect(200).body, done);
    assert_eq!(stack.get(&format!("{}/operations", deployment("roll"))).await.expect(200).body, operations);
    let again = stack.get(&registry("fleetimages")).await.expect(200).body;
    assert_eq!((&again["tags"], &again["sku"]), (&images["tags"], &images["sku"]));
    assert_eq!(stack.group_names().await, ["one", "two"]);
    assert_eq!(stack.runtime.running()[0].id, container, "the container was not replaced");
    // The operation of a PUT before the crash is still answered.
    let path = started.header("azure-asyncoperation");
    let path = &path[path.find("/subscriptions").unwrap()..];
    assert_eq!(stack.get(path).await.expect(200).body["status"], "Succeeded");
    stack.finish().await;
}

#[tokio::test]
async fn a_deployment_that_ran_is_ended_as_failed_and_the_next_is_accepted() {
    let stack = Stack::start().await;
    stack.runtime.hold_pulls();
    let body = deployment_body("Incremental", PLAIN, json!({"names": {"value": ["one", "two"]}}));
    let started = stack.put(&deployment("roll"), body.clone()).await.expect(201);
    until("the groups are asked for", || async {
        let found = stack.group_names().await;
        if found.len() == 2 { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;

    let stack = stack.crash().await;
    stack.runtime.release_pulls();
    let shown = stack.get(&deployment("roll")).await.expect(200).body;
    assert_eq!(shown["properties"]["provisioningState"], "Failed");
    assert_eq!(shown["properties"]["error"]["code"], "OperationPreempted");
    let path = started.header("azure-asyncoperation");
    let path = &path[path.find("/subscriptions").unwrap()..];
    assert_eq!(stack.get(path).await.expect(200).body["status"], "Failed");
    let operations = stack.get(&format!("{}/operations", deployment("roll"))).await.expect(200).body;
    assert!(
        operations["value"]
            .as_array()
            .unwrap()
            .iter()
            .all(|step| step["properties"]["provisioningState"] == "Failed"),
        "{operations:#}"
    );
    until("what was begun goes on", || async {
        if stack.runtime.running().len() == 2 { Ok(()) } else { Err(String::new()) }
    })
    .await;
    until("no group is under way", || async {
        let list = stack.get(&crate::stack::groups()).await.body;
        let states: Vec<_> = list["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| group["properties"]["provisioningState"].to_string())
            .collect();
        if states.iter().all(|state| state == "\"Succeeded\"") { Ok(()) } else { Err(format!("{states:?}")) }
    })
    .await;
    let again = stack.put(&deployment("roll"), body).await.expect(200);
    assert_eq!(stack.ended(&again).await["status"], "Succeeded");
    stack.finish().await;
}

#[tokio::test]
async fn a_deletion_that_ran_goes_on() {
    let stack = Stack::start().await;
    let path = format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/Fleet");
    let started = stack.put(&group("one"), group_body("web:1")).await.expect(201);
    stack.ended(&started).await;
    let deleted = stack.delete(&path).await.expect(202);
    let stack = stack.crash().await;
    until("the group is gone", || async {
        let answer = stack.head(&path).await;
        if answer.status == 404 { Ok(()) } else { Err(answer.status.to_string()) }
    })
    .await;
    assert_eq!(stack.runtime.containers().len(), 0);
    let operation = deleted.header("location");
    stack.get(&operation[operation.find("/subscriptions").unwrap()..]).await.expect(204);
    stack.finish().await;
}
