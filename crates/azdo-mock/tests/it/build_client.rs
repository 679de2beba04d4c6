//! What the tests of the project's areas share: requests below the project, and an agent that does a build's jobs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Agent, Session, Worker};
use crate::server::{Answer, Ask, Server, quick};

pub(crate) const TWO_JOBS: &str = "
jobs:
- job: Build
  displayName: Build it
  steps:
  - bash: make
    displayName: Make
- job: Test
  dependsOn: Build
  steps: [{script: check}]
";

pub(crate) async fn start() -> Server {
    Server::start_with(quick(), vec![]).await
}

/// Asks below the project.
pub(crate) async fn ask(server: &Server, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = server.as_user(method, &format!("/demo/_apis{path}"));
    match body {
        Some(body) => request.json(&body).answer().await,
        None => request.answer().await,
    }
}

pub(crate) async fn get(server: &Server, path: &str) -> Value {
    ask(server, Method::GET, path, None).await.expect(200)
}

/// A definition of this name that runs this file; its id.
pub(crate) async fn define(server: &Server, name: &str, yaml: &str) -> i64 {
    let path = format!("/definitions/{name}");
    let put = server.control(Method::PUT, &path).json(&json!({"yaml": yaml})).answer().await;
    put.expect(200)["id"].as_i64().unwrap()
}

pub(crate) async fn queue(server: &Server, definition: i64, more: Value) -> Value {
    let mut body = json!({"definition": {"id": definition}});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ask(server, Method::POST, "/build/builds", Some(body)).await.expect(200)
}

pub(crate) async fn build(server: &Server, queued: &Value) -> Value {
    get(server, &format!("/build/builds/{}", queued["id"])).await
}

pub(crate) async fn timeline(server: &Server, queued: &Value) -> Value {
    get(server, &format!("/build/builds/{}/timeline", queued["id"])).await
}

/// The record of this type and name.
#[track_caller]
pub(crate) fn record(timeline: &Value, kind: &str, name: &str) -> Value {
    let records = timeline["records"].as_array().unwrap();
    let mut found = records.iter().filter(|record| record["type"] == kind && record["name"] == name);
    let first = found.next().unwrap_or_else(|| panic!("no {kind} {name}: {timeline:#}")).clone();
    assert!(found.next().is_none(), "two {kind} {name}");
    first
}

/// Takes the next job as a new container of the agent would.
pub(crate) async fn take(server: &Server, agent: &Agent) -> (Session, Worker) {
    let session = agent.open(server).await;
    let message = agent.poll(server, &session, None).await.expect("a job is there");
    agent.delete_message(server, &session, message.id).await;
    agent.renew(server, &message.body["requestId"]).await.expect(200);
    (session, Worker::new(&message))
}

pub(crate) async fn finish(
    server: &Server,
    agent: &Agent,
    (session, worker): (Session, Worker),
    result: &str,
) {
    worker.complete(server, result).await.expect(204);
    agent.close(server, &session).await;
}

/// Writes a log for a step, and says so in its record.
pub(crate) async fn write_log(server: &Server, worker: &Worker, step: &Value, text: &str) {
    let log = worker.add_log(server, step.as_str().unwrap()).await;
    worker.append_log(server, &log, text).await.expect(200);
    let record = json!([{"id": step, "state": "completed", "result": "succeeded", "log": {"id": log}}]);
    worker.patch_records(server, record).await.expect(200);
}
