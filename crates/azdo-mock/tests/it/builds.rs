//! Builds over HTTP: queued, followed, read, cancelled, noted on, deleted.

use std::io::Read as _;

use jiff::SignedDuration;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::build_client::{
    TWO_JOBS, ask, build, define, finish, get, queue, record, start, take, timeline, write_log,
};
use crate::client::Agent;
use crate::server::{Ask, Server};

fn ids(list: &Value) -> Vec<i64> {
    list["value"].as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_build_is_followed_from_the_queue_to_its_logs() {
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let definition = define(&server, "nightly", TWO_JOBS).await;
    let queued = queue(&server, definition, json!({"sourceBranch": "topic/x"})).await;
    assert_eq!(
        (&queued["status"], &queued["buildNumber"], &queued["sourceBranch"], &queued["reason"]),
        (&json!("notStarted"), &json!("20261124.1"), &json!("refs/heads/topic/x"), &json!("manual"))
    );
    assert!(queued.get("result").is_none() && queued.get("startTime").is_none(), "{queued:#}");
    assert_eq!(
        (&queued["definition"]["id"], &queued["definition"]["name"], &queued["queue"]["pool"]["name"]),
        (&json!(definition), &json!("nightly"), &json!("Default"))
    );
    assert_eq!(queued["uri"], format!("vstfs:///Build/Build/{}", queued["id"]));

    // All of the file's jobs are there from the start, under the ids that they keep.
    let before = timeline(&server, &queued).await;
    assert_eq!(before["id"], queued["orchestrationPlan"]["planId"]);
    let stage = record(&before, "Stage", "__default");
    assert_eq!(stage["id"], "96ac2280-8cb4-5df5-99de-dd2da759617d");
    let phase = record(&before, "Phase", "Test");
    let waiting = record(&before, "Job", "Test");
    assert_eq!(
        (&phase["parentId"], &phase["state"], &phase["order"], &waiting["parentId"], &waiting["state"]),
        (&stage["id"], &json!("pending"), &json!(2), &phase["id"], &json!("pending"))
    );

    server.advance(SignedDuration::from_secs(5));
    let first = take(&server, &agent).await;
    let variable = |name: &str| first.1.job["variables"][name]["value"].clone();
    assert_eq!(
        (variable("build.sourceBranch"), variable("build.definitionName"), variable("system.definitionId")),
        (json!("refs/heads/topic/x"), json!("nightly"), json!(definition.to_string()))
    );
    assert_eq!(first.1.job["plan"]["definition"]["id"], definition);
    let step = first.1.job["steps"][0]["id"].clone();
    let running = json!([{"id": first.1.job["jobId"], "state": "inProgress", "workerName": "web01"},
        {"id": step, "state": "inProgress"}]);
    first.1.patch_records(&server, running).await.expect(200);
    let shown = build(&server, &queued).await;
    assert_eq!(
        (&shown["status"], &shown["startTime"]),
        (&json!("inProgress"), &json!("2026-11-24T12:00:05.000Z"))
    );
    write_log(&server, &first.1, &step, "one\ntwo\nthree\n").await;
    let during = timeline(&server, &queued).await;
    let task = record(&during, "Task", "Make");
    let job = record(&during, "Job", "Build it");
    assert_eq!((&task["parentId"], &task["task"]["name"], &task["id"]), (&job["id"], &json!("Bash"), &step));
    assert_eq!((&job["workerName"], &job["identifier"]), (&json!("web01"), &json!("Build.__default")));
    assert_eq!((&job["id"], &job["state"]), (&first.1.job["jobId"], &json!("inProgress")));
    assert_eq!(task["log"]["id"], 1);

    finish(&server, &agent, first, "succeeded").await;
    let second = take(&server, &agent).await;
    assert_eq!(second.1.job["jobId"], waiting["id"], "the id it had while it waited");
    let step = second.1.job["steps"][0]["id"].clone();
    write_log(&server, &second.1, &step, "checked\n").await;
    finish(&server, &agent, second, "failed").await;
    let ended = build(&server, &queued).await;
    assert_eq!(
        (&ended["status"], &ended["result"], &ended["finishTime"]),
        (&json!("completed"), &json!("failed"), &json!("2026-11-24T12:00:05.000Z"))
    );
    let after = timeline(&server, &queued).await;
    for (kind, name, result) in [
        ("Stage", "__default", "failed"),
        ("Phase", "Build it", "succeeded"),
        ("Phase", "Test", "failed"),
        ("Job", "Test", "failed"),
    ] {
        let record = record(&after, kind, name);
        assert_eq!(
            (&record["state"], &record["result"]),
            (&json!("completed"), &json!(result)),
            "{kind} {name}"
        );
    }

    // Logs are numbered over all jobs of the build, though each job counts its own from 1.
    let logs = get(&server, &format!("/build/builds/{}/logs", queued["id"])).await;
    assert_eq!(ids(&logs), [1, 2]);
    assert_eq!((&logs["value"][0]["lineCount"], &logs["value"][0]["type"]), (&json!(3), &json!("Container")));
    assert_eq!(record(&after, "Task", "CmdLine")["log"]["id"], 2);
    assert_eq!(record(&after, "Task", "CmdLine")["log"]["url"], logs["value"][1]["url"]);
    read_in_all_forms(&server, &queued).await;
}

async fn read_in_all_forms(server: &Server, queued: &Value) {
    let logs = format!("/demo/_apis/build/builds/{}/logs", queued["id"]);
    let read = async |path: &str, accept: &str| {
        let request = server.as_user(Method::GET, &format!("{logs}{path}"));
        request.header(header::ACCEPT, accept).answer().await
    };
    let text = read("/1", "text/plain;api-version=7.1-preview.2").await;
    assert_eq!((text.status.as_u16(), text.text.as_str()), (200, "one\ntwo\nthree\n"));
    assert!(text.header("content-type").starts_with("text/plain"));
    assert_eq!(read("/1?startLine=1&endLine=1", "text/plain").await.text, "two\n");
    assert_eq!(read("/1?startLine=1", "text/plain").await.text, "two\nthree\n");
    assert_eq!(read("/1?startLine=7", "text/plain").await.text, "");
    let lines = read("/1?startLine=1&endLine=9", "application/json;api-version=7.1-preview.2").await;
    assert_eq!(lines.expect(200), json!({"count": 2, "value": ["two", "three"]}));
    assert_eq!(read("/2?$format=json", "*/*").await.expect(200), json!({"count": 1, "value": ["checked"]}));
    read("/3", "text/plain").await.refused(404, "BuildLogNotFoundException");
    read("/1?startLine=x", "text/plain").await.refused(400, "VssPropertyValidationException");
    read("/1?$format=pdf", "*/*").await.refused(400, "VssPropertyValidationException");

    let request = server.as_user(Method::GET, &logs).header(header::ACCEPT, "application/zip");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/zip");
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(answer.bytes().await.unwrap())).unwrap();
    let mut names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    names.sort();
    assert_eq!(names, ["Build it/2_Make.txt", "Test/2_CmdLine.txt"]);
    let mut text = String::new();
    archive.by_name("Build it/2_Make.txt").unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "one\ntwo\nthree\n");
}

