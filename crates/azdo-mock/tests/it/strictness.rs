//! What is not understood gets the service's own error.

use reqwest::Method;
use serde_json::json;

use crate::client::POOL;
use crate::server::{Ask, Server};

#[tokio::test]
async fn unknown_routes_and_methods_are_named() {
    let server = Server::start().await;
    for path in [
        "/_apis/build/builds",
        "/nope",
        "/_apis/distributedtask/pools/1/swimmers",
        "/demo/_apis/git/repositories",
    ] {
        let error = server.as_user(Method::GET, path).answer().await.refused(404, "HttpException");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&format!("'/acme{path}'")) && message.contains("Supported: "), "{message}");
    }
    let error = server
        .as_user(Method::DELETE, &format!("{POOL}/agents"))
        .answer()
        .await
        .refused(405, "HttpException");
    assert!(error["message"].as_str().unwrap().contains("http method 'DELETE'"), "{error}");
    let outside = reqwest::get(server.url("/other/_apis/connectionData")).await.unwrap();
    assert_eq!(outside.status(), 404);
}

#[tokio::test]
async fn paths_match_in_any_case() {
    let server = Server::start().await;
    let request = reqwest::Client::new().get(server.url("/ACME/_APIS/DistributedTask/Pools/1/Agents/"));
    let pat = crate::server::basic("", crate::server::PAT);
    assert_eq!(request.header("authorization", pat).answer().await.expect(200)["count"], 0);
}

#[tokio::test]
async fn versions_out_of_range_are_refused_and_those_of_known_clients_pass() {
    let server = Server::start().await;
    let path = "/_apis/distributedtask/pools";
    let ask = |version: &str| server.as_user(Method::GET, &format!("{path}?api-version={version}")).answer();
    let error = ask("99.0").await.refused(400, "VssVersionOutOfRangeException");
    assert!(error["message"].as_str().unwrap().contains("99.0 is out of range"), "{error}");
    ask("7.2").await.refused(400, "VssInvalidPreviewVersionException");
    ask("x").await.refused(400, "VssVersionNotSpecifiedException");
    for good in ["7.1", "7.1-preview.1", "7.2-preview.1", "5.1-preview", "6.0-preview.2"] {
        ask(good).await.expect(200);
    }
    let accept = |value: &str| server.as_user(Method::GET, path).header("accept", value.to_owned()).answer();
    accept("application/json; api-version=5.1-preview.1; charset=utf-8").await.expect(200);
    accept("application/json; api-version=99.0").await.refused(400, "VssVersionOutOfRangeException");
}

#[tokio::test]
async fn bodies_that_are_no_json_or_of_another_type_are_refused() {
    let server = Server::start().await;
    let path = format!("{POOL}/agents");
    let post = |kind: &str, body: &'static str| {
        server.as_user(Method::POST, &path).header("content-type", kind.to_owned()).body(body).answer()
    };
    for body in ["{", "", "[]", "{\"name\": 5}", "\u{0}"] {
        post("application/json", body).await.refused(400, "ArgumentException");
    }
    post("application/json", "{}").await.refused(400, "VssPropertyValidationException");
    let error = post("text/plain", "{}").await.refused(415, "UnsupportedMediaTypeException");
    assert!(error["message"].as_str().unwrap().contains("text/plain"), "{error}");
    let huge = server.as_user(Method::POST, &path).header("content-type", "application/json");
    huge.body(vec![b' '; 9 * 1024 * 1024]).answer().await.refused(413, "HttpException");
    let flag = server.as_user(Method::GET, &format!("{path}?includeCapabilities=maybe")).answer().await;
    flag.refused(400, "VssPropertyValidationException");
    let number = server.as_user(Method::GET, "/_apis/distributedtask/pools/one/agents").answer().await;
    number.refused(404, "VssResourceNotFoundException");
}

#[tokio::test]
async fn answers_carry_the_correlation_that_clients_trace() {
    let server = Server::start().await;
    let request =
        server.as_user(Method::GET, POOL).header("x-vss-e2eid", "abc").header("x-tfs-session", "def");
    let answer = request.answer().await;
    assert_eq!((answer.header("x-vss-e2eid"), answer.header("x-tfs-session")), ("abc", "def"));
    assert!(!answer.header("activityid").is_empty());
}

#[tokio::test]
async fn a_fault_is_answered_before_anything_else_and_only_as_often_as_asked() {
    let server = Server::start().await;
    let fault = json!([{"method": "PUT", "path_contains": "/agents", "status": 500, "count": 2}]);
    server.control(Method::POST, "/faults").json(&fault).answer().await.expect(204);
    let put = || server.anonymous(Method::PUT, &format!("{POOL}/agents/1")).json(&json!({})).answer();
    for _ in 0..2 {
        put().await.refused(500, "TeamFoundationServiceException");
        server.get(POOL).await;
    }
    put().await.refused(401, "UnauthorizedRequestException");
    server.control(Method::POST, "/faults").json(&fault).answer().await.expect(204);
    server.control(Method::DELETE, "/faults").answer().await.expect(204);
    put().await.refused(401, "UnauthorizedRequestException");
    let odd = json!([{"status": 200, "count": 1}]);
    server.control(Method::POST, "/faults").json(&odd).answer().await.expect(400);
}
