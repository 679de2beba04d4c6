//! The control API says what it does not take.

use reqwest::Method;
use serde_json::json;

use crate::client::Agent;
use crate::server::{Ask, Server};

#[tokio::test]
async fn jobs_that_cannot_be_queued_are_refused_by_name() {
    let server = Server::start().await;
    for (body, status, part) in [
        (json!({"pool": "Nope", "steps": [{"script": "x"}]}), 404, "only `Default`, `Linux`"),
        (json!({"pool": "Default", "steps": []}), 400, "at least one step"),
        (
            json!({"pool": "Default", "steps": [{"displayName": "x"}]}),
            400,
            "exactly one of `script` and `bash`",
        ),
        (json!({"pool": "Default", "steps": [{"script": "x", "bash": "y"}]}), 400, "exactly one"),
        (json!({"pool": "Default", "steps": [{"pwsh": "x"}]}), 422, "unknown field `pwsh`"),
        (json!({"pool": "Default", "steps": [{"script": "x"}], "demands": ["-x"]}), 422, "not a demand"),
        (json!({"pool": "Default", "steps": [{"script": "x"}], "variables": {"a": 1}}), 400, "variable `a`"),
        (json!({"steps": [{"script": "x"}]}), 422, "pool"),
    ] {
        let answer = server.control(Method::POST, "/jobs").json(&body).answer().await.expect(status);
        assert!(answer["error"].as_str().unwrap().contains(part), "{part}: {answer}");
    }
    let nameless = json!({"pool": "Default", "name": null, "steps": [{"script": "x"}]});
    let queued = server.control(Method::POST, "/jobs").json(&nameless).answer().await.expect(201);
    assert_eq!(queued["name"], "Job");
    server.control(Method::GET, "/jobs/none").answer().await.expect(404);
    server.control(Method::GET, "/jobs/none/log").answer().await.expect(404);
    let release = server.control(Method::POST, "/sessions/release").json(&json!({"agent": "nobody"}));
    release.answer().await.expect(404);
    assert_eq!(server.control(Method::GET, "/jobs").answer().await.expect(200).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn journal_events_and_agents_tell_what_happened() {
    let server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    agent.replace(&server).await.open(&server).await;
    let journal = server.control(Method::GET, "/journal").answer().await.expect(200);
    let entries = journal.as_array().unwrap();
    let has = |method: &str, path: &str, status: u16, caller: &str| {
        entries.iter().any(|entry| {
            entry["method"] == method
                && entry["path"].as_str().unwrap().ends_with(path)
                && entry["status"] == status
                && entry["caller"] == caller
        })
    };
    assert!(has("POST", "/pools/1/agents", 200, "user"), "{journal}");
    assert!(has("POST", "/_apis/oauth2/token", 200, "anonymous"), "{journal}");
    assert!(has("POST", "/pools/1/sessions", 200, "agent web01"), "{journal}");
    let events = server.control(Method::GET, "/events").answer().await.expect(200);
    let kinds: Vec<_> =
        events.as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["tokenAdded", "agentRegistered", "agentReplaced", "sessionCreated"]);
    let replaced = &events[2];
    assert_ne!(replaced["key"], replaced["previousKey"]);
    let agents = server.control(Method::GET, "/agents").answer().await.expect(200);
    assert_eq!((&agents[0]["online"], &agents[0]["registrations"]), (&json!(true), &json!(2)));
}
