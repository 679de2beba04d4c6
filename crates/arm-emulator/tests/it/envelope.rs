//! What is the same for every request: tokens, api-versions, spelling, headers, unknown routes.

use entra_tokens::SigningKey;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;
use service_kit::SystemClock;

use crate::stack::{
    API, Answer, SUBSCRIPTION, Stack, TENANT, clock_at, entra, group, group_body, resource_group,
};

async fn with_authorization(stack: &Stack, authorization: Option<&str>) -> Answer {
    let address = format!("{}/subscriptions?api-version={API}", stack.base);
    stack.raw(Method::GET, &address, authorization, None).await
}

#[tokio::test]
async fn a_bad_token_is_refused_with_a_challenge() {
    let stack = Stack::start().await;
    let key = || SigningKey::generate().unwrap();
    let bearer = |text: &str| format!("Bearer {text}");
    let audience = stack.base.clone();
    let foreign = entra(key(), SystemClock::shared(), TENANT).issue(&audience).unwrap();
    let other_audience = stack.entra.issue("https://graph.microsoft.com").unwrap();
    let (head, _) = stack.token.rsplit_once('.').unwrap();
    let unsigned = format!("{head}.");
    for (authorization, code) in [
        (None, "AuthenticationFailed"),
        (Some("Basic dTpw".to_owned()), "AuthenticationFailedInvalidHeader"),
        (Some("Bearer ".to_owned()), "AuthenticationFailedInvalidHeader"),
        (Some(bearer("nonsense")), "InvalidAuthenticationToken"),
        (Some(bearer(&unsigned)), "InvalidAuthenticationToken"),
        (Some(bearer(foreign.expose_secret())), "InvalidAuthenticationToken"),
        (Some(bearer(other_audience.expose_secret())), "InvalidAuthenticationTokenAudience"),
    ] {
        let answer = with_authorization(&stack, authorization.as_deref()).await.refused(401, code);
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.starts_with(&format!(
                "Bearer authorization_uri=\"https://localhost:1/{TENANT}\", error=\"invalid_token\""
            )),
            "{challenge}"
        );
    }
    with_authorization(&stack, Some(&bearer(&stack.token))).await.expect(200);
    with_authorization(&stack, Some(&format!("bearer {}", stack.token))).await.expect(200);
    stack.finish().await;
}

#[tokio::test]
async fn an_expired_token_and_one_of_another_tenant_say_so() {
    let stack = Stack::start().await;
    let key = || SigningKey::from_pkcs8(&stack.key_pem()).unwrap();
    let old = entra(key(), clock_at("2020-01-01T00:00:00Z"), TENANT).issue(&stack.base).unwrap();
    let stranger = entra(key(), SystemClock::shared(), SUBSCRIPTION).issue(&stack.base).unwrap();
    for (token, code) in [(old, "ExpiredAuthenticationToken"), (stranger, "InvalidAuthenticationTokenTenant")]
    {
        let authorization = format!("Bearer {}", token.expose_secret());
        with_authorization(&stack, Some(&authorization)).await.refused(401, code);
    }
    stack.finish().await;
}

#[tokio::test]
async fn the_cloud_is_described_without_a_token() {
    let stack = Stack::start().await;
    let read = async |version: &str| {
        let address = format!("{}/metadata/endpoints?api-version={version}", stack.base);
        stack.raw(Method::GET, &address, None, None).await.expect(200).body
    };
    let one = read("2022-09-01").await;
    assert_eq!(one["authentication"]["loginEndpoint"], "https://localhost:1/");
    assert_eq!(one["authentication"]["audiences"][0], format!("{}/", stack.base));
    assert!(one["suffixes"]["acrLoginServer"].is_string() && one["microsoftGraphResourceId"].is_string());
    assert_eq!(read("2019-05-01").await, json!([one]));
    stack.finish().await;
}

#[tokio::test]
async fn an_api_version_is_required_and_has_a_form() {
    let stack = Stack::start().await;
    let authorization = format!("Bearer {}", stack.token);
    let read = async |query: &str| {
        let address = format!("{}/subscriptions{query}", stack.base);
        stack.raw(Method::GET, &address, Some(&authorization), None).await
    };
    read("").await.refused(400, "MissingApiVersionParameter");
    read("?api-version=").await.refused(400, "MissingApiVersionParameter");
    for version in ["1", "2024-13-01", "2024-02-30", "2024-1-1", "2024-01-01-beta", "latest"] {
        read(&format!("?api-version={version}")).await.refused(400, "InvalidApiVersionParameter");
    }
    read("?api-version=2026-09-01-preview").await.expect(200);
    read("?API-Version=2014-04-01").await.expect(200);
    stack.finish().await;
}

#[tokio::test]
async fn case_and_slashes_of_a_path_do_not_matter_and_names_keep_theirs() {
    let stack = Stack::start().await;
    stack.put(&group("agent-1"), group_body("web:1")).await.expect(201);
    for path in [
        format!(
            "/SUBSCRIPTIONS/{SUBSCRIPTION}/resourcegroups/FLEET/PROVIDERS/microsoft.containerinstance/CONTAINERGROUPS/AGENT-1"
        ),
        format!(
            "//subscriptions/{}//resourceGroups/fleet/providers/Microsoft.ContainerInstance//containerGroups/Agent-1/",
            SUBSCRIPTION.to_uppercase()
        ),
    ] {
        let found = stack.get(&path).await.expect(200).body;
        assert_eq!(found["name"], "agent-1");
        assert_eq!(found["id"], group("agent-1"));
    }
    let groups =
        stack.get(&format!("/subscriptions/{SUBSCRIPTION}/RESOURCEGROUPS/fLEET/")).await.expect(200).body;
    assert_eq!((&groups["name"], &groups["id"]), (&json!("Fleet"), &json!(resource_group())));
    stack.finish().await;
}