/// Who follows a timeline asks for what came after the last number.
#[tokio::test]
async fn a_timeline_tells_what_changed_since_a_number() {
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let definition = define(&server, "nightly", TWO_JOBS).await;
    let queued = queue(&server, definition, json!({})).await;
    let since = async |number: &Value| {
        let path = format!("/build/builds/{}/timeline?changeId={number}", queued["id"]);
        ask(&server, Method::GET, &path, None).await
    };
    let first = timeline(&server, &queued).await;
    since(&first["changeId"]).await.expect(204);
    let taken = take(&server, &agent).await;
    let step = taken.1.job["steps"][0]["id"].clone();
    taken.1.patch_records(&server, json!([{"id": step, "state": "inProgress"}])).await.expect(200);
    let second = since(&first["changeId"]).await.expect(200);
    let changed = |timeline: &Value| {
        let records = timeline["records"].as_array().unwrap().iter();
        records.map(|one| format!("{} {}", one["type"], one["name"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert!(changed(&second).contains(&"Task Make".to_owned()), "{:?}", changed(&second));
    assert!(!changed(&second).contains(&"Job Build it".to_owned()), "{:?}", changed(&second));
    assert!(second["changeId"].as_i64() > first["changeId"].as_i64());
    since(&second["changeId"]).await.expect(204);
    // The next job has a plan of its own, and its numbers go on.
    finish(&server, &agent, taken, "succeeded").await;
    let third = since(&second["changeId"]).await.expect(200);
    assert!(changed(&third).contains(&"Task CmdLine".to_owned()), "{:?}", changed(&third));
    since(&third["changeId"]).await.expect(204);

    let path = |timeline: &str| format!("/build/builds/{}/timeline/{timeline}", queued["id"]);
    let own = first["id"].as_str().unwrap();
    assert_eq!(get(&server, &path(own)).await["id"], own);
    let other = ask(&server, Method::GET, &path("00000000-0000-0000-0000-000000000001"), None).await;
    other.refused(404, "TimelineNotFoundException");
}

#[tokio::test]
async fn cancelling_a_build_cancels_its_jobs_and_a_finished_one_is_refused() {
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let definition = define(&server, "nightly", TWO_JOBS).await;
    let queued = queue(&server, definition, json!({})).await;
    let (session, worker) = take(&server, &agent).await;
    let path = format!("/build/builds/{}", queued["id"]);
    let patch =
        async |status: &str| ask(&server, Method::PATCH, &path, Some(json!({"status": status}))).await;
    assert_eq!(patch("Cancelling").await.expect(200)["status"], "cancelling");
    let order = agent.poll(&server, &session, None).await.unwrap();
    assert_eq!((order.kind.as_str(), &order.body["jobId"]), ("JobCancellation", &worker.job["jobId"]));
    agent.delete_message(&server, &session, order.id).await;
    finish(&server, &agent, (session, worker), "canceled").await;
    let ended = build(&server, &queued).await;
    assert_eq!((&ended["status"], &ended["result"]), (&json!("completed"), &json!("canceled")));
    let after = timeline(&server, &queued).await;
    assert_eq!(record(&after, "Job", "Test")["result"], "skipped");
    assert_eq!(record(&after, "Stage", "__default")["result"], "canceled");
    patch("cancelling").await.refused(400, "BuildStatusInvalidChangeException");
    patch("notStarted").await.refused(400, "BuildStatusInvalidChangeException");
    patch("ended").await.refused(400, "InvalidBuildException");
    assert_eq!(patch("completed").await.expect(200)["result"], "canceled", "nothing is asked for");

    // One that nobody has taken ends at once.
    let waiting = queue(&server, definition, json!({})).await;
    let path = format!("/build/builds/{}", waiting["id"]);
    let gone = ask(&server, Method::PATCH, &path, Some(json!({"status": "cancelling"}))).await.expect(200);
    assert_eq!((&gone["status"], &gone["result"]), (&json!("completed"), &json!("canceled")));
}

#[tokio::test]
async fn what_is_said_when_queueing_reaches_the_job() {
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let yaml = "variables: {fixed: file}\nsteps: [{script: a}]\n";
    let definition = define(&server, "nightly", yaml).await;
    let more = json!({
        "parameters": "{\"color\":\"red\",\"fixed\":\"no\",\"count\":3}",
        "demands": ["Agent.OS -equals Linux"],
        "queue": {"id": 1},
        "priority": "high",
        "reason": "userCreated",
    });
    let queued = queue(&server, definition, more).await;
    let parameters: Value = serde_json::from_str(queued["parameters"].as_str().unwrap()).unwrap();
    assert_eq!(parameters, json!({"color": "red", "fixed": "no", "count": "3"}));
    assert_eq!((&queued["priority"], &queued["reason"]), (&json!("high"), &json!("userCreated")));
    let (session, worker) = take(&server, &agent).await;
    let value = |name: &str| worker.job["variables"][name]["value"].clone();
    assert_eq!((value("color"), value("fixed"), value("count")), (json!("red"), json!("file"), json!("3")));
    let request = server.get("/_apis/distributedtask/pools/1/jobrequests").await["value"][0].clone();
    assert!(request["demands"].as_array().unwrap().contains(&json!("Agent.OS -equals Linux")), "{request}");
    assert_eq!(request["definition"]["id"], definition);

    finish(&server, &agent, (session, worker), "succeeded").await;

    // Control: a demand that the agent does not meet keeps it waiting.
    queue(&server, definition, json!({"demands": [{"name": "Agent.OS", "value": "Windows_NT"}]})).await;
    let session = agent.open(&server).await;
    assert!(agent.poll(&server, &session, None).await.is_none());
}

#[tokio::test]
async fn lists_are_filtered_ordered_and_paged() {
    let mut server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let one = define(&server, "one", "steps: [{script: a}]\n").await;
    let two = define(&server, "two", "steps: [{script: a}]\n").await;
    let mut built = Vec::new();
    for (definition, result) in [(one, "succeeded"), (two, "failed"), (one, "succeededWithIssues")] {
        built.push(queue(&server, definition, json!({})).await["id"].as_i64().unwrap());
        let job = take(&server, &agent).await;
        server.advance(SignedDuration::from_secs(60));
        finish(&server, &agent, job, result).await;
    }
    built
        .push(queue(&server, two, json!({"sourceBranch": "refs/heads/topic"})).await["id"].as_i64().unwrap());
    server.restart().await;
    let [a, b, c, d] = built.as_slice() else { panic!("{built:?}") };
    let list = async |query: &str| ids(&get(&server, &format!("/build/builds?{query}")).await);
    for (query, expected) in [
        ("", vec![d, c, b, a]),
        ("queryOrder=finishTimeAscending", vec![a, b, c, d]),
        ("queryOrder=queueTimeDescending", vec![d, c, b, a]),
        ("queryOrder=5", vec![a, b, c, d]),
        (&format!("definitions={one}"), vec![c, a]),
        (&format!("definitions={one},{two}&statusFilter=completed"), vec![c, b, a]),
        ("statusFilter=notStarted,inProgress", vec![d]),
        ("statusFilter=32", vec![d]),
        ("resultFilter=failed", vec![b]),
        ("resultFilter=succeeded,partiallySucceeded", vec![c, a]),
        (&format!("buildIds={a},{d},999"), vec![d, a]),
        ("buildNumber=20261124.2", vec![d, c]),
        ("buildNumber=2025*", vec![]),
        ("branchName=topic", vec![d]),
        ("branchName=refs/heads/main", vec![c, b, a]),
        ("minTime=2026-11-24T12:01:30Z&maxTime=2026-11-24T12:02:30Z", vec![b]),
        ("minTime=2026-11-24T12:03:00Z&queryOrder=queueTimeAscending", vec![d]),
        ("maxBuildsPerDefinition=1", vec![d, c]),
        ("requestedFor=user", vec![d, c, b, a]),
        ("requestedFor=nobody", vec![]),
        ("queues=1", vec![d, c, b, a]),
        ("queues=2", vec![]),
        ("reasonFilter=schedule", vec![]),
        ("deletedFilter=onlyDeleted", vec![]),
    ] {
        assert_eq!(list(query).await, expected.into_iter().copied().collect::<Vec<_>>(), "{query}");
    }
    for query in
        ["statusFilter=done", "definitions=x", "$top=x", "queryOrder=9", "minTime=now", "continuationToken=x"]
    {
        let answer = ask(&server, Method::GET, &format!("/build/builds?{query}"), None).await;
        answer.refused(400, "VssPropertyValidationException");
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let path = format!("/demo/_apis/build/builds?$top=3&continuationToken={token}");
        let page = server.as_user(Method::GET, &path).answer().await;
        token = page.header("x-ms-continuationtoken").to_owned();
        seen.extend(ids(&page.expect(200)));
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [*d, *c, *b, *a]);
    let latest = get(&server, &format!("/build/latest/{one}")).await;
    assert_eq!((&latest["id"], &latest["result"]), (&json!(c), &json!("partiallySucceeded")));
    assert_eq!(get(&server, "/build/latest/TWO").await["id"], json!(b));
    let none = define(&server, "none", "steps: [{script: a}]\n").await;
    let path = format!("/build/latest/{none}");
    ask(&server, Method::GET, &path, None).await.refused(404, "BuildNotFoundException");
    ask(&server, Method::GET, "/build/latest/99", None).await.refused(404, "DefinitionNotFoundException");
}

#[tokio::test]
async fn builds_are_noted_on_kept_and_deleted() {
    let mut server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let queued = queue(&server, definition, json!({})).await;
    let path = format!("/build/builds/{}", queued["id"]);
    let tags = format!("{path}/tags");
    let change =
        async |server: &Server, method, path: &str, body| ask(server, method, path, body).await.expect(200);
    assert_eq!(
        change(&server, Method::POST, &tags, Some(json!(["b", "a", "B"]))).await["value"],
        json!(["a", "b"])
    );
    assert_eq!(change(&server, Method::PUT, &format!("{tags}/c d"), None).await["count"], 3);
    assert_eq!(
        change(&server, Method::DELETE, &format!("{tags}/A"), None).await["value"],
        json!(["b", "c d"])
    );
    let both = json!({"tagsToAdd": ["z"], "tagsToRemove": ["b"]});
    assert_eq!(change(&server, Method::PATCH, &tags, Some(both)).await["value"], json!(["c d", "z"]));
    let noted = json!({"keepForever": true, "buildNumber": "1.2.3"});
    change(&server, Method::PATCH, &path, Some(noted)).await;
    server.restart().await;
    let shown = build(&server, &queued).await;
    assert_eq!(
        (&shown["tags"], &shown["keepForever"], &shown["buildNumber"]),
        (&json!(["c d", "z"]), &json!(true), &json!("1.2.3"))
    );
    assert_eq!(shown["lastChangedBy"]["displayName"], "user");
    let found = get(&server, "/build/builds?tagFilters=z,C%20d").await;
    assert_eq!(ids(&found), [queued["id"].as_i64().unwrap()]);
    assert_eq!(get(&server, "/build/builds?tagFilters=z,y").await["count"], 0);
    for part in ["changes", "artifacts"] {
        let list = get(&server, &format!("{path}/{part}")).await;
        assert_eq!(list, json!({"count": 0, "value": []}), "{part}");
    }

    let delete = async |server: &Server| ask(server, Method::DELETE, &path, None).await;
    delete(&server).await.refused(409, "CannotDeleteRetainedBuildException");
    change(&server, Method::PATCH, &path, Some(json!({"keepForever": false}))).await;
    delete(&server).await.refused(400, "InvalidBuildException");
    let job = take(&server, &agent).await;
    finish(&server, &agent, job, "succeeded").await;
    delete(&server).await.expect(204);
    ask(&server, Method::GET, &path, None).await.refused(404, "BuildNotFoundException");
    delete(&server).await.refused(404, "BuildNotFoundException");
    assert_eq!(get(&server, "/build/builds").await["count"], 0);
    let deleted = get(&server, "/build/builds?deletedFilter=onlyDeleted").await;
    assert_eq!((&deleted["value"][0]["id"], &deleted["value"][0]["deleted"]), (&queued["id"], &json!(true)));
}

/// A job that was queued by itself is a build of the definition 1.
#[tokio::test]
async fn jobs_of_the_control_api_are_builds_too() {
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let job = server.queue("echo hi").await;
    let list = get(&server, "/build/builds?definitions=1").await;
    assert_eq!(list["value"][0]["id"], job["requestId"]);
    let shown = &list["value"][0];
    assert_eq!((&shown["definition"]["name"], &shown["status"]), (&json!("mayfly"), &json!("notStarted")));
    let taken = take(&server, &agent).await;
    let path = format!("/build/builds/{}", job["requestId"]);
    let cancelled =
        ask(&server, Method::PATCH, &path, Some(json!({"status": "cancelling"}))).await.expect(200);
    assert_eq!(cancelled["status"], "cancelling");
    finish(&server, &agent, taken, "canceled").await;
    let records = get(&server, &format!("{path}/timeline")).await;
    assert_eq!(record(&records, "Job", "Job")["id"], job["jobId"]);
    assert_eq!(build(&server, shown).await["result"], "canceled");
}

#[tokio::test]
async fn what_cannot_be_queued_is_refused_as_the_service_does() {
    let server = start().await;
    let post = async |body: Value| ask(&server, Method::POST, "/build/builds", Some(body)).await;
    post(json!({"definition": {"id": 99}})).await.refused(404, "DefinitionNotFoundException");
    post(json!({})).await.refused(400, "InvalidBuildException");
    post(json!([])).await.refused(400, "ArgumentException");
    let none = ask(&server, Method::POST, "/build/builds", None).await;
    none.refused(400, "InvalidBuildException");

    // The file of a definition need not be there before somebody queues it.
    let body = json!({"name": "later", "process": {"type": 2, "yamlFilename": "ci/later.yml"}});
    let made = ask(&server, Method::POST, "/build/definitions", Some(body)).await.expect(200);
    let later = json!({"definition": {"id": made["id"]}});
    let refused = post(later.clone()).await.refused(400, "BuildRequestValidationFailedException");
    let results = refused["customProperties"]["ValidationResults"].as_array().unwrap();
    assert_eq!(results[0]["result"], "error");
    let text = results[0]["message"].as_str().unwrap();
    assert!(text.contains("File /ci/later.yml not found in repository"), "{text}");
    let put = server.control(Method::PUT, "/files/ci/later.yml");
    put.json(&json!({"text": "steps:\n- task: Npm@1\n- script: a\n  condition: x()\n"}))
        .answer()
        .await
        .expect(200);
    let refused = post(later.clone()).await.refused(400, "BuildRequestValidationFailedException");
    let results = refused["customProperties"]["ValidationResults"].as_array().unwrap();
    assert_eq!(results.len(), 2, "{refused}");
    let text = results[0]["message"].as_str().unwrap();
    assert!(text.starts_with("/ci/later.yml (Line: 2, Col: 3): "), "{text}");

    let put = server.control(Method::PUT, "/files/ci/later.yml");
    put.json(&json!({"text": "pool: Big\nsteps: [{script: a}]\n"})).answer().await.expect(200);
    let refused = post(later).await.refused(400, "BuildRequestValidationFailedException");
    let text = refused["customProperties"]["ValidationResults"][0]["message"].as_str().unwrap();
    assert!(text.contains("Could not find a pool with name Big."), "{text}");

    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let with = async |more: Value| {
        let mut body = json!({"definition": {"id": definition}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post(body).await
    };
    with(json!({"parameters": "[1]"})).await.refused(400, "InvalidBuildException");
    with(json!({"parameters": "{"})).await.refused(400, "InvalidBuildException");
    with(json!({"demands": ["-x"]})).await.refused(400, "ArgumentException");
    with(json!({"reason": "whim"})).await.refused(400, "InvalidBuildException");
    with(json!({"queue": {"id": 9}})).await.refused(404, "TaskAgentQueueNotFoundException");
    let refused = with(json!({"templateParameters": {"env": "prod"}})).await;
    let refused = refused.refused(400, "BuildRequestValidationFailedException");
    let text = refused["customProperties"]["ValidationResults"][0]["message"].as_str().unwrap();
    assert!(text.ends_with("Unexpected parameter 'env'"), "{text}");
    assert_eq!(get(&server, "/build/builds").await["count"], 0, "nothing is left behind");

    for (path, type_key) in [
        ("/build/builds/77", "BuildNotFoundException"),
        ("/build/builds/77/timeline", "BuildNotFoundException"),
        ("/build/builds/77/logs/1", "BuildNotFoundException"),
        ("/build/builds/77/tags", "BuildNotFoundException"),
        ("/build/builds/x", "VssResourceNotFoundException"),
    ] {
        ask(&server, Method::GET, path, None).await.refused(404, type_key);
    }
    // Without a body the definition is in the query.
    let path = format!("/build/builds?definitionId={definition}");
    ask(&server, Method::POST, &path, None).await.expect(200);
}

#[tokio::test]
async fn the_project_the_credential_and_the_version_are_looked_at() {
    let server = start().await;
    let at = async |path: &str| server.as_user(Method::GET, path).answer().await;
    let gone = at("/Nowhere/_apis/build/builds").await.refused(404, "ProjectDoesNotExistWithNameException");
    assert!(
        gone["message"]
            .as_str()
            .unwrap()
            .starts_with("TF200016: The following project does not exist: Nowhere.")
    );
    assert_eq!(
        gone["typeName"],
        "Microsoft.TeamFoundation.Core.WebApi.ProjectDoesNotExistWithNameException, Microsoft.TeamFoundation.Core.WebApi"
    );
    let id = at("/_apis/projects").await.expect(200)["value"][0]["id"].as_str().unwrap().to_owned();
    at(&format!("/{}/_apis/build/builds", id.to_uppercase())).await.expect(200);
    at("/DEMO/_apis/Build/Builds").await.expect(200);
    at("/00000000-0000-0000-0000-000000000009/_apis/pipelines")
        .await
        .refused(404, "ProjectDoesNotExistException");
    at("/demo/_apis/build/builds?api-version=99.0").await.refused(400, "VssVersionOutOfRangeException");
    let anonymous = server.anonymous(Method::GET, "/demo/_apis/build/builds").answer().await;
    anonymous.refused(401, "UnauthorizedRequestException");
    let wrong = server.bearer("no-token", Method::GET, "/demo/_apis/pipelines").answer().await;
    wrong.refused(401, "UnauthorizedRequestException");

    // An agent has no business here; its job has, but for definitions.
    let agent = Agent::register(&server, "web01").await;
    server
        .bearer(&agent.token, Method::GET, "/demo/_apis/build/builds")
        .answer()
        .await
        .refused(403, "AccessDeniedException");
    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    queue(&server, definition, json!({})).await;
    let (_, worker) = take(&server, &agent).await;
    let own =
        server.bearer(&worker.token, Method::GET, "/demo/_apis/build/builds").answer().await.expect(200);
    assert_eq!(own["count"], 1);
    let path = format!("/demo/_apis/build/definitions/{definition}");
    let refused = server.bearer(&worker.token, Method::DELETE, &path).answer().await;
    refused.refused(403, "AccessDeniedException");
}
