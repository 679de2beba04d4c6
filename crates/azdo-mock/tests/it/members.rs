//! Principals of the directory, and what tokens and principals may do with pools.

use entra_tokens::{AZURE_DEVOPS, Principal};
use jiff::SignedDuration;
use reqwest::{Method, header};
use secrecy::ExposeSecret;
use serde_json::json;
use uuid::Uuid;

use crate::client::{Key, POOL, body};
use crate::server::{Ask, Server, basic, directory};

const POOLS: &str = "/_apis/distributedtask/pools";

fn robot() -> Principal {
    Principal { client_id: Uuid::from_u128(0x10), object_id: Uuid::from_u128(0x11), resource_id: None }
}

pub(crate) fn token(server: &Server, audience: &str) -> String {
    server.entra.issue_to(&robot(), audience, 3600).unwrap().token.expose_secret().to_owned()
}

pub(crate) async fn add(server: &Server, pools: &str) {
    let member = json!({"objectId": robot().object_id, "displayName": "robot", "pools": pools});
    server.control(Method::POST, "/members").json(&member).answer().await.expect(204);
}

#[tokio::test]
async fn a_principal_is_nobody_until_it_is_added() {
    let server = Server::start().await;
    let token = token(&server, AZURE_DEVOPS);
    let ask = || server.bearer(&token, Method::GET, "/_apis/connectionData");
    let refused = ask().answer().await;
    let challenges = refused.headers.get_all(header::WWW_AUTHENTICATE).iter().count();
    assert_eq!(challenges, 2, "an agent needs the challenge to tell that it is refused");
    let refused = refused.refused(401, "UnauthorizedRequestException");
    let text = refused["message"].as_str().unwrap();
    assert!(text.starts_with("TF401444") && text.contains(&robot().object_id.to_string()), "{text}");

    add(&server, "manage").await;
    let shown = ask().answer().await.expect(200);
    assert!(
        shown["authenticatedUser"]["descriptor"].as_str().unwrap().contains("AadServicePrincipal"),
        "{shown}"
    );
    // As the agent sends it that is configured with `--auth PAT`, and as az does.
    for user in ["VstsAgent", ""] {
        let request = server.anonymous(Method::GET, POOLS).header(header::AUTHORIZATION, basic(user, &token));
        assert_eq!(request.answer().await.expect(200)["count"], 3, "{user}");
    }
    let members = server.control(Method::GET, "/members").answer().await.expect(200);
    assert_eq!(members, json!([{"objectId": robot().object_id, "displayName": "robot", "pools": "manage"}]));
    let gone = format!("/members/{}", robot().object_id);
    server.control(Method::DELETE, &gone).answer().await.expect(204);
    ask().answer().await.refused(401, "UnauthorizedRequestException");
    server.control(Method::DELETE, &gone).answer().await.expect(404);
    let bad = json!({"objectId": robot().object_id, "pools": "everything"});
    assert!(server.control(Method::POST, "/members").json(&bad).answer().await.status.is_client_error());
}

#[tokio::test]
async fn a_token_that_is_not_good_is_no_principals() {
    let mut server = Server::start().await;
    add(&server, "manage").await;
    let good = token(&server, AZURE_DEVOPS);
    let check = async |server: &Server, token: &str| {
        server.bearer(token, Method::GET, POOLS).answer().await.status.as_u16()
    };
    assert_eq!(check(&server, &good).await, 200, "control");
    let arm = token(&server, "https://management.azure.com");
    assert_eq!(check(&server, &arm).await, 401, "another audience");
    let stranger = directory(&server.clock).issue_to(&robot(), AZURE_DEVOPS, 3600).unwrap().token;
    assert_eq!(check(&server, stranger.expose_secret()).await, 401, "another key");
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    for forged in [
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{head}.{payload}.{}", signature.chars().rev().collect::<String>()),
    ] {
        assert_eq!(check(&server, &forged).await, 401);
    }
    server.restart().await;
    assert_eq!(check(&server, &good).await, 200, "a member stays one over a restart");
    server.advance(SignedDuration::from_hours(2));
    assert_eq!(check(&server, &good).await, 401, "expired");
}

