//! Folders, settings, badges, revisions, and lists that are always empty.

use reqwest::Method;
use serde_json::{Value, json};

use crate::build_client::{ask, define, finish, get, queue, start, take};
use crate::client::Agent;
use crate::server::{Ask, Server};

async fn made(server: &Server, name: &str, path: &str) -> Value {
    let body = json!({"name": name, "path": path, "process": {"type": 2, "yamlFilename": "a.yml"}});
    ask(server, Method::POST, "/build/definitions", Some(body)).await.expect(200)
}

#[tokio::test]
async fn folders_are_those_of_definitions_and_those_above_them() {
    let server = start().await;
    made(&server, "deep", "\\ci\\nightly").await;
    let paths = async |query: &str| {
        let list = get(&server, &format!("/build/folders{query}")).await;
        let all = list["value"].as_array().unwrap().iter();
        all.map(|one| one["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(paths("").await, ["\\", "\\ci", "\\ci\\nightly"]);
    assert_eq!(paths("?queryOrder=folderDescending").await, ["\\ci\\nightly", "\\ci", "\\"]);
    let refused = ask(&server, Method::GET, "/build/folders?queryOrder=size", None).await;
    refused.refused(400, "VssPropertyValidationException");
}

#[tokio::test]
async fn a_badge_tells_how_the_last_build_ended() {
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let badge = async |path: &str| {
        let answer = ask(&server, Method::GET, &format!("/build/status/{path}"), None).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        assert!(answer.header("content-type").starts_with("image/svg+xml"));
        answer.text
    };
    assert!(badge("nightly").await.contains(">never built<"));
    for (result, word) in
        [("succeeded", "succeeded"), ("failed", "failed"), ("succeededWithIssues", "partially succeeded")]
    {
        queue(&server, definition, json!({})).await;
        finish(&server, &agent, take(&server, &agent).await, result).await;
        assert!(badge(&definition.to_string()).await.contains(&format!(">{word}<")), "{word}");
    }
    assert!(badge("nightly?branchName=topic").await.contains(">never built<"));
    assert!(badge("nightly?label=a%3Cb").await.contains(">a&lt;b<"));
    ask(&server, Method::GET, "/build/status/99", None).await.refused(404, "DefinitionNotFoundException");
}

#[tokio::test]
async fn every_revision_of_a_definition_is_listed() {
    let mut server = start().await;
    let mut definition = made(&server, "one", "\\").await;
    let path = format!("/build/definitions/{}", definition["id"]);
    definition["name"] = json!("two");
    ask(&server, Method::PUT, &path, Some(definition)).await.expect(200);
    server.restart().await;
    let list = get(&server, &format!("{path}/revisions")).await;
    let shown: Vec<_> = list["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["revision"].clone(), one["name"].clone(), one["changeType"].clone()))
        .collect();
    assert_eq!(
        shown,
        [(json!(1), json!("one"), json!("add")), (json!(2), json!("two"), json!("update"))],
        "{list}"
    );
    assert_eq!(list["value"][1]["changedBy"]["displayName"], "user");
    ask(&server, Method::GET, "/build/definitions/99/revisions", None)
        .await
        .refused(404, "DefinitionNotFoundException");
}

#[tokio::test]
async fn what_cannot_be_made_here_is_an_empty_list_and_settings_have_their_shape() {
    let server = start().await;
    let empty = json!({"count": 0, "value": []});
    for path in [
        "/distributedtask/environments",
        "/distributedtask/deploymentgroups",
        "/distributedtask/taskgroups",
        "/serviceendpoint/endpoints",
    ] {
        assert_eq!(get(&server, path).await, empty, "{path}");
        ask(&server, Method::POST, &format!("{path}?api-version=7.1"), Some(json!({})))
            .await
            .refused(405, "HttpException");
        let elsewhere = server.as_user(Method::GET, &format!("/Nowhere/_apis{path}")).answer().await;
        elsewhere.refused(404, "ProjectDoesNotExistWithNameException");
    }
    assert_eq!(server.get("/_apis/build/controllers").await, empty);
    assert_eq!(server.get("/_apis/teams").await["value"][0]["projectName"], "demo");
    let settings = get(&server, "/build/settings").await;
    assert_eq!(settings["defaultRetentionPolicy"]["daysToKeep"], 30);
    assert_eq!(get(&server, "/build/retention").await["purgeRuns"]["value"], 30);
    assert_eq!(get(&server, "/build/generalsettings").await["enforceJobAuthScope"], true);
}
