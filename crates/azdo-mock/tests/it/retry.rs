//! Builds that failed are begun again, as `update_build(…, retry=True)` and `update_stage` of the Python SDK ask for it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::build_client::{
    TWO_JOBS, ask, build, define, finish, get, queue, record, start, take, timeline, write_log,
};
use crate::client::Agent;
use crate::server::{Answer, Server};

async fn retry(server: &Server, queued: &Value) -> Answer {
    let path = format!("/build/builds/{}?retry=true", queued["id"]);
    ask(server, Method::PATCH, &path, Some(json!({}))).await
}

async fn stage(server: &Server, queued: &Value, body: Value) -> Answer {
    let path = format!("/build/builds/{}/stages/__default", queued["id"]);
    ask(server, Method::PATCH, &path, Some(body)).await
}

/// The name of the job that came, after it has ended.
async fn run_next(server: &Server, agent: &Agent, result: &str) -> String {
    let job = take(server, agent).await;
    let name = job.1.job["jobDisplayName"].as_str().unwrap().to_owned();
    finish(server, agent, job, result).await;
    name
}

#[tokio::test]
async fn what_failed_runs_again_and_what_succeeded_stays() {
    let mut server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let definition = define(&server, "nightly", TWO_JOBS).await;
    let queued = queue(&server, definition, json!({})).await;
    retry(&server, &queued).await.refused(400, "InvalidBuildException");
    assert_eq!(run_next(&server, &agent, "succeeded").await, "Build it");
    let failed = take(&server, &agent).await;
    let step = failed.1.job["steps"][0]["id"].clone();
    write_log(&server, &failed.1, &step, "broken\n").await;
    finish(&server, &agent, failed, "failed").await;
    let before = timeline(&server, &queued).await;
    let first = record(&before, "Job", "Test");
    assert_eq!((&first["attempt"], &first["previousAttempts"]), (&json!(1), &json!([])));

    let again = retry(&server, &queued).await.expect(200);
    assert_eq!((&again["status"], again.get("result")), (&json!("inProgress"), None));
    assert_eq!(build(&server, &queued).await["startTime"], again["startTime"]);
    server.restart().await;
    let job = take(&server, &agent).await;
    let variable = |name: &str| job.1.job["variables"][name]["value"].clone();
    assert_eq!(
        (variable("system.jobAttempt"), variable("system.stageAttempt"), variable("system.jobDisplayName")),
        (json!("2"), json!("2"), json!("Test"))
    );
    let step = job.1.job["steps"][0]["id"].clone();
    write_log(&server, &job.1, &step, "mended\n").await;
    finish(&server, &agent, job, "succeeded").await;
    assert_eq!(build(&server, &queued).await["result"], "succeeded");

    let after = timeline(&server, &queued).await;
    let second = record(&after, "Job", "Test");
    assert_eq!((&second["attempt"], &second["result"]), (&json!(2), &json!("succeeded")));
    assert_ne!(second["id"], first["id"]);
    let previous = &second["previousAttempts"][0];
    assert_eq!((&previous["attempt"], &previous["recordId"]), (&json!(1), &first["id"]));
    let stage = record(&after, "Stage", "__default");
    assert_eq!((&stage["attempt"], &stage["previousAttempts"][0]["attempt"]), (&json!(2), &json!(1)));
    let kept = record(&after, "Job", "Build it");
    assert_eq!(
        (&kept["attempt"], &kept["previousAttempts"]),
        (&json!(1), &json!([])),
        "it did not run again"
    );
    assert_eq!(record(&after, "Task", "CmdLine")["attempt"], 2);

    // The attempt before is a timeline of its own, and its log is still there.
    let path = format!("/build/builds/{}", queued["id"]);
    let past = get(&server, &format!("{path}/timeline/{}", previous["timelineId"].as_str().unwrap())).await;
    let shown = record(&past, "Job", "Test");
    assert_eq!(
        (&shown["id"], &shown["result"], &shown["attempt"]),
        (&first["id"], &json!("failed"), &json!(1))
    );
    assert_eq!(
        (&past["id"], &record(&past, "Stage", "__default")["result"]),
        (&previous["timelineId"], &json!("failed"))
    );
    let logs = get(&server, &format!("{path}/logs")).await;
    assert_eq!(logs["count"], 2, "{logs}");
    for (number, text) in [(1, "broken\n"), (2, "mended\n")] {
        let read = ask(&server, Method::GET, &format!("{path}/logs/{number}"), None).await;
        assert!(read.text.contains(text.trim()), "{number}: {}", read.text);
    }
    let refused = retry(&server, &queued).await.refused(400, "InvalidBuildException");
    assert!(refused["message"].as_str().unwrap().contains("none of its jobs failed"), "{refused}");
}

