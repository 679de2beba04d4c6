//! The preflight against servers in every mood.

use std::net::TcpListener;
use std::time::Instant;

use serde_json::json;
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::image::{Image, eventually};

const CONNECTION: &str = "/org/_apis/connectionData";

async fn refusing(response: ResponseTemplate) -> Image {
    let image = Image::with_server(MockServer::start().await);
    image.mount(CONNECTION, response).await;
    image
}

#[tokio::test]
async fn a_refused_token_ends_at_once() {
    for response in [
        ResponseTemplate::new(401).insert_header("WWW-Authenticate", "Basic"),
        ResponseTemplate::new(203).set_body_raw("<html>sign in", "text/html"),
        ResponseTemplate::new(302).insert_header("Location", "/_signin"),
        ResponseTemplate::new(403),
    ] {
        let image = refusing(response).await;
        image.run().await.expect_code(77).says("refused the token");
        assert_eq!(
            image.server.received_requests().await.unwrap().len(),
            1,
            "a refused login must not be repeated"
        );
    }
}

#[tokio::test]
async fn the_token_is_sent_as_the_agent_sends_it() {
    use base64::Engine as _;
    let image = Image::with_server(MockServer::start().await);
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("VstsAgent:{}", image.token));
    Mock::given(path(CONNECTION))
        .and(header("Authorization", format!("Basic {pair}")))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"instanceId": "x"})))
        .mount(&image.server)
        .await;
    image.serve_pools(json!([{"id": 3, "name": "Default"}])).await;
    image.run().await.expect_code(0);
}

#[tokio::test]
async fn a_missing_pool_is_fatal() {
    let image = Image::with_server(MockServer::start().await);
    image.serve_connection().await;
    image.serve_pools(json!([])).await;
    image.run().await.expect_code(77).says("pool `Default` does not exist or the token may not see it");
}

#[tokio::test]
async fn a_pool_that_may_not_be_managed_is_fatal() {
    let image = Image::new().await;
    image.mount_managed(ResponseTemplate::new(200).set_body_json(json!({"count": 0, "value": []}))).await;
    image.run().await.expect_code(77).says("may see pool `Default` but not manage it");
}

#[tokio::test]
async fn a_wrong_server_is_bad_configuration() {
    for response in
        [ResponseTemplate::new(404), ResponseTemplate::new(200).set_body_json(json!({"hello": "world"}))]
    {
        refusing(response).await.run().await.expect_code(64).says("is no organization of Azure DevOps");
    }
}

#[tokio::test]
async fn a_server_that_comes_back_is_waited_for() {
    let image = Image::with_server(MockServer::start().await);
    for status in [500, 503, 429] {
        Mock::given(path(CONNECTION))
            .respond_with(ResponseTemplate::new(status))
            .up_to_n_times(1)
            .with_priority(1)
            .mount(&image.server)
            .await;
    }
    image.serve_connection().await;
    image.serve_pools(json!([{"id": 3, "name": "default"}])).await;
    let finished = image.run().await.expect_code(0);
    finished.says("the server is away (status 500)");
    finished.says("the server is away (status 503)");
    finished.says("the server is away (status 429)");
}

#[tokio::test]
async fn nobody_listens_and_then_somebody_does() {
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let mut image = Image::with_server(MockServer::start().await);
    image.set("AZDO_URL", &format!("http://{address}/org"));
    let run = image.start();
    eventually("the start", || image.root().join("var/lib/mayfly/started").exists().then_some(())).await;
    image.server = MockServer::builder().listener(TcpListener::bind(address).unwrap()).start().await;
    image.serve_connection().await;
    image.serve_pools(json!([{"id": 3, "name": "Default"}])).await;
    run.finish().await.expect_code(0);
}

#[tokio::test]
async fn a_server_away_for_good_ends_the_wait() {
    let mut image = refusing(ResponseTemplate::new(503).insert_header("Retry-After", "600")).await;
    image.set("AZDO_SERVER_WAIT", "2");
    let begin = Instant::now();
    image.run().await.expect_code(69).says("no answer from");
    assert!((2..15).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_stop_during_the_preflight_is_heard() {
    let image = refusing(ResponseTemplate::new(503)).await;
    let run = image.start();
    eventually("the preflight", || image.root().join("azp/work").exists().then_some(())).await;
    run.signal(nix::sys::signal::Signal::SIGTERM);
    run.finish().await.expect_code(75);
}

/// The name does not resolve, so an answer can only have come through the proxy.
#[tokio::test]
async fn the_agents_own_proxy_variable_counts() {
    let mut image = Image::new().await;
    let proxy = image.server.uri();
    image.set("AZDO_URL", "http://azdo.invalid/org").set("VSTS_HTTP_PROXY", &proxy);
    image.run().await.expect_code(0);
    assert_eq!(image.probed_environment("run.env")["VSTS_HTTP_PROXY"], proxy);
}
