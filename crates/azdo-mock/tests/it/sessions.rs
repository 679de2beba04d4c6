//! Sessions, polls and what becomes of messages.

use azdo_mock::{SessionAfterReplace, Switches};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use crate::client::{Agent, POOL, Session};
use crate::server::{Ask, Server, quick};

async fn status(server: &Server, agent: &Agent) -> String {
    let shown = server.get(&format!("{POOL}/agents/{}", agent.id)).await;
    shown["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_second_session_conflicts_until_the_first_is_deleted() {
    let server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    assert_eq!(status(&server, &agent).await, "offline");
    let session = agent.open(&server).await;
    assert_eq!(status(&server, &agent).await, "online");
    let error = agent.try_open(&server).await.refused(409, "TaskAgentSessionConflictException");
    assert_eq!(error["message"], "The task agent web01 already has an active session for owner BUILDHOST.");
    agent.close(&server, &session).await;
    assert_eq!(status(&server, &agent).await, "offline");
    agent.open(&server).await;
}

#[tokio::test]
async fn a_session_expires_five_minutes_after_the_last_poll() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    server.advance(SignedDuration::from_mins(4));
    assert!(agent.poll(&server, &session, None).await.is_none());
    server.advance(SignedDuration::from_mins(4));
    agent.try_open(&server).await.refused(409, "TaskAgentSessionConflictException");
    server.advance(SignedDuration::from_mins(2));
    let answer = agent.try_poll(&server, &session, None).await;
    answer.refused(403, "TaskAgentSessionExpiredException");
    agent.open(&server).await;
}

#[tokio::test]
async fn by_default_a_replaced_agents_session_stays_in_the_way() {
    let server = Server::start().await;
    let old = Agent::register(&server, "web01").await;
    old.open(&server).await;
    let new = old.replace(&server).await;
    new.try_open(&server).await.refused(409, "TaskAgentSessionConflictException");
    let released = server.control(Method::POST, "/sessions/release").json(&json!({"agent": "web01"}));
    assert_eq!(released.answer().await.expect(200)["released"], 1);
    new.open(&server).await;
}

#[tokio::test]
async fn with_the_switch_a_replacement_drops_the_session() {
    let switches = Switches { session_after_replace: SessionAfterReplace::Dropped, ..quick() };
    let server = Server::start_with(switches, vec![]).await;
    let old = Agent::register(&server, "web01").await;
    let session = old.open(&server).await;
    let new = old.replace(&server).await;
    old.try_poll(&server, &session, None).await.refused(403, "TaskAgentSessionExpiredException");
    new.open(&server).await;
}

#[tokio::test]
async fn a_message_stays_until_it_is_deleted_and_two_polls_may_be_held() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    assert!(agent.poll(&server, &session, None).await.is_none());
    server.queue("echo hello").await;

    // The second poller throws away what it gets; so both get it, and again.
    let (first, second) =
        tokio::join!(agent.poll(&server, &session, None), agent.poll(&server, &session, Some(0)));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.id, &first.body), (second.id, &second.body));
    assert_eq!(agent.poll(&server, &session, None).await.unwrap().id, first.id);
    assert!(agent.poll(&server, &session, Some(first.id)).await.is_none());

    agent.delete_message(&server, &session, first.id).await;
    assert!(agent.poll(&server, &session, None).await.is_none());
    agent.delete_message(&server, &session, first.id).await;
}

#[tokio::test]
async fn a_held_poll_gets_a_job_the_moment_it_is_queued() {
    // A poll that is held for 50 s answers long before.
    let server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let poll = agent.poll(&server, &session, None);
    let queue = async {
        server.queue("echo hello").await;
    };
    let (message, ()) =
        tokio::time::timeout(std::time::Duration::from_secs(10), async { tokio::join!(poll, queue) })
            .await
            .expect("the poll answers at once");
    assert_eq!(message.unwrap().kind, "PipelineAgentJobRequest");
}

/// Asks the control API until an agent has so many polls held.
async fn until_polls(server: &Server, polls: u64) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let agents = server.control(Method::GET, "/agents").answer().await.expect(200);
        if agents[0]["polls"] == polls {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "not {polls} polls: {agents}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_poll_ends_when_its_agent_is_gone_and_only_then_the_session_ages() {
    let server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    tokio::select! {
        _ = agent.try_poll(&server, &session, None) => panic!("there is nothing to get"),
        () = until_polls(&server, 1) => {}
    }
    // The connection is closed with the request, as by a container that is killed.
    until_polls(&server, 0).await;
    server.advance(SignedDuration::from_mins(6));
    assert_eq!(status(&server, &agent).await, "offline");
    agent.open(&server).await;
}

#[tokio::test]
async fn nobody_listens_in_anothers_place() {
    let server = Server::start_with(quick(), vec![]).await;
    let one = Agent::register(&server, "web01").await;
    let other = Agent::register(&server, "web02").await;
    let session = one.open(&server).await;
    other.try_poll(&server, &session, None).await.refused(403, "AccessDeniedException");
    let path = format!("{POOL}/messages?sessionId={}", session.id);
    server.as_user(Method::GET, &path).answer().await.refused(403, "AccessDeniedException");
    let stolen = Agent { id: one.id, ..other };
    stolen.try_open(&server).await.refused(403, "AccessDeniedException");
    let gone = Session { id: "7a2c3f6e-0000-4000-8000-000000000000".into(), ..session };
    one.try_poll(&server, &gone, None).await.refused(403, "TaskAgentSessionExpiredException");
    let none = server.bearer(&one.token, Method::GET, &format!("{POOL}/messages")).answer().await;
    none.refused(400, "VssPropertyValidationException");
}
