//! Webhooks and replications of registries, and what a sku has of them.

use serde_json::{Value, json};

use crate::stack::{Stack, registry};

const NAME: &str = "fleetimages";

async fn with_registry(sku: &str) -> Stack {
    let stack = Stack::start().await;
    stack.put(&registry(NAME), registry_body(sku)).await.expect(201);
    stack
}

fn registry_body(sku: &str) -> Value {
    json!({"location": "westeurope", "sku": {"name": sku}})
}

fn webhook(name: &str) -> String {
    format!("{}/webhooks/{name}", registry(NAME))
}

fn replication(name: &str) -> String {
    format!("{}/replications/{name}", registry(NAME))
}

fn webhook_body() -> Value {
    json!({"location": "westeurope", "properties": {
        "serviceUri": "https://hooks.invalid/s3cr3t", "customHeaders": {"Authorization": "hunter2"},
        "actions": ["push", "Delete"], "scope": "team:*",
    }})
}

async fn usage(stack: &Stack, name: &str) -> Value {
    let all = stack.get(&format!("{}/listUsages", registry(NAME))).await.expect(200).body;
    all["value"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()["currentValue"].clone()
}

#[tokio::test]
async fn a_webhook_shows_whom_it_calls_by_an_action_alone() {
    let stack = with_registry("Basic").await;
    let path = webhook("builds");
    let created = stack.put(&path, webhook_body()).await.expect(201).body;
    let shown = json!({"provisioningState": "Succeeded", "status": "enabled", "scope": "team:*", "actions": ["push", "delete"]});
    assert_eq!(created["properties"], shown);
    assert_eq!(stack.get(&path).await.expect(200).body["properties"], shown);
    let list = stack.get(&format!("{}/webhooks", registry(NAME))).await.expect(200).body;
    assert_eq!(list["value"][0]["properties"], shown);
    let answers = stack.answers();
    assert!(!answers.contains("hunter2") && !answers.contains("s3cr3t"));

    let config = async || stack.post(&format!("{path}/getCallbackConfig"), json!({})).await.expect(200).body;
    let expected =
        json!({"serviceUri": "https://hooks.invalid/s3cr3t", "customHeaders": {"Authorization": "hunter2"}});
    assert_eq!(config().await, expected);
    let first = stack.post(&format!("{path}/ping"), json!({})).await.expect(200).body;
    let second = stack.post(&format!("{path}/ping"), json!({})).await.expect(200).body;
    let events = stack.post(&format!("{path}/listEvents"), json!({})).await.expect(200).body;
    assert_eq!((&events["value"][0]["id"], &events["value"][1]["id"]), (&second["id"], &first["id"]));
    assert_eq!(events["value"][0]["eventRequestMessage"]["content"]["action"], "ping");

    let patched = stack.patch(&path, json!({"properties": {"status": "disabled"}})).await.expect(200).body;
    assert_eq!(patched["properties"]["status"], "disabled");
    assert_eq!(config().await, expected);
    stack
        .put(&path, json!({"location": "westeurope", "properties": {"actions": ["push"]}}))
        .await
        .refused(400, "InvalidRequestContent");
    stack.delete(&path).await.expect(200);
    stack.post(&format!("{path}/ping"), json!({})).await.refused(404, "ResourceNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn a_template_gives_a_webhook_an_address_that_is_a_secret() {
    let stack = with_registry("Basic").await;
    let mut resource = webhook_body();
    resource["type"] = json!("Microsoft.ContainerRegistry/registries/webhooks");
    resource["apiVersion"] = json!("2023-07-01");
    resource["name"] = json!(format!("{NAME}/builds"));
    resource["properties"]["serviceUri"] = json!("[parameters('address')]");
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {"address": {"type": "securestring"}},
        "resources": [resource],
    })
    .to_string();
    let parameters = json!({"address": {"value": "https://hooks.invalid/s3cr3t"}});
    let deployed = stack.deploy("hooks", "Incremental", &template, parameters).await;
    assert_eq!(deployed["properties"]["provisioningState"], "Succeeded", "{deployed}");
    assert!(!stack.answers().contains("s3cr3t"));
    let config = stack.post(&format!("{}/getCallbackConfig", webhook("builds")), json!({})).await.expect(200);
    assert_eq!(config.body["serviceUri"], "https://hooks.invalid/s3cr3t");
    stack.finish().await;
}

