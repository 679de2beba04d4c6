//! Container groups as az and the SDKs drive them.

use container_groups::Quota;
use reqwest::Method;
use serde_json::{Value, json};

use crate::stack::{GROUP, SUBSCRIPTION, Stack, group, group_body, groups, until};

async fn running(stack: &Stack, name: &str) -> Value {
    let started = stack.put(&group(name), group_body("web:1")).await;
    assert!([200, 201].contains(&started.status), "{}", started.text);
    assert_eq!(stack.ended(&started).await["status"], "Succeeded");
    stack.get(&group(name)).await.expect(200).body
}

#[tokio::test]
async fn a_group_is_created_and_shown() {
    let stack = Stack::start().await;
    let started = stack.put(&group("agent"), group_body("web:1")).await.expect(201);
    assert_ne!(started.body["properties"]["provisioningState"], "Succeeded");
    assert_eq!(started.header("retry-after"), "1");
    let operation = started.header("azure-asyncoperation");
    assert!(
        operation.contains(&format!(
            "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerInstance/locations/westeurope/operations/"
        )),
        "{operation}"
    );
    stack.ended(&started).await;
    let shown = stack.get(&group("agent")).await.expect(200).body;
    assert_eq!(shown["id"], group("agent"));
    assert_eq!(shown["type"], "Microsoft.ContainerInstance/containerGroups");
    assert_eq!(shown["tags"], json!({"owner": "test"}));
    let properties = &shown["properties"];
    assert_eq!(properties["provisioningState"], "Succeeded");
    assert_eq!(properties["instanceView"]["state"], "Running");
    let container = &properties["containers"][0]["properties"];
    assert_eq!(container["resources"]["requests"], json!({"memoryInGB": 1.5, "cpu": 1.0}));
    assert_eq!(container["instanceView"]["currentState"]["state"], "Running");
    assert_eq!(container["instanceView"]["restartCount"], 0);
    let events = container["instanceView"]["events"].as_array().unwrap();
    assert!(events.iter().any(|event| event["name"] == "Started" && event["count"] == 1), "{events:?}");
    stack.finish().await;
}

#[tokio::test]
async fn what_was_read_can_be_sent_back() {
    let stack = Stack::start().await;
    let shown = running(&stack, "agent").await;
    stack.put(&group("agent"), shown).await.expect(200);
    stack.finish().await;
}

