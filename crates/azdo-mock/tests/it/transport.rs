//! Discovery, versions, credentials and input that is no input.

use azdo_mock::{BadCredential, Switches};
use jiff::SignedDuration;
use reqwest::{Method, header};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Agent, Key, POOL, body};
use crate::server::{Ask, Server, basic, quick};

const POOLS: &str = "/_apis/distributedtask/pools";

#[tokio::test]
async fn connection_data_has_all_locations_or_none_or_says_that_they_are_known() {
    let server = Server::start().await;
    let data = async |query: &str| server.get(&format!("/_apis/connectionData?{query}")).await;
    let first = data("connectOptions=1&lastChangeId=-1&lastChangeId64=-1").await;
    let place = &first["locationServiceData"];
    let definitions = place["serviceDefinitions"].as_array().unwrap();
    let listed = server.anonymous(Method::OPTIONS, "/_apis/").answer().await.expect(200);
    assert_eq!(listed["count"], definitions.len());
    for (row, definition) in listed["value"].as_array().unwrap().iter().zip(definitions) {
        assert_eq!(
            (&row["id"], &row["routeTemplate"]),
            (&definition["identifier"], &definition["relativePath"])
        );
        assert!(definition["resourceVersion"].as_i64().unwrap() > 0, "{definition}");
    }
    assert_eq!(
        (&place["clientCacheFresh"], &place["lastChangeId"]),
        (&json!(false), &place["lastChangeId64"])
    );
    let id = &place["lastChangeId64"];
    let again = data(&format!("connectOptions=1&lastChangeId={id}&lastChangeId64={id}")).await;
    assert_eq!(again["locationServiceData"]["clientCacheFresh"], true);
    assert_eq!(again["locationServiceData"]["serviceDefinitions"], json!([]));
    let bare = data("connectOptions=0&lastChangeId=0&lastChangeId64=0").await;
    assert_eq!(bare["locationServiceData"]["serviceDefinitions"], json!([]));
    assert!(bare.get("lastUserAccess").is_none());
    assert!(data("connectOptions=2").await["lastUserAccess"].is_string());
    assert_eq!(bare["authenticatedUser"], first["authenticatedUser"], "the same on each connection");
    let odd = server.as_user(Method::GET, "/_apis/connectionData?connectOptions=all").answer().await;
    odd.refused(400, "VssPropertyValidationException");
}

#[tokio::test]
async fn the_version_beside_the_type_of_a_body_counts_too() {
    let server = Server::start().await;
    let post = |version: &str| {
        let kind = format!("application/json; charset=utf-8; api-version={version}");
        let request = server
            .as_user(Method::POST, &format!("{POOL}/agents"))
            .header("content-type", kind)
            .header("accept", "*/*");
        request.body(body(&format!("web{version}"), &Key::generate()).to_string()).answer()
    };
    post("99.0").await.refused(400, "VssVersionOutOfRangeException");
    post("6.0-preview.1").await.expect(200);
    let malformed = server.as_user(Method::GET, &format!("{POOLS}?api-version=latest")).answer().await;
    let text = malformed.refused(400, "VssVersionNotSpecifiedException");
    assert!(
        text["message"].as_str().unwrap().starts_with("Invalid api version string: \"latest\"."),
        "{text}"
    );
}

#[tokio::test]
async fn every_error_has_its_text_in_a_header_as_well() {
    let server = Server::start().await;
    let answer = server.as_user(Method::GET, &format!("{POOLS}/77")).answer().await;
    let header = answer.header("x-tfs-serviceerror").to_owned();
    let body = answer.refused(404, "TaskAgentPoolNotFoundException");
    let decoded: String = url::form_urlencoded::parse(header.as_bytes()).next().unwrap().0.into_owned();
    assert_eq!(decoded, body["message"].as_str().unwrap());
}

