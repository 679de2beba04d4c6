//! The service dies and comes back from its store.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use crate::client::{Agent, POOL, Worker};
use crate::server::{Ask, Server, quick};

#[tokio::test]
async fn running_and_queued_jobs_sessions_keys_and_logs_survive() {
    let mut server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let path = format!("{POOL}/agents/{}", agent.id);
    server
        .as_user(Method::PUT, &format!("{path}/usercapabilities"))
        .json(&json!({"mark": "7"}))
        .answer()
        .await
        .expect(200);
    let session = agent.open(&server).await;
    let running = server.queue("sleep 1000").await;
    let queued = server.queue("echo 2").await;
    let message = agent.poll(&server, &session, None).await.unwrap();
    agent.delete_message(&server, &session, message.id).await;
    let request = message.body["requestId"].clone();
    agent.renew(&server, &request).await.expect(200);
    let worker = Worker::new(&message);
    let log = worker.add_log(&server, "a").await;
    worker.append_log(&server, &log, "one\n").await.expect(200);
    let step = worker.job["steps"][0]["id"].clone();
    worker.initialize(&server).await;
    worker.feed(&server, &step, 1, &["one", "two"]).await;
    worker.patch_records(&server, json!([{"id": step, "state": "inProgress"}])).await.expect(200);
    let instance = server.get("/_apis/connectionData").await["instanceId"].clone();

    // Nobody could poll or renew while the service was away, so nobody is late.
    server.restart_after(SignedDuration::from_mins(20)).await;

    assert_eq!(server.get("/_apis/connectionData").await["instanceId"], instance);
    let shown = server.get(&format!("{path}?includeCapabilities=true")).await;
    assert_eq!(
        (&shown["userCapabilities"]["mark"], &shown["authorization"]["clientId"]),
        (&json!("7"), &json!(agent.client_id))
    );
    assert_eq!(server.job(&running).await["state"], "running");
    assert_eq!(server.job(&queued).await["state"], "queued");
    assert_eq!(server.log(&running, 0).await["lines"], json!(["ready", "one", "two"]));
    agent.renew(&server, &request).await.expect(200);
    worker.append_log(&server, &log, "two\n").await.expect(200);
    let done = json!([{"id": step, "state": "completed", "result": "succeeded", "log": {"id": log}}]);
    worker.patch_records(&server, done).await.expect(200);
    worker.complete(&server, "succeeded").await.expect(204);
    let log = server.log(&running, 0).await;
    assert_eq!(log, json!({"lines": ["ready", "one", "two"], "next": 3, "complete": true}));

    agent.close(&server, &session).await;
    let next = agent.replace(&server).await;
    let session = next.open(&server).await;
    let message = next.poll(&server, &session, None).await.unwrap();
    assert_eq!(message.body["jobId"], queued["jobId"]);
    // An agent that comes after the restart takes no number twice.
    assert_eq!(Agent::register(&server, "web02").await.id, 2);
}

#[tokio::test]
async fn a_session_and_its_undeleted_message_are_still_there() {
    let mut server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    server.queue("echo 1").await;
    let before = agent.poll(&server, &session, None).await.unwrap();
    server.restart().await;
    agent.try_open(&server).await.refused(409, "TaskAgentSessionConflictException");
    let after = agent.poll(&server, &session, None).await.unwrap();
    assert_eq!((after.id, &after.body), (before.id, &before.body));
    // The assertion that was used before the restart is known after it.
    let claims = agent.claims(&server);
    agent.request_token(&server, &claims).await.expect(200);
    server.restart().await;
    agent.request_token(&server, &claims).await.expect(400);
}

#[tokio::test]
async fn what_a_broken_upload_left_behind_is_not_in_the_log() {
    let mut server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    server.queue("echo 1").await;
    let worker = Worker::new(&agent.poll(&server, &session, None).await.unwrap());
    let log = worker.add_log(&server, "a").await;
    worker.append_log(&server, &log, "one\n").await.expect(200);
    let file = server.log_file(worker.job["plan"]["planId"].as_str().unwrap(), &log);
    fs_err::write(&file, "one\nhalf a li").unwrap();
    server.restart().await;
    let raw = server.bearer(&worker.token, Method::GET, &format!("{}/logs/{log}", worker.plan_path()));
    assert_eq!(raw.answer().await.text, "one\n");
    worker.append_log(&server, &log, "two\n").await.expect(200);
    assert_eq!(fs_err::read_to_string(&file).unwrap(), "one\ntwo\n");
}
