//! Runs of pipeline files, from the text to the last job's result.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Agent, Session, Worker};
use crate::server::{Ask, Server, quick};

const FILE: &str = "
name: nightly
variables: {color: red}
jobs:
- job: Build
  displayName: Build it
  strategy:
    matrix:
      debug: {mode: d}
      release: {mode: r, color: blue}
  steps:
  - bash: make
  - bash: make check
    name: checks
    env: {LEVEL: $(mode)}
    workingDirectory: sub
    condition: SUCCEEDEDORFAILED()
    continueOnError: true
    timeoutInMinutes: 7
  - pwsh: skipped
    enabled: false
- job: Publish
  dependsOn: Build
  steps: [{script: publish}]
- job: Report
  dependsOn: [Publish]
  condition: failed()
  timeoutInMinutes: 1
  cancelTimeoutInMinutes: 2
  steps: [{script: report}]
";

async fn queue(server: &Server, yaml: &str) -> Value {
    let body = json!({"pool": "Default", "yaml": yaml});
    server.control(Method::POST, "/pipelines/runs").json(&body).answer().await.expect(201)
}

async fn run(server: &Server, run: &Value) -> Value {
    server.control(Method::GET, &format!("/pipelines/runs/{}", run["id"])).answer().await.expect(200)
}

/// State and result of each job.
fn jobs(run: &Value) -> Vec<(String, String, Value)> {
    let text = |job: &Value, key: &str| job[key].as_str().unwrap().to_owned();
    let jobs = run["jobs"].as_array().unwrap().iter();
    jobs.map(|job| (text(job, "identifier"), text(job, "state"), job["result"].clone())).collect()
}

fn job(identifier: &str, state: &str, result: Value) -> (String, String, Value) {
    (identifier.to_owned(), state.to_owned(), result)
}

/// Takes the next job as a new container of the agent would.
async fn take(server: &Server, agent: &Agent) -> (Session, Worker) {
    let session = agent.open(server).await;
    let message = agent.poll(server, &session, None).await.expect("a job is there");
    agent.delete_message(server, &session, message.id).await;
    agent.renew(server, &message.body["requestId"]).await.expect(200);
    (session, Worker::new(&message))
}

async fn finish(server: &Server, agent: &Agent, (session, worker): (Session, Worker), result: &str) {
    worker.complete(server, result).await.expect(204);
    agent.close(server, &session).await;
}

#[tokio::test]
async fn jobs_are_queued_as_their_dependencies_end_and_a_restart_loses_nothing() {
    let mut server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let queued = queue(&server, FILE).await;
    assert_eq!((&queued["name"], &queued["state"]), (&json!("nightly"), &json!("inProgress")));
    assert_eq!(
        jobs(&queued),
        [
            job("Build.debug", "queued", Value::Null),
            job("Build.release", "queued", Value::Null),
            job("Publish.__default", "waiting", Value::Null),
            job("Report.__default", "waiting", Value::Null),
        ]
    );

    let debug = take(&server, &agent).await;
    assert_eq!(debug.1.job["jobDisplayName"], "Build it debug");
    finish(&server, &agent, debug, "succeeded").await;
    server.restart().await;
    let release = take(&server, &agent).await;
    let value = |name: &str| release.1.job["variables"][name]["value"].clone();
    assert_eq!((value("mode"), value("color")), (json!("r"), json!("blue")));
    assert_eq!(
        (value("System.JobPositionInPhase"), value("System.TotalJobsInPhase")),
        (json!("2"), json!("2"))
    );
    assert_eq!(value("System.ParallelExecutionType"), "MultiConfiguration");
    assert_eq!(
        (value("system.jobIdentifier"), value("system.phaseName")),
        (json!("Build.release"), json!("Build"))
    );
    assert_eq!(
        (value("build.buildNumber"), value("build.buildId")),
        (json!("nightly"), json!(queued["id"].to_string()))
    );
    assert_eq!(release.1.job["jobName"], "release");
    let steps = &release.1.job["steps"];
    assert_eq!((&steps[0]["name"], &steps[0]["condition"]), (&json!("Bash"), &json!("succeeded()")));
    let mut step = steps[1].clone();
    step.as_object_mut().unwrap().retain(|name, _| name != "id" && name != "reference");
    assert_eq!(
        step,
        json!({
            "type": "task", "name": "checks", "displayName": "Bash", "condition": "succeededOrFailed()",
            "enabled": true, "continueOnError": true, "timeoutInMinutes": 7,
            "inputs": {"script": "make check", "workingDirectory": "sub", "targetType": "inline"},
            "environment": {"LEVEL": "$(mode)"},
        })
    );
    assert_eq!((&steps[2]["enabled"], &steps[2]["inputs"]["pwsh"]), (&json!(false), &json!("true")));
    assert_eq!(steps[2]["reference"]["name"], "PowerShell");

    assert_eq!(jobs(&run(&server, &queued).await)[2], job("Publish.__default", "waiting", Value::Null));
    finish(&server, &agent, release, "succeededWithIssues").await;
    let publish = take(&server, &agent).await;
    assert_eq!(publish.1.job["steps"][0]["inputs"]["script"], "publish");
    server.restart().await;
    finish(&server, &agent, publish, "failed").await;
    let report = take(&server, &agent).await;
    assert_eq!(run(&server, &queued).await["result"], Value::Null, "not before the last job has ended");
    finish(&server, &agent, report, "succeeded").await;
    let ended = run(&server, &queued).await;
    assert_eq!((&ended["state"], &ended["result"]), (&json!("completed"), &json!("failed")));
    let results: Vec<_> = jobs(&ended).into_iter().map(|(_, _, result)| result).collect();
    assert_eq!(results, ["succeeded", "succeededWithIssues", "failed", "succeeded"]);
    server.restart().await;
    assert_eq!(run(&server, &queued).await, ended);
    let all = server.control(Method::GET, "/pipelines/runs").answer().await.expect(200);
    assert_eq!(all, json!([ended]));
}

