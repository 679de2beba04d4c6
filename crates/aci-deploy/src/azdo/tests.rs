//! The client against servers that refuse in the several ways Azure DevOps knows.

use serde_json::json;
use wiremock::matchers::{body_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::context::Context;
use crate::context::tests::settings;
use crate::error::{ExitClass, Explain};

const POOLS: &str = "/contoso/_apis/distributedtask/pools";
const CONNECTION: &str = "/contoso/_apis/connectionData";

async fn answering(at: &str, reply: ResponseTemplate) -> (MockServer, Context) {
    let server = MockServer::start().await;
    Mock::given(path(at)).respond_with(reply).mount(&server).await;
    let context = Context::new(settings(&server.uri())).unwrap();
    (server, context)
}

/// Pool 7, as the service lists it.
async fn pool(context: &Context, server: &MockServer) -> PoolId {
    let reply = json!({"count": 2, "value": [{"id": 9, "name": "linux-2"}, {"id": 7, "name": "Linux"}]});
    Mock::given(path(POOLS))
        .and(query_param("poolName", "linux"))
        .respond_with(ResponseTemplate::new(200).set_body_json(reply))
        .mount(server)
        .await;
    context.azdo.pool("linux").await.unwrap().id
}

#[tokio::test]
async fn the_token_goes_as_the_password_of_nobody() {
    let server = MockServer::start().await;
    Mock::given(path(CONNECTION))
        // base64 of ":canary-token".
        .and(header("authorization", "Basic OmNhbmFyeS10b2tlbg=="))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"instanceId": "i"})))
        .expect(1)
        .mount(&server)
        .await;
    Context::new(settings(&server.uri())).unwrap().azdo.check_connection().await.unwrap();
}

#[tokio::test]
async fn a_bad_token_is_recognised_in_each_of_its_guises() {
    let guises = [
        ResponseTemplate::new(401),
        ResponseTemplate::new(302).insert_header("Location", "/_signin"),
        ResponseTemplate::new(203).set_body_raw("<html>sign in</html>", "text/html"),
        ResponseTemplate::new(200).set_body_raw("<html>sign in</html>", "text/html; charset=utf-8"),
    ];
    for guise in guises {
        let (_server, context) = answering(CONNECTION, guise).await;
        let error = context.azdo.check_connection().await.unwrap_err();
        assert!(matches!(error, AzdoError::Unauthorized { .. }), "{error}");
        assert_eq!(error.exit_class(), ExitClass::Failed);
        assert!(error.hint().unwrap().contains("AZDO_TOKEN"));
        assert!(!format!("{error:?}").contains("canary"));
    }
}

#[tokio::test]
async fn an_unknown_pool_is_said_with_its_name() {
    let (server, context) =
        answering(POOLS, ResponseTemplate::new(200).set_body_json(json!({"count": 0, "value": []}))).await;
    let error = context.azdo.pool("linux").await.unwrap_err();
    let text = error.to_string().replace(&server.uri(), "SERVER");
    insta::assert_snapshot!(text, @"find pool `linux` in `SERVER/contoso`: there is none that this token can see");
}

#[tokio::test]
async fn of_several_pools_the_one_with_the_name_is_taken() {
    let server = MockServer::start().await;
    let context = Context::new(settings(&server.uri())).unwrap();
    assert_eq!(pool(&context, &server).await.to_string(), "7");
}

#[tokio::test]
async fn an_agent_is_read_with_what_it_does() {
    let server = MockServer::start().await;
    let context = Context::new(settings(&server.uri())).unwrap();
    let pool = pool(&context, &server).await;
    let agents = json!({"count": 2, "value": [
        {"id": 1, "name": "mayfly-0", "enabled": false, "status": "online", "version": "4.270.0",
         "userCapabilities": {"mayfly.drain": "/x;enabled=true"},
         "assignedRequest": {"requestId": 31, "jobName": "build", "definition": {"id": 4, "name": "ci"}}},
        {"id": 2, "name": "mayfly-1", "status": "Offline", "assignedRequest": null},
    ]});
    Mock::given(path(format!("{POOLS}/7/agents")))
        .and(query_param("includeCapabilities", "true"))
        .and(query_param("includeAssignedRequest", "true"))
        .respond_with(ResponseTemplate::new(200).set_body_json(agents))
        .mount(&server)
        .await;
    let agents = context.azdo.agents(pool).await.unwrap();
    assert!(agents[0].is_online() && !agents[0].enabled && agents[1].enabled && !agents[1].is_online());
    assert_eq!(agents[0].capability(DRAIN_MARK), Some("/x;enabled=true"));
    assert_eq!(agents[0].job().unwrap().to_string(), "`build` (request 31) of pipeline `ci`");
    assert!(agents[1].job().is_none());
}

