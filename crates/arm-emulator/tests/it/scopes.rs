//! Deployments above resource groups, and templates that are fetched.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use serde_json::{Value, json};
use service_kit::{Shutdown, serve_http};

use crate::stack::{SUBSCRIPTION, Stack, TENANT, deployment, resource_group};

const SUBSCRIPTION_TEMPLATE: &str = include_str!("templates/subscription.json");

fn at_subscription(name: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Resources/deployments/{name}")
}

fn body(template: &str) -> Value {
    let template: Value = serde_json::from_str(template).unwrap();
    json!({"location": "westeurope", "properties": {"mode": "Incremental", "template": template}})
}

/// A module that makes a resource group, and one that goes into it, as Bicep writes them.
fn by_modules(fill_depends_on: &[&str]) -> String {
    let inner = |schema: &str, resource: Value| {
        json!({
            "$schema": format!("https://schema.management.azure.com/schemas/{schema}#"),
            "contentVersion": "1.0.0.0", "resources": [resource],
        })
    };
    let module = |name: &str, template: Value| {
        json!({
            "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": name,
            "properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"}, "template": template},
        })
    };
    let schema = "2018-05-01/subscriptionDeploymentTemplate.json";
    let group = json!({
        "type": "Microsoft.Resources/resourceGroups", "apiVersion": "2022-09-01", "name": "late",
        "location": "northeurope",
    });
    let mut make = module("make", inner(schema, group));
    make["location"] = json!("westeurope");
    let network = json!({
        "type": "Microsoft.Network/virtualNetworks", "apiVersion": "2023-11-01", "name": "inside",
        "location": "[resourceGroup().location]", "properties": {},
    });
    let mut fill = module("fill", inner("2019-04-01/deploymentTemplate.json", network));
    fill["resourceGroup"] = json!("late");
    fill["dependsOn"] = json!(fill_depends_on);
    let mut outer = inner(schema, make);
    outer["resources"].as_array_mut().unwrap().push(fill);
    outer.to_string()
}

#[tokio::test]
async fn a_nested_deployment_may_go_into_a_group_that_another_one_makes() {
    let stack = Stack::start().await;
    let path = at_subscription("modules");
    let refused = stack.put(&path, body(&by_modules(&[]))).await.refused(400, "InvalidTemplateDeployment");
    assert!(refused.text.contains("Resource group 'late' could not be found."), "control: {}", refused.text);
    let made = ["[subscriptionResourceId('Microsoft.Resources/deployments', 'make')]"];
    let started = stack.put(&path, body(&by_modules(&made))).await.expect(201);
    let ended = stack.ended(&started).await;
    assert_eq!(ended["status"], "Succeeded", "{ended:#}");
    let network = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/late/providers/Microsoft.Network/virtualNetworks/inside"
    );
    assert_eq!(stack.get(&network).await.expect(200).body["location"], "northeurope");
    stack.finish().await;
}

#[tokio::test]
async fn a_deployment_into_the_subscription_makes_groups_and_what_is_in_them() {
    let stack = Stack::start().await;
    let path = at_subscription("land");
    let validated =
        stack.post(&format!("{path}/validate"), body(SUBSCRIPTION_TEMPLATE)).await.expect(200).body;
    assert_eq!(validated["location"], "westeurope");
    stack.get(&path).await.refused(404, "DeploymentNotFound");
    let foreseen = stack.post(&format!("{path}/whatIf"), body(SUBSCRIPTION_TEMPLATE)).await.expect(202);
    let foreseen = stack.located(&foreseen).await.expect(200).body;
    let changes = foreseen["properties"]["changes"].as_array().unwrap();
    let created: Vec<_> = changes
        .iter()
        .map(|one| {
            (
                one["changeType"].as_str().unwrap(),
                one["resourceId"].as_str().unwrap().rsplit('/').next().unwrap(),
            )
        })
        .collect();
    assert_eq!(created, [("Create", "landing"), ("Create", "inner")], "{foreseen:#}");
    let started = stack.put(&path, body(SUBSCRIPTION_TEMPLATE)).await.expect(201);
    let ended = stack.ended(&started).await;
    assert_eq!(ended["status"], "Succeeded", "{ended:#}");
    let done = stack.get(&path).await.expect(200).body;
    assert_eq!((&done["id"], &done["location"]), (&json!(path), &json!("westeurope")));
    assert_eq!(done["properties"]["outputs"]["place"]["value"], "northeurope");
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/landing");
    assert_eq!(stack.get(&group).await.expect(200).body["tags"]["made"], "by template");
    let network = format!("{group}/providers/Microsoft.Network/virtualNetworks/inner");
    assert_eq!(stack.get(&network).await.expect(200).body["location"], "northeurope");
    // The nested deployment has a history and operations of its own.
    let nested = format!("{group}/providers/Microsoft.Resources/deployments/inside");
    assert_eq!(stack.get(&nested).await.expect(200).body["properties"]["provisioningState"], "Succeeded");
    for (of, targets) in [(&path, vec!["landing", "inside", ""]), (&nested, vec!["inner", ""])] {
        let steps = stack.get(&format!("{of}/operations")).await.expect(200).body;
        let names: Vec<_> = steps["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                one["properties"]["targetResource"]["resourceName"].as_str().unwrap_or_default().to_owned()
            })
            .collect();
        assert_eq!(names, targets, "{of}");
    }
    let again = stack.post(&format!("{path}/whatIf"), body(SUBSCRIPTION_TEMPLATE)).await.expect(202);
    let again = stack.located(&again).await.expect(200).body;
    for change in again["properties"]["changes"].as_array().unwrap() {
        assert_eq!(change["changeType"], "NoChange", "{change:#}");
    }
    let listed = stack.get(&at_subscription("")).await.expect(200).body;
    assert_eq!(listed["value"].as_array().unwrap().len(), 1);
    assert!(
        stack.post(&format!("{path}/exportTemplate"), json!({})).await.expect(200).body["template"]
            .is_object()
    );
    stack.head(&path).await.expect(204);
    let gone = stack.delete(&path).await.expect(202);
    stack.located(&gone).await.expect(204);
    stack.head(&path).await.expect(404);
    stack.get(&network).await.expect(200);
    stack.finish().await;
}

