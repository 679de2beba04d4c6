//! Resource groups and lists of resources.

use serde_json::{Value, json};

use crate::stack::{
    SUBSCRIPTION, Stack, deployment, deployment_body, group, group_body, registry, resource_group,
};

fn named(name: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/{name}")
}

#[tokio::test]
async fn a_group_lives_and_dies_as_az_drives_it() {
    let stack = Stack::start().await;
    let path = named("Other");
    stack.head(&path).await.expect(404);
    stack.get(&path).await.refused(404, "ResourceGroupNotFound");
    let created =
        stack.put(&path, json!({"location": "West Europe", "tags": {"a": "1"}})).await.expect(201).body;
    assert_eq!(created["location"], "westeurope");
    assert_eq!(created["properties"]["provisioningState"], "Succeeded");
    stack.head(&path).await.expect(204);
    let replaced = stack.put(&path, json!({"location": "westeurope"})).await.expect(200).body;
    assert_eq!(replaced["tags"], json!({}), "a PUT without tags takes them away");
    let patched = stack.patch(&path, json!({"tags": {"b": "2"}})).await.expect(200).body;
    assert_eq!((&patched["tags"], &patched["name"]), (&json!({"b": "2"}), &json!("Other")));
    stack.put(&path, json!({"location": "northeurope"})).await.refused(409, "InvalidResourceGroupLocation");
    let deleted = stack.delete(&path).await.expect(202);
    assert_eq!(deleted.header("retry-after"), "1");
    stack.located(&deleted).await.expect(204);
    stack.head(&path).await.expect(404);
    stack.delete(&path).await.refused(404, "ResourceGroupNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn deleting_a_group_deletes_what_is_in_it_and_nothing_else() {
    let stack = Stack::start().await;
    stack.put(&named("Other"), json!({"location": "westeurope"})).await.expect(201);
    stack.put(&registry("fleetimages"), registry_body()).await.expect(201);
    for path in [group("one"), group("two"), group("kept").replace("/Fleet/", "/Other/")] {
        let started = stack.put(&path, group_body("web:1")).await.expect(201);
        stack.ended(&started).await;
    }
    let deleted = stack.delete(&resource_group()).await.expect(202);
    stack.located(&deleted).await.expect(204);
    stack.get(&group("one")).await.refused(404, "ResourceGroupNotFound");
    let left = stack.get(&format!("/subscriptions/{SUBSCRIPTION}/resources")).await.expect(200).body;
    assert_eq!(names(&left), ["kept"]);
    assert_eq!(stack.runtime.running().len(), 1);
    stack.finish().await;
}

#[tokio::test]
async fn a_group_that_is_being_deleted_takes_nothing_and_ends_what_runs() {
    let stack = Stack::start().await;
    stack.runtime.hold_pulls();
    let template = include_str!("templates/plain.json");
    let parameters = json!({"names": {"value": ["one", "two"]}, "createLast": {"value": true}});
    stack.put(&deployment("roll"), deployment_body("Incremental", template, parameters)).await.expect(201);
    let first = stack.delete(&resource_group()).await.expect(202);
    let second = stack.delete(&resource_group()).await;
    if second.status == 202 {
        assert_eq!(
            first.header("location"),
            second.header("location"),
            "one deletion, however often it is asked for"
        );
        let shown = stack.get(&resource_group()).await;
        if shown.status == 200 {
            assert_eq!(shown.body["properties"]["provisioningState"], "Deleting");
        }
        let refused = stack.put(&group("three"), group_body("web:1")).await;
        assert!(
            ["ResourceGroupBeingDeleted", "ResourceGroupNotFound"].contains(&refused.code()),
            "{}",
            refused.text
        );
    }
    stack.runtime.release_pulls();
    stack.located(&first).await.expect(204);
    assert_eq!(stack.runtime.containers().len(), 0);
    stack.put(&resource_group(), json!({"location": "westeurope"})).await.expect(201);
    stack.get(&deployment("roll")).await.refused(404, "DeploymentNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn bad_groups_are_refused() {
    let stack = Stack::start().await;
    let body = json!({"location": "westeurope"});
    stack.put(&named("ends-with-dot."), body.clone()).await.refused(400, "InvalidResourceGroup");
    stack.put(&named("a%20b"), body.clone()).await.refused(400, "InvalidResourceGroup");
    stack.put(&named(&"x".repeat(91)), body).await.refused(400, "ResourceGroupNameInvalidLength");
    stack.put(&named("a"), json!({})).await.refused(400, "LocationRequired");
    stack
        .put(&named("a"), json!({"location": "atlantis"}))
        .await
        .refused(400, "LocationNotAvailableForResourceGroup");
    stack
        .put(&named("a"), json!({"location": "westeurope", "tgas": {}}))
        .await
        .refused(400, "InvalidRequestContent");
    stack
        .put(&named("a"), json!({"location": "westeurope", "tags": {"a": 1}}))
        .await
        .refused(400, "InvalidRequestContent");
    let many: serde_json::Map<String, Value> =
        (0..51).map(|index| (format!("t{index}"), json!("x"))).collect();
    stack.put(&named("a"), json!({"location": "westeurope", "tags": many})).await.refused(400, "TooManyTags");
    stack.finish().await;
}

#[tokio::test]
async fn groups_are_listed_by_tag_and_by_page() {
    let stack = Stack::start().await;
    for index in 0..4 {
        let body = json!({"location": "westeurope", "tags": {"even": (index % 2 == 0).to_string()}});
        stack.put(&named(&format!("page-{index}")), body).await.expect(201);
    }
    let list = named("").trim_end_matches('/').to_owned();
    let even =
        stack.get(&format!("{list}?$filter=tagName eq 'even' and tagValue eq 'true'")).await.expect(200).body;
    assert_eq!(names(&even), ["page-0", "page-2"]);
    let mut found = Vec::new();
    let mut next = format!("{list}?$top=2");
    while !next.is_empty() {
        let page = stack.get(&next).await.expect(200).body;
        assert!(page["value"].as_array().unwrap().len() <= 2);
        found.extend(names(&page).into_iter().map(str::to_owned));
        next = page["nextLink"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!(found, ["Fleet", "page-0", "page-1", "page-2", "page-3"]);
    stack.get(&format!("{list}?$filter=colour eq 'red'")).await.refused(400, "InvalidFilterInQueryString");
    stack.get(&format!("{list}?$top=many")).await.refused(400, "InvalidQueryParameterValue");
    stack.finish().await;
}

#[tokio::test]
async fn resources_are_listed_by_type_group_and_tag() {
    let stack = Stack::start().await;
    stack.put(&registry("fleetimages"), registry_body()).await.expect(201);
    let started = stack.put(&group("agent"), group_body("web:1")).await.expect(201);
    stack.ended(&started).await;
    let read = async |query: &str| {
        let path = format!("/subscriptions/{SUBSCRIPTION}/resources{query}");
        stack.get(&path).await.expect(200).body
    };
    assert_eq!(names(&read("").await), ["agent", "fleetimages"]);
    let registries = read("?$filter=resourceType eq 'Microsoft.ContainerRegistry/registries'").await;
    assert_eq!(registries["value"][0]["id"], registry("fleetimages"));
    assert!(registries["value"][0].get("properties").is_none());
    assert_eq!(names(&read("?$filter=tagName eq 'owner' and tagValue eq 'test'").await), ["agent"]);
    assert_eq!(names(&read("?$filter=resourceGroup eq 'fleet'").await).len(), 2);
    assert_eq!(names(&read("?$filter=resourceGroup eq 'flee'").await).len(), 0);
    let expanded = read("?$filter=name eq 'agent'&$expand=createdTime,changedTime,provisioningState").await;
    assert_eq!(expanded["value"][0]["provisioningState"], "Succeeded");
    let inside = stack.get(&format!("{}/resources", resource_group())).await.expect(200).body;
    assert_eq!(names(&inside).len(), 2);
    stack.finish().await;
}

fn names(list: &Value) -> Vec<&str> {
    list["value"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

fn registry_body() -> Value {
    json!({"location": "westeurope", "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": true}})
}
