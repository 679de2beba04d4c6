//! A container that is killed leaves its session behind, and the next one of its name is kept out by it.

#[cfg(unix)]
use std::time::Duration;
use std::time::Instant;

use reqwest::Method;
use serde_json::json;

use crate::client::Agent;
use crate::server::{Ask, Server};
#[cfg(unix)]
use crate::stub::{StubAgent, World};

/// Asks for a session as agents do: again each 30 s while there is a conflict. How often it was refused.
async fn conflicts(server: &Server, agent: &Agent, most: u32) -> Option<u32> {
    for refused in 0..most {
        let answer = agent.try_open(server).await;
        if answer.status == 200 {
            return Some(refused);
        }
        answer.refused(409, "TaskAgentSessionConflictException");
        let step = server.control(Method::POST, "/clock/advance").json(&json!({"seconds": 30}));
        step.answer().await.expect(200);
    }
    None
}

#[tokio::test]
async fn on_a_virtual_clock_the_conflict_passes_while_nobody_waits() {
    let server = Server::start().await;
    let killed = Agent::register(&server, "web01").await;
    killed.open(&server).await;
    let next = killed.replace(&server).await;
    let start = Instant::now();
    // An agent gives up after eight tries, four minutes; its container's next start finds the way free.
    assert_eq!(conflicts(&server, &next, 8).await, None);
    assert_eq!(conflicts(&server, &next, 8).await, Some(3), "five minutes after the last poll");
    println!("the conflict of 330 s took {:?}", start.elapsed());
    let expired = server.events("sessionExpired").await;
    assert_eq!(expired.len(), 1);
}

#[tokio::test]
async fn without_time_or_help_the_conflict_stays() {
    let server = Server::start().await;
    let killed = Agent::register(&server, "web01").await;
    killed.open(&server).await;
    let next = killed.replace(&server).await;
    for _ in 0..20 {
        next.try_open(&server).await.refused(409, "TaskAgentSessionConflictException");
    }
    for (path, body, count) in [
        ("/sessions/expire", json!({"owner": "buildhost"}), "expired"),
        ("/sessions/release", json!({"agent": "WEB01"}), "released"),
    ] {
        let ended = server.control(Method::POST, path).json(&body).answer().await.expect(200);
        assert_eq!(ended[count], 1, "{path}");
        next.open(&server).await;
        next.try_open(&server).await.refused(409, "TaskAgentSessionConflictException");
    }
}

#[tokio::test]
async fn what_is_not_open_cannot_be_ended() {
    let server = Server::start().await;
    Agent::register(&server, "web01").await.open(&server).await;
    for (path, body, status, part) in [
        ("/sessions/expire", json!({}), 400, "`agent`, `owner` or `session`"),
        ("/sessions/expire", json!({"agent": "web02"}), 404, "no agent is named `web02`"),
        ("/sessions/release", json!({"owner": "OTHER"}), 404, "of `web01` by `BUILDHOST`"),
        ("/sessions/release", json!({"name": "web01"}), 422, "unknown field"),
        ("/clock/advance", json!({"seconds": -1}), 400, "more than 0"),
        ("/clock/advance", json!({"hours": 1}), 422, "unknown field"),
    ] {
        let answer = server.control(Method::POST, path).json(&body).answer().await.expect(status);
        assert!(answer["error"].as_str().unwrap().contains(part), "{answer}");
    }
    let sessions = server.control(Method::GET, "/sessions").answer().await.expect(200);
    assert_eq!((&sessions[0]["agent"], &sessions[0]["owner"]), (&json!("web01"), &json!("BUILDHOST")));
}

/// The agent's fixed wait of 30 s between two tries is shortened, unless `MAYFLY_REAL_WAITS` is set.
#[cfg(unix)]
#[tokio::test]
async fn on_the_machines_clock_a_killed_agent_comes_back_once_its_session_is_released() {
    let mut world = World::start(None).await;
    if std::env::var_os("MAYFLY_REAL_WAITS").is_none() {
        world.hurry_agents(4);
    }
    let limit = Duration::from_secs(90);
    let first = StubAgent::unpack(&world, "web01").await;
    assert!(first.configure().wait().await.unwrap().success(), "{}", first.diagnostics());
    let mut listening = first.run_once();
    world.until("/sessions", limit, |sessions| sessions[0]["polls"].as_u64() > Some(0)).await.unwrap();
    // As by the end of a container that is not waited for: no word to the service.
    listening.kill().await.unwrap();

    let second = StubAgent::unpack(&world, "web01").await;
    assert!(second.configure().wait().await.unwrap().success(), "{}", second.diagnostics());
    let start = Instant::now();
    let mut again = second.run_once();
    let conflict = |events: &serde_json::Value| {
        events.as_array().unwrap().iter().any(|event| event["kind"] == "sessionConflict")
    };
    world.until("/events", limit, conflict).await.unwrap();
    let old = world.get("/sessions").await[0]["id"].clone();
    assert!(again.try_wait().unwrap().is_none(), "control: it is kept out and tries again");

    world.control(Method::POST, "/sessions/release", Some(json!({"agent": "web01"}))).await;
    let online = world.until("/sessions", limit, |sessions| sessions[0]["polls"].as_u64() > Some(0)).await;
    assert_ne!(online.unwrap()[0]["id"], old);
    println!("back after {:?}", start.elapsed());
    again.kill().await.unwrap();
    world.stop().await;
}