#[tokio::test]
async fn a_scope_says_what_it_cannot_take() {
    let stack = Stack::start().await;
    let path = at_subscription("land");
    let mut without = body(SUBSCRIPTION_TEMPLATE);
    without.as_object_mut().unwrap().remove("location");
    stack.put(&path, without.clone()).await.refused(400, "InvalidDeployment");
    stack.put(&deployment("a"), body(SUBSCRIPTION_TEMPLATE)).await.refused(400, "InvalidDeployment");
    let mut complete = body(SUBSCRIPTION_TEMPLATE);
    complete["properties"]["mode"] = json!("Complete");
    stack.put(&path, complete).await.refused(400, "InvalidDeployment");
    let started = stack.put(&path, body(SUBSCRIPTION_TEMPLATE)).await.expect(201);
    stack.ended(&started).await;
    let mut moved = body(SUBSCRIPTION_TEMPLATE);
    moved["location"] = json!("northeurope");
    stack.put(&path, moved).await.refused(409, "InvalidDeploymentLocation");
    let nowhere =
        "/providers/Microsoft.Management/managementGroups/none/providers/Microsoft.Resources/deployments/a";
    stack.put(nowhere, body(SUBSCRIPTION_TEMPLATE)).await.refused(404, "ResourceNotFound");
    stack.finish().await;
}

#[tokio::test]
async fn management_groups_and_the_tenant_take_deployments() {
    let stack = Stack::start().await;
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-08-01/managementGroupDeploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [{
            "type": "Microsoft.Authorization/policyDefinitions", "apiVersion": "2021-06-01", "name": "p",
            "properties": {"mode": "All", "policyRule": {}},
        }],
    })
    .to_string();
    for scope in [format!("/providers/Microsoft.Management/managementGroups/{TENANT}"), String::new()] {
        let path = format!("{scope}/providers/Microsoft.Resources/deployments/d");
        let template = if scope.is_empty() {
            template.replace("managementGroupDeployment", "tenantDeployment")
        } else {
            template.clone()
        };
        stack.post(&format!("{path}/validate"), body(&template)).await.expect(200);
        let started = stack.put(&path, body(&template)).await.expect(201);
        let ended = stack.ended(&started).await;
        assert_eq!(ended["status"], "Succeeded", "{ended:#}");
        stack
            .get(&format!("{scope}/providers/Microsoft.Authorization/policyDefinitions/p"))
            .await
            .expect(200);
        assert_eq!(stack.get(&path).await.expect(200).body["id"], path);
    }
    stack.finish().await;
}

