//! Variable groups as those who manage them use them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Answer, Ask, Server, basic};

const GROUPS: &str = "/_apis/distributedtask/variablegroups";
const IN_PROJECT: &str = "/demo/_apis/distributedtask/variablegroups";

fn body(name: &str) -> Value {
    json!({
        "name": name, "type": "Vsts", "description": "of a test",
        "variables": {"color": {"value": "red"}, "key": {"value": "planted-secret", "isSecret": true}},
        "variableGroupProjectReferences": [{"name": name, "projectReference": {"name": "demo"}}],
    })
}

async fn ask(server: &Server, method: Method, path: &str, body: &Value) -> Answer {
    server.as_user(method, path).json(body).answer().await
}

async fn ids(server: &Server, query: &str) -> Vec<i64> {
    let list = server.get(&format!("{IN_PROJECT}?{query}")).await;
    list["value"].as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_group_is_made_changed_and_deleted_and_shows_no_secret() {
    let mut server = Server::start().await;
    let made = ask(&server, Method::POST, GROUPS, &body("common")).await;
    assert!(!made.text.contains("planted-secret"), "{}", made.text);
    let made = made.expect(200);
    assert_eq!(made["variables"]["key"], json!({"value": null, "isSecret": true}));
    assert_eq!((&made["id"], &made["createdBy"]["displayName"]), (&json!(1), &json!("user")));
    let one = format!("{GROUPS}/1");
    // As a client that read the group sends it back: the secret without its value.
    let mut changed = made.clone();
    changed["variables"]["color"] = json!({"value": "blue", "isReadOnly": true});
    changed["name"] = json!("shared");
    let changed = ask(&server, Method::PUT, &one, &changed).await.expect(200);
    assert_eq!(changed["variables"]["color"], json!({"value": "blue", "isReadOnly": true}));
    server.restart().await;
    assert_eq!(server.get(&format!("{IN_PROJECT}/1")).await, changed);
    let stored = format!("{:?}", server.stored_groups());
    assert!(stored.contains("planted-secret"), "the value is kept: {stored}");

    let project = made["variableGroupProjectReferences"][0]["projectReference"]["id"].as_str().unwrap();
    let share = json!([{"projectReference": {"id": project}}]);
    ask(&server, Method::PATCH, &format!("{GROUPS}?variableGroupId=1"), &share).await.expect(204);
    let delete = async |query: &str| server.as_user(Method::DELETE, &format!("{one}{query}")).answer().await;
    delete("").await.refused(400, "VssPropertyValidationException");
    delete("?projectIds=nope").await.refused(404, "ProjectDoesNotExistWithNameException");
    delete(&format!("?projectIds={project}")).await.expect(204);
    delete("?projectIds=demo").await.refused(404, "VariableGroupNotFoundException");
}

#[tokio::test]
async fn groups_are_listed_newest_first_in_pages_and_by_name() {
    let server = Server::start().await;
    for name in ["one", "two", "three"] {
        ask(&server, Method::POST, GROUPS, &body(name)).await.expect(200);
    }
    assert_eq!(ids(&server, "").await, [3, 2, 1]);
    assert_eq!(ids(&server, "queryOrder=IdAscending").await, [1, 2, 3]);
    assert_eq!(ids(&server, "groupName=T*&actionFilter=manage").await, [3, 2]);
    assert_eq!(ids(&server, "groupIds=1,7").await, [1]);
    let page = server.as_user(Method::GET, &format!("{IN_PROJECT}?$top=2")).answer().await;
    assert_eq!(page.header("x-ms-continuationtoken"), "2");
    let rest =
        server.as_user(Method::GET, &format!("{IN_PROJECT}?$top=2&continuationToken=2")).answer().await;
    assert_eq!(rest.header("x-ms-continuationtoken"), "");
    assert_eq!(rest.expect(200)["value"][0]["id"], 1);
    assert_eq!(ids(&server, "queryOrder=0&continuationToken=2").await, [3]);
}

#[tokio::test]
async fn what_makes_no_group_is_refused_by_its_own_error() {
    let server = Server::start().await;
    ask(&server, Method::POST, GROUPS, &body("common")).await.expect(200);
    let taken = ask(&server, Method::POST, GROUPS, &body("COMMON")).await;
    let taken = taken.refused(409, "VariableGroupExistsException");
    assert_eq!(taken["message"], "Variable group 'COMMON' already exists.");
    let with = |field: &str, value: Value| {
        let mut body = body("other");
        body[field] = value;
        body
    };
    for (body, error) in [
        (with("variableGroupProjectReferences", json!([])), "ArgumentException"),
        (with("variableGroupProjectReferences", json!([{}])), "ArgumentException"),
        (with("type", json!("AzureKeyVault")), "VssPropertyValidationException"),
        (with("name", json!("")), "VssPropertyValidationException"),
        (with("variables", json!({})), "VssPropertyValidationException"),
    ] {
        ask(&server, Method::POST, GROUPS, &body).await.refused(400, error);
    }
    let elsewhere = with("variableGroupProjectReferences", json!([{"projectReference": {"name": "x"}}]));
    let refused = ask(&server, Method::POST, GROUPS, &elsewhere).await;
    refused.refused(404, "ProjectDoesNotExistWithNameException");
    let missing = ask(&server, Method::PUT, &format!("{GROUPS}/7"), &body("other")).await;
    missing.refused(404, "VariableGroupNotFoundException");
    assert_eq!(ids(&server, "").await, [1], "nothing was made");
    let scope = json!({"token": "reader", "scope": "vso.variablegroups_read"});
    server.control(Method::POST, "/tokens").json(&scope).answer().await.expect(204);
    let read = |method: Method, path: &str| {
        server.anonymous(method, path).header("authorization", basic("", "reader")).json(&body("x")).answer()
    };
    read(Method::GET, IN_PROJECT).await.expect(200);
    read(Method::POST, GROUPS).await.refused(401, "UnauthorizedRequestException");
}
