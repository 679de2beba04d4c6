//! Complete mode leaves exactly what the template holds.

use serde_json::json;

use crate::stack::{SUBSCRIPTION, Stack, deployment, group, group_body, registry};

const PLAIN: &str = include_str!("templates/plain.json");

async fn filled() -> Stack {
    let stack = Stack::start().await;
    let body = json!({"location": "westeurope", "sku": {"name": "Basic"}});
    stack.put(&registry("fleetimages"), body).await.expect(201);
    let other = format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/Other");
    stack.put(&other, json!({"location": "westeurope"})).await.expect(201);
    for path in [group("a"), group("b"), group("c"), group("a").replace("/Fleet/", "/Other/")] {
        let started = stack.put(&path, group_body("web:1")).await.expect(201);
        stack.ended(&started).await;
    }
    stack
}

#[tokio::test]
async fn incremental_keeps_what_is_not_in_the_template() {
    let stack = filled().await;
    let done = stack.deploy("roll", "Incremental", PLAIN, json!({"names": {"value": ["a", "b", "d"]}})).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    assert_eq!(stack.group_names().await, ["a", "b", "c", "d"]);
    stack.get(&registry("fleetimages")).await.expect(200);
    stack.finish().await;
}

#[tokio::test]
async fn complete_deletes_what_is_not_in_the_template_and_nothing_elsewhere() {
    let stack = filled().await;
    let shouted = PLAIN.replace(
        "Microsoft.ContainerInstance/containerGroups",
        "microsoft.CONTAINERinstance/CONTAINERgroups",
    );
    let done = stack.deploy("roll", "Complete", &shouted, json!({"names": {"value": ["a", "b", "d"]}})).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    assert_eq!(done["properties"]["mode"], "Complete");
    assert_eq!(stack.group_names().await, ["a", "b", "d"], "ids compare without regard to case");
    stack.get(&registry("fleetimages")).await.refused(404, "ResourceNotFound");
    stack.get(&group("a").replace("/Fleet/", "/Other/")).await.expect(200);
    stack.get(&deployment("roll")).await.expect(200);
    let operations = stack.get(&format!("{}/operations", deployment("roll"))).await.expect(200).body;
    let mut deleted: Vec<_> = operations["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["properties"])
        .filter(|step| step["provisioningOperation"] == "Delete")
        .map(|step| step["targetResource"]["resourceName"].as_str().unwrap())
        .collect();
    deleted.sort_unstable();
    assert_eq!(deleted, ["c", "fleetimages"]);
    stack.finish().await;
}

#[tokio::test]
async fn a_false_condition_counts_as_absent() {
    let stack = filled().await;
    let started = stack.put(&group("last"), group_body("web:1")).await.expect(201);
    stack.ended(&started).await;
    let parameters = json!({"names": {"value": ["a"]}, "createLast": {"value": true}});
    stack.deploy("roll", "Complete", PLAIN, parameters).await;
    assert_eq!(stack.group_names().await, ["a", "last"]);
    stack.deploy("roll", "Complete", PLAIN, json!({"names": {"value": ["a"]}})).await;
    assert_eq!(stack.group_names().await, ["a"]);
    stack.finish().await;
}

#[tokio::test]
async fn nothing_is_deleted_when_a_resource_fails() {
    let stack = filled().await;
    stack.runtime.refuse_image("gone:1");
    let parameters = json!({"names": {"value": ["d"]}, "image": {"value": "gone:1"}});
    let done = stack.deploy("roll", "Complete", PLAIN, parameters).await;
    assert_eq!(done["properties"]["provisioningState"], "Failed");
    let present = stack.group_names().await;
    for name in ["a", "b", "c"] {
        assert!(present.contains(&name.to_owned()), "{present:?}");
    }
    stack.get(&registry("fleetimages")).await.expect(200);
    stack.finish().await;
}

#[tokio::test]
async fn a_template_without_resources_empties_the_group() {
    let stack = filled().await;
    // A loop of no turns, and a resource that depends on it.
    let done = stack.deploy("roll", "Complete", PLAIN, json!({"names": {"value": []}})).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    assert!(stack.group_names().await.is_empty());
    assert_eq!(stack.runtime.running().len(), 1, "the other resource group's container runs on");
    stack.finish().await;
}
