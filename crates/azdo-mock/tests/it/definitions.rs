//! Projects, queues and definitions over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use crate::build_client::{TWO_JOBS, ask, define, get, queue, start};
use crate::client::Agent;
use crate::server::Ask;

fn names(list: &Value) -> Vec<&str> {
    list["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_project_is_found_by_name_and_by_id() {
    let server = start().await;
    let all = server.get("/_apis/projects").await;
    let project = &all["value"][0];
    assert_eq!(
        (&all["count"], &project["name"], &project["state"]),
        (&json!(1), &json!("demo"), &json!("wellFormed"))
    );
    for name in ["Demo", project["id"].as_str().unwrap()] {
        let one = server.get(&format!("/_apis/projects/{name}")).await;
        assert_eq!((&one["id"], &one["defaultTeam"]["name"]), (&project["id"], &json!("demo Team")));
        assert!(one.get("capabilities").is_none());
    }
    let one = server.get("/_apis/projects/demo?includeCapabilities=true").await;
    assert_eq!(one["capabilities"]["versioncontrol"]["sourceControlType"], "Git");
    for (query, count) in [("stateFilter=all", 1), ("stateFilter=deleted", 0), ("$top=0", 0), ("$skip=1", 0)]
    {
        assert_eq!(server.get(&format!("/_apis/projects?{query}")).await["count"], count, "{query}");
    }
    let id = project["id"].as_str().unwrap();
    for (list, name) in [
        (format!("/_apis/projects/{id}/teams"), "demo Team"),
        ("/_apis/process/processes".to_owned(), "Basic"),
        ("/_apis/projectCollections".to_owned(), "acme"),
    ] {
        let all = server.get(&list).await;
        assert_eq!((&all["count"], &all["value"][0]["name"]), (&json!(1), &json!(name)));
        let one = server.get(&format!("{list}/{}", all["value"][0]["id"].as_str().unwrap())).await;
        assert_eq!(one, all["value"][0]);
        let nobody = server.as_user(Method::GET, &format!("{list}/nobody")).answer().await;
        nobody.refused(404, "VssResourceNotFoundException");
    }
    let wrong = server.as_user(Method::GET, "/_apis/projects?stateFilter=x").answer().await;
    wrong.refused(400, "VssPropertyValidationException");
    let gone = server.as_user(Method::GET, "/_apis/projects/Nowhere").answer().await;
    gone.refused(404, "ProjectDoesNotExistWithNameException");
}

#[tokio::test]
async fn each_pool_has_a_queue_which_can_be_taken_away_and_given_back() {
    let mut server = start().await;
    let path = "/distributedtask/queues";
    let list = get(&server, path).await;
    assert_eq!(names(&list), ["Default", "Linux", "Azure Pipelines"]);
    assert_eq!((&list["value"][1]["pool"]["id"], &list["value"][1]["id"]), (&json!(2), &json!(2)));
    for (query, expected) in [
        ("queueName=linux", vec!["Linux"]),
        ("queueName=D*", vec!["Default"]),
        ("queueNames=default,linux,x", vec!["Default", "Linux"]),
        ("queueIds=2,9", vec!["Linux"]),
        ("poolIds=1", vec!["Default"]),
        ("actionFilter=use", vec!["Default", "Linux", "Azure Pipelines"]),
        ("actionFilter=manage", vec!["Default", "Linux", "Azure Pipelines"]),
    ] {
        assert_eq!(names(&get(&server, &format!("{path}?{query}")).await), expected, "{query}");
    }
    ask(&server, Method::GET, &format!("{path}?queueIds=x"), None)
        .await
        .refused(400, "VssPropertyValidationException");
    assert_eq!(get(&server, &format!("{path}/2")).await["name"], "Linux");
    ask(&server, Method::GET, &format!("{path}/9"), None)
        .await
        .refused(404, "TaskAgentQueueNotFoundException");

    let post =
        async |server: &crate::server::Server, body: Value| ask(server, Method::POST, path, Some(body)).await;
    post(&server, json!({"name": "Linux", "pool": {"id": 2}}))
        .await
        .refused(409, "TaskAgentQueueExistsException");
    post(&server, json!({"pool": {"id": 2}})).await.refused(409, "TaskAgentQueueExistsException");
    ask(&server, Method::DELETE, &format!("{path}/2"), None).await.expect(204);
    ask(&server, Method::DELETE, &format!("{path}/2"), None)
        .await
        .refused(404, "TaskAgentQueueNotFoundException");
    server.restart().await;
    assert_eq!(names(&get(&server, path).await), ["Default", "Azure Pipelines"], "it stays away");
    assert_eq!(server.get("/_apis/distributedtask/pools").await["count"], 3, "the pool stays");
    let back = post(&server, json!({"name": "Tux", "pool": {"id": 2}})).await.expect(200);
    assert_eq!((&back["id"], &back["pool"]["name"]), (&json!(4), &json!("Linux")));
    let fresh = post(&server, json!({"name": "Fresh"})).await.expect(200);
    assert_eq!(fresh["pool"]["name"], "Fresh");
    assert_eq!(server.get("/_apis/distributedtask/pools").await["count"], 4);
    post(&server, json!({"pool": {"id": 77}})).await.refused(404, "TaskAgentPoolNotFoundException");
    post(&server, json!({})).await.refused(400, "VssPropertyValidationException");
}

#[tokio::test]
async fn definitions_are_made_found_changed_and_deleted() {
    let mut server = start().await;
    let path = "/build/definitions";
    let body = json!({
        "name": "web-ci", "path": "nightly", "type": "build", "quality": "definition", "queue": {"name": "linux"},
        "process": {"type": 2, "yamlFilename": "azure-pipelines.yml"},
        "variables": {"open": {"value": "1", "allowOverride": true}, "key": {"value": "s3cret", "isSecret": true}},
        "repository": {"id": "r", "type": "TfsGit", "name": "web", "defaultBranch": "refs/heads/dev"},
        "triggers": [{"triggerType": "continuousIntegration"}],
    });
    let made = ask(&server, Method::POST, path, Some(body.clone())).await.expect(200);
    assert_eq!((&made["id"], &made["revision"], &made["path"]), (&json!(2), &json!(1), &json!("\\nightly")));
    assert_eq!(made["queue"]["name"], "Linux");
    assert_eq!(
        made["variables"],
        json!({"open": {"value": "1", "allowOverride": true}, "key": {"value": null, "isSecret": true}})
    );
    assert_eq!((&made["repository"]["name"], &made["triggers"]), (&json!("web"), &body["triggers"]));
    assert_eq!(made["authoredBy"]["displayName"], "user");
    ask(&server, Method::POST, path, Some(body.clone())).await.refused(409, "DefinitionExistsException");
    define(&server, "api-ci", "steps: [{script: a}]\n").await;
    server.restart().await;
    assert_eq!(get(&server, &format!("{path}/2")).await, made);

    for (query, expected) in [
        ("", vec!["mayfly", "web-ci", "api-ci"]),
        ("name=WEB-CI", vec!["web-ci"]),
        ("name=*-ci", vec!["web-ci", "api-ci"]),
        ("name=web", vec![]),
        ("definitionIds=3,1", vec!["mayfly", "api-ci"]),
        ("path=%5Cnightly", vec!["web-ci"]),
        ("yamlFilename=/azure-pipelines.yml", vec!["web-ci"]),
        ("processType=1", vec![]),
        ("queryOrder=definitionNameAscending", vec!["api-ci", "mayfly", "web-ci"]),
        ("$top=1&continuationToken=1", vec!["web-ci"]),
    ] {
        let list = get(&server, &format!("{path}?{query}")).await;
        assert_eq!(names(&list), expected, "{query}");
        assert!(list["value"].as_array().unwrap().iter().all(|one| one.get("process").is_none()), "{query}");
    }
    let whole = get(&server, &format!("{path}?includeAllProperties=true&name=web-ci")).await;
    assert_eq!(whole["value"][0]["process"]["yamlFilename"], "azure-pipelines.yml");

    // Who has read an older revision changes nothing; a secret that is sent back empty stays.
    let mut changed = made.clone();
    changed["name"] = json!("web-main");
    changed["variables"]["more"] = json!({"value": "2"});
    let put = async |body: &Value| ask(&server, Method::PUT, &format!("{path}/2"), Some(body.clone())).await;
    let second = put(&changed).await.expect(200);
    assert_eq!((&second["revision"], &second["name"]), (&json!(2), &json!("web-main")));
    put(&changed).await.refused(409, "InvalidDefinitionException");
    changed["revision"] = json!(2);
    changed["id"] = json!(9);
    put(&changed).await.refused(400, "InvalidDefinitionException");

    let agent = Agent::register(&server, "web01").await;
    let file = server.control(Method::PUT, "/files/azure-pipelines.yml");
    file.json(&json!({"text": "pool: Default\nsteps: [{script: a}]\n"})).answer().await.expect(200);
    queue(&server, 2, json!({"parameters": "{\"OPEN\": \"over\"}"})).await;
    let (_, worker) = crate::build_client::take(&server, &agent).await;
    let variable = |name: &str| worker.job["variables"][name].clone();
    assert_eq!(
        (variable("open")["value"].clone(), variable("more")["value"].clone()),
        (json!("over"), json!("2"))
    );
    assert_eq!(variable("key"), json!({"value": "s3cret", "isSecret": true}));

    ask(&server, Method::DELETE, &format!("{path}/2"), None).await.expect(204);
    for method in [Method::GET, Method::DELETE] {
        ask(&server, method, &format!("{path}/2"), None).await.refused(404, "DefinitionNotFoundException");
    }
    assert_eq!(get(&server, "/build/builds").await["count"], 0, "its builds go with it");
}

#[tokio::test]
async fn a_definition_that_cannot_be_is_refused() {
    let server = start().await;
    let post = async |body: Value| ask(&server, Method::POST, "/build/definitions", Some(body)).await;
    let process = json!({"type": 2, "yamlFilename": "a.yml"});
    for body in [
        json!({"process": process}),
        json!({"name": "", "process": process}),
        json!({"name": "a/b", "process": process}),
        json!({"name": "a"}),
        json!({"name": "a", "process": {"type": 1, "phases": []}}),
        json!({"name": "a", "process": {"type": 2}}),
        json!({"name": "a", "process": process, "queueStatus": "paused"}),
        json!({"name": "a", "process": process, "variables": [1]}),
    ] {
        post(body).await.refused(400, "InvalidDefinitionException");
    }
    post(json!({"name": "a", "process": process, "queue": {"id": 9}}))
        .await
        .refused(404, "TaskAgentQueueNotFoundException");
    let off = json!({"name": "off", "process": process, "queueStatus": "disabled"});
    let off = post(off).await.expect(200);
    assert_eq!(off["queueStatus"], "disabled");
    let body = json!({"definition": {"id": off["id"]}});
    ask(&server, Method::POST, "/build/builds", Some(body)).await.refused(400, "DefinitionDisabledException");
    let one = ask(&server, Method::DELETE, "/build/definitions/1", None).await;
    one.refused(400, "InvalidDefinitionException");
}

#[tokio::test]
async fn the_control_api_tells_what_is_wrong_with_a_file_and_takes_it() {
    let server = start().await;
    let put = async |yaml: &str| {
        let body = json!({"yaml": yaml});
        server.control(Method::PUT, "/definitions/nightly").json(&body).answer().await.expect(200)
    };
    let wrong = put("steps: [{task: x}]\n").await;
    assert_eq!((&wrong["id"], &wrong["file"]), (&json!(2), &json!("/nightly.yml")));
    assert_eq!(wrong["faults"][0]["line"], 1);
    assert_eq!(put("steps: [{script: x}]\n").await["faults"], json!([]));
    let list = server.control(Method::GET, "/definitions").answer().await.expect(200);
    assert_eq!(
        list[0],
        json!({"id": 1, "name": "mayfly", "file": "/mayfly.yml", "hasFile": false, "faults": []})
    );
    assert_eq!(list.as_array().unwrap().len(), 2, "the second text replaced the first");
    let files = server.control(Method::GET, "/files").answer().await.expect(200);
    assert_eq!(files, json!(["/nightly.yml"]));
    let bad = server.control(Method::PUT, "/definitions/a:b").json(&json!({"yaml": ""})).answer().await;
    bad.expect(400);
}

#[tokio::test]
async fn a_definition_has_tags_and_its_file_and_builds_share_a_list_of_theirs() {
    let mut server = start().await;
    let definition = define(&server, "nightly", TWO_JOBS).await;
    let path = format!("/build/definitions/{definition}");
    let yaml = get(&server, &format!("{path}/yaml")).await;
    assert_eq!(yaml["yaml"], TWO_JOBS);
    let tags = format!("{path}/tags");
    let revision = get(&server, &path).await["revision"].clone();
    ask(&server, Method::POST, &tags, Some(json!(["one", "two"]))).await.expect(200);
    ask(&server, Method::PUT, &format!("{tags}/ONE"), None).await.expect(200);
    let change = json!({"tagsToAdd": ["three"], "tagsToRemove": ["TWO"]});
    let left = ask(&server, Method::PATCH, &tags, Some(change)).await.expect(200);
    assert_eq!(left["value"], json!(["one", "three"]), "the first spelling stays");
    ask(&server, Method::DELETE, &format!("{tags}/three"), None).await.expect(200);
    ask(&server, Method::POST, &tags, Some(json!([" "]))).await.refused(400, "InvalidBuildException");
    server.restart().await;
    assert_eq!(get(&server, &tags).await["value"], json!(["one"]));
    let shown = get(&server, &path).await;
    assert_eq!((&shown["tags"], &shown["revision"]), (&json!(["one"]), &revision));
    let missing = ask(&server, Method::GET, "/build/definitions/77/tags", None).await;
    missing.refused(404, "DefinitionNotFoundException");

    for tags in [json!(["red", "blue"]), json!(["red"])] {
        let build = queue(&server, definition, json!({})).await;
        let artifacts = format!("/pipelines/{definition}/runs/{}/artifacts?artifactName=", build["id"]);
        let build = format!("/build/builds/{}", build["id"]);
        let missing = ask(&server, Method::GET, &format!("{artifacts}drop"), None).await;
        missing.refused(404, "ArtifactNotFoundException");
        let drop = json!({"name": "drop", "resource": {"type": "Container", "data": "#/1/drop"}});
        ask(&server, Method::POST, &format!("{build}/artifacts"), Some(drop)).await.expect(200);
        assert_eq!(get(&server, &format!("{artifacts}DROP")).await["name"], "drop");
        ask(&server, Method::POST, &format!("{build}/tags"), Some(tags)).await.expect(200);
        assert_eq!(get(&server, &format!("{build}/workitems")).await["count"], 0);
        ask(&server, Method::POST, &format!("{build}/workitems"), Some(json!(["abc"]))).await.expect(200);
    }
    assert_eq!(get(&server, "/build/tags").await["value"], json!(["blue", "red"]));
    let left = ask(&server, Method::DELETE, "/build/tags/RED", None).await.expect(200);
    assert_eq!(left["value"], json!(["blue"]));
    let missing = ask(&server, Method::GET, "/build/builds/77/workitems", None).await;
    missing.refused(404, "BuildNotFoundException");
}
