//! What keeps builds from being deleted, and the project's settings.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::build_client::{ask, define, finish, get, queue, start, take};
use crate::client::Agent;
use crate::server::Server;

const LEASES: &str = "/build/retention/leases";

/// A build that has ended.
async fn ended(server: &Server, definition: i64) -> i64 {
    let agent = Agent::register(server, "web01").await;
    let queued = queue(server, definition, json!({})).await;
    finish(server, &agent, take(server, &agent).await, "succeeded").await;
    queued["id"].as_i64().unwrap()
}

fn lease(definition: i64, run: i64, owner: &str) -> Value {
    json!({
        "definitionId": definition, "runId": run, "ownerId": owner, "daysValid": 2, "protectPipeline": false,
    })
}

async fn add(server: &Server, leases: Value) -> Value {
    ask(server, Method::POST, LEASES, Some(leases)).await.expect(200)["value"].clone()
}

async fn owners(server: &Server, query: &str) -> Vec<String> {
    let list = get(server, &format!("{LEASES}?{query}")).await;
    list["value"].as_array().unwrap().iter().map(|one| one["ownerId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_run_with_a_lease_cannot_be_deleted_while_the_lease_is_valid() {
    let mut server = start().await;
    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let run = ended(&server, definition).await;
    let made = add(&server, json!([lease(definition, run, "Release:1")])).await;
    assert_eq!(made[0]["leaseId"], 1);
    assert_eq!(
        (&made[0]["createdOn"], &made[0]["validUntil"]),
        (&json!("2026-11-24T12:00:00.000Z"), &json!("2026-11-26T12:00:00.000Z"))
    );
    server.restart().await;
    let build = format!("/build/builds/{run}");
    assert_eq!(get(&server, &format!("{build}/leases")).await["value"], made);
    let delete = async |path: &str| ask(&server, Method::DELETE, path, None).await;
    delete(&build).await.refused(409, "CannotDeleteRetainedBuildException");
    let of_definition = format!("/build/definitions/{definition}");
    delete(&of_definition).await.refused(409, "CannotDeleteDefinitionWithRetainedBuildsException");

    // Longer by a change; over by time.
    let one = format!("{LEASES}/1");
    let longer = ask(&server, Method::PATCH, &one, Some(json!({"daysValid": 3}))).await.expect(200);
    assert_eq!(longer["validUntil"], "2026-11-27T12:00:00.000Z");
    server.advance(SignedDuration::from_hours(71));
    delete(&build).await.refused(409, "CannotDeleteRetainedBuildException");
    server.advance(SignedDuration::from_hours(1));
    delete(&build).await.expect(204);
}

#[tokio::test]
async fn a_lease_may_keep_its_pipeline_and_ends_when_it_is_deleted() {
    let server = start().await;
    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let run = ended(&server, definition).await;
    let mut protecting = lease(definition, run, "User:7");
    protecting["protectPipeline"] = json!(true);
    add(&server, json!([protecting, lease(definition, run, "other")])).await;
    let delete = async |path: &str| ask(&server, Method::DELETE, path, None).await;
    delete(&format!("{LEASES}?ids=1,9")).await.refused(404, "RetentionLeaseNotFoundException");
    assert_eq!(owners(&server, &format!("runId={run}")).await, ["User:7", "other"], "none was deleted");
    delete(&format!("{LEASES}?ids=2")).await.expect(204);
    let kept = delete(&format!("/build/definitions/{definition}")).await;
    kept.refused(409, "CannotDeleteDefinitionWithRetainedBuildsException");
    delete(&format!("{LEASES}?ids=1")).await.expect(204);
    delete(&format!("/build/builds/{run}")).await.expect(204);
    delete(LEASES).await.refused(400, "VssPropertyValidationException");
}

#[tokio::test]
async fn leases_are_found_by_who_holds_them_on_what() {
    let server = start().await;
    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let run = ended(&server, definition).await;
    add(&server, json!([lease(definition, run, "User:7"), lease(definition, run, "Release:1")])).await;
    // Who holds one already makes it longer.
    let mut again = lease(definition, run, "Release:1");
    again["daysValid"] = json!(9);
    assert_eq!(add(&server, json!([again])).await[0]["leaseId"], 2);
    assert_eq!(owners(&server, "ownerId=release:1").await, ["Release:1"]);
    assert_eq!(owners(&server, "userOwnerId=7").await, ["User:7"]);
    assert_eq!(owners(&server, &format!("definitionId={definition}")).await.len(), 2);
    assert_eq!(owners(&server, "ownerId=nobody").await, [""; 0]);
    let exact = json!({"definitionId": definition, "runId": run, "ownerId": "User:7"}).to_string();
    let other = json!({"definitionId": definition, "runId": 99, "ownerId": "User:7"}).to_string();
    let both =
        url::form_urlencoded::byte_serialize(format!("{exact}|{other}").as_bytes()).collect::<String>();
    assert_eq!(owners(&server, &format!("leasesToFetch={both}")).await, ["User:7"]);
    for query in ["", "?leasesToFetch=%7Bx", "?runId=x"] {
        let refused = ask(&server, Method::GET, &format!("{LEASES}{query}"), None).await;
        refused.refused(400, "VssPropertyValidationException");
    }
    ask(&server, Method::GET, &format!("{LEASES}/9"), None)
        .await
        .refused(404, "RetentionLeaseNotFoundException");
}

#[tokio::test]
async fn a_lease_on_nothing_is_refused_and_none_of_its_list_is_made() {
    let server = start().await;
    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let run = ended(&server, definition).await;
    let good = lease(definition, run, "a");
    let with = |name: &str, value: Value| {
        let mut lease = lease(definition, run, "b");
        lease[name] = value;
        lease
    };
    for (bad, status, error) in [
        (with("runId", json!(99)), 404, "BuildNotFoundException"),
        (with("definitionId", json!(99)), 404, "DefinitionNotFoundException"),
        (with("definitionId", json!(1)), 400, "InvalidBuildException"),
        (with("daysValid", json!(0)), 400, "InvalidBuildException"),
        (with("ownerId", json!(" ")), 400, "InvalidBuildException"),
    ] {
        let refused = ask(&server, Method::POST, LEASES, Some(json!([good, bad]))).await;
        refused.refused(status, error);
    }
    assert_eq!(owners(&server, &format!("runId={run}")).await, [""; 0]);
}

#[tokio::test]
async fn settings_are_kept_and_only_what_may_be_set_is() {
    let mut server = start().await;
    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let general = "/build/generalsettings";
    let patch =
        async |server: &Server, path: &str, body: Value| ask(server, Method::PATCH, path, Some(body)).await;
    patch(&server, general, json!({"unheardOf": true})).await.refused(400, "InvalidBuildException");
    patch(&server, general, json!({"enforceSettableVar": "yes"})).await.refused(400, "InvalidBuildException");
    let changed =
        patch(&server, general, json!({"enforceSettableVar": true, "publishPipelineMetadata": null}));
    assert_eq!(changed.await.expect(200)["enforceSettableVar"], true);
    let retention = "/build/retention";
    let too_much = json!({"runRetention": {"value": 40}, "artifactsRetention": {"value": 61}});
    patch(&server, retention, too_much).await.refused(400, "InvalidBuildException");
    let days = patch(&server, retention, json!({"runRetention": {"value": 40}})).await.expect(200);
    assert_eq!(days["purgeRuns"], json!({"min": 30, "max": 731, "value": 40}));
    server.restart().await;
    assert_eq!(get(&server, retention).await, days);
    assert_eq!(get(&server, general).await["enforceSettableVar"], true);

    let said =
        |name: &str| json!({"definition": {"id": definition}, "parameters": json!({name: "1"}).to_string()});
    let refused = ask(&server, Method::POST, "/build/builds", Some(said("color"))).await;
    let refused = refused.refused(400, "PipelineValidationException");
    let text = refused["message"].as_str().unwrap();
    assert!(text.starts_with("You can't set the following variables (color). If you want"), "{text}");
    let run = json!({"variables": {"color": {"value": "1"}}});
    let refused = ask(&server, Method::POST, &format!("/pipelines/{definition}/runs"), Some(run)).await;
    refused.refused(400, "PipelineValidationException");
    ask(&server, Method::POST, "/build/builds", Some(said("System.Debug"))).await.expect(200);
    let path = format!("/build/definitions/{definition}");
    let mut whole = get(&server, &path).await;
    whole["variables"] = json!({"color": {"value": "red", "allowOverride": true}});
    ask(&server, Method::PUT, &path, Some(whole)).await.expect(200);
    ask(&server, Method::POST, "/build/builds", Some(said("COLOR"))).await.expect(200);
}

#[tokio::test]
async fn folders_are_made_moved_and_deleted_with_what_is_in_them() {
    let mut server = start().await;
    let at = |path: &str| format!("/build/folders?path={path}");
    let paths = async |server: &Server| {
        let list = get(server, "/build/folders").await;
        let all = list["value"].as_array().unwrap().iter();
        all.map(|one| one["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let put = async |server: &Server, path: &str, body: Value| {
        ask(server, Method::PUT, &at(path), Some(body)).await
    };
    let made = put(&server, "/ci/nightly", json!({"path": "\\ci\\nightly", "description": "at night"})).await;
    assert_eq!(made.expect(200)["description"], "at night");
    put(&server, "\\CI\\nightly", json!({})).await.refused(409, "FolderExistsException");
    put(&server, "\\", json!({})).await.refused(400, "InvalidFolderException");
    let body =
        json!({"name": "one", "path": "\\ci\\nightly", "process": {"type": 2, "yamlFilename": "a.yml"}});
    let one = ask(&server, Method::POST, "/build/definitions", Some(body)).await.expect(200);
    server.restart().await;
    assert_eq!(paths(&server).await, ["\\", "\\ci", "\\ci\\nightly"]);

    let post = async |server: &Server, path: &str, to: &str| {
        ask(server, Method::POST, &at(path), Some(json!({"path": to}))).await
    };
    post(&server, "\\nope", "\\x").await.refused(404, "FolderNotFoundException");
    post(&server, "\\ci", "\\ci\\nightly\\x").await.refused(400, "InvalidFolderException");
    post(&server, "\\ci", "\\builds").await.expect(200);
    assert_eq!(paths(&server).await, ["\\", "\\builds", "\\builds\\nightly"]);
    let definition = format!("/build/definitions/{}", one["id"]);
    assert_eq!(get(&server, &definition).await["path"], "\\builds\\nightly");
    let shown = get(&server, "/build/folders/builds/nightly").await;
    assert_eq!(shown["value"][0]["description"], "at night", "it goes with the folder: {shown}");

    ask(&server, Method::DELETE, &at("\\builds"), None).await.expect(204);
    ask(&server, Method::GET, &definition, None).await.refused(404, "DefinitionNotFoundException");
    assert_eq!(paths(&server).await, ["\\"]);
    server.restart().await;
    assert_eq!(paths(&server).await, ["\\"]);
}

/// A folder with a definition that cannot be deleted stays whole.
#[tokio::test]
async fn a_folder_is_deleted_as_a_whole_or_not_at_all() {
    let server = start().await;
    let body = |name: &str| json!({"name": name, "path": "\\ci", "process": {"type": 2, "yamlFilename": "kept.yml"}});
    let made = async |name: &str| {
        ask(&server, Method::POST, "/build/definitions", Some(body(name))).await.expect(200)["id"].clone()
    };
    let (first, kept) = (made("first").await, made("kept").await.as_i64().unwrap());
    assert_eq!(define(&server, "kept", "steps: [{script: a}]\n").await, kept);
    let run = ended(&server, kept).await;
    add(&server, json!([lease(kept, run, "a")])).await;
    let refused = ask(&server, Method::DELETE, "/build/folders?path=\\ci", None).await;
    refused.refused(409, "CannotDeleteDefinitionWithRetainedBuildsException");
    get(&server, &format!("/build/definitions/{first}")).await;
}