/// Control: where nothing failed, the job behind `failed()` is skipped without an agent.
#[tokio::test]
async fn a_job_whose_condition_does_not_hold_is_skipped() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let queued = queue(&server, FILE).await;
    for _ in 0..3 {
        let job = take(&server, &agent).await;
        finish(&server, &agent, job, "succeeded").await;
    }
    let ended = run(&server, &queued).await;
    assert_eq!(ended["result"], "succeeded");
    assert_eq!(jobs(&ended)[3], job("Report.__default", "completed", json!("skipped")));
    assert_eq!(ended["jobs"][3]["requestId"], Value::Null, "it never was in the queue");
}

#[tokio::test]
async fn a_cancelled_run_tells_its_agents_and_starts_only_what_asks_for_it() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let yaml = "jobs:
- {job: A, cancelTimeoutInMinutes: 70, steps: [{script: a}]}
- {job: B, dependsOn: A, steps: [{script: b}]}
- {job: C, dependsOn: A, condition: always(), steps: [{script: c}]}
";
    let queued = queue(&server, yaml).await;
    let (session, worker) = take(&server, &agent).await;
    let cancel = format!("/pipelines/runs/{}/cancel", queued["id"]);
    let cancelled = server.control(Method::POST, &cancel).answer().await.expect(200);
    assert_eq!(cancelled["cancelRequested"], true);
    let order = agent.poll(&server, &session, None).await.unwrap();
    assert_eq!(order.kind, "JobCancellation");
    assert_eq!(order.body, json!({"jobId": worker.job["jobId"], "timeout": "01:10:00"}));
    agent.delete_message(&server, &session, order.id).await;
    finish(&server, &agent, (session, worker), "canceled").await;
    let clean_up = take(&server, &agent).await;
    assert_eq!(clean_up.1.job["steps"][0]["inputs"]["script"], "c");
    finish(&server, &agent, clean_up, "succeeded").await;
    let ended = run(&server, &queued).await;
    let results: Vec<_> = jobs(&ended).into_iter().map(|(_, _, result)| result).collect();
    assert_eq!(
        (results, &ended["result"]),
        (vec![json!("canceled"), json!("skipped"), json!("succeeded")], &json!("canceled"))
    );
    let late = server.control(Method::POST, &cancel).answer().await;
    assert_eq!(late.expect(409)["error"], format!("the run `{}` has ended already", queued["id"]));
}

#[tokio::test]
async fn a_job_that_runs_too_long_is_cancelled_and_one_that_waits_is_not() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let queued = queue(&server, "jobs:\n- {job: A, timeoutInMinutes: 2, steps: [{script: a}]}\n").await;
    server.advance(SignedDuration::from_mins(30));
    let (session, worker) = take(&server, &agent).await;
    server.advance(SignedDuration::from_secs(110));
    assert!(agent.poll(&server, &session, None).await.is_none(), "two minutes have not passed");
    server.advance(SignedDuration::from_secs(20));
    let order = agent.poll(&server, &session, None).await.unwrap();
    assert_eq!((order.kind.as_str(), &order.body["timeout"]), ("JobCancellation", &json!("00:05:00")));
    let shown = server.job(&json!({"jobId": worker.job["jobId"]})).await;
    let message = shown["issues"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("The job running on agent web01 ran longer than the maximum time of 2 minutes."),
        "{message}"
    );
    finish(&server, &agent, (session, worker), "canceled").await;
    assert_eq!(run(&server, &queued).await["result"], "canceled");
}

#[tokio::test]
async fn a_job_that_may_fail_lets_the_run_go_on() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let yaml = "jobs:\n- {job: A, continueOnError: true, steps: [{script: a}]}\n- {job: B, dependsOn: A, steps: [{script: b}]}\n";
    let queued = queue(&server, yaml).await;
    for result in ["failed", "succeeded"] {
        let job = take(&server, &agent).await;
        finish(&server, &agent, job, result).await;
    }
    let ended = run(&server, &queued).await;
    assert_eq!(
        (&ended["result"], &ended["jobs"][0]["result"]),
        (&json!("succeededWithIssues"), &json!("succeededWithIssues"))
    );
}