/// A web server with templates on it; counts what is asked for.
async fn files(shutdown: &Shutdown) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let network = include_str!("templates/network.json");
    let main = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [{
            "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "linked",
            "properties": {"mode": "Incremental", "templateLink": {"relativePath": "parts/network.json"}},
        }],
        "outputs": {"prefix": {"type": "string", "value": "[reference('linked').outputs.prefix.value]"}},
    })
    .to_string();
    let parameters = json!({"parameters": {"prefix": {"value": "10.0.9.0/24"}}}).to_string();
    let router = Router::new()
        .route("/a/main.json", get(move || async move { main }))
        .route("/a/parts/network.json", get(move || async move { network }))
        .route("/a/values.json", get(move || async move { parameters }))
        .route("/moved", get(|| async { Redirect::temporary("/a/parts/network.json") }))
        .route("/circle", get(|| async { Redirect::temporary("/circle") }))
        .route("/inside", get(|| async { Redirect::temporary("http://169.254.169.254/latest") }))
        .route("/large", get(|| async { "x".repeat(5 * 1024 * 1024) }))
        .fallback(|| async { axum::http::StatusCode::NOT_FOUND.into_response() })
        .layer(axum::middleware::map_request(move |request: Request| {
            counter.fetch_add(1, Ordering::Relaxed);
            async move { request }
        }));
    let address = serve_http("127.0.0.1:0".parse().unwrap(), router, shutdown).await.unwrap();
    (format!("http://{address}"), asked)
}

#[tokio::test]
async fn templates_and_parameters_are_fetched_where_a_link_says() {
    let stack = Stack::start().await;
    let shutdown = Shutdown::new();
    let (base, asked) = files(&shutdown).await;
    let link = |link: Value| json!({"properties": {"mode": "Incremental", "templateLink": link}});
    let started = stack
        .put(
            &deployment("l"),
            link(json!({"uri": format!("{base}/a/main.json"), "contentVersion": "1.0.0.0"})),
        )
        .await
        .expect(201);
    let ended = stack.ended(&started).await;
    assert_eq!(ended["status"], "Succeeded", "{ended:#}");
    let done = stack.get(&deployment("l")).await.expect(200).body;
    assert_eq!(done["properties"]["outputs"]["prefix"]["value"], "10.0.1.0/24");
    assert_eq!(done["properties"]["templateLink"]["uri"], format!("{base}/a/main.json"));
    let exported =
        stack.post(&format!("{}/exportTemplate", deployment("l")), json!({})).await.expect(200).body;
    assert_eq!(exported["template"]["resources"][0]["name"], "linked");
    let mut with = link(json!({"uri": format!("{base}/moved?sig=hunter2")}));
    with["properties"]["parametersLink"] = json!({"uri": format!("{base}/a/values.json")});
    let started = stack.put(&deployment("m"), with).await.expect(201);
    stack.ended(&started).await;
    let done = stack.get(&deployment("m")).await.expect(200).body;
    assert_eq!(done["properties"]["outputs"]["prefix"]["value"], "10.0.9.0/24", "{done:#}");
    for (uri, why) in [
        (format!("{base}/none.json?sig=hunter2"), "404"),
        (format!("{base}/circle"), "redirects"),
        (format!("{base}/inside"), "link-local"),
        (format!("{base}/large"), "bytes"),
        ("http://127.0.0.1:1/a.json".to_owned(), "cannot be reached"),
        ("ftp://127.0.0.1/a.json".to_owned(), "scheme"),
        ("main.json".to_owned(), "absolute"),
    ] {
        let refused =
            stack.put(&deployment("n"), link(json!({"uri": uri}))).await.refused(400, "InvalidContentLink");
        assert!(refused.text.contains(why), "{uri}: {}", refused.text);
    }
    let other = link(json!({"uri": format!("{base}/a/main.json"), "contentVersion": "2.0.0.0"}));
    stack.put(&deployment("n"), other).await.refused(400, "InvalidContentLink");
    let mut both = link(json!({"uri": format!("{base}/a/main.json")}));
    both["properties"]["template"] = json!({});
    stack.put(&deployment("n"), both).await.refused(400, "InvalidRequestContent");
    assert!(asked.load(Ordering::Relaxed) > 6, "control: the files were really asked for");
    assert!(!stack.answers().contains("hunter2"));
    shutdown.stop(std::time::Duration::from_secs(5)).await;
    stack.finish().await;
}

#[tokio::test]
async fn a_template_spec_is_linked_by_its_id() {
    let stack = Stack::start().await;
    let spec = format!("{}/providers/Microsoft.Resources/templateSpecs/net", resource_group());
    let version = format!("{spec}/versions/1.0");
    let template: Value = serde_json::from_str(include_str!("templates/network.json")).unwrap();
    stack.put(&spec, json!({"location": "westeurope", "properties": {}})).await.expect(201);
    stack
        .put(&version, json!({"location": "westeurope", "properties": {"mainTemplate": template}}))
        .await
        .expect(201);
    let link = |id: &str| json!({"properties": {"mode": "Incremental", "templateLink": {"id": id}}});
    let started = stack.put(&deployment("s"), link(&version)).await.expect(201);
    assert_eq!(stack.ended(&started).await["status"], "Succeeded");
    stack.put(&deployment("s"), link(&spec)).await.refused(400, "InvalidContentLink");
    stack.finish().await;
}
