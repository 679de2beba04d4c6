//! The client against servers that are busy, broken, or not what they should be.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::matchers::{body_string_contains, header, method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::context::Context;
use crate::context::tests::settings;
use crate::error::{ExitClass, Explain};

const GROUP: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/agents";
const DEPLOYMENT: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/agents/providers/Microsoft.Resources/deployments/mayfly-mayfly";

struct Server {
    server: MockServer,
    context: Context,
}

/// A server that gives out tokens. What it answers else is the test's.
async fn start() -> Server {
    let server = MockServer::start().await;
    let context = Context::new(settings(&server.uri())).unwrap();
    Server { server, context }
}

impl Server {
    async fn with_tokens(self) -> Self {
        let token = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "canary-access"});
        self.with("POST", "/tenant/oauth2/v2.0/token", ResponseTemplate::new(200).set_body_json(token)).await
    }

    async fn with(self, verb: &str, at: &str, reply: ResponseTemplate) -> Self {
        Mock::given(method(verb)).and(path(at)).respond_with(reply).mount(&self.server).await;
        self
    }

    /// Answered so often, before what is mounted later.
    async fn first(self, times: u64, verb: &str, at: &str, reply: ResponseTemplate) -> Self {
        Mock::given(method(verb))
            .and(path(at))
            .respond_with(reply)
            .up_to_n_times(times)
            .mount(&self.server)
            .await;
        self
    }

    async fn count(&self, at: &str) -> usize {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() == at).count()
    }
}

fn refusal(status: u16, code: &str) -> ResponseTemplate {
    ResponseTemplate::new(status)
        .set_body_json(json!({"error": {"code": code, "message": "the service's words"}}))
}

fn group_reply() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"location": "westeurope"}))
}

#[tokio::test]
async fn one_token_serves_many_calls_and_a_refused_one_is_replaced_once() {
    let server = start()
        .await
        .with_tokens()
        .await
        .first(1, "GET", GROUP, group_reply())
        .await
        .first(1, "GET", GROUP, refusal(401, "ExpiredAuthenticationToken"))
        .await
        .with("GET", GROUP, group_reply())
        .await;
    for _ in 0..3 {
        assert_eq!(
            server.context.arm.resource_group("agents").await.unwrap().unwrap().location,
            "westeurope"
        );
    }
    assert_eq!(server.count("/tenant/oauth2/v2.0/token").await, 2);
    assert_eq!(server.count(GROUP).await, 4);
}

#[tokio::test]
async fn the_token_request_is_what_entra_documents() {
    let server = start().await;
    let base = server.server.uri();
    let scope = format!("scope={}", base.replace(':', "%3A").replace('/', "%2F"));
    Mock::given(method("POST"))
        .and(path("/tenant/oauth2/v2.0/token"))
        .and(body_string_contains("grant_type=client_credentials"))
        .and(body_string_contains("client_id=client"))
        .and(body_string_contains("client_secret=canary-secret"))
        .and(body_string_contains(format!("{scope}%2F.default")))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({"expires_in": "3599", "access_token": "t"})),
        )
        .expect(1)
        .mount(&server.server)
        .await;
    Mock::given(path(GROUP))
        .and(header("authorization", "Bearer t"))
        .respond_with(group_reply())
        .expect(1)
        .mount(&server.server)
        .await;
    server.context.arm.resource_group("agents").await.unwrap();
}

#[tokio::test]
async fn a_wrong_client_secret_is_the_users_and_names_the_client() {
    let denied = json!({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."});
    let server = start()
        .await
        .with("POST", "/tenant/oauth2/v2.0/token", ResponseTemplate::new(401).set_body_json(denied))
        .await;
    let error = server.context.arm.resource_group("agents").await.unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Failed);
    insta::assert_snapshot!(error, @"get a token for client `client` of tenant `tenant`: invalid_client: AADSTS7000215: Invalid client secret provided.");
    assert!(error.hint().unwrap().contains("AZURE_CLIENT_SECRET"));
}

#[tokio::test]
async fn a_missing_right_is_the_users() {
    let server =
        start().await.with_tokens().await.with("GET", GROUP, refusal(403, "AuthorizationFailed")).await;
    let error = server.context.arm.resource_group("agents").await.unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Failed);
    insta::assert_snapshot!(error, @"read resource group `agents`: 403 AuthorizationFailed: the service's words");
    assert_eq!(server.count(GROUP).await, 1, "what is refused for good is not asked again");
}

