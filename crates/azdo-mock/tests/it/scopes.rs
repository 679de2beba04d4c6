//! Personal access tokens that were made for something: what they reach, and what they are answered elsewhere.

use reqwest::{Method, header};
use serde_json::json;

use crate::client::{Agent, Key, POOL, Worker, body};
use crate::server::{Answer, Ask, Server, basic, quick};

async fn made_for(server: &Server, scope: &str) -> String {
    let token = format!("made-for-{}", scope.replace(' ', "-"));
    let body = json!({"token": token, "scope": scope});
    server.control(Method::POST, "/tokens").json(&body).answer().await.expect(204);
    token
}

async fn ask(server: &Server, token: &str, method: Method, path: &str) -> Answer {
    server.anonymous(method, path).header(header::AUTHORIZATION, basic("", token)).answer().await
}

#[tokio::test]
async fn a_token_reaches_what_it_was_made_for_and_gets_401_elsewhere() {
    let server = Server::start_with(quick(), Vec::new()).await;
    let agent = Agent::register(&server, "web01").await;
    server.queue("echo").await;
    let session = agent.open(&server).await;
    let plan = Worker::new(&agent.poll(&server, &session, None).await.unwrap()).plan_path();
    let timelines = format!("{plan}/timelines?api-version=7.1-preview.1");
    let agents = format!("{POOL}/agents");
    let one = format!("{agents}/{}?api-version=7.1-preview.1", agent.id);
    for (scope, reached, refused) in [
        (
            "vso.agentpools",
            vec![(Method::GET, &agents)],
            vec![(Method::DELETE, &one), (Method::GET, &timelines)],
        ),
        (
            "vso.build",
            vec![(Method::GET, &timelines)],
            vec![(Method::GET, &agents), (Method::POST, &timelines)],
        ),
        ("vso.build_execute vso.agentpools", vec![(Method::GET, &timelines), (Method::GET, &agents)], vec![]),
        ("vso.code", vec![], vec![(Method::GET, &agents), (Method::GET, &timelines)]),
        ("app_token", vec![(Method::GET, &agents), (Method::GET, &timelines)], vec![]),
    ] {
        let token = made_for(&server, scope).await;
        // A good token is enough to connect.
        ask(&server, &token, Method::GET, "/_apis/connectionData").await.expect(200);
        for (method, path) in reached {
            ask(&server, &token, method, path).await.expect(200);
        }
        for (method, path) in refused {
            let answer = ask(&server, &token, method, path).await;
            let challenges: Vec<_> = answer.headers.get_all(header::WWW_AUTHENTICATE).iter().collect();
            assert_eq!(challenges, ["Bearer", "Basic realm=\"azure-devops\""], "{scope}");
            answer.refused(401, "UnauthorizedRequestException");
        }
    }
}

#[tokio::test]
async fn scopes_are_kept_and_unknown_ones_are_refused_by_name() {
    let mut server = Server::start().await;
    let token = made_for(&server, "vso.agentpools").await;
    server.restart().await;
    let agents = format!("{POOL}/agents");
    ask(&server, &token, Method::GET, &agents).await.expect(200);
    let key = Key::generate();
    let request = server.anonymous(Method::POST, &agents).json(&body("web01", &key));
    let answer = request.header(header::AUTHORIZATION, basic("", &token)).answer().await;
    answer.refused(401, "UnauthorizedRequestException");
    let odd = json!({"token": "odd", "scope": "vso.agentpools vso.everything"});
    let answer = server.control(Method::POST, "/tokens").json(&odd).answer().await;
    assert!(answer.status == 400 && answer.text.contains("`vso.everything` is no scope"), "{}", answer.text);
}