#[tokio::test]
async fn reading_is_not_managing() {
    let server = Server::start().await;
    let key = Key::generate();
    let principal = token(&server, AZURE_DEVOPS);
    for (scope, pat) in
        [("vso.agentpools", "reader"), ("vso.agentpools_manage", "manager"), ("vso.code", "coder")]
    {
        let made = json!({"token": pat, "scope": scope});
        server.control(Method::POST, "/tokens").json(&made).answer().await.expect(204);
    }
    let odd = json!({"token": "odd", "scope": "vso.everything"});
    assert!(server.control(Method::POST, "/tokens").json(&odd).answer().await.status.is_client_error());

    // What somebody sees without a filter, with `use`, with `manage`; what a registration is answered with.
    let table = [
        ("none", "coder", [0, 0, 0], (404, Some("TaskAgentPoolNotFoundException"))),
        ("read", "reader", [3, 3, 0], (403, Some("AccessDeniedException"))),
        ("manage", "manager", [3, 3, 3], (200, None)),
    ];
    // A token that was not made for a route gets nowhere near the rights of its owner.
    let out_of_scope = (401, Some("UnauthorizedRequestException"));
    for (number, (rights, pat, seen, registered)) in table.into_iter().enumerate() {
        add(&server, rights).await;
        for (kind, credential) in [("principal", principal.as_str()), ("token", pat)] {
            let ask = |method: Method, path: &str| {
                server.anonymous(method, path).header(header::AUTHORIZATION, basic("VstsAgent", credential))
            };
            for (filter, count) in ["", "?actionFilter=Use", "?actionFilter=manage"].iter().zip(seen) {
                let pools = ask(Method::GET, &format!("{POOLS}{filter}")).answer().await;
                if (kind, rights) == ("token", "none") {
                    let text = pools.refused(401, "UnauthorizedRequestException")["message"].clone();
                    assert_eq!(text, "TF400813: The user '' is not authorized to access this resource.");
                } else {
                    assert_eq!(pools.expect(200)["count"], count, "{kind} {rights} {filter}");
                }
            }
            let name = format!("{kind}{number}");
            let agents = format!("{POOL}/agents");
            let answer = ask(Method::POST, &agents).json(&body(&name, &key)).answer().await;
            let what = (answer.status.as_u16(), answer.body["typeKey"].as_str());
            let expected = if kind == "token" && rights != "manage" { out_of_scope } else { registered };
            assert_eq!(what, expected, "{kind} {rights}: {}", answer.text);
            let read = ask(Method::GET, &agents).answer().await.status.as_u16();
            let expected = match (kind, rights) {
                ("token", "none") => 401,
                (_, "none") => 404,
                _ => 200,
            };
            assert_eq!(read, expected, "{kind} {rights}");
            if (kind, rights) == ("principal", "read") {
                let text = answer.body["message"].as_str().unwrap();
                assert!(text.contains("needs Manage permissions for pool Default"), "{text}");
            }
            if rights == "manage" {
                let id = &answer.body["id"];
                let one = format!("{agents}/{id}");
                ask(Method::PUT, &one).json(&body(&name, &key)).answer().await.expect(200);
                ask(Method::DELETE, &one).answer().await.expect(204);
            }
        }
    }
    // The rights are looked at with each request: a manager's registration is not a reader's to remove.
    let made = server.as_user(Method::POST, &format!("{POOL}/agents")).json(&body("kept", &key));
    let id = made.answer().await.expect(200)["id"].clone();
    add(&server, "read").await;
    for method in [Method::DELETE, Method::PUT] {
        let request =
            server.bearer(&principal, method, &format!("{POOL}/agents/{id}")).json(&body("kept", &key));
        request.answer().await.refused(403, "AccessDeniedException");
    }
    let bad = server.as_user(Method::GET, &format!("{POOLS}?actionFilter=rule")).answer().await;
    bad.refused(400, "VssPropertyValidationException");
}