#[tokio::test]
async fn what_cannot_run_is_refused_and_leaves_nothing_behind() {
    let server = Server::start_with(quick(), vec![]).await;
    let refuse = async |body: Value, status| {
        server.control(Method::POST, "/pipelines/runs").json(&body).answer().await.expect(status)
    };
    let yaml = "steps:\n- task: Npm@1\n- script: a\n  condition: maybe()\n";
    let answer = refuse(json!({"pool": "Default", "yaml": yaml}), 400).await;
    assert_eq!(answer["error"], "the pipeline file has 2 faults");
    let fault = &answer["faults"][0];
    assert_eq!(
        (&fault["line"], &fault["column"], &fault["key"]),
        (&json!(2), &json!(3), &json!("steps[0].task"))
    );
    assert_eq!(
        (&answer["faults"][1]["line"], &answer["faults"][1]["key"]),
        (&json!(4), &json!("steps[1].condition"))
    );

    let steps = "steps: [{script: a}]\n";
    let no_pool = refuse(json!({"pool": "None", "yaml": steps}), 404).await;
    assert_eq!(no_pool["error"], "there is no pool `None`, only `Default`, `Linux`");
    let no_pool = refuse(json!({"pool": "Default", "yaml": format!("pool: Big\n{steps}")}), 400).await;
    assert_eq!(no_pool["error"], "the job `Job` wants the pool `Big`; there are `Default`, `Linux`");
    let unknown = refuse(json!({"pool": "Default", "yaml": steps, "branch": "main"}), 422).await;
    assert!(unknown["error"].as_str().unwrap().contains("unknown field `branch`"), "{unknown}");
    for (path, status) in [("/pipelines/runs/7", 404), ("/pipelines/runs/x", 404)] {
        server.control(Method::GET, path).answer().await.expect(status);
    }
    server.control(Method::POST, "/pipelines/runs/7/cancel").answer().await.expect(404);
    assert_eq!(server.control(Method::GET, "/pipelines/runs").answer().await.expect(200), json!([]));
    assert_eq!(server.control(Method::GET, "/jobs").answer().await.expect(200), json!([]));
}

/// A run's jobs go where the file says, with the demands it makes.
#[tokio::test]
async fn the_files_pool_and_demands_decide_who_runs_it() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let yaml = "jobs:
- {job: A, pool: {name: default, demands: [Agent.OS -equals Linux]}, steps: [{script: a}]}
- {job: B, pool: {demands: docker}, steps: [{script: b}]}
";
    let body = json!({"pool": "Linux", "yaml": yaml});
    let queued = server.control(Method::POST, "/pipelines/runs").json(&body).answer().await.expect(201);
    let taken = take(&server, &agent).await;
    assert_eq!(taken.1.job["steps"][0]["inputs"]["script"], "a");
    finish(&server, &agent, taken, "succeeded").await;
    let session = agent.open(&server).await;
    assert!(agent.poll(&server, &session, None).await.is_none(), "the other job is in another pool");
    assert_eq!(jobs(&run(&server, &queued).await)[1], job("B.__default", "queued", Value::Null));
}

/// Whoever sends a file sends its templates, and is told which are missing.
#[tokio::test]
async fn a_file_comes_with_its_templates_and_parameters() {
    let server = Server::start_with(quick(), vec![]).await;
    let post = async |more: Value, status: u16| {
        let mut body = json!({
            "pool": "Default",
            "yaml": "parameters: [{name: n, type: number}]\nsteps:\n- template: a.yml\n- template: /b.yml\n",
            "file": "ci/main.yml",
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.control(Method::POST, "/pipelines/runs").json(&body).answer().await.expect(status)
    };
    let refused = post(json!({}), 400).await;
    assert_eq!(refused["faults"][0]["message"], "A value for the 'n' parameter must be provided.");
    assert!(refused.get("missingTemplates").is_none(), "{refused}");
    let refused = post(json!({"parameters": {"n": "1"}}), 400).await;
    assert_eq!(refused["missingTemplates"], json!(["/b.yml", "/ci/a.yml"]));
    let templates = json!({"/ci/a.yml": "steps: [{script: a}]", "/b.yml": "steps:\n- task: x"});
    let refused = post(json!({"parameters": {"n": "1"}, "templates": templates}), 400).await;
    let fault = &refused["faults"][0];
    assert_eq!(
        (&fault["file"], &fault["line"], &fault["key"]),
        (&json!("/b.yml"), &json!(2), &json!("steps[1].task"))
    );
    let templates = json!({"/ci/a.yml": "steps: [{script: a}]", "/b.yml": "steps: []"});
    post(json!({"parameters": {"n": "1"}, "templates": templates}), 201).await;
    // A body may be as long as all templates of a pipeline are.
    let long = format!("# {}\n", "x".repeat(200_000));
    let many: serde_json::Map<_, _> = (0..60).map(|number| (format!("/{number}.yml"), json!(long))).collect();
    let yaml = json!({"yaml": "steps: [{script: a}]", "templates": many});
    post(yaml, 201).await;
}