#[tokio::test]
async fn a_busy_service_is_given_the_time_it_asks_for() {
    let busy = refusal(429, "TooManyRequests").insert_header("Retry-After", "1");
    let server = start()
        .await
        .with_tokens()
        .await
        .first(1, "GET", GROUP, busy)
        .await
        .with("GET", GROUP, group_reply())
        .await;
    let begun = Instant::now();
    assert!(server.context.arm.resource_group("agents").await.unwrap().is_some());
    assert!(begun.elapsed() >= Duration::from_secs(1), "Retry-After counts, not our own pause");
}

#[tokio::test]
async fn a_wait_that_is_too_long_ends_at_once() {
    let busy = refusal(429, "TooManyRequests").insert_header("Retry-After", "3600");
    let server = start().await.with_tokens().await.with("GET", GROUP, busy).await;
    let error = server.context.arm.resource_group("agents").await.unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Service);
    assert_eq!(server.count(GROUP).await, 1);
}

#[tokio::test]
async fn a_service_that_stays_broken_is_not_the_users_fault() {
    let server = start().await.with_tokens().await.with("GET", GROUP, ResponseTemplate::new(500)).await;
    let error = server.context.arm.resource_group("agents").await.unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Service);
    assert_eq!(server.count(GROUP).await, 3);
}

#[tokio::test]
async fn broken_json_is_said_with_its_start() {
    let page = ResponseTemplate::new(200).set_body_string("<html>a proxy's page</html>");
    let server = start().await.with_tokens().await.with("GET", GROUP, page).await;
    let error = server.context.arm.resource_group("agents").await.unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Service);
    insta::assert_snapshot!(error, @"read resource group `agents`: the answer cannot be understood: <html>a proxy's page</html>");
}

/// A body shorter than its announced length, as from a connection that dies, is asked for again; then given up as the
/// service's fault.
#[tokio::test]
async fn a_cut_body_is_asked_for_again() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut served = 0;
        while let Ok(Ok((mut stream, _))) =
            tokio::time::timeout(Duration::from_secs(2), listener.accept()).await
        {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"cut\":").await;
            served += 1;
            if served == 3 {
                break;
            }
        }
        served
    });
    let error = Context::new(settings(&base)).unwrap().arm.resource_group("agents").await.unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Service);
    assert!(matches!(error, ArmError::Unreachable { service: "Entra ID", .. }), "{error:?}");
    assert_eq!(served.await.unwrap(), 3);
}

#[tokio::test]
async fn nobody_there_is_the_networks_fault() {
    let error =
        Context::new(settings("http://127.0.0.1:1")).unwrap().arm.resource_group("agents").await.unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Service);
}

#[tokio::test]
async fn absent_is_not_an_error_but_a_missing_subscription_is() {
    let server =
        start().await.with_tokens().await.first(1, "GET", GROUP, refusal(404, "ResourceGroupNotFound")).await;
    assert!(server.context.arm.resource_group("agents").await.unwrap().is_none());
    let server = server.with("GET", GROUP, refusal(404, "SubscriptionNotFound")).await;
    assert_eq!(
        server.context.arm.resource_group("agents").await.unwrap_err().code(),
        Some("SubscriptionNotFound")
    );
}

#[tokio::test]
async fn lists_are_read_to_their_last_page() {
    let at = format!("{GROUP}/resources");
    let server = start().await.with_tokens().await;
    let next = format!("{}{GROUP}/second?page=2", server.server.uri());
    let first = json!({"value": [{"id": "/a", "tags": {"Mayfly-Fleet": "mayfly"}}], "nextLink": next});
    let server = server
        .with("GET", &at, ResponseTemplate::new(200).set_body_json(first))
        .await
        .with(
            "GET",
            &format!("{GROUP}/second"),
            ResponseTemplate::new(200).set_body_json(json!({"value": [{"id": "/b"}]})),
        )
        .await;
    let resources = server.context.arm.resources().await.unwrap();
    assert_eq!(resources.iter().map(|resource| resource.id.as_str()).collect::<Vec<_>>(), ["/a", "/b"]);
    assert_eq!(resources[0].tag("mayfly-fleet"), Some("mayfly"));
}

fn deployment(state: &str, error: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({"properties": {"provisioningState": state, "error": error}}))
}