#[tokio::test]
async fn every_answer_carries_the_headers_of_arm() {
    let stack = Stack::start().await;
    for answer in [stack.get("/subscriptions").await, stack.get("/nothing").await] {
        assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(answer.header("x-ms-request-id").len(), 36);
        assert_eq!(answer.header("x-ms-correlation-request-id").len(), 36);
        assert!(answer.header("x-ms-routing-request-id").starts_with("WESTEUROPE:20"));
        assert_eq!(answer.header("x-ms-ratelimit-remaining-subscription-reads"), "249");
    }
    stack.finish().await;
}

#[tokio::test]
async fn what_nobody_serves_is_refused_with_what_is_served() {
    let stack = Stack::start().await;
    let fleet = resource_group();
    for (method, path, status, code, named) in [
        (
            Method::GET,
            format!("{fleet}/providers/Contoso.Compute/virtualMachines/a"),
            404,
            "InvalidResourceNamespace",
            "Contoso.Compute",
        ),
        (
            Method::PUT,
            format!("{fleet}/providers/Microsoft.ContainerRegistry/shelves/a"),
            404,
            "InvalidResourceType",
            "registries, ",
        ),
        (Method::GET, "/nothing/at/all".into(), 404, "NotFound", "/subscriptions"),
        (Method::POST, format!("{}/explode", group("a")), 404, "ResourceNotFound", "containerGroups/a"),
        (Method::POST, group("a"), 405, "HttpMethodNotAllowed", "POST"),
        (
            Method::GET,
            format!("/subscriptions/{SUBSCRIPTION}/providers/Foo.Bar"),
            404,
            "InvalidResourceNamespace",
            "foo.bar",
        ),
        (Method::GET, format!("/subscriptions/{TENANT}/resourcegroups"), 404, "SubscriptionNotFound", TENANT),
        (Method::GET, "/subscriptions/%zz%00".into(), 404, "SubscriptionNotFound", "could not be found"),
    ] {
        let answer = stack.send(method, &path, None).await.refused(status, code);
        assert!(answer.text.contains(named), "{path}: {}", answer.text);
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_large_is_refused() {
    let stack = Stack::start().await;
    let put = async |body: String| stack.send(Method::PUT, &group("a"), Some(body)).await;
    put("{".into()).await.refused(400, "InvalidRequestContent");
    put(String::new()).await.refused(400, "InvalidRequestContent");
    put("[1]".into()).await.refused(400, "InvalidRequestContent");
    put(format!("\"{}\"", "x".repeat(9 * 1024 * 1024))).await.refused(413, "RequestContentTooLarge");
    stack.finish().await;
}

#[tokio::test]
async fn a_body_of_100_mb_is_read_out_and_refused_without_being_kept() {
    let stack = Stack::start().await;
    let piece = bytes::Bytes::from(vec![b' '; 1 << 20]);
    let before = resident();
    let pieces = futures_util::stream::iter((0..100).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
    let address = format!("{}{}?api-version={API}", stack.base, group("a"));
    let request = reqwest::Client::new().put(address).bearer_auth(&stack.token);
    let answer = request.body(reqwest::Body::wrap_stream(pieces)).send().await.unwrap();
    assert_eq!(answer.status(), 413);
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["code"], "RequestContentTooLarge");
    // The limit is 8 MiB; 100 would show.
    if let (Some(before), Some(after)) = (before, resident()) {
        assert!(after < before + 40 * 1024, "{before} KiB before, {after} KiB at the most since");
    }
    stack.finish().await;
}

/// The most memory that this process ever held, in KiB; `None` where the system does not tell.
fn resident() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

#[tokio::test]
async fn subscriptions_tenants_locations_and_providers_are_listed() {
    let stack = Stack::start().await;
    let subscriptions = stack.get("/subscriptions").await.expect(200).body;
    assert_eq!(subscriptions["value"][0]["subscriptionId"], SUBSCRIPTION);
    assert_eq!(subscriptions["value"][0]["state"], "Enabled");
    assert_eq!(stack.get("/tenants").await.expect(200).body["value"][0]["tenantId"], TENANT);
    let one = format!("/subscriptions/{SUBSCRIPTION}");
    assert_eq!(stack.get(&one).await.expect(200).body["tenantId"], TENANT);
    let locations = stack.get(&format!("{one}/locations")).await.expect(200).body;
    assert!(locations["value"].as_array().unwrap().iter().any(|place| place["name"] == "westeurope"));
    let provider = stack.get(&format!("{one}/providers/microsoft.containerinstance")).await.expect(200).body;
    assert_eq!(provider["registrationState"], "Registered");
    let registered =
        stack.post(&format!("{one}/providers/Microsoft.ContainerRegistry/register"), json!({})).await;
    assert_eq!(registered.expect(200).body["resourceTypes"][0]["resourceType"], "registries");
    stack.finish().await;
}
