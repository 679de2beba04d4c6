//! Deployments and their history.

use reqwest::Method;
use serde_json::{Value, json};

use crate::stack::{
    SUBSCRIPTION, Stack, deployment, deployment_body, group, group_body, registry, resource_group, until,
};

const PLAIN: &str = include_str!("templates/plain.json");
const FLEET: &str = include_str!("templates/fleet.json");
const REGISTRY: &str = include_str!("templates/registry.json");

fn names(names: &[&str]) -> Value {
    json!({"names": {"value": names}})
}

#[tokio::test]
async fn three_copies_with_credentials_of_a_registry_in_another_group() {
    let stack = Stack::start().await;
    let images = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/Images");
    stack.put(&images, json!({"location": "northeurope"})).await.expect(201);
    let path = deployment("registry").replace("/Fleet/", "/Images/");
    let parameters = json!({"name": {"value": "fleetimages"}});
    let started = stack.put(&path, deployment_body("Incremental", REGISTRY, parameters)).await.expect(201);
    stack.ended(&started).await;
    let server =
        stack.get(&path).await.expect(200).body["properties"]["outputs"]["loginServer"]["value"].clone();
    let credentials = stack
        .post(
            &format!("{}/listCredentials", registry("fleetimages").replace("/Fleet/", "/Images/")),
            json!({}),
        )
        .await
        .expect(200)
        .body;
    let parameters = json!({
        "agents": {"value": 3}, "token": {"value": "t"}, "registry": {"value": "fleetimages"}, "registryGroup": {"value": "Images"},
        "image": {"value": format!("{}/agent:1", server.as_str().unwrap())},
    });
    stack.runtime.require_login(
        server.as_str().unwrap(),
        credentials["username"].as_str().unwrap(),
        credentials["passwords"][0]["value"].as_str().unwrap(),
    );
    let done = stack.deploy("fleet", "Incremental", FLEET, parameters).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    assert_eq!(stack.group_names().await, ["agent-1", "agent-2", "agent-3"]);
    assert_eq!(stack.runtime.running().len(), 3);
    let properties = &done["properties"];
    assert_eq!(properties["outputs"]["server"], json!({"type": "String", "value": server}));
    assert_eq!(properties["outputResources"].as_array().unwrap().len(), 3);
    assert_eq!(properties["parameters"]["agents"], json!({"type": "Int", "value": 3}));
    assert_eq!(properties["providers"][0]["namespace"], "Microsoft.ContainerInstance");
    assert!(properties["duration"].as_str().unwrap().starts_with("PT"));
    let shown = stack.get(&group("agent-2")).await.expect(200).body;
    assert_eq!(shown["tags"], json!({"fleet": "mayfly"}));
    assert_eq!(shown["location"], "westeurope");
    stack.finish().await;
}

#[tokio::test]
async fn the_body_that_az_sends_is_read() {
    let stack = Stack::start().await;
    let template = PLAIN.replacen('{', "{ // a comment\n /* another */", 1);
    let body = format!(
        "{{\"properties\": {{\"parameters\": {{\"names\": {{\"value\": [\"one\"]}}}}, \"mode\": \"Incremental\", template:{template}}}}}"
    );
    let validate = format!("{}/validate", deployment("from-az"));
    let validated = stack.send(Method::POST, &validate, Some(body.clone())).await.expect(200).body;
    assert_eq!(validated["properties"]["validatedResources"], json!([{"id": group("one")}]));
    assert_eq!(validated["properties"]["provisioningState"], "Succeeded");
    assert!(stack.group_names().await.is_empty(), "validate deploys nothing");
    let started = stack.send(Method::PUT, &deployment("from-az"), Some(body)).await.expect(201);
    assert_eq!(started.body["properties"]["provisioningState"], "Accepted");
    assert_eq!(stack.ended(&started).await["status"], "Succeeded");
    assert_eq!(stack.group_names().await, ["one"]);
    stack.finish().await;
}

