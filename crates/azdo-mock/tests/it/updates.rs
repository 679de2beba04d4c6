//! Updates of agents: the message, what is pending, packages that are offered later, and the job beside it.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Agent, Message, POOL, Session};
use crate::server::{Ask, Server, quick};

const NEWER: &str = "vsts-agent-linux-x64-4.999.0.tar.gz";

fn package(folder: &TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs_err::write(&path, name).unwrap();
    path
}

/// A server that offers 4.270.0 and, since it was told to, 4.999.0.
async fn offering(folder: &TempDir) -> Server {
    let server =
        Server::start_with(quick(), vec![package(folder, "vsts-agent-linux-x64-4.270.0.tar.gz")]).await;
    let body = json!({"path": package(folder, NEWER)});
    server.control(Method::POST, "/packages").json(&body).answer().await.expect(201);
    server
}

async fn ask_for(server: &Server, body: Value) {
    server.control(Method::POST, "/agents/web01/update").json(&body).answer().await.expect(200);
}

async fn pending(server: &Server, agent: &Agent) -> Value {
    server.get(&format!("{POOL}/agents/{}", agent.id)).await["pendingUpdate"].clone()
}

async fn next(server: &Server, agent: &Agent, session: &Session, last: Option<i64>) -> Message {
    agent.poll(server, session, last).await.expect("a message")
}

#[tokio::test]
async fn a_package_that_is_offered_later_is_the_newest_and_outlives_a_restart() {
    let folder = TempDir::new().unwrap();
    let mut server = offering(&folder).await;
    for _ in 0..2 {
        let list =
            server.get("/_apis/distributedtask/packages/agent?platform=linux-x64").await["value"].clone();
        assert_eq!(
            (&list[0]["filename"], &list[0]["version"], &list[1]["version"]["minor"]),
            (&json!(NEWER), &json!({"major": 4, "minor": 999, "patch": 0}), &json!(270))
        );
        let path = list[0]["downloadUrl"].as_str().unwrap().split_once("/acme").unwrap().1.to_owned();
        assert_eq!(server.anonymous(Method::GET, &path).answer().await.text, NEWER);
        server.restart().await;
    }
    for bad in ["vsts-agent-linux-x64-4.1000.0.tar.gz", "agent.tar.gz"] {
        let body = json!({"path": folder.path().join(bad)});
        server.control(Method::POST, "/packages").json(&body).answer().await.expect(400);
    }
}

#[tokio::test]
async fn an_update_is_a_message_and_is_pending_until_the_version_is_there() {
    let folder = TempDir::new().unwrap();
    let server = offering(&folder).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    ask_for(&server, json!({})).await;
    let message = next(&server, &agent, &session, None).await;
    assert_eq!(message.kind, "AgentRefresh");
    assert_eq!(message.body, json!({"agentId": agent.id, "timeout": "00:05:00", "targetVersion": "4.999.0"}));
    let report = format!("{POOL}/agents/{}/updates?currentState=Downloading", agent.id);
    server.bearer(&agent.token, Method::PUT, &report).answer().await.expect(200);
    let shown = pending(&server, &agent).await;
    assert_eq!(
        (&shown["sourceVersion"]["minor"], &shown["targetVersion"]["minor"], &shown["currentState"]),
        (&json!(270), &json!(999), &json!("Downloading"))
    );
    assert_eq!(server.events("updateReported").await[0]["state"], "Downloading");
    agent.delete_message(&server, &session, message.id).await;
    agent.close(&server, &session).await;
    // As the updated agent does.
    let body = json!({
        "sessionId": "00000000-0000-0000-0000-000000000000", "ownerName": "BUILDHOST",
        "agent": {"id": agent.id, "name": "web01", "version": "4.999.0"},
    });
    let path = format!("{POOL}/sessions");
    server.bearer(&agent.token, Method::POST, &path).json(&body).answer().await.expect(200);
    assert_eq!(pending(&server, &agent).await, Value::Null);
    assert_eq!(server.events("agentUpdated").await[0]["version"], "4.999.0");
}

/// The agent skips a job that comes during an update and does not delete its message
/// (azure-pipelines-agent: Agent.cs), then ends.
#[tokio::test]
async fn a_job_that_is_skipped_during_an_update_goes_to_the_next_session_and_is_received_once() {
    let folder = TempDir::new().unwrap();
    let server = offering(&folder).await;
    let agent = Agent::register(&server, "web01").await;
    ask_for(&server, json!({"version": "4.999.0"})).await;
    server.queue("echo work").await;
    let session = agent.open(&server).await;
    let refresh = next(&server, &agent, &session, None).await;
    assert_eq!(refresh.kind, "AgentRefresh");
    agent.delete_message(&server, &session, refresh.id).await;
    let skipped = next(&server, &agent, &session, Some(refresh.id)).await;
    assert_eq!(skipped.kind, "PipelineAgentJobRequest");
    agent.close(&server, &session).await;

    let next_agent = agent.replace(&server).await;
    let session = next_agent.open(&server).await;
    let again = next(&server, &next_agent, &session, None).await;
    assert_eq!((again.kind, &again.body["jobId"]), (skipped.kind, &skipped.body["jobId"]));
    next_agent.delete_message(&server, &session, again.id).await;
    assert_eq!(server.events("jobReceived").await.len(), 1);
    assert_eq!(server.events("jobRequeued").await.len(), 1);
}

#[tokio::test]
async fn an_untaken_update_is_told_to_the_next_session_and_with_every_session_to_each() {
    let folder = TempDir::new().unwrap();
    let server = offering(&folder).await;
    let agent = Agent::register(&server, "web01").await;
    for (body, told) in
        [(json!({}), [true, true, false]), (json!({"everySession": true}), [true, true, true])]
    {
        ask_for(&server, body.clone()).await;
        for (round, expected) in told.into_iter().enumerate() {
            let session = agent.open(&server).await;
            let message = agent.poll(&server, &session, None).await;
            assert_eq!(message.is_some(), expected, "{body} {round}");
            // In the first round the agent is killed before it deletes the message.
            if let Some(message) = message.filter(|_| round > 0) {
                agent.delete_message(&server, &session, message.id).await;
            }
            agent.close(&server, &session).await;
        }
    }
}

#[tokio::test]
async fn a_version_that_nobody_offers_and_an_unknown_agent_are_refused() {
    let folder = TempDir::new().unwrap();
    let server = offering(&folder).await;
    Agent::register(&server, "web01").await;
    let body = json!({"version": "5.0.0"});
    let error = server.control(Method::POST, "/agents/web01/update").json(&body).answer().await.expect(400);
    assert_eq!(error["error"], "no package offers 5.0.0; offered: 4.999.0, 4.270.0");
    server.control(Method::POST, "/agents/web02/update").json(&json!({})).answer().await.expect(404);
}
