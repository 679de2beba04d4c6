use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::context::tests::settings;

const GROUPS: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/agents/providers/Microsoft.ContainerInstance/containerGroups";

async fn fleet() -> (MockServer, Context) {
    let server = MockServer::start().await;
    let group = |name: &str, fleet: &str| {
        json!({"id": format!("{GROUPS}/{name}"), "name": name, "tags": {"mayfly-fleet": fleet},
            "properties": {"containers": [{"name": "agent", "properties": {"image": "i", "instanceView": {
                "restartCount": 1, "previousState": {"state": "Terminated", "exitCode": 0, "finishTime": "2026-11-24T10:00:00Z"}}}}]}})
    };
    let list = json!({"value": [group("mayfly-1", "mayfly"), group("mayfly-0", "mayfly"), group("other-0", "other")]});
    let replies = [
        ("POST", "/tenant/oauth2/v2.0/token".to_owned(), json!({"expires_in": 3599, "access_token": "t"})),
        ("GET", GROUPS.to_owned(), list),
        ("GET", format!("{GROUPS}/mayfly-0"), group("mayfly-0", "mayfly")),
        ("GET", format!("{GROUPS}/mayfly-0/containers/agent/logs"), json!({"content": "listening\n"})),
    ];
    for (verb, at, reply) in replies {
        let reply = ResponseTemplate::new(200).set_body_json(reply);
        Mock::given(method(verb)).and(path(at)).respond_with(reply).mount(&server).await;
    }
    let context = Context::new(settings(&server.uri())).unwrap();
    (server, context)
}

fn of(agent: &str, previous: bool) -> LogsOptions {
    LogsOptions { agent: agent.parse().unwrap(), previous }
}

#[tokio::test]
async fn the_log_of_an_agent_is_found_whatever_the_case_of_its_name() {
    let (_server, context) = fleet().await;
    assert_eq!(logs(&context, of("MAYFLY-0", false)).await.unwrap().to_string(), "listening\n");
}

#[tokio::test]
async fn a_group_of_somebody_else_is_no_agent() {
    let (_server, context) = fleet().await;
    let error = logs(&context, of("other-0", false)).await.unwrap_err();
    insta::assert_snapshot!(error, @"read the log of agent `other-0`: fleet `mayfly` has only mayfly-0, mayfly-1");
    assert_eq!(error.exit_class(), ExitClass::Failed);
}

#[tokio::test]
async fn what_the_platform_does_not_keep_is_said() {
    let (_server, context) = fleet().await;
    let error = logs(&context, of("mayfly-0", true)).await.unwrap_err();
    insta::assert_snapshot!(error, @"read the log of the container before the present one of agent `mayfly-0`: Azure Container Instances does not keep it (it ended at 2026-11-24T10:00:00Z with exit code 0)");
}