#[tokio::test]
async fn a_deployment_is_followed_to_its_end() {
    let server = start().await.with_tokens().await;
    let status = format!("{}/status?api-version=x", server.server.uri());
    let accepted = ResponseTemplate::new(201)
        .insert_header("Azure-AsyncOperation", status)
        .insert_header("Retry-After", "0");
    let server = server
        .with("PUT", DEPLOYMENT, accepted)
        .await
        .first(2, "GET", "/status", ResponseTemplate::new(200).set_body_json(json!({"status": "Running"})))
        .await
        .with("GET", "/status", ResponseTemplate::new(200).set_body_json(json!({"status": "Succeeded"})))
        .await
        .with("GET", DEPLOYMENT, deployment("Succeeded", &Value::Null))
        .await;
    let arm = &server.context.arm;
    let started = arm.start_deployment("agents", "mayfly-mayfly", &json!({})).await.unwrap();
    arm.finish_deployment("agents", "mayfly-mayfly", Some(&started)).await.unwrap();
    assert_eq!(server.count("/status").await, 3);
}

#[tokio::test]
async fn a_failed_deployment_says_what_failed_in_it() {
    let inner = json!({"code": "DeploymentFailed", "message": "At least one resource deployment operation failed.", "details": [
        {"code": "InaccessibleImage", "message": "The image 'x' in container group 'mayfly-0' is not accessible."},
        {"code": "InaccessibleImage", "message": "The image 'x' in container group 'mayfly-0' is not accessible."},
    ]});
    let server =
        start().await.with_tokens().await.with("GET", DEPLOYMENT, deployment("Failed", &inner)).await;
    let error = server.context.arm.finish_deployment("agents", "mayfly-mayfly", None).await.unwrap_err();
    insta::assert_snapshot!(error, @"deploy `mayfly-mayfly` to group `agents`: InaccessibleImage: The image 'x' in container group 'mayfly-0' is not accessible.");
    assert_eq!(error.exit_class(), ExitClass::Failed);
    assert!(error.hint().unwrap().contains("image reference"));
}

#[tokio::test]
async fn the_token_is_not_sent_to_another_host() {
    let other = MockServer::start().await;
    Mock::given(path_regex(".*")).respond_with(ResponseTemplate::new(200)).expect(0).mount(&other).await;
    let elsewhere = other.uri().replace("127.0.0.1", "localhost");
    let accepted =
        ResponseTemplate::new(202).insert_header("Azure-AsyncOperation", format!("{elsewhere}/steal"));
    let server = start().await.with_tokens().await.with("PUT", DEPLOYMENT, accepted).await;
    let arm = &server.context.arm;
    let started = arm.start_deployment("agents", "mayfly-mayfly", &json!({})).await.unwrap();
    let error = arm.finish_deployment("agents", "mayfly-mayfly", Some(&started)).await.unwrap_err();
    assert!(matches!(&error, ArmError::ForeignOperation { host, .. } if host == "localhost"), "{error}");
}

#[tokio::test]
async fn a_group_that_is_still_changing_is_deleted_once_it_has_settled() {
    let id = format!("{GROUP}/providers/Microsoft.ContainerInstance/containerGroups/mayfly-0");
    let server = start().await.with_tokens().await;
    let there = json!({"id": id, "name": "mayfly-0", "properties": {"provisioningState": "Deleting"}});
    let server = server
        .first(1, "DELETE", &id, refusal(409, "ContainerGroupTransitioning"))
        .await
        .with("DELETE", &id, ResponseTemplate::new(200).set_body_json(&there))
        .await
        .first(2, "GET", &id, ResponseTemplate::new(200).set_body_json(&there))
        .await
        .with("GET", &id, refusal(404, "ResourceNotFound"))
        .await;
    server.context.arm.delete_container_group(&id).await.unwrap();
    assert_eq!(server.count(&id).await, 5);
}

#[tokio::test]
async fn a_private_authority_that_cannot_be_read_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    fs_err::write(&empty, "no certificate").unwrap();
    for file in [empty, folder.path().join("absent.pem")] {
        let settings = crate::Settings { ca_file: Some(file.clone()), ..settings("http://127.0.0.1:1") };
        let error = Context::new(settings).unwrap_err();
        assert!(error.hint().unwrap().contains("MAYFLY_CA_FILE"));
    }
}
