//! A planted secret comes back from no answer and is not in the store's history.

use reqwest::Method;
use serde_json::{Value, json};

use crate::stack::{
    SUBSCRIPTION, Stack, deployment, deployment_body, group, groups, registry, resource_group,
};

const FLEET: &str = include_str!("templates/fleet.json");
const PLANTED: &str = "planted-7f3e9c-secret";

#[tokio::test]
async fn secure_values_come_back_from_nowhere() {
    let stack = Stack::start().await;
    let body =
        json!({"location": "westeurope", "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": true}});
    stack.put(&registry("fleetimages"), body).await.expect(201);
    let good =
        json!({"agents": {"value": 2}, "token": {"value": PLANTED}, "registry": {"value": "fleetimages"}});
    let done = stack.deploy("fleet", "Incremental", FLEET, good.clone()).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    assert_eq!(done["properties"]["parameters"]["token"], json!({"type": "SecureString"}));
    assert_eq!(done["properties"]["outputs"]["secret"], json!({"type": "SecureString"}));
    // The container did get it: the rest of this test would pass on an emulator that loses secrets.
    let given = format!(
        "{:?}",
        stack.runtime.request(&stack.runtime.running()[0].id).map(|request| request.environment)
    );
    assert!(given.contains("AZDO_TOKEN"), "{given}");

    let shown = stack.get(&group("agent-1")).await.expect(200).body;
    let container = &shown["properties"]["containers"][0]["properties"];
    assert_eq!(container["environmentVariables"][1], json!({"name": "AZDO_TOKEN"}));
    let credential = &shown["properties"]["imageRegistryCredentials"][0];
    assert_eq!((credential["username"].as_str(), credential.get("password")), (Some("fleetimages"), None));

    // Whatever can go wrong must not quote it either.
    let mut too_many = good.clone();
    too_many["agents"] = json!({"value": "many"});
    let mut wrong_type = good.clone();
    wrong_type["token"] = json!({"value": [PLANTED]});
    let mut unknown = good.clone();
    unknown["extra"] = json!({"value": PLANTED});
    let mut absent = good.clone();
    absent["registry"] = json!({"value": "absentimages"});
    for parameters in [too_many, wrong_type, unknown, absent, good] {
        let body = deployment_body("Incremental", FLEET, parameters);
        stack.post(&format!("{}/validate", deployment("fleet")), body.clone()).await;
        let started = stack.put(&deployment("again"), body).await;
        if started.status < 300 {
            stack.ended(&started).await;
        }
    }
    let mut direct = crate::stack::group_body("web:1");
    let container = &mut direct["properties"]["containers"][0]["properties"];
    container["environmentVariables"] = json!([{"name": "T", "secureValue": PLANTED}]);
    container["surprise"] = json!(PLANTED);
    stack.put(&group("direct"), direct.clone()).await.refused(400, "InvalidRequestContent");
    direct["properties"]["containers"][0]["properties"].as_object_mut().unwrap().remove("surprise");
    direct["properties"]["volumes"] = json!([{"name": "secrets", "secret": {"file": "cGxhbnRlZA=="}}]);
    let started = stack.put(&group("direct"), direct).await;
    if started.status < 300 {
        stack.ended(&started).await;
    }
    for path in [
        groups(),
        format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerInstance/containerGroups"),
        format!("/subscriptions/{SUBSCRIPTION}/resources?$expand=provisioningState"),
        format!("{}/resources", resource_group()),
        deployment(""),
        deployment("fleet"),
        deployment("again"),
        format!("{}/operations", deployment("fleet")),
        format!("{}/operations", deployment("again")),
        group("agent-1"),
        group("agent-2"),
        group("direct"),
    ] {
        stack.get(&path).await.expect(200);
    }
    stack.send(Method::POST, &format!("{}/exportTemplate", deployment("fleet")), None).await.expect(200);
    let deleted = stack.delete(&group("agent-1")).await.expect(200);
    assert!(deleted.text.contains("AZDO_TOKEN"));

    let answers = stack.answers();
    assert!(answers.contains("AZDO_TOKEN"), "the control: answers are kept");
    assert!(!answers.contains(PLANTED), "an answer carries the secret");
    assert!(!answers.contains("cGxhbnRlZA=="), "an answer carries the secret volume");
    // The deployments' own records hold it no more than the answers do.
    for table in [
        format!("arm.deployments/{}", "fleet"),
        "arm.deployment-operations/fleet/fleet".into(),
        "arm.deployment-templates".into(),
    ] {
        let records = stack.store().list::<Value>(&table).unwrap();
        assert!(!records.is_empty(), "{table} is empty: the check would prove nothing");
        assert!(!format!("{records:?}").contains(PLANTED), "{table}");
    }
    stack.finish().await;
}
