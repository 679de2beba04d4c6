//! What a thief of an agent's key gets, and what of it is seen.

use std::net::{IpAddr, Ipv4Addr};

use azdo_mock::{OldToken, Switches};
use reqwest::Method;
use serde_json::json;

use crate::client::{Agent, POOL};
use crate::server::{Ask, Server, quick};

/// All of 127.0.0.0/8 is this host, so the thief speaks from another address than the agent registered from.
const THIEF: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn alarms(server: &Server) -> Vec<String> {
    let all = server.control(Method::GET, "/events").answer().await.expect(200);
    let all = all.as_array().unwrap().iter().filter(|event| event["alarm"] == true);
    all.map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn control_the_life_of_an_honest_agent_raises_no_alarm() {
    let mut server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    assert!(agent.poll(&server, &session, None).await.is_none());
    agent.request_token(&server, &agent.claims(&server)).await.expect(200);
    agent.close(&server, &session).await;
    // The next container has another address and another key, and may find a session that was never closed.
    server.speak_from(THIEF);
    let next = agent.replace(&server).await;
    let session = next.open(&server).await;
    let third = next.replace(&server).await;
    third.try_open(&server).await.refused(409, "TaskAgentSessionConflictException");
    assert_eq!(alarms(&server).await, Vec::<String>::new());
    let conflict = &server.events("sessionConflict").await[0];
    assert_eq!((&conflict["from"], &conflict["openFrom"]), (&json!(THIEF), &json!(THIEF)));
    next.close(&server, &session).await;
}

#[tokio::test]
async fn a_second_session_with_the_same_key_is_refused_and_raises_an_alarm_once() {
    let mut server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    agent.open(&server).await;
    server.speak_from(THIEF);
    for _ in 0..2 {
        agent.try_open(&server).await.refused(409, "TaskAgentSessionConflictException");
    }
    let seen = server.events("secondSession").await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    let of = |name: &str| seen[0][name].clone();
    assert_eq!(
        (of("agent"), of("owner"), of("openOwner"), of("from"), of("openFrom"), of("alarm")),
        (json!("web01"), json!("BUILDHOST"), json!("BUILDHOST"), json!(THIEF), json!(HOME), json!(true))
    );
}

#[tokio::test]
async fn a_key_at_another_address_raises_an_alarm() {
    let mut server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    server.speak_from(THIEF);
    agent.request_token(&server, &agent.claims(&server)).await.expect(200);
    let seen = server.events("keyUsedElsewhere").await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(
        (&seen[0]["usedFor"], &seen[0]["from"], &seen[0]["registeredFrom"]),
        (&json!("token"), &json!(THIEF), &json!(HOME))
    );
    // A token that was taken instead of the key shows the same.
    agent.open(&server).await;
    assert_eq!(server.events("keyUsedElsewhere").await[1]["usedFor"], "accessToken");
}

#[tokio::test]
async fn a_replaced_key_gets_no_token_and_no_session_and_is_named_in_an_alarm() {
    let server = Server::start().await;
    let old = Agent::register(&server, "web01").await;
    let new = old.replace(&server).await;
    let refused = old.request_token(&server, &old.claims(&server)).await.expect(400);
    assert_eq!(refused["error"], "invalid_client");
    let dead = server.events("deadKeyUsed").await;
    let replaced = &server.events("agentReplaced").await[0];
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!((&dead[0]["usedFor"], &dead[0]["key"]), (&json!("token"), &replaced["previousKey"]));
    // By default the access token from before is taken, but opens no session.
    server.bearer(&old.token, Method::GET, POOL).answer().await.expect(200);
    old.try_open(&server).await.refused(401, "UnauthorizedRequestException");
    assert_eq!(server.events("deadKeyUsed").await[1]["usedFor"], "accessToken");
    new.open(&server).await;
}

#[tokio::test]
async fn with_the_switch_an_old_access_token_is_refused_and_seen_all_the_same() {
    let switches = Switches { old_token_after_replace: OldToken::Refused, ..Switches::default() };
    let server = Server::start_with(switches, vec![]).await;
    let old = Agent::register(&server, "web01").await;
    old.replace(&server).await;
    server.bearer(&old.token, Method::GET, POOL).answer().await.refused(401, "UnauthorizedRequestException");
    assert_eq!(server.events("deadKeyUsed").await.len(), 1);
}

/// Why the page on limits says one pool per trust boundary: between an agent's end and its next registration the key
/// is good for a session, and that session is given the next job.
#[tokio::test]
async fn limit_between_end_and_registration_a_thief_may_take_the_next_job_but_not_unseen() {
    let mut server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    agent.close(&server, &session).await;
    server.speak_from(THIEF);
    let stolen = agent.open(&server).await;
    server.queue("echo for the agent").await;
    let message = agent.poll(&server, &stolen, None).await.expect("the thief gets the job");
    assert_eq!(message.kind, "PipelineAgentJobRequest");
    assert_eq!(alarms(&server).await, ["keyUsedElsewhere"]);
    // Once the agent is registered again the thief's session gets nothing more, and the job goes to the agent.
    server.speak_from(HOME);
    let next = agent.replace(&server).await;
    agent.close(&server, &stolen).await;
    let honest = next.open(&server).await;
    assert!(next.poll(&server, &honest, None).await.is_some());
}

#[tokio::test]
async fn events_outlive_the_process() {
    let mut server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    agent.open(&server).await;
    agent.try_open(&server).await.refused(409, "TaskAgentSessionConflictException");
    let before = server.control(Method::GET, "/events").answer().await.expect(200);
    server.restart().await;
    let after = server.control(Method::GET, "/events").answer().await.expect(200);
    assert_eq!(before, after);
    agent.replace(&server).await;
    let numbers = server.control(Method::GET, "/events").answer().await.expect(200);
    let numbers: Vec<_> = numbers.as_array().unwrap().iter().map(|e| e["number"].as_u64().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
}
