//! Properties, resources, metrics, sources, attachments: what hangs on builds, definitions and the project.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::build_client::{ask, define, finish, get, queue, start, take};
use crate::client::Agent;
use crate::server::{Answer, Ask, Server};

/// Sends a JSON patch as clients do.
async fn patch(server: &Server, path: &str, operations: &Value) -> Answer {
    let request = server.as_user(Method::PATCH, path).body(operations.to_string());
    request.header(header::CONTENT_TYPE, "application/json-patch+json").answer().await
}

#[tokio::test]
async fn properties_are_added_changed_and_removed_all_or_none() {
    let mut server = start().await;
    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let build = queue(&server, definition, json!({})).await["id"].clone();
    for path in
        [format!("/build/builds/{build}/properties"), format!("/build/definitions/{definition}/properties")]
    {
        let whole = format!("/demo/_apis{path}");
        assert_eq!(get(&server, &path).await, json!({"count": 0, "value": {}}));
        let add = json!([
            {"op": "add", "path": "/color", "value": "red"}, {"op": "add", "path": "/a~1b", "value": 3},
            {"op": "test", "path": "/color", "value": "red"},
        ]);
        let added = patch(&server, &whole, &add).await.expect(200);
        let red = json!({"$type": "System.String", "$value": "red"});
        assert_eq!(added["value"], json!({"a/b": {"$type": "System.Int32", "$value": 3}, "color": red}));
        for (bad, error) in [
            (
                json!([{"op": "remove", "path": "/color"}, {"op": "remove", "path": "/x"}]),
                "PatchOperationFailedException",
            ),
            (json!([{"op": "replace", "path": "/x", "value": "y"}]), "PatchOperationFailedException"),
            (json!([{"op": "test", "path": "/color", "value": "blue"}]), "PatchOperationFailedException"),
            (json!([{"op": "move", "path": "/color"}]), "ArgumentException"),
            (json!([{"op": "add", "path": "/"}]), "ArgumentException"),
        ] {
            patch(&server, &whole, &bad).await.refused(400, error);
        }
        patch(&server, &whole, &json!([{"op": "remove", "path": "/a~1b"}])).await.expect(200);
        server.restart().await;
        assert_eq!(get(&server, &path).await, json!({"count": 1, "value": {"color": red}}));
        assert_eq!(get(&server, &format!("{path}?filter=size,shape")).await["count"], 0);
    }
    let shown = get(&server, &format!("/build/builds/{build}?propertyFilters=col*")).await;
    assert_eq!(shown["properties"]["color"]["$value"], "red");
    assert_eq!(get(&server, &format!("/build/builds/{build}")).await["properties"], json!({}));
    // Whoever writes a definition anew without them keeps them.
    let path = format!("/build/definitions/{definition}");
    let mut whole = get(&server, &path).await;
    whole.as_object_mut().unwrap().remove("properties");
    ask(&server, Method::PUT, &path, Some(whole)).await.expect(200);
    assert_eq!(get(&server, &format!("{path}/properties")).await["count"], 1);
    let text = server.as_user(Method::PATCH, &format!("/demo/_apis{path}/properties")).body("[]");
    text.header(header::CONTENT_TYPE, "text/plain")
        .answer()
        .await
        .refused(415, "UnsupportedMediaTypeException");
}

#[tokio::test]
async fn a_project_says_of_what_process_it_is_and_keeps_what_it_is_told() {
    let mut server = start().await;
    let path = "/_apis/projects/demo/properties";
    let operations = json!([{"op": "add", "path": "/team.color", "value": "red"}]);
    patch(&server, path, &operations).await.expect(204);
    patch(&server, "/_apis/projects/x/properties", &operations)
        .await
        .refused(404, "ProjectDoesNotExistWithNameException");
    server.restart().await;
    let all = server.get(path).await;
    let value = |name: &str| {
        let mut all = all["value"].as_array().unwrap().iter();
        all.find(|one| one["name"] == name).map(|one| one["value"].clone())
    };
    assert_eq!(value("System.Process Template"), Some(json!("Basic")));
    assert_eq!(value("team.color"), Some(json!("red")));
    let some = server.get(&format!("{path}?keys=team.*")).await;
    assert_eq!(some["value"], json!([{"name": "team.color", "value": "red"}]));
    let members = server.get("/_apis/projects/demo/teams/demo%20Team/members").await;
    assert_eq!(members["value"][0]["identity"]["displayName"], "user");
    server.as_user(Method::GET, "/_apis/projects/demo/teams/x/members").answer().await.expect(404);
}