#[tokio::test]
async fn who_asks_for_no_redirect_and_who_shows_a_bearer_token_gets_a_plain_refusal() {
    for mode in [BadCredential::SignInRedirect, BadCredential::SignInPage] {
        let server = Server::start_with(Switches { bad_credential: mode, ..quick() }, vec![]).await;
        let ask = |credential: &str| {
            server.anonymous(Method::GET, POOLS).header(header::AUTHORIZATION, credential.to_owned())
        };
        let page = ask(&basic("", "wrong")).answer().await;
        assert!([302, 203].contains(&page.status.as_u16()), "control: {}", page.status);
        let quiet = ask(&basic("", "wrong")).header("x-tfs-fedauthredirect", "Suppress");
        quiet.answer().await.refused(401, "UnauthorizedRequestException");
        ask("Bearer wrong").answer().await.refused(401, "UnauthorizedRequestException");
        let page = server.anonymous(Method::GET, "/_signin").answer().await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    }
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_says_so_also_after_a_restart() {
    let mut server = Server::start().await;
    let made = json!({"token": "short-lived", "expires": "2026-11-24T13:00:00Z"});
    server.control(Method::POST, "/tokens").json(&made).answer().await.expect(204);
    let ask = async |server: &Server| {
        let request = server.anonymous(Method::GET, POOLS);
        request.header(header::AUTHORIZATION, basic("", "short-lived")).answer().await
    };
    ask(&server).await.expect(200);
    server.advance(SignedDuration::from_hours(1));
    server.restart().await;
    let refused = ask(&server).await.refused(401, "AccessCheckException");
    assert_eq!(refused["message"], "Access Denied: The Personal Access Token used has expired.");
}

#[tokio::test]
async fn a_key_in_the_other_alphabet_is_the_same_key() {
    let server = Server::start().await;
    let key = Key::generate();
    let mut new = body("web01", &key);
    let modulus = new["authorization"]["publicKey"]["modulus"].as_str().unwrap();
    let other = modulus.trim_end_matches('=').replace('+', "-").replace('/', "_");
    new["authorization"]["publicKey"]["modulus"] = json!(other);
    let answer =
        server.as_user(Method::POST, &format!("{POOL}/agents")).json(&new).answer().await.expect(200);
    assert_eq!(answer["authorization"]["publicKey"], key.public());
}

#[tokio::test]
async fn paths_that_name_nothing_that_could_exist_are_refused() {
    let server = Server::start().await;
    for path in [
        "/99999999999999999999",
        "/-1",
        "/1/agents/18446744073709551616",
        "/1/agents/%ff%fe",
        "/1/agents/%00",
        "/1/agents/1%2F2",
        "/%E2%82",
    ] {
        let answer = server.as_user(Method::GET, &format!("{POOLS}{path}")).answer().await;
        assert!([400, 404].contains(&answer.status.as_u16()), "{path}: {}", answer.text);
        assert!(answer.body["typeKey"].is_string(), "{path}: {}", answer.text);
    }
    server.get(POOLS).await;
}

#[tokio::test]
async fn a_thousand_clients_that_say_nothing_keep_nobody_from_being_answered() {
    let server = Server::start().await;
    let address = server.url("").trim_start_matches("http://").to_owned();
    let mut silent = Vec::new();
    for number in 0..1000 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(b"GET /acme/_apis HTTP/1.1\r\nHost:").await.unwrap();
        }
        silent.push(stream);
    }
    server.get(POOLS).await;
    drop(silent);
    server.get(POOLS).await;
}

#[tokio::test]
async fn a_job_that_comes_after_a_client_went_away_in_its_poll_is_not_lost() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    // The request is sent and nobody reads its answer.
    let mut gone = TcpStream::connect(server.url("").trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "GET /acme{POOL}/messages?sessionId={} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
        session.id, agent.token
    );
    gone.write_all(head.as_bytes()).await.unwrap();
    drop(gone);
    server.queue("echo hello").await;
    let message = agent.poll(&server, &session, None).await.expect("the message is still there");
    assert_eq!(message.kind, "PipelineAgentJobRequest");
}
