use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::Silent;
use crate::context::tests::settings;

const GROUP: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/images";

fn options(group: &str, name: &str) -> RegistryOptions {
    RegistryOptions {
        name: name.to_owned(),
        resource_group: group.to_owned(),
        location: None,
        sku: "Basic".to_owned(),
        deployer: "me".to_owned(),
    }
}

async fn on(server: &MockServer, verb: &str, at: &str, status: u16, body: &Value, times: Option<u64>) {
    let mock = Mock::given(method(verb)).and(path(at));
    let mock = mock.respond_with(ResponseTemplate::new(status).set_body_json(body));
    match times {
        Some(times) => mock.up_to_n_times(times).mount(server).await,
        None => mock.mount(server).await,
    }
}

async fn start() -> (MockServer, Context) {
    let server = MockServer::start().await;
    let token = json!({"expires_in": 3599, "access_token": "t"});
    on(&server, "POST", "/tenant/oauth2/v2.0/token", 200, &token, None).await;
    let context = Context::new(settings(&server.uri())).unwrap();
    (server, context)
}

fn registry(admin: bool) -> Value {
    json!({"id": format!("{GROUP}/providers/Microsoft.ContainerRegistry/registries/example1"), "name": "example1",
        "location": "westeurope", "properties": {"loginServer": "example1.azurecr.io", "adminUserEnabled": admin}})
}

fn registry_path() -> String {
    format!("{GROUP}/providers/Microsoft.ContainerRegistry/registries/example1")
}

#[tokio::test]
async fn a_name_or_group_that_cannot_be_is_refused_before_anything_is_asked() {
    let (server, context) = start().await;
    let error = ensure_registry(&context, &options("images", "my-images"), &Silent).await.unwrap_err();
    insta::assert_snapshot!(error, @"create registry `my-images`: a registry's name is 5 to 50 letters and digits");
    let error = ensure_registry(&context, &options("Agents", "example1"), &Silent).await.unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Guard);
    insta::assert_snapshot!(error, @"create registry `example1` in resource group `Agents`: that is the fleet's group, and a Complete deployment of the fleet would delete the registry");
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_registry_that_is_there_is_left_as_it_is() {
    let (server, context) = start().await;
    on(&server, "GET", &registry_path(), 200, &registry(true), Some(1)).await;
    on(&server, "GET", &registry_path(), 200, &registry(false), None).await;
    let found = ensure_registry(&context, &options("images", "example1"), &Silent).await.unwrap();
    assert_eq!((found.login_server.as_str(), found.created), ("example1.azurecr.io", false));
    let error = ensure_registry(&context, &options("images", "example1"), &Silent).await.unwrap_err();
    assert!(matches!(error, RegistryError::NoAdminUser { .. }), "{error}");
    let requests = server.received_requests().await.unwrap();
    assert!(!requests.iter().any(|request| request.method.as_str() == "PUT"));
}

#[tokio::test]
async fn an_absent_one_is_made_with_its_group() {
    let (server, context) = start().await;
    let absent = json!({"error": {"code": "ResourceNotFound", "message": "no"}});
    let deployment = format!("{GROUP}/providers/Microsoft.Resources/deployments/mayfly-registry-example1");
    on(&server, "GET", &registry_path(), 404, &absent, Some(1)).await;
    on(&server, "GET", &registry_path(), 200, &registry(true), None).await;
    on(&server, "GET", GROUP, 404, &absent, None).await;
    on(&server, "PUT", GROUP, 201, &json!({}), None).await;
    on(&server, "PUT", &deployment, 201, &json!({}), None).await;
    on(&server, "GET", &deployment, 200, &json!({"properties": {"provisioningState": "Succeeded"}}), None)
        .await;
    let made = ensure_registry(&context, &options("images", "example1"), &Silent).await.unwrap();
    assert!(made.created);
    assert_eq!(made.login_server, "example1.azurecr.io");
}
