//! What az asks a subscription beside its resources: tag names, operations of providers, features, names.

use reqwest::Method;
use serde_json::{Value, json};

use crate::stack::{SUBSCRIPTION, Stack, resource_group};

fn subscription(rest: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/{rest}")
}

#[tokio::test]
async fn tag_names_are_defined_counted_and_forgotten() {
    let stack = Stack::start().await;
    let (name, value) = (subscription("tagNames/Cost"), subscription("tagNames/cost/tagValues/high"));
    stack.put(&value, json!({})).await.refused(404, "TagNameNotFound");
    let made = stack.put(&name, json!({})).await.expect(201).body;
    assert_eq!((&made["tagName"], &made["count"]), (&json!("Cost"), &json!({"type": "Total", "value": 0})));
    stack.put(&name, json!({})).await.expect(200);
    assert_eq!(stack.put(&value, json!({})).await.expect(201).body["tagValue"], "high");
    let tags = json!({"location": "westeurope", "tags": {"cost": "high", "team": "a"}});
    stack.put(&resource_group(), tags).await.expect(200);
    let listed = stack.get(&subscription("tagNames")).await.expect(200).body;
    let shown = |name: &str| {
        let all = listed["value"].as_array().unwrap();
        let one = all.iter().find(|one| one["tagName"] == name).unwrap();
        (
            one["count"]["value"].clone(),
            one["values"][0]["tagValue"].clone(),
            one["values"][0]["count"]["value"].clone(),
        )
    };
    assert_eq!(shown("Cost"), (json!(1), json!("high"), json!(1)));
    assert_eq!(shown("team"), (json!(1), json!("a"), json!(1)), "used and not defined");
    stack.delete(&value).await.refused(409, "TagInUse");
    stack.delete(&name).await.refused(409, "TagInUse");
    stack.put(&resource_group(), json!({"location": "westeurope"})).await.expect(200);
    stack.delete(&name).await.refused(409, "TagInUse");
    stack.delete(&value).await.expect(200);
    stack.delete(&name).await.expect(200);
    stack.delete(&name).await.expect(204);
    assert_eq!(stack.get(&subscription("tagNames")).await.expect(200).body["value"], json!([]));
    stack.put(&subscription("tagNames/a%3Cb"), json!({})).await.expect(400);
    stack.finish().await;
}

#[tokio::test]
async fn operations_of_providers_are_listed_by_type() {
    let stack = Stack::start().await;
    let base = "/providers/Microsoft.Authorization/providerOperations";
    let one = stack
        .get(&format!("{base}/microsoft.containerinstance?$expand=resourceTypes"))
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&one["name"], &one["type"]),
        (&json!("Microsoft.ContainerInstance"), &json!("Microsoft.Authorization/providerOperations"))
    );
    let groups =
        one["resourceTypes"].as_array().unwrap().iter().find(|one| one["name"] == "containerGroups").unwrap();
    let names = |of: &Value| {
        let all = of["operations"].as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(names(groups).contains(&"Microsoft.ContainerInstance/containerGroups/restart/action".to_owned()));
    let all = stack.get(base).await.expect(200).body;
    assert!(all["value"].as_array().unwrap().len() > 30);
    let derived = stack.get(&format!("{base}/Microsoft.Storage")).await.expect(200).body;
    assert_eq!(names(&derived["resourceTypes"][0])[0], "Microsoft.Storage/storageAccounts/read");
    stack.get(&format!("{base}/Some.Thing")).await.refused(404, "InvalidResourceNamespace");
    for (namespace, provider, operation) in [
        ("Microsoft.ContainerRegistry", "Microsoft Container Registry", "registries/pull/read"),
        ("microsoft.storage", "Microsoft Storage", "storageAccounts/write"),
    ] {
        let own = stack.get(&format!("/providers/{namespace}/operations")).await.expect(200).body;
        let all = own["value"].as_array().unwrap();
        let one = all.iter().find(|one| one["name"].as_str().unwrap().ends_with(operation)).unwrap();
        assert_eq!(one["display"]["provider"], provider);
    }
    stack.get("/providers/Some.Thing/operations").await.refused(404, "InvalidResourceNamespace");
    let provider = stack.get(&subscription("providers/Microsoft.ManagedIdentity")).await.expect(200).body;
    let types = stack.get(&subscription("providers/Microsoft.ManagedIdentity/resourceTypes")).await;
    assert_eq!(types.expect(200).body["value"], provider["resourceTypes"]);
    let aliases = stack.get(&subscription("providers/Microsoft.Storage?$expand=resourceTypes/aliases")).await;
    assert_eq!(aliases.expect(200).body["resourceTypes"][0]["aliases"], json!([]));
    stack.get(&subscription("providers?$expand=colour")).await.refused(400, "InvalidExpandInQueryString");
    let permissions = subscription("providers/Microsoft.Storage/providerPermissions");
    assert_eq!(stack.get(&permissions).await.expect(200).body["value"], json!([]));
    stack.finish().await;
}

#[tokio::test]
async fn names_zones_and_features_are_answered_or_refused() {
    let stack = Stack::start().await;
    let ask = async |name: &str| {
        let body = json!({"name": name, "type": "Microsoft.ContainerRegistry/registries"});
        stack.post("/providers/Microsoft.Resources/checkResourceName", body).await
    };
    assert_eq!(ask("fleet").await.expect(200).body["status"], "Allowed");
    ask("windows1").await.refused(400, "ReservedResourceName");
    let peers = json!({"location": "westeurope", "subscriptionIds": []});
    let path = subscription("providers/Microsoft.Resources/checkZonePeers");
    stack.post(&path, peers).await.refused(400, "FeatureNotRegistered");
    for path in ["features", "providers/Microsoft.ContainerInstance/features"] {
        let path = subscription(&format!("providers/Microsoft.Features/{path}"));
        assert_eq!(stack.get(&path).await.expect(200).body["value"], json!([]));
    }
    let one = subscription("providers/Microsoft.Features/providers/Microsoft.ContainerInstance/features/x");
    stack.get(&one).await.refused(404, "FeatureNotFound");
    stack.post(&format!("{one}/register"), json!({})).await.refused(404, "FeatureNotFound");
    let groups = stack.get("/providers/Microsoft.Management/managementGroups").await.expect(200).body;
    assert_eq!(groups["value"][0]["properties"]["displayName"], "Tenant Root Group");
    stack.finish().await;
}

#[tokio::test]
async fn a_template_s_hash_is_the_one_that_its_deployment_shows() {
    let stack = Stack::start().await;
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [],
    });
    let path = "/providers/Microsoft.Resources/calculateTemplateHash";
    let spread = format!("// a remark\n{template:#}");
    let told = stack.send(Method::POST, path, Some(spread)).await.expect(200).body;
    assert_eq!(told["minifiedTemplate"], template.to_string());
    let deployed = stack.deploy("one", "Incremental", &template.to_string(), json!({})).await;
    assert_eq!(deployed["properties"]["templateHash"], told["templateHash"]);
    let other = json!({"resources": [], "outputs": {}});
    let other = stack.post(path, other).await.expect(200).body;
    assert_ne!(other["templateHash"], told["templateHash"]);
    stack.post(path, json!("no template")).await.refused(400, "InvalidRequestContent");
    stack.finish().await;
}
