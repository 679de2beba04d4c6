//! Whole jobs under `run.sh --once`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    agent::{InstalledAgent, finish, text},
    server::{FakeAzure, JOB_TOKEN, State, TASK, step},
};

const LIMIT: Duration = Duration::from_secs(60);

fn run_once(agent: &InstalledAgent) -> String {
    let mut command = agent.script("run.sh");
    let output =
        finish(command.arg("--once").env("FROM_LISTENER", "inherited").spawn().expect("run.sh"), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    text(&output)
}

/// The last word on each field of the records with this name.
fn record(state: &State, name: &str) -> Value {
    let id = state.records.iter().find(|record| record["name"] == name).map(|record| record["id"].clone());
    let mut merged = json!({});
    for record in state.records.iter().filter(|record| Some(&record["id"]) == id.as_ref()) {
        for (field, value) in record.as_object().expect("an object") {
            merged[field] = value.clone();
        }
    }
    merged
}

/// What the wire examples show of a request is in what this agent sends, too.
fn assert_same_shape_as_the_examples(state: &State) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire/azdo");
    for (file, path_end) in [
        ("05-agent-add.json", "/agents"),
        ("08-session-open.json", "/sessions"),
        ("11-renewal.json", "/jobrequests/42"),
        ("14-feed.json", "/feed"),
        ("15-log-create.json", "/logs"),
        ("16-job-completed.json", "/events"),
    ] {
        let text = fs_err::read_to_string(folder.join(file)).expect(file);
        let example: Value = serde_json::from_str(&text).expect(file);
        let method = example["request"]["method"].as_str().expect("a method");
        let sent = state.bodies.iter().find(|(sent, path, _)| sent == method && path.ends_with(path_end));
        let (_, _, sent) = sent.unwrap_or_else(|| panic!("{file}: nothing of the kind was sent"));
        for field in example["request"]["body"].as_object().expect("a body").keys() {
            assert!(sent.get(field).is_some(), "{file}: `{field}` is missing in {sent}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_job_runs_and_is_reported() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    server.state().encrypt = true;
    let mut second = step(
        2,
        "echo \"now: $(later) $MAPPED\"; echo \"##vso[task.setvariable variable=out;isOutput=true]o\"",
    );
    second["environment"] = json!({ "MAPPED": "$(my.setting)!" });
    server.queue_job(json!([
        step(
            1,
            "echo \"$FROM_LISTENER / $MY_SETTING / $TF_BUILD / $AGENT_NAME / $AGENT_RUNMODE\"\n\
                 echo '##vso[task.setvariable variable=later]set by a step'\n\
                 echo secret: $(my.secret) \n\
                 env | grep -c planted || true\n\
                 echo done >&2"
        ),
        second
    ]));
    let output = run_once(&agent);
    assert!(
        output.contains("Running job: Job") && output.contains("completed with result: Succeeded"),
        "{output}"
    );

    let state = server.state();
    let log = state.logs.join("\n");
    for expected in [
        "inherited / from a variable / True / a1 / once",
        "now: set by a step from a variable!",
        "secret: ***",
        "done",
        "##[section]Starting: Initialize job",
        "##[section]Finishing: Step 1",
        "Task         : Mock script",
    ] {
        assert!(log.contains(expected), "`{expected}` in {log}");
    }
    let counted = log.lines().find(|line| line.ends_with(" 0"));
    assert!(counted.is_some(), "a plain script sees no secret in its environment: {log}");
    for line in log.lines().filter(|line| !line.is_empty()) {
        let stamp = line.split(' ').next().expect("a word");
        assert_eq!(stamp.len(), 28, "{line}");
        stamp.parse::<jiff::Timestamp>().expect("a timestamp");
    }
    assert!(!log.contains("planted"), "{log}");
    assert!(!state.feed.join("\n").contains("planted"));
    assert!(state.feed.iter().any(|line| line == "now: set by a step from a variable!"), "{:?}", state.feed);

    let job = record(&state, "Job");
    assert_eq!(
        (&job["type"], &job["state"], &job["result"]),
        (&json!("Job"), &json!("completed"), &json!("succeeded"))
    );
    assert!(job["log"]["id"].as_i64().is_some(), "{job}");
    for name in ["Initialize job", "Step 1", "Step 2", "Finalize job"] {
        let record = record(&state, name);
        assert_eq!(
            (&record["state"], &record["result"]),
            (&json!("completed"), &json!("succeeded")),
            "{name}"
        );
        assert!(record["log"]["id"].as_i64().is_some(), "{record}");
    }
    let event = state.completed.clone().expect("completed");
    assert_eq!(event["result"], "succeeded");
    assert_eq!(event["requestId"], 42);
    assert_eq!(event["outputs"]["step2.out"]["value"], "o");

    // The order of the listener's part: renewal before anything of the worker, deletion before the end.
    let position = |needle: &str| {
        state.requests.iter().position(|line| line.contains(needle)).unwrap_or_else(|| panic!("{needle}"))
    };
    assert!(
        position("PATCH _apis/distributedtask/pools/3/jobrequests/42")
            < position("job GET _apis/connectionData")
    );
    assert!(position(&format!("job GET _apis/distributedtask/tasks/{TASK}/1.0.0")) < position("/feed"));
    assert!(position("agent DELETE _apis/distributedtask/pools/3/messages/1") < position("/events"));
    assert_eq!((state.deleted_sessions, state.deleted_messages.as_slice()), (1, [1].as_slice()));
    assert_same_shape_as_the_examples(&state);
    drop(state);
    let task = agent.path(&format!("_work/_tasks/MockScript_{TASK}"));
    assert!(task.join("1.0.0/task.json").exists() && task.join("1.0.0.completed").exists());
    for (path, content) in agent.files() {
        assert!(!content.contains(JOB_TOKEN), "the job's token is in {}", path.display());
    }
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_job_is_neither_run_nor_deleted() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    let gate = agent.path("gate");
    server.queue_job(json!([step(1, &format!("until [ -e {} ]; do sleep 0.1; done", gate.display()))]));
    server.queue_job(json!([step(1, "echo the second job")]));
    let runner = {
        let mut command = agent.script("run.sh");
        command.arg("--once").spawn().expect("run.sh")
    };
    // The poll after the second message shows that it was received.
    crate::agent::wait_for("the second message", LIMIT, || {
        let state = server.state();
        // One of the keep-alive poller, and three of the reader.
        state.requests.iter().filter(|line| line.ends_with("/messages")).count() >= 4
    })
    .await;
    fs_err::write(&gate, "").expect("written");
    let output = finish(runner, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let state = server.state();
    assert_eq!(state.deleted_messages, [1]);
    assert!(!state.logs.join("\n").contains("the second job"));
    drop(state);
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_failures_and_declared_results() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    let with = |mut step: Value, field: &str, value: Value| {
        step[field] = value;
        step
    };
    server.queue_job(json!([
        with(step(1, "exit 3"), "continueOnError", json!(true)),
        step(2, "echo '##vso[task.logissue type=warning]careful'; echo '##vso[task.complete result=Failed;]declared'"),
        step(3, "echo not reached"),
        with(step(4, "echo on failure"), "condition", json!("failed()")),
        with(step(5, "echo always; echo $AGENT_JOBSTATUS"), "condition", json!("always()")),
        with(step(6, "echo disabled"), "enabled", json!(false)),
        with(step(7, "echo x"), "condition", json!("frobnicate()")),
    ]));
    let output = run_once(&agent);
    assert!(output.contains("completed with result: Failed"), "{output}");
    let state = server.state();
    for (name, result) in [
        ("Step 1", "succeededWithIssues"),
        ("Step 2", "failed"),
        ("Step 3", "skipped"),
        ("Step 4", "succeeded"),
        ("Step 5", "succeeded"),
        ("Step 7", "failed"),
    ] {
        assert_eq!(record(&state, name)["result"], result, "{name}");
    }
    assert_eq!(record(&state, "Step 6"), json!({}));
    assert_eq!(record(&state, "Step 2")["warningCount"], 1);
    assert!(
        record(&state, "Step 1")["issues"][0]["message"]
            .as_str()
            .is_some_and(|text| text.contains("code '3'"))
    );
    let log = state.logs.join("\n");
    assert!(!log.contains("not reached\n") && log.contains("frobnicate"), "{log}");
    assert_eq!(state.completed.as_ref().expect("completed")["result"], "failed");
    drop(state);
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_outlive_the_job_are_ended() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    let file = agent.path("survivor");
    server.queue_job(json!([step(
        1,
        &format!(
            "setsid bash -c 'echo $BASHPID > {}; exec sleep 299' > /dev/null 2>&1 &\n\
                  until [ -s {} ]; do sleep 0.1; done",
            file.display(),
            file.display()
        )
    )]));
    run_once(&agent);
    let id = fs_err::read_to_string(&file).expect("the process id");
    let alive = std::path::Path::new("/proc").join(id.trim()).join("environ");
    let environment = fs_err::read(&alive).unwrap_or_default();
    assert!(environment.is_empty(), "process {id} is alive");
    assert!(server.state().logs.join("\n").contains("Terminate orphan process"));
    server.finish();
}