#[tokio::test]
async fn the_sources_are_the_files_that_were_given() {
    let server = start().await;
    define(&server, "nightly", "steps: [{script: a}]\n").await;
    let source = |path: &str| format!("/sourceProviders/tfsgit/{path}");
    assert_eq!(get(&server, "/sourceproviders").await["value"][0]["name"], "TfsGit");
    let repositories = get(&server, &source("repositories")).await;
    assert_eq!(repositories["repositories"][0]["name"], "demo");
    assert_eq!(get(&server, &source("branches?repository=demo")).await["value"], json!(["refs/heads/main"]));
    let path = source("filecontents?repository=demo&path=nightly.yml&commitOrBranch=main");
    let file = ask(&server, Method::GET, &path, None).await;
    assert_eq!((file.status.as_u16(), file.text.as_str()), (200, "steps: [{script: a}]\n"));
    let items = get(&server, &source("pathcontents?path=/")).await;
    assert_eq!(
        (&items["value"][0]["path"], &items["value"][0]["type"]),
        (&json!("/nightly.yml"), &json!("file"))
    );
    for (path, error) in [
        ("filecontents?path=nope.yml", "GitItemNotFoundException"),
        ("filecontents?path=nightly.yml&commitOrBranch=topic", "GitItemNotFoundException"),
        ("pathcontents?path=/deep", "GitItemNotFoundException"),
        ("branches?repository=other", "GitRepositoryNotFoundException"),
        ("pullrequests/7", "GitPullRequestNotFoundException"),
    ] {
        ask(&server, Method::GET, &source(path), None).await.refused(404, error);
    }
    let github = ask(&server, Method::GET, "/sourceProviders/github/repositories", None).await;
    github.refused(404, "SourceProviderNotFoundException");
}

#[tokio::test]
async fn builds_are_counted_by_day_and_how_they_ended() {
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let badge = "/build/repos/TfsGit/badge?repoId=demo";
    ask(&server, Method::GET, badge, None).await.expect(404);
    let mut ended = Value::Null;
    for result in ["succeeded", "failed", "succeeded"] {
        ended = queue(&server, definition, json!({})).await["id"].clone();
        finish(&server, &agent, take(&server, &agent).await, result).await;
    }
    let last = queue(&server, definition, json!({})).await["id"].as_i64().unwrap();
    for path in [format!("/build/definitions/{definition}/metrics"), "/build/metrics/hourly".to_owned()] {
        let list = get(&server, &path).await;
        let value = |name: &str| {
            let mut all = list["value"].as_array().unwrap().iter();
            all.find(|one| one["name"] == name).map(|one| (one["intValue"].clone(), one["date"].is_null()))
        };
        assert_eq!(value("SuccessfulBuilds"), Some((json!(2), false)), "{path}: {list}");
        assert_eq!(value("FailedBuilds"), Some((json!(1), false)));
        assert_eq!(value("TotalBuilds"), Some((json!(3), false)));
        assert_eq!(value("CurrentBuildsInQueue"), Some((json!(1), true)));
        assert_eq!(value("CurrentBuildsInProgress"), Some((json!(0), true)));
        let later = get(&server, &format!("{path}?minMetricsTime=2026-11-25")).await;
        assert_eq!(later["count"], 2, "nothing of the past: {later}");
    }
    ask(&server, Method::GET, "/build/metrics/yearly", None)
        .await
        .refused(400, "VssPropertyValidationException");
    assert_eq!(get(&server, badge).await["buildId"], ended);
    let usage = server.get("/_apis/build/resourceusage").await;
    assert_eq!((&usage["distributedTaskAgents"], &usage["totalUsage"]), (&json!(1), &json!(0)));
    assert_eq!(
        get(&server, &format!("/build/changes?fromBuildId={last}&toBuildId={last}")).await["count"],
        0
    );
    ask(&server, Method::GET, "/build/workitems?fromBuildId=99", None)
        .await
        .refused(404, "BuildNotFoundException");
}

