//! The control API: what a test author sees of Azure and does to it.

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::stack::{
    API, Stack, deployment, deployment_body, group, group_body, groups, registry, resource_group,
};

const PLAIN: &str = include_str!("templates/plain.json");

fn owner() -> String {
    uuid::Uuid::from_u128(7).to_string()
}

#[tokio::test]
async fn every_request_is_in_the_journal_with_its_caller_and_its_end() {
    let stack = Stack::start().await;
    let spelt = group("agent-1").replace("/containerGroups/", "/CONTAINERGROUPS/");
    let created = stack.put(&spelt, group_body("web:1")).await.expect(201);
    stack.raw(Method::GET, &format!("{}{}?api-version={API}", stack.base, groups()), None, None).await;
    let one = &stack.journal("method=PUT&path_contains=agent-1").await[0];
    assert_eq!(one["service"], "arm");
    assert_eq!(one["path"], format!("{spelt}?api-version={API}"), "as the client wrote it");
    assert_eq!(one["apiVersion"], API);
    assert_eq!(one["status"], 201);
    assert_eq!(one["caller"], owner());
    assert_eq!(one["requestId"], created.header("x-ms-request-id"));
    assert!(one["time"].is_string() && one["durationMs"].is_number() && one["fault"].is_null());
    let refused = stack.journal("status=4xx").await;
    assert_eq!((refused.len(), &refused[0]["caller"]), (1, &json!("refused")));
    assert_eq!(stack.journal("last=1").await, refused, "the newest");
    let (status, why) = stack.control(Method::GET, "/journal?colour=red", Value::Null).await;
    assert!(status == 400 && why["error"].as_str().unwrap().contains("colour"), "{why}");
    stack.finish().await;
}

#[tokio::test]
async fn no_secret_is_in_the_journal() {
    let stack = Stack::start().await;
    let body = json!({
        "location": "westeurope", "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": true},
    });
    stack.put(&registry("journalled"), body).await.expect(201);
    let credentials = stack.post(&format!("{}/listCredentials", registry("journalled")), json!({})).await;
    let credentials = credentials.expect(200).body;
    let password = credentials["passwords"][0]["value"].as_str().unwrap().to_owned();
    let shown = stack.get(&registry("journalled")).await.expect(200).body;
    let server = shown["properties"]["loginServer"].as_str().unwrap();
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build().unwrap();
    let exchange = format!(
        "https://{server}/oauth2/token?service={server}&scope=registry:catalog:*&password={password}"
    );
    let answer = client.get(&exchange).basic_auth("journalled", Some(&password)).send().await.unwrap();
    let token = answer.json::<Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned();
    client.get(format!("https://{server}/v2/_catalog")).bearer_auth(&token).send().await.unwrap();
    // Who puts a token where none belongs.
    stack.get(&format!("{}?access_token={}", groups(), stack.token)).await;
    stack.get(&group(&stack.token)).await;
    let other = stack.entra.issue("https://graph.microsoft.com").unwrap();
    stack.get(&format!("/{}", other.expose_secret())).await;
    let journal = stack.journal("").await;
    let text = json!(journal).to_string();
    for secret in [password.as_str(), token.as_str(), stack.token.as_str(), other.expose_secret()] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.contains("access_token=***") && text.contains("containerGroups/***"), "{text}");
    let at_registry = stack.journal("service=registry").await;
    assert_eq!(at_registry.len(), 2, "{at_registry:?}");
    assert!(at_registry.iter().all(|entry| entry["caller"] == "journalled" && entry["status"] == 200));
    stack.finish().await;
}

#[tokio::test]
async fn a_throttled_request_is_answered_as_arm_does_and_nothing_was_done() {
    let stack = Stack::start().await;
    stack
        .fault(json!({"method": "PUT", "resource_type": "Microsoft.ContainerInstance/containerGroups",
                       "status": 429, "retry_after": 3, "count": 1}))
        .await;
    stack.get(&group("agent-1")).await.refused(404, "ResourceNotFound");
    let answer = stack.put(&group("agent-1"), group_body("web:1")).await;
    assert_eq!(answer.header("retry-after"), "3");
    assert_eq!(answer.header("x-ms-ratelimit-remaining-subscription-writes"), "0");
    assert_eq!(answer.header("x-ms-ratelimit-remaining-subscription-global-writes"), "2999");
    assert_eq!(answer.header("x-ms-request-id").len(), 36);
    let message = answer.body["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("Number of 'write' requests for subscription") && message.contains("'3' seconds")
    );
    answer.refused(429, "SubscriptionRequestsThrottled");
    assert!(stack.group_names().await.is_empty());
    let entry = &stack.journal("status=429").await[0];
    assert_eq!((&entry["fault"], &entry["caller"]), (&json!(1), &json!(owner())));
    let again = stack.put(&group("agent-1"), group_body("web:1")).await.expect(201);
    assert_eq!(again.header("x-ms-ratelimit-remaining-subscription-writes"), "199");
    stack.finish().await;
}

