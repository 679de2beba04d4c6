//! Credentials: personal access tokens, assertions, access tokens of agents and of jobs.

use azdo_mock::{BadCredential, OldToken, Switches};
use jiff::SignedDuration;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::client::{Agent, POOL, Worker};
use crate::server::{Ask, PAT, Server, basic, quick};

const CONNECTION: &str = "/_apis/connectionData?connectOptions=0&lastChangeId=0&lastChangeId64=0";

#[tokio::test]
async fn no_credential_and_a_wrong_one_are_challenged_with_both_schemes() {
    let server = Server::start().await;
    let wrong = |request: reqwest::RequestBuilder, credential: &str| {
        request.header(header::AUTHORIZATION, credential.to_owned())
    };
    for path in [CONNECTION, "/_apis/distributedtask/pools", "/_apis/no/such/route"] {
        for answer in [
            server.anonymous(Method::GET, path).answer().await,
            wrong(server.anonymous(Method::GET, path), &basic("VstsAgent", "wrong")).answer().await,
            wrong(server.anonymous(Method::GET, path), "Bearer wrong").answer().await,
        ] {
            let challenges: Vec<_> = answer.headers.get_all(header::WWW_AUTHENTICATE).iter().collect();
            assert_eq!(challenges, ["Bearer", "Basic realm=\"azure-devops\""]);
            answer.refused(401, "UnauthorizedRequestException");
        }
    }
    for user in ["", "VstsAgent", "user"] {
        let request = wrong(server.anonymous(Method::GET, CONNECTION), &basic(user, PAT));
        assert_eq!(request.answer().await.expect(200)["deploymentType"], "hosted");
    }
}

#[tokio::test]
async fn a_revoked_token_is_dead_also_after_a_restart_and_a_new_one_works() {
    let mut server = Server::start().await;
    server.get(CONNECTION).await;
    let body = json!({"token": PAT});
    server.control(Method::POST, "/tokens/revoke").json(&body).answer().await.expect(204);
    server.as_user(Method::GET, CONNECTION).answer().await.refused(401, "UnauthorizedRequestException");
    server.restart().await;
    server.as_user(Method::GET, CONNECTION).answer().await.refused(401, "UnauthorizedRequestException");
    server.control(Method::POST, "/tokens").json(&body).answer().await.expect(204);
    server.get(CONNECTION).await;
    let unknown = json!({"token": "never-there"});
    server.control(Method::POST, "/tokens/revoke").json(&unknown).answer().await.expect(404);
}

