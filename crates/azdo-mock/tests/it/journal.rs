//! The record of requests: who asked for what, how it ended, and no secret.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Agent, POOL, Worker};
use crate::server::{Ask, PAT, Server, quick};

async fn journal(server: &Server) -> Vec<Value> {
    let entries = server.control(Method::GET, "/journal").answer().await.expect(200);
    entries.as_array().unwrap().clone()
}

#[tokio::test]
async fn no_secret_of_a_run_is_in_the_journal_wherever_a_client_puts_it() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    server.queue("echo hello").await;
    let message = agent.poll(&server, &session, None).await.unwrap();
    let job = Worker::new(&message).token;
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl";
    let secrets = [PAT, agent.token.as_str(), job.as_str(), jwt];
    for secret in secrets {
        for place in [
            format!("/_apis/distributedtask/pools?poolName={secret}"),
            format!("/_apis/distributedtask/pools?access_token={secret}"),
            format!("/_apis/distributedtask/pools?{secret}"),
            format!("/_apis/{secret}/x"),
        ] {
            server.anonymous(Method::GET, &format!("/acme{place}")).answer().await;
            server.bearer(secret, Method::GET, &place).answer().await;
        }
    }
    let text = json!(journal(&server).await).to_string();
    for secret in secrets {
        assert!(!text.contains(secret), "a secret of {} characters is in the journal", secret.len());
    }
    // The search finds what nobody hides.
    server.as_user(Method::GET, "/_apis/distributedtask/pools?poolName=found-if-shown").answer().await;
    assert!(json!(journal(&server).await).to_string().contains("found-if-shown"));
}

#[tokio::test]
async fn an_entry_has_route_caller_status_duration_and_fault() {
    let server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    let fault =
        json!([{"route": "/_apis/distributedtask/pools/*", "status": 500, "latency_ms": 1, "count": 1}]);
    server.control(Method::POST, "/faults").json(&fault).answer().await.expect(204);
    let faulty = async { server.bearer(&agent.token, Method::GET, POOL).answer().await };
    let moved = async {
        while journal(&server).await.is_empty() || server.clock.waiters() < 2 {
            tokio::task::yield_now().await;
        }
        server.advance(jiff::SignedDuration::from_millis(5));
    };
    let (answer, ()) = tokio::join!(faulty, moved);
    assert_eq!(answer.status, 500);
    let entries = journal(&server).await;
    let entry = entries.iter().find(|entry| entry["fault"] == 1).unwrap();
    assert!(entry["route"].as_str().unwrap().ends_with("/_apis/distributedtask/pools/{pool}"), "{entry}");
    assert_eq!(
        (&entry["caller"], &entry["status"], &entry["durationMs"]),
        (&json!("agent web01"), &json!(500), &json!(5))
    );
}

#[tokio::test]
async fn a_client_that_goes_away_is_in_the_journal_too() {
    let server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let gone = |entries: &[Value]| {
        entries
            .iter()
            .any(|entry| entry["status"].is_null() && entry["path"].as_str().unwrap().contains("/messages"))
    };
    tokio::select! {
        _ = agent.try_poll(&server, &session, None) => panic!("there is nothing to get"),
        () = async {
            while server.control(Method::GET, "/sessions").answer().await.expect(200)[0]["polls"] != 1 {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !gone(&journal(&server).await) {
        assert!(std::time::Instant::now() < end, "the end of the poll was not written down");
        tokio::task::yield_now().await;
    }
}