#[tokio::test]
async fn faults_are_aimed_by_resource_and_caller_and_carry_the_code_that_was_asked_for() {
    let stack = Stack::start().await;
    for name in ["agent-1", "agent-2"] {
        stack.put(&group(name), group_body("web:1")).await.expect(201);
    }
    stack.fault(json!({"resource": "microsoft.containerinstance/containergroups/AGENT-2",
                       "caller": {"client": owner()}, "status": 503, "code": "ServiceBusy", "message": "later"})).await;
    stack.fault(json!({"resource": resource_group(), "caller": {"client": "somebody"}, "status": 500})).await;
    stack.get(&group("agent-1")).await.expect(200);
    let hit = stack.get(&group("agent-2")).await.refused(503, "ServiceBusy");
    assert_eq!(hit.body, json!({"error": {"code": "ServiceBusy", "message": "later"}}));
    let (_, listed) = stack.control(Method::GET, "/faults", Value::Null).await;
    assert_eq!((&listed[0]["hits"], &listed[1]["hits"]), (&json!(1), &json!(0)));
    let (status, _) = stack.control(Method::DELETE, "/faults", Value::Null).await;
    assert_eq!(status, 204);
    stack.get(&group("agent-2")).await.expect(200);
    stack.finish().await;
}

#[tokio::test]
async fn a_login_fails_for_the_client_that_was_named() {
    let stack = Stack::start().await;
    let form = |client: &str| {
        format!(
            "grant_type=client_credentials&client_id={client}&client_secret=unused&scope=https%3A%2F%2Fmanagement.azure.com%2F.default"
        )
    };
    stack
        .fault(json!({"service": "entra", "route": "/*/oauth2/v2.0/token", "caller": {"client": owner()}, "status": 503, "count": 1}))
        .await;
    let (status, other) = stack.log_in(&form("00000000-0000-0000-0000-000000000009")).await;
    assert_eq!((status, &other["error_codes"]), (400, &json!([700_016])), "another client: {other}");
    let (status, hit) = stack.log_in(&form(&owner())).await;
    assert_eq!((status, &hit["error"]), (503, &json!("temporarily_unavailable")), "{hit}");
    let (status, passed) = stack.log_in(&form(&owner())).await;
    assert_eq!(status, 200, "the form was read and is whole: {passed}");
    let callers: Vec<_> =
        stack.journal("service=entra").await.iter().map(|one| one["caller"].clone()).collect();
    assert_eq!(callers, [json!("00000000-0000-0000-0000-000000000009"), json!(owner()), json!(owner())]);
    stack.finish().await;
}