#[tokio::test]
async fn bad_credentials_can_be_answered_as_the_real_service_sometimes_does() {
    let switches = |bad_credential| Switches { bad_credential, ..quick() };
    let server = Server::start_with(switches(BadCredential::SignInRedirect), vec![]).await;
    let answer = server.anonymous(Method::GET, CONNECTION).answer().await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (302, "http://azdo.invalid:4080/acme/_signin")
    );
    let server = Server::start_with(switches(BadCredential::SignInPage), vec![]).await;
    let answer = server.anonymous(Method::GET, CONNECTION).answer().await;
    assert_eq!(answer.status.as_u16(), 203);
    assert!(answer.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn assertions_are_checked_in_every_part() {
    let server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    let stranger = Agent::register(&server, "web02").await;
    let with = |name: &str, value: Value| {
        let mut claims = agent.claims(&server);
        claims[name] = value;
        claims
    };
    let now = agent.claims(&server)["nbf"].as_i64().unwrap();
    let mut expired = with("exp", json!(now - 400));
    expired["nbf"] = json!(now - 700);
    let mut early = with("exp", json!(now + 900));
    early["nbf"] = json!(now + 600);
    for (claims, part) in [
        (with("aud", json!("http://elsewhere/token")), "audience"),
        (with("sub", json!("7a2c3f6e-0000-4000-8000-000000000000")), "not registered"),
        (with("sub", json!(stranger.client_id)), "signature"),
        (with("iss", json!(stranger.client_id)), "issuer"),
        (with("jti", json!("")), "jti"),
        (with("exp", json!(now + 36000)), "life"),
        (
            expired,
            "The bearer token expired on 11/24/2026 11:53:20 AM. Current server time is 11/24/2026 12:00:00 PM.",
        ),
        (early, "The bearer token is not valid until 11/24/2026 12:10:00 PM. Current server time is"),
    ] {
        let answer = agent.request_token(&server, &claims).await;
        assert!(!answer.header("content-length").is_empty(), "clients recognise no chunked refusal");
        let body = answer.expect(400);
        assert_eq!(body["error"], "invalid_client");
        assert!(body["error_description"].as_str().unwrap().contains(part), "{part}: {body}");
    }
    let once = agent.claims(&server);
    let issued = agent.request_token(&server, &once).await.expect(200);
    assert_eq!(issued["expires_in"], 3600);
    let twice = agent.request_token(&server, &once).await.expect(400);
    assert!(twice["error_description"].as_str().unwrap().contains("used before"), "{twice}");

    let other_grant =
        server.anonymous(Method::POST, "/_apis/oauth2/token").form(&[("grant_type", "password")]);
    assert_eq!(other_grant.answer().await.expect(400)["error"], "unsupported_grant_type");
    let no_form = server.anonymous(Method::POST, "/_apis/oauth2/token").body("{}");
    assert_eq!(no_form.answer().await.expect(400)["error"], "invalid_request");
}

#[tokio::test]
async fn an_access_token_ends_with_its_hour() {
    let server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    server.advance(SignedDuration::from_mins(59));
    server.bearer(&agent.token, Method::GET, CONNECTION).answer().await.expect(200);
    server.advance(SignedDuration::from_mins(2));
    let answer = server.bearer(&agent.token, Method::GET, CONNECTION).answer().await;
    answer.refused(401, "UnauthorizedRequestException");
}

#[tokio::test]
async fn a_replaced_key_is_dead_and_its_token_opens_no_session() {
    let server = Server::start().await;
    let old = Agent::register(&server, "web01").await;
    let new = old.replace(&server).await;
    assert_eq!((new.id, &new.client_id), (old.id, &old.client_id));

    let refused = old.request_token(&server, &old.claims(&server)).await.expect(400);
    assert!(refused["error_description"].as_str().unwrap().contains("signature"), "{refused}");
    // The default: what was issued before is taken until it expires …
    server.bearer(&old.token, Method::GET, CONNECTION).answer().await.expect(200);
    // … but listens no more.
    old.try_open(&server).await.refused(401, "UnauthorizedRequestException");
    new.open(&server).await;
}

#[tokio::test]
async fn with_the_switch_an_old_token_ends_with_the_replacement() {
    let switches = Switches { old_token_after_replace: OldToken::Refused, ..quick() };
    let server = Server::start_with(switches, vec![]).await;
    let old = Agent::register(&server, "web01").await;
    let new = old.replace(&server).await;
    let answer = server.bearer(&old.token, Method::GET, CONNECTION).answer().await;
    answer.refused(401, "UnauthorizedRequestException");
    server.bearer(&new.token, Method::GET, CONNECTION).answer().await.expect(200);
}

#[tokio::test]
async fn a_jobs_token_reaches_its_own_plan_and_ends_with_the_job() {
    let server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    server.queue("echo 1").await;
    let other = server.queue("echo 2").await;
    let worker = Worker::new(&agent.poll(&server, &session, None).await.unwrap());
    server.bearer(&worker.token, Method::GET, &worker.plan_path()).answer().await.expect(200);

    let other_plan =
        server.get(&format!("{POOL}/jobrequests/{}", other["requestId"])).await["planId"].clone();
    let path = worker
        .plan_path()
        .replace(worker.job["plan"]["planId"].as_str().unwrap(), other_plan.as_str().unwrap());
    let answer = server.bearer(&worker.token, Method::GET, &path).answer().await;
    answer.refused(403, "AccessDeniedException");
    let agents = server.bearer(&worker.token, Method::GET, &format!("{POOL}/agents")).answer().await;
    agents.refused(403, "AccessDeniedException");

    worker.complete(&server, "succeeded").await.expect(204);
    let after = server.bearer(&worker.token, Method::GET, &worker.plan_path()).answer().await;
    after.refused(401, "UnauthorizedRequestException");
    // The answer to the event may have been lost.
    worker.complete(&server, "succeeded").await.expect(204);
    worker.complete(&server, "failed").await.refused(409, "TaskAgentJobTokenExpiredException");
    server.advance(SignedDuration::from_mins(6));
    worker.complete(&server, "succeeded").await.refused(401, "UnauthorizedRequestException");
}

#[tokio::test]
async fn no_secret_is_in_the_journal_or_in_a_list() {
    let server = Server::start().await;
    let agent = Agent::register(&server, "web01").await;
    server.as_user(Method::GET, &format!("/_apis/{PAT}?poolName={PAT}&whatever={PAT}")).answer().await;
    let body = json!({
        "pool": "Default", "steps": [{"script": "true"}],
        "variables": {"key": {"value": "planted-secret-variable", "isSecret": true}},
    });
    server.control(Method::POST, "/jobs").json(&body).answer().await.expect(201);
    let session = agent.open(&server).await;
    let worker = Worker::new(&agent.poll(&server, &session, None).await.unwrap());
    assert_eq!(
        worker.job["variables"]["key"]["value"], "planted-secret-variable",
        "control: the job gets it"
    );

    let mut seen = String::new();
    for path in ["/journal", "/events", "/jobs", "/agents"] {
        seen.push_str(&server.control(Method::GET, path).answer().await.text);
    }
    for path in ["/agents?includeCapabilities=true&includeAssignedRequest=true", "/jobrequests"] {
        seen.push_str(&server.get(&format!("{POOL}{path}")).await.to_string());
    }
    assert!(seen.contains("web01"), "control");
    for secret in [PAT, &agent.token, &worker.token, "planted-secret-variable"] {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
}