#[tokio::test]
async fn a_bad_webhook_is_refused_without_its_secrets() {
    let stack = with_registry("Basic").await;
    for (name, value, named) in [
        ("serviceUri", json!("s3cr3t"), "properties.serviceUri"),
        ("customHeaders", json!({"a": ["hunter2"]}), "properties.customHeaders.a"),
        ("customHeaders", json!({"a b": "hunter2"}), "properties.customHeaders.a b"),
        ("customHeaders", json!({"a": "hunter2\n"}), "properties.customHeaders.a"),
        ("status", json!("on"), "enabled, disabled"),
        ("actions", json!(["fly"]), "chart_push"),
        ("actions", json!([]), "properties.actions"),
        ("surprise", json!("hunter2"), "'surprise'"),
    ] {
        let mut body = webhook_body();
        body["properties"][name] = value;
        let refused = stack.put(&webhook("builds"), body).await.refused(400, "InvalidRequestContent");
        assert!(refused.text.contains(named), "{}", refused.text);
    }
    stack.put(&webhook("four"), webhook_body()).await.refused(400, "InvalidResourceName");
    let answers = stack.answers();
    assert!(!answers.contains("hunter2") && !answers.contains("s3cr3t"));
    stack.finish().await;
}

#[tokio::test]
async fn a_sku_has_so_many_webhooks_and_premium_alone_replications() {
    let stack = with_registry("Basic").await;
    for name in ["first", "second"] {
        stack.put(&webhook(name), webhook_body()).await.expect(201);
    }
    assert_eq!(usage(&stack, "Webhooks").await, 2);
    stack.put(&webhook("second"), webhook_body()).await.expect(200);
    stack.put(&webhook("third"), webhook_body()).await.refused(400, "UnsupportedSkuFeature");
    let elsewhere = json!({"location": "northeurope"});
    let refused = stack.put(&replication("northeurope"), elsewhere.clone()).await;
    let refused = refused.refused(400, "UnsupportedSkuFeature");
    assert!(refused.text.contains("'replications' is not supported for the SKU Basic"), "{}", refused.text);

    let sku = |name: &str| json!({"sku": {"name": name}});
    stack.patch(&registry(NAME), sku("Premium")).await.expect(200);
    stack.put(&webhook("third"), webhook_body()).await.expect(201);
    let made = stack.put(&replication("northeurope"), elsewhere).await.expect(201).body;
    assert_eq!(made["properties"]["status"]["displayStatus"], "Ready");
    assert_eq!(
        (&made["properties"]["regionEndpointEnabled"], &made["properties"]["zoneRedundancy"]),
        (&json!(true), &json!("Disabled"))
    );
    let here = stack.put(&replication("westeurope"), json!({"location": "West Europe"})).await;
    here.refused(400, "InvalidReplicationLocation");
    stack.put(&replication("eastus"), json!({})).await.refused(400, "LocationRequired");
    stack.patch(&registry(NAME), sku("Standard")).await.refused(400, "UnsupportedSkuFeature");
    stack.put(&registry(NAME), registry_body("Standard")).await.refused(400, "UnsupportedSkuFeature");
    stack.delete(&replication("northeurope")).await.expect(200);
    stack.patch(&registry(NAME), sku("Standard")).await.expect(200);
    stack.patch(&registry(NAME), sku("Basic")).await.refused(400, "UnsupportedSkuFeature");
    stack.finish().await;
}

