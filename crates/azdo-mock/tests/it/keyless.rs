//! An agent that registers without a public key: who manages its pool listens for it, and its messages are plain.

use entra_tokens::AZURE_DEVOPS;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Agent, Key, Message, POOL, Worker, body};
use crate::members;
use crate::server::{Answer, Ask, Server, quick};

const NIL: &str = "00000000-0000-0000-0000-000000000000";

async fn register(server: &Server, name: &str) -> Value {
    let agent = json!({"name": name, "version": "4.270.0", "systemCapabilities": {"Agent.OS": "Linux"}});
    server.as_user(Method::POST, &format!("{POOL}/agents")).json(&agent).answer().await.expect(200)
}

fn opening(agent: &Value) -> Value {
    json!({"ownerName": "laptop", "agent": {"id": agent["id"], "name": agent["name"], "version": "4.270.0"}})
}

async fn try_open(server: &Server, agent: &Value) -> Answer {
    server.as_user(Method::POST, &format!("{POOL}/sessions")).json(&opening(agent)).answer().await
}

async fn open(server: &Server, agent: &Value) -> String {
    let session = try_open(server, agent).await.expect(200);
    assert!(session.get("encryptionKey").is_none(), "{session}");
    session["sessionId"].as_str().unwrap().to_owned()
}

fn messages(session: &str) -> String {
    format!("{POOL}/messages?sessionId={session}")
}

#[tokio::test]
async fn a_client_without_a_key_runs_a_job_whose_message_is_plain() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = register(&server, "curl").await;
    assert!(agent.get("authorization").is_none(), "{agent}");
    let session = open(&server, &agent).await;
    server.queue("echo hello").await;

    let raw = server.as_user(Method::GET, &messages(&session)).answer().await.expect(200);
    assert!(raw.get("iv").is_none(), "{raw}");
    let message = Message {
        id: raw["messageId"].as_i64().unwrap(),
        kind: raw["messageType"].as_str().unwrap().to_owned(),
        body: serde_json::from_str(raw["body"].as_str().unwrap()).unwrap(),
    };
    let path = format!("{POOL}/messages/{}?sessionId={session}", message.id);
    server.as_user(Method::DELETE, &path).answer().await.expect(204);

    let worker = Worker::new(&message);
    let request = &worker.job["requestId"];
    let renewal = format!("{POOL}/jobrequests/{request}?lockToken={NIL}");
    let renewed = server.as_user(Method::PATCH, &renewal).json(&json!({"requestId": request}));
    assert!(renewed.answer().await.expect(200)["lockedUntil"].is_string());
    worker.complete(&server, "Succeeded").await.expect(204);
    server.as_user(Method::DELETE, &format!("{POOL}/sessions/{session}")).answer().await.expect(204);
    let done = server.get(&format!("{POOL}/jobrequests/{request}")).await;
    assert_eq!(done["result"], "succeeded");
}

#[tokio::test]
async fn its_session_is_that_of_the_user_who_opened_it() {
    let server = Server::start_with(quick(), vec![]).await;
    members::add(&server, "manage").await;
    let member = members::token(&server, AZURE_DEVOPS);
    let agent = register(&server, "curl").await;
    let session = open(&server, &agent).await;
    let conflict = try_open(&server, &agent).await;
    conflict.refused(409, "TaskAgentSessionConflictException");
    let renewal = format!("{POOL}/jobrequests/1?lockToken={NIL}");
    server.queue("echo hello").await;
    for (method, path) in [
        (Method::GET, messages(&session)),
        (Method::DELETE, format!("{POOL}/messages/1?sessionId={session}")),
        (Method::DELETE, format!("{POOL}/sessions/{session}")),
        (Method::PATCH, renewal),
    ] {
        let request = server.bearer(&member, method, &path).json(&json!({"requestId": 1}));
        request.answer().await.refused(403, "AccessDeniedException");
    }
    let other = Agent::register(&server, "web01").await;
    let answer = server.bearer(&other.token, Method::GET, &messages(&session)).answer().await;
    answer.refused(403, "AccessDeniedException");
    server.as_user(Method::GET, &messages(&session)).answer().await.expect(200);
}

#[tokio::test]
async fn who_may_only_read_pools_listens_for_no_agent() {
    let server = Server::start().await;
    members::add(&server, "read").await;
    let reader = members::token(&server, AZURE_DEVOPS);
    let agent = register(&server, "curl").await;
    let answer = server.bearer(&reader, Method::POST, &format!("{POOL}/sessions"));
    answer.json(&opening(&agent)).answer().await.refused(403, "AccessDeniedException");
}

#[tokio::test]
async fn a_key_that_comes_later_ends_that() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = register(&server, "curl").await;
    let session = open(&server, &agent).await;
    let key = Key::generate();
    let path = format!("{POOL}/agents/{}", agent["id"]);
    let answer = server.as_user(Method::PUT, &path).json(&body("curl", &key)).answer().await.expect(200);
    let own = Agent::from_answer(&server, key, &answer).await;

    // The old session is in the way and gets no job.
    server.queue("echo hello").await;
    let nothing = server.as_user(Method::GET, &messages(&session)).answer().await;
    assert_eq!(nothing.status, 204);
    server.as_user(Method::DELETE, &format!("{POOL}/sessions/{session}")).answer().await.expect(204);
    try_open(&server, &agent).await.refused(403, "AccessDeniedException");
    let session = own.open(&server).await;
    assert_eq!(own.take(&server, &session).await.kind, "PipelineAgentJobRequest");
}