#[tokio::test]
async fn changes_are_sent_as_documented() {
    let server = MockServer::start().await;
    let context = Context::new(settings(&server.uri())).unwrap();
    let pool = pool(&context, &server).await;
    let id = AgentId(3);
    let agent = format!("{POOLS}/7/agents/3");
    let fine = || ResponseTemplate::new(200).set_body_json(json!({"id": 3, "name": "mayfly-0"}));
    Mock::given(method("PATCH"))
        .and(path(&agent))
        .and(body_json(json!({"id": 3, "enabled": false})))
        .respond_with(fine())
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("PUT"))
        .and(path(format!("{agent}/usercapabilities")))
        .and(body_json(json!({"Mayfly.Drain": "x"})))
        .respond_with(fine())
        .expect(1)
        .mount(&server)
        .await;
    for (status, gone) in [(204, true), (404, true), (409, false)] {
        Mock::given(method("DELETE"))
            .and(path(&agent))
            .respond_with(ResponseTemplate::new(status).set_body_json(json!({"message": "runs a job"})))
            .up_to_n_times(1)
            .expect(1)
            .mount(&server)
            .await;
        assert_eq!(context.azdo.delete_agent(pool, id).await.unwrap(), gone);
    }
    context.azdo.set_enabled(pool, id, false).await.unwrap();
    let mark = std::collections::BTreeMap::from([(DRAIN_MARK.to_owned(), "x".to_owned())]);
    context.azdo.set_capabilities(pool, id, &mark).await.unwrap();
}

#[tokio::test]
async fn a_missing_permission_is_said_in_the_services_words() {
    let message = json!({"message": "Access denied. me needs Manage permissions for pool linux to perform the action."});
    let (_server, context) = answering(POOLS, ResponseTemplate::new(403).set_body_json(message)).await;
    let error = context.azdo.pool("linux").await.unwrap_err();
    insta::assert_snapshot!(error, @"find pool `linux`: not allowed: Access denied. me needs Manage permissions for pool linux to perform the action.");
    assert_eq!(error.exit_class(), ExitClass::Failed);
}

#[tokio::test]
async fn a_broken_service_is_not_the_users_fault() {
    for (reply, requests) in
        [(ResponseTemplate::new(503), 3), (ResponseTemplate::new(200).set_body_string("{\"value\": 7}"), 1)]
    {
        let (server, context) = answering(POOLS, reply).await;
        assert_eq!(context.azdo.pool("linux").await.unwrap_err().exit_class(), ExitClass::Service);
        assert_eq!(server.received_requests().await.unwrap().len(), requests);
    }
}

#[tokio::test]
async fn the_queue_is_what_has_not_ended() {
    let server = MockServer::start().await;
    let context = Context::new(settings(&server.uri())).unwrap();
    let pool = pool(&context, &server).await;
    let requests = json!({"count": 3, "value": [
        {"requestId": 1, "queueTime": "2026-11-24T10:00:00Z"},
        {"requestId": 2, "queueTime": "2026-11-24T09:00:00Z", "assignTime": "2026-11-24T09:00:01Z", "result": null},
        {"requestId": 3, "finishTime": "2026-11-24T08:00:00Z", "result": "succeeded"},
    ]});
    Mock::given(path(format!("{POOLS}/7/jobrequests")))
        .respond_with(ResponseTemplate::new(200).set_body_json(requests))
        .mount(&server)
        .await;
    let open = context.azdo.unfinished_requests(pool).await.unwrap();
    assert_eq!(open.iter().map(model::JobRequest::is_assigned).collect::<Vec<_>>(), [false, true]);
}
