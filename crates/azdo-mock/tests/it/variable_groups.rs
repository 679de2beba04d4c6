//! Variable groups as those who manage them use them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::build_client::{define, finish, get, queue, start, take};
use crate::client::Agent;
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

const NAMED: &str = "
variables:
- {name: color, value: file}
- group: Common
- {name: size, value: file}
jobs:
- job: A
  variables: [{group: own}]
  steps: [{script: a}]
";

/// The job gets what is in the groups when it starts: what stands later in the file wins, secrets are hidden.
#[tokio::test]
async fn a_job_gets_the_variables_of_the_groups_that_its_file_names() {
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let definition = define(&server, "nightly", NAMED).await;
    let post = json!({"definition": {"id": definition}});
    let refused = crate::build_client::ask(&server, Method::POST, "/build/builds", Some(post)).await;
    let refused = refused.refused(400, "BuildRequestValidationFailedException");
    let results = refused["customProperties"]["ValidationResults"].as_array().unwrap();
    let texts: Vec<_> = results.iter().map(|one| one["message"].as_str().unwrap()).collect();
    assert_eq!(texts.len(), 2, "each group is named once: {texts:?}");
    assert!(texts[1].contains("Variable group own was not found or is not authorized for use."), "{texts:?}");

    let mut common = body("common");
    common["variables"]["size"] = json!({"value": "group"});
    common["variables"]["said"] = json!({"value": "group"});
    ask(&server, Method::POST, GROUPS, &common).await.expect(200);
    let mut own = body("own");
    own["variables"] = json!({"KEY": {"value": "a.b|secret", "isSecret": true}});
    ask(&server, Method::POST, GROUPS, &own).await.expect(200);
    let queued = queue(&server, definition, json!({"parameters": "{\"said\": \"queued\"}"})).await;
    let job = take(&server, &agent).await;
    let variables = job.1.job["variables"].as_object().unwrap();
    let value = |name: &str| variables[name]["value"].clone();
    assert_eq!(
        (value("color"), value("size"), value("said")),
        (json!("red"), json!("file"), json!("group")),
        "a group comes over what stands before it and over what is said when queueing"
    );
    assert_eq!(variables["KEY"], json!({"value": "a.b|secret", "isSecret": true}));
    assert!(!variables.contains_key("key"), "the inner group's comes in its place");
    let hints = job.1.job["mask"].as_array().unwrap();
    assert!(hints.contains(&json!({"type": "regex", "value": "a\\.b\\|secret"})), "{hints:?}");
    finish(&server, &agent, job, "succeeded").await;

    // Nobody who looks at the build is shown them.
    for path in [String::new(), format!("/{}", queued["id"]), format!("/{}/timeline", queued["id"])] {
        let shown = get(&server, &format!("/build/builds{path}")).await.to_string();
        assert!(!shown.contains("secret\"") && !shown.contains("planted"), "{shown}");
    }
}

/// A group that is deleted before the job that names it starts: the job cannot run, and the run ends.
#[tokio::test]
async fn a_job_whose_group_is_gone_fails() {
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let made = ask(&server, Method::POST, GROUPS, &body("late")).await.expect(200);
    let file = "jobs:\n- {job: A, steps: [{script: a}]}\n- job: B\n  dependsOn: A\n  variables: [{group: late}]\n  steps: \
                [{script: b}]\n";
    let definition = define(&server, "nightly", file).await;
    let queued = queue(&server, definition, json!({})).await;
    let job = take(&server, &agent).await;
    let project = &made["variableGroupProjectReferences"][0]["projectReference"]["id"];
    let path = format!("{GROUPS}/{}?projectIds={}", made["id"], project.as_str().unwrap());
    server.as_user(Method::DELETE, &path).answer().await.expect(204);
    finish(&server, &agent, job, "succeeded").await;
    let ended = get(&server, &format!("/build/builds/{}", queued["id"])).await;
    assert_eq!((&ended["status"], &ended["result"]), (&json!("completed"), &json!("failed")));
}
