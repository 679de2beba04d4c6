//! Agents come, come again, are disabled and go.

use reqwest::Method;
use serde_json::json;

use crate::client::{Agent, Key, POOL, body};
use crate::server::{Ask, BASE, Server};

#[tokio::test]
async fn a_new_agent_gets_what_it_needs_to_connect() {
    let server = Server::start().await;
    let key = Key::generate();
    let request = server.as_user(Method::POST, &format!("{POOL}/agents")).json(&body("web01", &key));
    let answer = request.answer().await.expect(200);
    assert_eq!(answer["id"], 1);
    assert_eq!(answer["enabled"], true);
    assert_eq!(answer["status"], "offline");
    assert_eq!(answer["authorization"]["publicKey"], key.public());
    assert_eq!(answer["authorization"]["authorizationUrl"], format!("{BASE}/_apis/oauth2/token"));
    assert_eq!(answer["properties"]["ServerUrl"]["$value"], format!("{BASE}/"));
    assert_eq!(answer["_links"]["self"]["href"], format!("{BASE}{POOL}/agents/1"));

    let listed = server.get(&format!("{POOL}/agents?agentName=WEB01&includeCapabilities=True")).await;
    assert_eq!(listed["count"], 1);
    assert_eq!(listed["value"][0]["systemCapabilities"]["Agent.OS"], "Linux");
    let plain = server.get(&format!("{POOL}/agents?agentName=web01&includeCapabilities=False")).await;
    assert!(plain["value"][0].get("systemCapabilities").is_none());
    assert_eq!(server.get(&format!("{POOL}/agents?agentName=web02")).await["count"], 0);

    let again = server.as_user(Method::POST, &format!("{POOL}/agents")).json(&body("Web01", &key));
    again.answer().await.refused(409, "TaskAgentExistsException");
}

#[tokio::test]
async fn a_disabled_agent_that_registers_again_stays_disabled_and_keeps_its_marks() {
    let server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    let path = format!("{POOL}/agents/{}", agent.id);
    let marks = json!({"mayfly-drain": "run 7"});
    let marked = server.as_user(Method::PUT, &format!("{path}/usercapabilities")).json(&marks);
    assert_eq!(marked.answer().await.expect(200)["userCapabilities"], marks);
    let echo = server.get(&path).await;
    assert_eq!(echo["enabled"], true);
    let disable = server.as_user(Method::PATCH, &path).json(&json!({"id": agent.id, "enabled": false}));
    assert_eq!(disable.answer().await.expect(200)["enabled"], false);

    // The agent echoes what it read before the change.
    let mut replacement = body("web01", &Key::generate());
    replacement["enabled"] = json!(true);
    replacement["userCapabilities"] = json!({});
    let answer = server.as_user(Method::PUT, &path).json(&replacement).answer().await.expect(200);
    assert_eq!(answer["id"], agent.id);
    assert_eq!(answer["enabled"], false);
    assert_eq!(answer["userCapabilities"], marks);
    assert_eq!(answer["authorization"]["clientId"], agent.client_id);
}

#[tokio::test]
async fn an_agents_own_identity_manages_no_agents() {
    let server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    let path = format!("{POOL}/agents/{}", agent.id);
    let new = body("web02", &Key::generate());
    for (method, path, body) in [
        (Method::DELETE, path.clone(), None),
        (Method::POST, format!("{POOL}/agents"), Some(new.clone())),
        (Method::PUT, path.clone(), Some(new)),
        (Method::PATCH, path.clone(), Some(json!({"enabled": false}))),
        (Method::PUT, format!("{path}/usercapabilities"), Some(json!({}))),
    ] {
        let request = server.bearer(&agent.token, method, &path);
        let request = body.into_iter().fold(request, |request, body| request.json(&body));
        request.answer().await.refused(403, "AccessDeniedException");
    }
    server.as_user(Method::DELETE, &path).answer().await.expect(204);
    server.as_user(Method::GET, &path).answer().await.refused(404, "TaskAgentNotFoundException");
    server.as_user(Method::DELETE, &path).answer().await.refused(404, "TaskAgentNotFoundException");
    agent.try_open(&server).await.refused(404, "TaskAgentNotFoundException");
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_refused() {
    let server = Server::start().await;
    let mut short = body("web01", &Key::generate());
    short["authorization"]["publicKey"]["modulus"] = json!("AQAB");
    let path = format!("{POOL}/agents");
    let answer = server.as_user(Method::POST, &path).json(&short).answer().await;
    let error = answer.refused(400, "ArgumentException");
    assert!(error["message"].as_str().unwrap().contains("24 bits"), "{error}");
    let elsewhere = server.as_user(Method::POST, "/_apis/distributedtask/pools/99/agents");
    let answer = elsewhere.json(&body("a", &Key::generate())).answer().await;
    let error = answer.refused(404, "TaskAgentPoolNotFoundException");
    assert_eq!(error["message"], "No agent pool found with identifier 99.");
}