#[tokio::test]
async fn a_builds_attachments_are_those_of_all_its_jobs() {
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let definition = define(
        &server,
        "nightly",
        "jobs: [{job: A, steps: [{script: a}]}, {job: B, steps: [{script: b}]}]\n",
    )
    .await;
    let queued = queue(&server, definition, json!({})).await;
    for name in ["one", "two"] {
        let (session, worker) = take(&server, &agent).await;
        let record = worker.job["jobId"].as_str().unwrap();
        let path = format!("{}/records/{record}/attachments/Report/{name}", worker.timeline_path());
        let put =
            server.anonymous(Method::PUT, &path).bearer_auth(&worker.token).body(format!("text of {name}"));
        put.header(header::CONTENT_TYPE, "application/octet-stream").answer().await.expect(200);
        finish(&server, &agent, (session, worker), "succeeded").await;
    }
    let build = format!("/build/builds/{}", queued["id"]);
    let list = get(&server, &format!("{build}/attachments/report")).await;
    let mut found = Vec::new();
    for one in list["value"].as_array().unwrap() {
        let url = one["_links"]["self"]["href"].as_str().unwrap();
        let path = url.split_once("/acme").unwrap().1;
        let answer = server.as_user(Method::GET, path).answer().await;
        found.push((one["name"].as_str().unwrap().to_owned(), answer.text));
    }
    found.sort();
    let pair = |name: &str| (name.to_owned(), format!("text of {name}"));
    assert_eq!(found, [pair("one"), pair("two")]);
    assert_eq!(get(&server, &format!("{build}/attachments/other")).await["count"], 0);
    let nil = uuid::Uuid::nil();
    let missing =
        ask(&server, Method::GET, &format!("{build}/{nil}/{nil}/attachments/Report/one"), None).await;
    missing.refused(404, "AttachmentNotFoundException");
    let report = get(&server, &format!("{build}/report")).await;
    let content = report["content"].as_str().unwrap();
    assert!(content.contains("<p>succeeded</p>") && content.contains("<td>A</td>"), "{content}");
}

#[tokio::test]
async fn everything_that_pipelines_may_use_is_open_to_them() {
    let server = start().await;
    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let of_definition = format!("/build/definitions/{definition}/resources");
    let queues = get(&server, "/build/authorizedresources?type=queue").await;
    assert_eq!(
        queues["value"][0],
        json!({"type": "queue", "id": "1", "name": "Default", "authorized": true})
    );
    assert_eq!(get(&server, &of_definition).await, get(&server, "/build/authorizedresources").await);
    for path in [of_definition.as_str(), "/build/authorizedresources"] {
        let wanted =
            |id: &str, authorized: bool| json!([{"type": "queue", "id": id, "authorized": authorized}]);
        let change = async |wanted: Value| ask(&server, Method::PATCH, path, Some(wanted)).await;
        assert_eq!(change(wanted("1", true)).await.expect(200)["value"][0]["name"], "Default");
        change(wanted("1", false)).await.refused(400, "InvalidBuildException");
        change(wanted("99", true)).await.refused(400, "InvalidBuildException");
    }
}

#[tokio::test]
async fn what_cannot_be_made_here_is_not_there() {
    let server = start().await;
    for (path, error) in [
        ("/demo/_apis/distributedtask/environments/1", "EnvironmentNotFoundException"),
        ("/demo/_apis/distributedtask/environments/1/providers/kubernetes/2", "EnvironmentNotFoundException"),
        ("/demo/_apis/distributedtask/deploymentgroups/1/targets", "DeploymentGroupNotFoundException"),
        ("/demo/_apis/distributedtask/taskgroups/1", "MetaTaskDefinitionNotFoundException"),
        ("/demo/_apis/distributedtask/securefiles/1", "SecureFileNotFoundException"),
        ("/demo/_apis/build/definitions/templates/1", "DefinitionTemplateNotFoundException"),
        ("/_apis/distributedtask/agentclouds/7", "TaskAgentCloudNotFoundException"),
        ("/_apis/build/controllers/7", "BuildControllerNotFoundException"),
        ("/_apis/projects/demo/connectedServices/x", "ConnectedServiceNotFoundException"),
    ] {
        server.as_user(Method::GET, path).answer().await.refused(404, error);
    }
    let cloud = server.as_user(Method::GET, "/_apis/distributedtask/agentclouds/7").answer().await;
    assert!(cloud.text.contains("No agent cloud found with identifier 7."), "{}", cloud.text);
    for path in
        ["/_apis/proxies", "/_apis/projects/demo/connectedServices", "/_apis/distributedtask/agentcloudtypes"]
    {
        assert_eq!(server.get(path).await, json!({"count": 0, "value": []}), "{path}");
    }
    let artifact = json!({"name": "drop", "resource": {"type": "Container", "data": "#/1/drop"}});
    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let build = queue(&server, definition, json!({})).await["id"].clone();
    let path = format!("/build/builds/{build}/artifacts");
    ask(&server, Method::POST, &path, Some(artifact)).await.expect(200);
    let zip = server.as_user(Method::GET, &format!("/demo/_apis{path}?artifactName=drop"));
    let zip = zip.header(header::ACCEPT, "application/zip;api-version=7.1-preview.5").answer().await;
    zip.refused(404, "ArtifactNotFoundException");
}