#[tokio::test]
async fn groups_are_listed_per_resource_group_and_subscription() {
    let stack = Stack::start().await;
    running(&stack, "one").await;
    running(&stack, "two").await;
    assert_eq!(stack.group_names().await, ["one", "two"]);
    let all = stack
        .get(&format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerInstance/containerGroups"))
        .await
        .expect(200)
        .body;
    assert_eq!(all["value"].as_array().unwrap().len(), 2);
    assert_eq!(all["value"][0]["properties"]["provisioningState"], "Succeeded");
    for version in ["2018-10-01", "2023-05-01", "2025-09-01"] {
        let list = stack.get(&format!("{}?api-version={version}", groups())).await.expect(200);
        assert!(!list.text.contains("instanceView"), "{version}: a list has none: {}", list.text);
    }
    stack.get(&groups().replace(GROUP, "absent")).await.refused(404, "ResourceGroupNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn tags_change_without_a_new_container() {
    let stack = Stack::start().await;
    running(&stack, "agent").await;
    let before = stack.runtime.running()[0].id.clone();
    let patched = stack.patch(&group("agent"), json!({"tags": {"drain": "yes"}})).await.expect(200).body;
    assert_eq!(patched["tags"], json!({"drain": "yes"}));
    assert_eq!(stack.runtime.running()[0].id, before);
    stack.patch(&group("agent"), json!({"properties": {}})).await.refused(400, "InvalidRequestContent");
    stack.finish().await;
}

#[tokio::test]
async fn start_stop_restart_answer_as_the_sdks_accept() {
    let stack = Stack::start().await;
    running(&stack, "agent").await;
    let post =
        async |action: &str| stack.send(Method::POST, &format!("{}/{action}", group("agent")), None).await;
    let before = stack.runtime.running()[0].id.clone();
    post("restart").await.expect(204);
    until("the container is a new one", || async {
        let ids: Vec<_> = stack.runtime.running().into_iter().map(|one| one.id).collect();
        if ids.len() == 1 && ids[0] != before { Ok(()) } else { Err(format!("{ids:?}")) }
    })
    .await;
    until("the restart is over", || async {
        let state = stack.get(&group("agent")).await.body["properties"]["provisioningState"].clone();
        if state == "Succeeded" { Ok(()) } else { Err(state.to_string()) }
    })
    .await;
    post("stop").await.expect(204);
    assert_eq!(stack.runtime.running().len(), 0);
    let stopped = stack.get(&group("agent")).await.expect(200).body;
    assert_eq!(stopped["properties"]["instanceView"]["state"], "Stopped");
    let started = post("start").await.expect(202);
    stack.located(&started).await.expect(204);
    assert_eq!(stack.runtime.running().len(), 1);
    for action in ["start", "stop", "restart"] {
        stack
            .send(Method::POST, &format!("{}/{action}", group("absent")), None)
            .await
            .refused(404, "ResourceNotFound");
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_deleted_group_is_gone_and_deleting_it_again_is_no_error() {
    let stack = Stack::start().await;
    running(&stack, "agent").await;
    let deleted = stack.delete(&group("agent")).await.expect(200).body;
    assert_eq!(deleted["name"], "agent");
    assert_eq!(stack.runtime.containers().len(), 0);
    stack.delete(&group("agent")).await.expect(204);
    stack.get(&group("agent")).await.refused(404, "ResourceNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn logs_of_a_container_are_read() {
    let stack = Stack::start().await;
    running(&stack, "agent").await;
    let id = stack.runtime.running()[0].id.clone();
    stack.runtime.write_log(&id, "one\ntwo\nthree\n");
    let logs =
        async |query: &str| stack.get(&format!("{}/containers/main/logs{query}", group("agent"))).await;
    assert_eq!(logs("").await.expect(200).body["content"], "one\ntwo\nthree\n");
    assert_eq!(logs("?tail=1").await.expect(200).body["content"], "three\n");
    logs("?tail=few").await.refused(400, "InvalidQueryParameterValue");
    logs("?timestamps=perhaps").await.refused(400, "InvalidQueryParameterValue");
    let stamped = logs("?tail=1&timestamps=true").await.expect(200).body["content"].clone();
    let (time, text) = stamped.as_str().unwrap().split_once(' ').unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    assert_eq!(text, "three\n");
    let absent = stack.get(&format!("{}/containers/other/logs", group("agent"))).await;
    assert!((400..500).contains(&absent.status), "{}", absent.text);
    stack.get(&format!("{}/containers/main/logs", group("absent"))).await.refused(404, "ResourceNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn usages_follow_the_groups_and_the_quota_is_named() {
    let stack = Stack::with_quota(Quota { groups: 2, cores: 10, ..Quota::default() }).await;
    running(&stack, "one").await;
    let path = format!(
        "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerInstance/locations/West Europe/usages"
    );
    let usages = stack.get(&path).await.expect(200).body;
    let entry = |name: &str| {
        let all = usages["value"].as_array().unwrap();
        let found = all.iter().find(|entry| entry["name"]["value"] == name).unwrap();
        (found["currentValue"].as_u64().unwrap(), found["limit"].as_u64().unwrap())
    };
    assert_eq!((entry("ContainerGroups"), entry("StandardCores")), ((1, 2), (1, 10)));
    running(&stack, "two").await;
    let refused = stack.put(&group("three"), group_body("web:1")).await;
    assert!([400, 409].contains(&refused.status), "{}", refused.text);
    assert_eq!(refused.code(), "ContainerGroupQuotaReached");
    assert!(refused.text.contains("'ContainerGroups' exceeded in region 'westeurope'"), "{}", refused.text);
    assert!(refused.text.contains("Limit: '2'"), "{}", refused.text);
    stack.finish().await;
}

#[tokio::test]
async fn an_inaccessible_image_is_named() {
    let stack = Stack::start().await;
    stack.runtime.refuse_image("gone:1");
    let started = stack.put(&group("agent"), group_body("gone:1")).await;
    let text = if started.status == 201 { stack.ended(&started).await.to_string() } else { started.text };
    assert!(text.contains("InaccessibleImage") && text.contains("gone:1"), "{text}");
    stack.finish().await;
}

#[tokio::test]
async fn a_bad_body_is_refused_and_the_property_named() {
    let stack = Stack::start().await;
    let mut body = group_body("web:1");
    body["properties"]["restartPolice"] = json!("Always");
    let refused = stack.put(&group("agent"), body).await.refused(400, "InvalidRequestContent");
    assert!(refused.text.contains("properties.restartPolice"), "{}", refused.text);
    assert!(refused.text.contains("restartPolicy"), "{}", refused.text);
    let mut body = group_body("web:1");
    body.as_object_mut().unwrap().remove("location");
    stack.put(&group("agent"), body).await.refused(400, "LocationRequired");
    let mut body = group_body("web:1");
    body["properties"]["osType"] = json!("Windows");
    let refused = stack.put(&group("agent"), body).await;
    assert!((400..500).contains(&refused.status), "{}", refused.text);
    stack
        .put(&group("agent").replace(GROUP, "absent"), group_body("web:1"))
        .await
        .refused(404, "ResourceGroupNotFound");
    assert!(stack.group_names().await.is_empty());
    stack.finish().await;
}

#[tokio::test]
async fn a_group_does_not_move() {
    let stack = Stack::start().await;
    running(&stack, "agent").await;
    let mut body = group_body("web:1");
    body["location"] = json!("northeurope");
    stack.put(&group("agent"), body).await.refused(409, "InvalidResourceLocation");
    stack.finish().await;
}
