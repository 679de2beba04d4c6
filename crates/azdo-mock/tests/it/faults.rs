//! Faults as a client meets them.

use jiff::SignedDuration;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::client::{Agent, POOL, body};
use crate::server::{Ask, Server};

async fn add(server: &Server, faults: Value) {
    server.control(Method::POST, "/faults").json(&faults).answer().await.expect(204);
}

async fn hits(server: &Server) -> Vec<u64> {
    let listed = server.control(Method::GET, "/faults").answer().await.expect(200);
    listed.as_array().unwrap().iter().map(|fault| fault["hits"].as_u64().unwrap()).collect()
}

/// What comes of a call whose connection may be cut: the status, and whether the body came whole.
async fn outcome(request: RequestBuilder) -> (Option<u16>, bool) {
    match request.send().await {
        Err(_) => (None, false),
        Ok(response) => (Some(response.status().as_u16()), response.text().await.is_ok()),
    }
}

#[tokio::test]
async fn throttling_has_the_services_envelope_and_says_when_to_come_back() {
    let server = Server::start().await;
    add(&server, json!([{"route": "/**", "status": 429, "retry_after": 7, "count": 1}])).await;
    let answer = server.as_user(Method::GET, POOL).answer().await;
    assert_eq!(answer.header("retry-after"), "7");
    answer.refused(429, "TeamFoundationServiceException");
    server.as_user(Method::GET, POOL).answer().await.expect(200);
    assert_eq!(hits(&server).await, [1]);
}

#[tokio::test]
async fn a_connection_is_cut_before_in_and_after_the_work() {
    let server = Server::start().await;
    let agents = format!("{POOL}/agents");
    let post = |name: &str| {
        let key = crate::client::Key::generate();
        server.as_user(Method::POST, &agents).json(&body(name, &key))
    };
    let registered = async || {
        let listed = server.get(&agents).await;
        listed["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    add(&server, json!([{"method": "POST", "route": "/**/agents", "cut": "request", "count": 1}])).await;
    assert_eq!(outcome(post("a1")).await, (None, false));
    assert!(registered().await.is_empty(), "nothing was done");

    add(&server, json!([{"method": "POST", "route": "/**/agents", "cut": "answer", "count": 1}])).await;
    assert_eq!(outcome(post("a2")).await, (None, false));
    assert_eq!(registered().await, ["a2"], "it was done, and only the answer is lost");

    add(&server, json!([{"method": "POST", "route": "/**/agents", "cut": "body", "count": 1}])).await;
    assert_eq!(outcome(post("a3")).await, (Some(200), false));
    assert_eq!(registered().await, ["a2", "a3"]);
    assert_eq!(outcome(post("a4")).await, (Some(200), true), "control: a call without a fault");
    assert_eq!(hits(&server).await, [1, 1, 1]);
}

#[tokio::test]
async fn latency_is_of_the_services_clock() {
    let server = Server::start().await;
    add(&server, json!([{"route": "/**", "latency_ms": 600_000}])).await;
    let waiting = server.clock.waiters();
    let call = server.as_user(Method::GET, POOL).answer();
    let moved = async {
        while server.clock.waiters() == waiting {
            tokio::task::yield_now().await;
        }
        server.advance(SignedDuration::from_mins(10));
    };
    let (answer, ()) = tokio::join!(call, moved);
    answer.expect(200);
}

#[tokio::test]
async fn a_fault_may_be_for_one_caller_alone() {
    let server = Server::start().await;
    let one = Agent::register(&server, "web01").await;
    let other = Agent::register(&server, "web02").await;
    add(
        &server,
        json!([
            {"caller": {"agent": "WEB01"}, "status": 500},
            {"caller": {"kind": "user", "user_agent": "curl"}, "status": 503},
        ]),
    )
    .await;
    server
        .bearer(&one.token, Method::GET, POOL)
        .answer()
        .await
        .refused(500, "TeamFoundationServiceException");
    server.bearer(&other.token, Method::GET, POOL).answer().await.expect(200);
    server.as_user(Method::GET, POOL).answer().await.expect(200);
    let curl = server.as_user(Method::GET, POOL).header("user-agent", "curl/8.5.0");
    curl.answer().await.refused(503, "TeamFoundationServiceException");
    assert_eq!(hits(&server).await, [1, 1]);
    server.control(Method::DELETE, "/faults/1").answer().await.expect(204);
    server.control(Method::DELETE, "/faults/1").answer().await.expect(404);
    server.bearer(&one.token, Method::GET, POOL).answer().await.expect(200);
}

#[tokio::test]
async fn a_fault_that_makes_no_sense_is_refused_and_none_of_its_list_is_taken() {
    let server = Server::start().await;
    let list = json!([{"status": 500}, {"status": 200}]);
    let refused = server.control(Method::POST, "/faults").json(&list).answer().await.expect(400);
    assert_eq!(refused["error"], "fault 2: the status 200 is not an error; 400 to 599 are supported");
    assert!(hits(&server).await.is_empty());
}