#[tokio::test]
async fn history_operations_and_the_template_are_kept() {
    let stack = Stack::start().await;
    stack.head(&deployment("first")).await.expect(404);
    let parameters = json!({"names": {"value": ["one", "two"]}, "createLast": {"value": true}});
    let done = stack.deploy("first", "Incremental", PLAIN, parameters).await;
    stack.head(&deployment("first")).await.expect(204);
    assert_eq!(done["properties"]["dependencies"][0]["resourceName"], "last");
    assert_eq!(done["properties"]["dependencies"][0]["dependsOn"].as_array().unwrap().len(), 2);
    // The short form, as az sends it.
    let operations = stack
        .get(&format!("{}/deployments/first/operations", resource_group().to_lowercase()))
        .await
        .expect(200)
        .body;
    let steps: Vec<_> =
        operations["value"].as_array().unwrap().iter().map(|step| &step["properties"]).collect();
    let kinds: Vec<_> = steps.iter().map(|step| step["provisioningOperation"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Create", "Create", "Create", "EvaluateDeploymentOutput"]);
    assert!(steps.iter().all(|step| step["provisioningState"] == "Succeeded"), "{operations:#}");
    assert_eq!(steps[2]["targetResource"]["resourceName"], "last", "what depends on others comes after them");
    assert_eq!(steps[2]["statusCode"], "Created");
    let one = stack.get(operations["value"][0]["id"].as_str().unwrap()).await.expect(200).body;
    assert_eq!(one, operations["value"][0]);
    let exported =
        stack.send(Method::POST, &format!("{}/exportTemplate", deployment("first")), None).await.expect(200);
    assert_eq!(exported.body["template"], serde_json::from_str::<Value>(PLAIN).unwrap());
    stack.deploy("second", "Incremental", PLAIN, names(&["one"])).await;
    let list = stack.get(&format!("{}?$top=1", deployment(""))).await.expect(200).body;
    assert_eq!((&list["value"][0]["name"], list["nextLink"].is_string()), (&json!("second"), true));
    let deleted = stack.delete(&deployment("first")).await.expect(202);
    stack.located(&deleted).await.expect(204);
    stack.get(&deployment("first")).await.refused(404, "DeploymentNotFound");
    stack.delete(&deployment("first")).await.expect(204);
    assert_eq!(stack.group_names().await, ["last", "one", "two"], "the history goes, the resources stay");
    stack.finish().await;
}

#[tokio::test]
async fn a_second_deployment_of_the_same_name_is_refused_while_the_first_runs() {
    let stack = Stack::start().await;
    stack.runtime.hold_pulls();
    let first = stack
        .put(&deployment("roll"), deployment_body("Incremental", PLAIN, names(&["one"])))
        .await
        .expect(201);
    let body = deployment_body("Incremental", PLAIN, names(&["two"]));
    let refused = stack.put(&deployment("ROLL"), body.clone()).await.refused(409, "DeploymentActive");
    assert!(refused.text.contains(&deployment("ROLL")), "{}", refused.text);
    stack.delete(&deployment("roll")).await.refused(409, "DeploymentActive");
    // Another name may run beside it.
    let other = stack.put(&deployment("other"), body.clone()).await.expect(201);
    stack.runtime.release_pulls();
    assert_eq!(stack.ended(&first).await["status"], "Succeeded");
    assert_eq!(stack.ended(&other).await["status"], "Succeeded");
    stack.put(&deployment("roll"), body).await.expect(200);
    stack.finish().await;
}

#[tokio::test]
async fn a_cancelled_deployment_starts_nothing_more() {
    let stack = Stack::start().await;
    stack.runtime.hold_pulls();
    let parameters = json!({"names": {"value": ["one"]}, "createLast": {"value": true}});
    let started =
        stack.put(&deployment("roll"), deployment_body("Incremental", PLAIN, parameters)).await.expect(201);
    until("the first group is asked for", || async {
        let found = stack.group_names().await;
        if found == ["one"] { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    let cancel = async || stack.send(Method::POST, &format!("{}/cancel", deployment("roll")), None).await;
    cancel().await.expect(204);
    assert_eq!(stack.ended(&started).await["status"], "Canceled");
    cancel().await.refused(409, "DeploymentCannotBeCancelled");
    stack.runtime.release_pulls();
    until("what was begun goes on", || async {
        if stack.runtime.running().len() == 1 { Ok(()) } else { Err(String::new()) }
    })
    .await;
    assert_eq!(stack.group_names().await, ["one"]);
    stack.finish().await;
}

#[tokio::test]
async fn one_failed_resource_leaves_the_independent_ones_alone() {
    let stack = Stack::start().await;
    stack.runtime.refuse_image("gone:1");
    let template = PLAIN.replace("[parameters('image')]", "[if(equals(copyIndex(), 1), 'gone:1', 'web:1')]");
    let parameters = json!({"names": {"value": ["one", "two", "three"]}, "createLast": {"value": true}});
    let done = stack.deploy("roll", "Complete", &template, parameters).await;
    let properties = &done["properties"];
    assert_eq!(properties["provisioningState"], "Failed");
    assert_eq!(properties["error"]["code"], "DeploymentFailed");
    let detail = &properties["error"]["details"][0];
    assert_eq!(detail["target"], group("two"), "{detail:#}");
    assert!(
        detail.to_string().contains("InaccessibleImage") && detail.to_string().contains("gone:1"),
        "{detail:#}"
    );
    assert!(properties.get("outputs").is_none());
    let present = stack.group_names().await;
    assert!(present.contains(&"one".to_owned()) && present.contains(&"three".to_owned()), "{present:?}");
    assert!(
        !present.contains(&"last".to_owned()),
        "what depends on a failed resource is not begun: {present:?}"
    );
    assert_eq!(stack.runtime.running().len(), 2);
    let operations = stack.get(&format!("{}/operations", deployment("roll"))).await.expect(200).body;
    let failed: Vec<_> = operations["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["properties"])
        .filter(|step| step["provisioningState"] == "Failed")
        .collect();
    assert_eq!(failed.len(), 1, "{operations:#}");
    assert_eq!(failed[0]["targetResource"]["id"], group("two"));
    assert!(failed[0]["statusMessage"]["error"].to_string().contains("InaccessibleImage"));
    stack.finish().await;
}

#[tokio::test]
async fn the_quota_is_named_where_a_deployment_exceeds_it() {
    let stack = Stack::with_quota(container_groups::Quota {
        groups: 2,
        cores: 100,
        ..container_groups::Quota::default()
    })
    .await;
    let done = stack.deploy("roll", "Incremental", PLAIN, names(&["one", "two", "three"])).await;
    assert_eq!(done["properties"]["provisioningState"], "Failed");
    let text = done["properties"]["error"].to_string();
    assert!(text.contains("ContainerGroupQuotaReached") && text.contains("Limit: '2'"), "{text}");
    stack.finish().await;
}

#[tokio::test]
async fn bad_templates_are_refused_before_anything_happens() {
    let stack = Stack::start().await;
    let unknown_type =
        PLAIN.replace("Microsoft.ContainerInstance/containerGroups", "Contoso.Compute/virtualMachines");
    let unknown_property = PLAIN.replacen("\"osType\"", "\"osTypo\"", 1);
    for (what, template, parameters, code, named) in [
        ("unknown function", PLAIN.replace("length(", "lenght("), names(&["a"]), "InvalidTemplate", "lenght"),
        (
            "negative copy",
            PLAIN.replace("[length(parameters('names'))]", "[sub(0, 1)]"),
            names(&["a"]),
            "InvalidTemplate",
            "copy",
        ),
        ("wrong type", PLAIN.into(), json!({"names": {"value": "a"}}), "InvalidTemplate", "names"),
        ("missing parameter", PLAIN.into(), json!({}), "InvalidTemplate", "'names'"),
        (
            "unknown parameter",
            PLAIN.into(),
            json!({"names": {"value": []}, "nmaes": {"value": []}}),
            "InvalidTemplate",
            "nmaes",
        ),
        (
            "unknown type",
            unknown_type,
            names(&["a"]),
            "InvalidTemplateDeployment",
            "InvalidResourceNamespace",
        ),
        ("unknown property", unknown_property, names(&["a"]), "InvalidTemplateDeployment", "osTypo"),
        (
            "bad api-version",
            PLAIN.replace("2023-05-01", "latest"),
            names(&["a"]),
            "InvalidTemplateDeployment",
            "NoRegisteredProviderFound",
        ),
    ] {
        for path in [deployment("bad"), format!("{}/validate", deployment("bad"))] {
            let body = deployment_body("Incremental", &template, parameters.clone());
            let method = if path.ends_with("validate") { Method::POST } else { Method::PUT };
            let refused = stack.send(method, &path, Some(body.to_string())).await.refused(400, code);
            assert!(refused.text.contains(named), "{what}: {}", refused.text);
        }
    }
    stack.get(&deployment("bad")).await.refused(404, "DeploymentNotFound");
    assert!(stack.group_names().await.is_empty());
    stack.finish().await;
}

#[tokio::test]
async fn bad_requests_are_refused_by_name() {
    let stack = Stack::start().await;
    let good = deployment_body("Incremental", PLAIN, names(&["a"]));
    for (name, value, named) in [
        ("mode", json!("Sometimes"), "Incremental, Complete"),
        ("mode", json!(null), "mode"),
        ("templateLink", json!({"uri": "https://example.com"}), "templateLink"),
        ("debugSetting", json!({"detailLevel": "requestContent"}), "detailLevel"),
        ("parametres", json!({}), "parametres"),
        ("template", json!(null), "template"),
    ] {
        let mut body = good.clone();
        body["properties"][name] = value;
        let refused = stack.put(&deployment("bad"), body).await.refused(400, "InvalidRequestContent");
        assert!(refused.text.contains(named), "{}", refused.text);
    }
    stack.put(&deployment(&"x".repeat(65)), good.clone()).await.refused(400, "InvalidDeploymentName");
    stack.put(&deployment("a%20b"), good.clone()).await.refused(400, "InvalidDeploymentName");
    stack
        .put(&deployment("bad").replace("/Fleet/", "/absent/"), good)
        .await
        .refused(404, "ResourceGroupNotFound");
    stack
        .send(Method::PUT, &deployment("bad"), Some("{\"properties\": {".into()))
        .await
        .refused(400, "InvalidRequestContent");
    stack.get(&format!("{}/operationStatuses/1", deployment("bad"))).await.refused(404, "DeploymentNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn many_groups_come_up_in_parallel() {
    let stack = Stack::start().await;
    let all: Vec<String> = (0..40).map(|index| format!("agent-{index:02}")).collect();
    let done = stack.deploy("many", "Incremental", PLAIN, json!({"names": {"value": all}})).await;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded", "{done:#}");
    assert_eq!(stack.group_names().await, all);
    // A plain PUT goes on beside it all.
    let started = stack.put(&group("alone"), group_body("web:1")).await.expect(201);
    stack.ended(&started).await;
    stack.finish().await;
}
