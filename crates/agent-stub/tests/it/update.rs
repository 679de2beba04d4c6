//! Self-update, and workers that are lost.

use std::{io::Write as _, os::unix::fs::PermissionsExt as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    agent::{InstalledAgent, finish, text, wait_for},
    server::{FakeAzure, step},
};

const LIMIT: Duration = Duration::from_secs(90);

/// A package whose listener says that it is the new one.
fn package() -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let script = b"#!/bin/bash\necho the new listener: \"$@\"\nexit 0\n";
    for (path, content) in
        [("bin/Agent.Listener", script.as_slice()), ("bin/agent.version", b"4.999.0\n".as_slice())]
    {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, path, content).expect("entry");
    }
    let mut compressed = archive.into_inner().expect("archive");
    compressed.flush().expect("flushed");
    compressed.finish().expect("finished")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_exchanges_the_programs_and_run_sh_starts_the_new_ones() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    let archive = package();
    let hash = hex::encode_upper(Sha256::digest(&archive));
    server.state().package = Some((archive, hash));
    server.queue_message(
        "AgentRefresh",
        json!({ "agentId": 7, "timeout": "00:05:00", "targetVersion": "4.999.0" }),
    );
    let output = finish(agent.script("run.sh").arg("--once").spawn().expect("run.sh"), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("the new listener: run --once"), "{}", text(&output));
    let state = server.state();
    assert_eq!((state.deleted_messages.as_slice(), state.deleted_sessions), ([1].as_slice(), 1));
    assert!(!state.updates.is_empty());
    drop(state);
    assert!(agent.path("bin.4.270.0/Agent.Listener").exists() && !agent.path("update.finished").exists());
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_with_a_wrong_hash_is_refused_and_the_agent_goes_on() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    {
        let mut state = server.state();
        state.package = Some((package(), "00".repeat(32)));
        state.hold = Some(Duration::from_secs(1));
    }
    server.queue_message("AgentRefresh", json!({ "agentId": 7, "targetVersion": "4.999.0" }));
    let child = agent.script("run.sh").arg("--once").spawn().expect("run.sh");
    wait_for("the refusal", LIMIT, || {
        server.state().updates.iter().any(|state| state == "Agent update failed.")
    })
    .await;
    // Whatever is queued afterwards is still run.
    server.queue_job(json!([step(1, "echo still here")]));
    let output = finish(child, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("SHA-256"), "{}", text(&output));
    assert!(server.state().logs.join("\n").contains("still here"));
    assert_eq!(fs_err::read_to_string(agent.path("bin/agent.version")).expect("version"), "4.270.0\n");
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_comes_during_an_update_is_left_in_the_queue_and_the_agent_exits_with_4() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    let archive = package();
    let hash = hex::encode(Sha256::digest(&archive));
    server.state().package = Some((archive, hash));
    server.queue_message("AgentRefresh", json!({ "agentId": 7, "targetVersion": "4.999.0" }));
    server.queue_job(json!([step(1, "echo nobody runs this")]));
    let output = finish(listener(&agent, &[]), LIMIT);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    let state = server.state();
    assert_eq!((state.deleted_messages.as_slice(), state.deleted_sessions), ([1].as_slice(), 1));
    assert!(state.completed.is_none() && agent.path("update.finished").exists());
    drop(state);
    server.finish();
}

/// The variable counts with any text in it, as the vendor's agent reads it.
#[tokio::test(flavor = "multi_thread")]
async fn with_the_variable_the_message_is_deleted_and_the_job_behind_it_runs() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    server.state().package = Some((package(), "00".repeat(32)));
    server.queue_message("AgentRefresh", json!({ "agentId": 7, "targetVersion": "4.999.0" }));
    server.queue_job(json!([step(1, "echo it runs")]));
    let output = finish(listener(&agent, &[("agent.disableupdate", "false")]), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let state = server.state();
    assert_eq!(state.deleted_messages, [1, 2]);
    assert!(state.updates.is_empty() && state.logs.join("\n").contains("it runs"), "{:?}", state.updates);
    drop(state);
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_left_is_run_when_the_update_fails() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    server.state().package = Some((package(), "00".repeat(32)));
    server.queue_message("AgentRefresh", json!({ "agentId": 7, "targetVersion": "4.999.0" }));
    server.queue_job(json!([step(1, "echo after all")]));
    let output = finish(listener(&agent, &[]), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let state = server.state();
    assert_eq!(state.updates.last().map(String::as_str), Some("Agent update failed."));
    assert!(state.logs.join("\n").contains("after all"));
    drop(state);
    server.finish();
}

/// `bin/Agent.Listener run --once`, without the script that starts it again.
fn listener(agent: &InstalledAgent, variables: &[(&str, &str)]) -> std::process::Child {
    let mut command = std::process::Command::new(agent.path("bin/Agent.Listener"));
    command.args(["run", "--once"]).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    command.envs(variables.iter().copied());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command.spawn().expect("listener")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_is_reported_by_the_listener() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    server.state().features.push("DistributedTask.Agent.EnhancedWorkerCrashHandling".to_owned());
    let file = agent.path("worker");
    // The shell's parent is the worker.
    server.queue_job(json!([step(1, &format!("echo $PPID > {}; sleep 30", file.display()))]));
    let child = agent.script("run.sh").arg("--once").spawn().expect("run.sh");
    let worker = || fs_err::read_to_string(&file).ok().and_then(|text| text.trim().parse::<i32>().ok());
    wait_for("the worker's id", LIMIT, || worker().is_some()).await;
    let job_is_known = || server.state().records.iter().any(|record| record["type"] == "Job");
    wait_for("the job's record", LIMIT, job_is_known).await;
    kill(Pid::from_raw(worker().expect("an id")), Signal::SIGKILL).expect("killed");
    let output = finish(child, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("completed with result: Failed"), "{}", text(&output));
    let state = server.state();
    assert_eq!(state.completed.as_ref().expect("completed")["result"], "failed");
    let issue = state
        .records
        .iter()
        .rev()
        .find_map(|record| record["issues"][0]["message"].as_str().map(str::to_owned));
    assert!(
        issue.is_some_and(|issue| issue.contains("Worker process exited unexpectedly")),
        "{:?}",
        state.records
    );
    drop(state);
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_once_the_agent_takes_one_job_after_the_other() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    server.queue_job(json!([step(1, "echo the first; touch _temp/left-over; ls -a > /dev/null")]));
    server.queue_job(json!([step(1, "echo the second; ls _temp")]));
    let program = agent.path("bin/Agent.Listener");
    assert!(fs_err::metadata(&program).expect("program").permissions().mode() & 0o111 != 0);
    let mut command = std::process::Command::new(program);
    command.arg("run").stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().expect("listener");
    wait_for("both jobs", LIMIT, || {
        let state = server.state();
        state.requests.iter().filter(|line| line.starts_with("job POST") && line.ends_with("/events")).count()
            == 2
    })
    .await;
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).expect("signal");
    let output = finish(child, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let state = server.state();
    let log = state.logs.join("\n");
    assert!(log.contains("the first") && log.contains("the second"), "{log}");
    assert!(!log.contains("left-over\n"), "the temporary folder is emptied between jobs");
    assert_eq!((state.deleted_messages.as_slice(), state.deleted_sessions), ([1, 2].as_slice(), 1));
    drop(state);
    server.finish();
}