#[tokio::test]
async fn what_premium_alone_has_is_refused_by_the_other_skus() {
    let stack = Stack::start().await;
    for (name, value, named) in [
        (
            "publicNetworkAccess",
            json!("Disabled"),
            "Disabling public network access is not supported for the SKU Standard.",
        ),
        ("dataEndpointEnabled", json!(true), "data endpoint"),
        ("networkRuleSet", json!({"defaultAction": "Deny"}), "networkRuleSet"),
        ("encryption", json!({"status": "enabled"}), "encryption"),
    ] {
        let mut body = registry_body("Standard");
        body["properties"] = json!({});
        body["properties"][name] = value;
        let refused = stack.put(&registry(NAME), body.clone()).await.refused(400, "UnsupportedSkuFeature");
        assert!(refused.text.contains(named), "{}", refused.text);
        // Premium has it; this registry does not, but for the first.
        body["sku"] = json!({"name": "Premium"});
        let premium = stack.put(&registry("premiumimages"), body).await;
        if name == "publicNetworkAccess" {
            premium.expect(201);
        } else {
            premium.refused(400, "InvalidRequestContent");
        }
    }
    let standard = json!({"sku": {"name": "Standard"}});
    stack.patch(&registry("premiumimages"), standard).await.refused(400, "UnsupportedSkuFeature");
    let mut body = registry_body("Basic");
    body["properties"] = json!({"publicNetworkAccess": "enabled", "dataEndpointEnabled": false});
    stack.put(&registry(NAME), body).await.expect(201);
    let patch = json!({"properties": {"publicNetworkAccess": "Disabled"}});
    stack.patch(&registry(NAME), patch).await.refused(400, "UnsupportedSkuFeature");
    stack.finish().await;
}

#[tokio::test]
async fn what_a_registry_does_not_do_is_refused_by_name() {
    let stack = with_registry("Premium").await;
    let path = registry(NAME);
    for action in ["scheduleRun", "listBuildSourceUploadUrl"] {
        let refused = stack.post(&format!("{path}/{action}"), json!({})).await;
        let refused = refused.refused(400, "InvalidResourceOperation");
        assert!(refused.text.contains(&format!("'{action}'")), "{}", refused.text);
        let nowhere = registry("otherimages");
        stack.post(&format!("{nowhere}/{action}"), json!({})).await.refused(404, "ResourceNotFound");
    }
    for list in ["privateEndpointConnections", "privateLinkResources"] {
        let none = stack.get(&format!("{path}/{list}")).await.expect(200).body;
        assert_eq!(none["value"], json!([]), "{list}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn an_import_asks_registries_of_the_sandbox_alone() {
    let stack = with_registry("Basic").await;
    stack.put(&registry("otherimages"), registry_body("Basic")).await.expect(201);
    let server =
        stack.get(&registry("otherimages")).await.expect(200).body["properties"]["loginServer"].clone();
    let path = format!("{}/importImage", registry(NAME));
    let import = async |source: Value| {
        stack.post(&path, json!({"source": source, "targetTags": ["agent:1"], "mode": "Force"})).await
    };
    // Who names the resource owns it, so that the image alone is missing.
    let absent = import(json!({"resourceId": registry("otherimages"), "sourceImage": "agent"})).await;
    let absent = absent.refused(400, "InvalidParameters");
    assert!(absent.text.contains("there is no image `agent:latest`"), "{}", absent.text);
    let mut closed = registry_body("Premium");
    closed["properties"] = json!({"policies": {"exportPolicy": {"status": "disabled"}}});
    stack.put(&registry("closedimages"), closed).await.expect(201);
    let kept = import(json!({"resourceId": registry("closedimages"), "sourceImage": "agent"})).await;
    let kept = kept.refused(403, "ExportPolicyDisabled");
    assert!(kept.text.contains("'closedimages' exports no images"), "{}", kept.text);
    let denied = import(json!({"registryUri": server, "sourceImage": "agent"})).await;
    let denied = denied.refused(400, "InvalidParameters");
    assert!(denied.text.contains("may not be read"), "{}", denied.text);
    let login = json!({"username": "otherimages", "password": "hunter2"});
    let denied = import(json!({"registryUri": server, "sourceImage": "agent", "credentials": login})).await;
    let denied = denied.refused(400, "InvalidParameters");
    assert!(denied.text.contains("may not be read") && !denied.text.contains("hunter2"), "{}", denied.text);
    for (source, named) in [
        (json!({"registryUri": "docker.io", "sourceImage": "library/hello-world"}), "source.registryUri"),
        (json!({"sourceImage": "agent"}), "'resourceId' and 'registryUri'"),
        (json!({"resourceId": registry("otherimages")}), "sourceImage"),
        (json!({"resourceId": "nonsense", "sourceImage": "agent"}), "source.resourceId"),
    ] {
        let refused = import(source).await.refused(400, "InvalidRequestContent");
        assert!(refused.text.contains(named), "{}", refused.text);
    }
    import(json!({"resourceId": registry("thirdimages"), "sourceImage": "agent"}))
        .await
        .refused(404, "ResourceNotFound");
    stack.finish().await;
}
