//! `run.sh` around sessions and signals.

use std::time::Duration;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use crate::{
    agent::{InstalledAgent, finish, text, wait_for},
    server::{FakeAzure, JOB, step},
};

const LIMIT: Duration = Duration::from_secs(60);

/// Starts the listener itself, so that signals reach it and not a shell.
fn listener(agent: &InstalledAgent, arguments: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(agent.path("bin/Agent.Listener"));
    command
        .arg("run")
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    command
}

fn send(signal: Signal, child: &std::process::Child) {
    kill(Pid::from_raw(child.id() as i32), signal).expect("signal");
}

#[tokio::test(flavor = "multi_thread")]
async fn run_without_config_ends_with_1() {
    let agent = InstalledAgent::new("http://127.0.0.1:1/acme");
    let output = finish(agent.script("run.sh").spawn().expect("run.sh"), LIMIT);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("Not configured."), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_server_ends_the_listener_with_2() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    let settings = fs_err::read_to_string(agent.path(".agent")).expect("settings");
    // Nobody listens on port 1.
    let settings = settings.replace(&server.url(), "http://127.0.0.1:1/acme");
    fs_err::write(agent.path(".agent"), settings).expect("written");
    let output = finish(agent.script("run.sh").spawn().expect("run.sh"), LIMIT);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_somebody_else_is_waited_for() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    server.state().session_conflicts = 1;
    let child = listener(&agent, &["--once"]).spawn().expect("listener");
    let tried = |server: &FakeAzure| {
        let state = server.state();
        state
            .requests
            .iter()
            .filter(|line| line.ends_with("POST _apis/distributedtask/pools/3/sessions"))
            .count()
    };
    wait_for("the first try", LIMIT, || tried(&server) == 1).await;
    // The listener now waits its 30 seconds; asked to stop, it stops at once and has no session to delete.
    send(Signal::SIGTERM, &child);
    let output = finish(child, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("A session for this agent already exists."), "{}", text(&output));
    assert_eq!((tried(&server), server.state().deleted_sessions), (1, 0));
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_uploads_the_whole_environment() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    let mut command = listener(&agent, &[]);
    command.env("DIRTY", "secret of the entrypoint").env("HIDDEN", "x").env("VSO_AGENT_IGNORE", "HIDDEN");
    let child = command.spawn().expect("listener");
    wait_for("the session", LIMIT, || server.state().session_request.is_some()).await;
    wait_for("both pollers", LIMIT, || {
        server.state().requests.iter().filter(|line| line.ends_with("/messages")).count() >= 2
    })
    .await;
    send(Signal::SIGINT, &child);
    let output = finish(child, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("Listening for Jobs"), "{}", text(&output));
    let state = server.state();
    let session = state.session_request.clone().expect("session");
    assert_eq!(session["systemCapabilities"]["DIRTY"], "secret of the entrypoint");
    assert_eq!(session["systemCapabilities"]["HIDDEN"], json!(null));
    assert_eq!(state.deleted_sessions, 1);
    drop(state);
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_during_a_job_cancels_it_and_deletes_the_session() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    let marker = agent.path("started");
    server.queue_job(json!([
        step(1, &format!("echo $$ > {}; sleep 300 & wait; echo never", marker.display())),
        { "id": "3f2a5b1c-0000-4000-8000-0000000000d2", "type": "task", "displayName": "After",
          "reference": { "id": crate::server::TASK, "name": "MockScript", "version": "1.0.0" },
          "condition": "always()", "inputs": { "script": "echo after the end" } }
    ]));
    let child = listener(&agent, &["--once"]).spawn().expect("listener");
    wait_for("the job", LIMIT, || marker.exists()).await;
    send(Signal::SIGTERM, &child);
    let output = finish(child, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("completed with result: Canceled"), "{}", text(&output));
    let state = server.state();
    assert_eq!(state.deleted_sessions, 1);
    assert_eq!(state.completed.as_ref().expect("completed")["result"], "canceled");
    let log = state.logs.join("\n");
    assert!(log.contains("after the end") && !log.contains("never\n"), "{log}");
    drop(state);
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_ends_the_job_and_its_processes() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    server.queue_job(json!([step(1, "trap '' INT TERM; sleep 297 & sleep 298")]));
    server.queue_message("JobCancellation", json!({ "jobId": JOB, "timeout": "00:01:00" }));
    let child = listener(&agent, &["--once"]).spawn().expect("listener");
    let output = finish(child, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let state = server.state();
    assert_eq!(state.completed.as_ref().expect("completed")["result"], "canceled");
    assert_eq!(state.deleted_messages, [1, 2]);
    drop(state);
    server.finish();
}

/// The control is the same job without the message: the agent sends lines every half second by itself.
#[tokio::test(flavor = "multi_thread")]
async fn console_lines_go_as_often_as_the_server_says() {
    let mut calls = Vec::new();
    for rate in [None, Some(600_000)] {
        let server = FakeAzure::start().await;
        let agent = InstalledAgent::configured(&server.url());
        server.queue_job(json!([step(1, "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.5; done")]));
        if let Some(rate) = rate {
            let body = json!({ "jobId": JOB, "postLinesFrequencyMillis": rate });
            server.queue_message("JobMetadataUpdate", body);
        }
        let output = finish(listener(&agent, &["--once"]).spawn().expect("listener"), LIMIT);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let state = server.state();
        assert!(state.feed.iter().any(|line| line == "line 8"), "all lines come: {:?}", state.feed);
        calls.push(state.requests.iter().filter(|request| request.contains("/feed")).count());
        drop(state);
        server.finish();
    }
    assert!(calls[1] + 3 < calls[0], "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn run_sh_starts_the_listener_once_more_after_code_4() {
    let agent = InstalledAgent::new("http://127.0.0.1:1/acme");
    let count = agent.path("count");
    let program = agent.path("bin/Agent.Listener");
    fs_err::remove_file(&program).expect("removed");
    fs_err::write(&program, format!("#!/bin/bash\necho x >> {}\nexit 4\n", count.display()))
        .expect("written");
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("mode");
    fs_err::write(agent.path("update.finished"), "").expect("written");
    let output = finish(agent.script("run.sh").spawn().expect("run.sh"), LIMIT);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(fs_err::read_to_string(count).expect("count").lines().count(), 2);
}