/// What depends on a job that runs again runs again too, though it succeeded; of a matrix the legs that failed.
#[tokio::test]
async fn what_depends_on_it_runs_again_and_only_the_legs_that_failed() {
    let file = "jobs:
- job: Late
  dependsOn: Legs
  condition: always()
  steps: [{script: a}]
- job: Legs
  strategy: {matrix: {x: , y: }}
  steps: [{script: a}]
- {job: Alone, dependsOn: [], steps: [{script: a}]}
";
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let definition = define(&server, "nightly", file).await;
    let queued = queue(&server, definition, json!({})).await;
    let mut ran = Vec::new();
    for result in ["succeeded", "failed", "succeeded", "succeeded"] {
        ran.push(run_next(&server, &agent, result).await);
    }
    assert_eq!(ran, ["Legs x", "Legs y", "Alone", "Late"]);
    assert_eq!(build(&server, &queued).await["result"], "failed");
    stage(&server, &queued, json!({"state": "retry"})).await.expect(204);
    let ran = [run_next(&server, &agent, "succeeded").await, run_next(&server, &agent, "succeeded").await];
    assert_eq!(ran, ["Legs y", "Late"]);
    assert_eq!(build(&server, &queued).await["result"], "succeeded");

    // All of them, though none failed.
    stage(&server, &queued, json!({"state": 1, "forceRetryAllJobs": true})).await.expect(204);
    assert_eq!(run_next(&server, &agent, "succeeded").await, "Legs x");
    let shown = timeline(&server, &queued).await;
    let attempts = |name: &str| {
        let record = record(&shown, "Job", name);
        let previous = record["previousAttempts"].as_array().unwrap().iter();
        (record["attempt"].clone(), previous.map(|one| one["attempt"].clone()).collect::<Vec<_>>())
    };
    assert_eq!(attempts("Legs y"), (json!(3), vec![json!(1), json!(2)]));
    // The second time ends what runs even when it is cancelled.
    for status in ["cancelling", "completed"] {
        stage(&server, &queued, json!({"state": "cancel"})).await.expect(204);
        assert_eq!(build(&server, &queued).await["status"], status);
    }
    assert_eq!(build(&server, &queued).await["result"], "canceled");
}

#[tokio::test]
async fn what_cannot_be_begun_again_is_refused() {
    let server = start().await;
    let agent = Agent::register(&server, "web01").await;
    let definition = define(&server, "nightly", "steps: [{script: a}]\n").await;
    let queued = queue(&server, definition, json!({})).await;
    let alone = server.queue("echo hi").await;
    let wait = stage(&server, &queued, json!({"state": "retry"})).await.refused(400, "InvalidBuildException");
    assert!(wait["message"].as_str().unwrap().contains("it has not ended"), "{wait}");
    stage(&server, &queued, json!({"state": "run"})).await.refused(400, "InvalidBuildException");
    stage(&server, &queued, json!({})).await.refused(400, "InvalidBuildException");
    let path = format!("/build/builds/{}/stages/Deploy", queued["id"]);
    let body = json!({"state": "retry"});
    ask(&server, Method::PATCH, &path, Some(body)).await.refused(404, "StageNotFoundException");
    retry(&server, &json!({"id": 77})).await.refused(404, "BuildNotFoundException");
    let job = retry(&server, &json!({"id": alone["requestId"]})).await.refused(400, "InvalidBuildException");
    assert!(job["message"].as_str().unwrap().contains("queued by itself"), "{job}");

    // The only job of a build that was cancelled while it waited: its plan was never begun.
    stage(&server, &queued, json!({"state": "cancel"})).await.expect(204);
    retry(&server, &queued).await.expect(200);
    let ran = [run_next(&server, &agent, "succeeded").await, run_next(&server, &agent, "succeeded").await];
    assert!(ran.contains(&"Job".to_owned()), "{ran:?}");
    assert_eq!(build(&server, &queued).await["result"], "succeeded");
}
