//! The library for test authors: jobs that are awaited, and a check at the end that can fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use azdo_mock::testing::{AzureDevOps, Fault, Job, Outcome};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use service_kit::{Clock as _, SystemClock, SystemEntropy};

use crate::client::{Agent, Key, POOL, Session, body};
use crate::server::Ask;

/// What every client says beside the type it accepts.
const VERSION: &str = "application/json; api-version=7.1";

/// An agent that registers, takes one job, writes `hello` and ends it.
async fn one_job(azure: &AzureDevOps, name: &str) {
    let http = reqwest::Client::new();
    let call = |method: Method, path: &str, token: &str| -> RequestBuilder {
        let request = http.request(method, format!("{}{path}", azure.url())).header("accept", VERSION);
        if token.is_empty() { request } else { request.bearer_auth(token) }
    };
    let key = Key::generate();
    let request = call(Method::POST, &format!("{POOL}/agents"), "").basic_auth("", Some(azure.token()));
    let answer = request.json(&body(name, &key)).answer().await.expect(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (client, audience) =
        (text(&answer["authorization"]["clientId"]), text(&answer["authorization"]["authorizationUrl"]));
    let now = SystemClock.now().as_second();
    let claims = json!({"iss": client, "sub": client, "aud": audience, "jti": SystemEntropy::shared().uuid(),
        "nbf": now, "exp": now + 300});
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &key.sign(&claims)),
    ];
    let issued = http.post(&audience).form(&form).answer().await.expect(200);
    let agent = Agent {
        key,
        id: answer["id"].as_i64().unwrap(),
        name: name.to_owned(),
        client_id: client,
        audience,
        token: text(&issued["access_token"]),
    };
    let wanted = json!({"ownerName": "host", "agent": {"id": agent.id, "name": name}});
    let opened = call(Method::POST, &format!("{POOL}/sessions"), &agent.token).json(&wanted).answer().await;
    let opened = opened.expect(200);
    let session =
        Session::new(&agent, text(&opened["sessionId"]), opened["encryptionKey"]["value"].as_str().unwrap());
    let poll = format!("{POOL}/messages?sessionId={}", session.id);
    let message = call(Method::GET, &poll, &agent.token).answer().await.expect(200);
    let job = session.decrypt(message["iv"].as_str().unwrap(), message["body"].as_str().unwrap());
    let number = &message["messageId"];
    let taken = format!("{POOL}/messages/{number}?sessionId={}", session.id);
    call(Method::DELETE, &taken, &agent.token).answer().await.expect(204);

    let token = text(&job["resources"]["endpoints"][0]["authorization"]["parameters"]["AccessToken"]);
    let plan = format!(
        "/{}/_apis/distributedtask/hubs/{}/plans/{}",
        text(&job["plan"]["scopeIdentifier"]),
        text(&job["plan"]["planType"]),
        text(&job["plan"]["planId"])
    );
    let log = call(Method::POST, &format!("{plan}/logs"), &token).json(&json!({"path": "logs\\1"}));
    let log = log.answer().await.expect(200)["id"].clone();
    let page = call(Method::POST, &format!("{plan}/logs/{log}"), &token);
    page.header("content-type", "application/octet-stream").body("hello\n").answer().await.expect(200);
    let records = json!({"count": 1, "value": [{"id": job["jobId"], "log": {"id": log},
        "issues": [{"type": "warning", "message": "careful"}]}]});
    let timeline = format!("{plan}/timelines/{}/records", text(&job["timeline"]["id"]));
    call(Method::PATCH, &timeline, &token).json(&records).answer().await.expect(200);
    let end = json!({"name": "JobCompleted", "jobId": job["jobId"], "requestId": job["requestId"],
        "result": "succeeded", "outputs": {"color": {"value": "red", "isSecret": false}}});
    call(Method::POST, &format!("{plan}/events"), &token).json(&end).answer().await;
}

#[tokio::test]
async fn a_job_is_queued_run_and_awaited() {
    let azure = AzureDevOps::start().await;
    azure.expect_jobs(1);
    let job = azure.queue(Job::script("echo hello").named("greet")).await;
    assert_eq!(job.state().await, "queued");
    let ((), done) = tokio::join!(one_job(&azure, "worker"), job.result());
    assert_eq!(done.outcome, Outcome::Succeeded);
    assert_eq!(done.agent.as_deref(), Some("worker"));
    assert_eq!(done.log, ["hello"]);
    assert_eq!(done.outputs["color"].as_deref(), Some("red"));
    assert_eq!(done.issues[0].message, "careful");
    let agents = azure.agents();
    assert_eq!((agents.len(), agents[0].name.as_str(), agents[0].busy), (1, "worker", false));
    assert!(azure.requests().iter().any(|call| call.caller == "agent worker"));
}

#[tokio::test]
async fn instances_share_nothing() {
    let (one, other) = tokio::join!(AzureDevOps::start(), AzureDevOps::start());
    assert_ne!((one.url(), one.token()), (other.url(), other.token()));
    one.mount(Fault::status(503)).await;
    let status = async |azure: &AzureDevOps, token: &str| {
        let request = reqwest::Client::new().get(format!("{}/_apis/distributedtask/pools", azure.url()));
        request.basic_auth("", Some(token)).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(&one, one.token()).await, 503);
    assert_eq!(status(&one, one.token()).await, 200);
    assert_eq!(status(&other, other.token()).await, 200);
    assert_eq!(status(&other, one.token()).await, 401);
}

fn panic_of(drops: impl FnOnce()) -> Option<String> {
    let caught = catch_unwind(AssertUnwindSafe(drops)).err()?;
    caught.downcast_ref::<String>().cloned().or_else(|| Some((*caught.downcast_ref::<&str>()?).to_owned()))
}

#[tokio::test]
async fn an_instance_that_is_dropped_too_early_says_what_is_missing() {
    let azure = AzureDevOps::start().await;
    azure.queue(Job::script("make").named("build")).await;
    let said = panic_of(|| drop(azure)).expect("a job that nobody ran is noticed");
    assert!(said.contains("the job `build` (request 1) is queued"), "{said}");

    let azure = AzureDevOps::start().await;
    azure.expect_jobs(2);
    azure.queue(Job::script("make")).await.cancel().await;
    let said = panic_of(|| drop(azure)).expect("a job that never came is noticed");
    assert!(said.contains("2 jobs were expected to end and 1 did"), "{said}");

    // Controls: what is as expected is dropped in silence, and a test that fails already fails once.
    let azure = AzureDevOps::start().await;
    azure.expect_jobs(1);
    azure.queue(Job::script("make")).await.cancel().await;
    assert_eq!(panic_of(|| drop(azure)), None);
    let azure = AzureDevOps::start().await;
    azure.queue(Job::script("make")).await;
    let said = panic_of(move || {
        let _azure = azure;
        panic!("the test's own failure");
    });
    assert_eq!(said.as_deref(), Some("the test's own failure"));
}