#[tokio::test]
async fn a_registry_fails_in_its_own_envelope_and_others_do_not() {
    let stack = Stack::start().await;
    let body = json!({"location": "westeurope", "sku": {"name": "Basic"}});
    stack.put(&registry("faulty"), body).await.expect(201);
    stack.fault(json!({"service": "registry", "route": "/v2/**", "status": 429, "retry_after": 1})).await;
    let shown = stack.get(&registry("faulty")).await.expect(200).body;
    let server = shown["properties"]["loginServer"].as_str().unwrap();
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build().unwrap();
    let answer = client.get(format!("https://{server}/v2/")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    assert_eq!(answer.json::<Value>().await.unwrap()["errors"][0]["code"], "TOOMANYREQUESTS");
    stack.finish().await;
}

#[tokio::test]
async fn a_cut_connection_leaves_no_answer_and_says_whether_it_was_done() {
    let stack = Stack::start().await;
    let client = reqwest::Client::new();
    for (name, cut, done) in [("before", "request", false), ("after", "answer", true)] {
        stack.fault(json!({"method": "PUT", "resource": group(name), "cut": cut})).await;
        let request = client.put(format!("{}{}?api-version={API}", stack.base, group(name)));
        let request = request.bearer_auth(&stack.token).json(&group_body("web:1"));
        assert!(request.send().await.is_err(), "{cut}");
        assert_eq!(stack.group_names().await.contains(&name.to_owned()), done, "{cut}");
    }
    let cut = stack.journal("status=none").await;
    assert_eq!(cut.len(), 2, "{cut:?}");
    stack.finish().await;
}

#[tokio::test]
async fn one_resource_of_a_deployment_fails_with_the_code_that_was_asked_for_and_others_go_on() {
    let stack = Stack::start().await;
    stack.fault(json!({"at": "deployment", "resource": "Microsoft.ContainerInstance/containerGroups/two",
                       "status": 409, "code": "ContainerGroupQuotaReached", "message": "no more", "latency_ms": 50})).await;
    let parameters = json!({"names": {"value": ["one", "two", "three"]}});
    let done = stack.deploy("roll", "Incremental", PLAIN, parameters.clone()).await;
    assert_eq!(done["properties"]["provisioningState"], "Failed", "{done:#}");
    let detail = &done["properties"]["error"]["details"][0];
    assert_eq!(
        (&detail["code"], &detail["message"]),
        (&json!("ContainerGroupQuotaReached"), &json!("no more"))
    );
    assert_eq!(detail["target"], group("two"));
    assert_eq!(stack.group_names().await, ["one", "three"]);
    let operations = stack.get(&format!("{}/operations", deployment("roll"))).await.expect(200).body;
    let failed = operations["value"].as_array().unwrap().iter();
    let failed: Vec<_> = failed.filter(|one| one["properties"]["provisioningState"] == "Failed").collect();
    assert_eq!(failed.len(), 1, "{operations:#}");
    assert_eq!(failed[0]["properties"]["statusCode"], "Conflict");
    // A request for the same resource is not the deployment's.
    stack.put(&group("two"), group_body("web:1")).await.expect(201);
    stack.control(Method::DELETE, "/faults/1", Value::Null).await;
    let started = stack.put(&deployment("roll"), deployment_body("Incremental", PLAIN, parameters)).await;
    assert_eq!(stack.ended(&started).await["status"], "Succeeded");
    stack.finish().await;
}

#[tokio::test]
async fn what_happened_is_told_in_order() {
    let stack = Stack::start().await;
    stack
        .fault(json!({"at": "deployment", "resource": "Microsoft.ContainerInstance/containerGroups/two",
                       "status": 409, "code": "ContainerGroupQuotaReached"}))
        .await;
    stack.deploy("roll", "Incremental", PLAIN, json!({"names": {"value": ["one", "two"]}})).await;
    stack.delete(&group("one")).await.expect(200);
    let started = stack.delete(&resource_group()).await.expect(202);
    stack.located(&started).await.expect(204);
    let (_, events) = stack.control(Method::GET, "/events", Value::Null).await;
    let events = events.as_array().unwrap();
    let numbers: Vec<_> = events.iter().map(|event| event["number"].as_u64().unwrap()).collect();
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "{numbers:?}");
    let at = |kind: &str, id: &str| {
        let found = events.iter().position(|event| event["kind"] == kind && event["id"] == id);
        found.unwrap_or_else(|| panic!("no {kind} of {id} in {events:#?}"))
    };
    let (roll, fleet) = (deployment("roll"), resource_group());
    let order = [
        at("resourceGroupCreated", &fleet),
        at("deploymentStarted", &roll),
        at("resourcePut", &group("one")),
        at("stepEnded", &group("one")),
        at("deploymentEnded", &roll),
        at("resourceDeleted", &group("one")),
        at("resourceGroupDeletionStarted", &fleet),
        at("resourceGroupDeleted", &fleet),
    ];
    assert!(order.is_sorted(), "{order:?}: {events:#?}");
    let failed = &events[at("stepEnded", &group("two"))];
    assert_eq!((&failed["state"], &failed["code"]), (&json!("Failed"), &json!("ContainerGroupQuotaReached")));
    assert_eq!(failed["deployment"], roll);
    let ended = &events[order[4]];
    assert_eq!((&ended["state"], &ended["code"]), (&json!("Failed"), &json!("DeploymentFailed")));
    stack.finish().await;
}
