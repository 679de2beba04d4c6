//! An organization in a file, and back again.

use std::time::Duration;

use azdo_mock::Switches;
use azdo_mock::testing::AzureDevOps;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Agent, POOL, Worker};
use crate::server::{Ask, Server, quick};

const OWN_KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

async fn snapshot(server: &Server) -> Vec<u8> {
    let answer = server.control(Method::POST, "/snapshot").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap().to_vec()
}

async fn restore(server: &Server, file: &[u8]) -> Value {
    server.control(Method::POST, "/restore").body(file.to_vec()).answer().await.expect(200)
}

async fn refused(server: &Server, file: &[u8], status: u16) -> String {
    let answer = server.control(Method::POST, "/restore").body(file.to_vec()).answer().await.expect(status);
    answer["error"].as_str().unwrap().to_owned()
}

async fn states(server: &Server) -> Vec<(Value, Value)> {
    let jobs = server.control(Method::GET, "/jobs").answer().await.expect(200);
    jobs.as_array().unwrap().iter().map(|job| (job["requestId"].clone(), job["state"].clone())).collect()
}

#[tokio::test]
async fn everything_comes_back_and_stays_over_a_restart() {
    let mut server = Server::start_with(quick(), vec![]).await;
    server
        .seed("agents: [{name: seeded}]\npersonalAccessTokens: [{name: x, token: x-token-0123456789}]")
        .await
        .expect(201);
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    server.queue("echo done").await;
    let worker = Worker::new(&agent.take(&server, &session).await);
    let log = worker.add_log(&server, "a").await;
    worker.append_log(&server, &log, "one\n").await.expect(200);
    worker.complete(&server, "succeeded").await.expect(204);
    server.queue("echo waiting").await;
    let before = states(&server).await;
    let file = snapshot(&server).await;

    // What happens afterwards is undone.
    worker.append_log(&server, &log, "two\n").await;
    server.as_user(Method::DELETE, &format!("{POOL}/agents/1")).answer().await.expect(204);
    let token = json!({"token": "x-token-0123456789"});
    server.control(Method::POST, "/tokens/revoke").json(&token).answer().await.expect(204);
    server.queue("echo late").await;
    assert_ne!(states(&server).await, before, "control: something happened");
    let plan = worker.job["plan"]["planId"].as_str().unwrap();
    fs_err::write(server.log_file(plan, &log), "spoiled\n").unwrap();

    let restored = restore(&server, &file).await;
    assert_eq!(restored, json!({"agents": 2, "jobs": 2, "running": 0}));
    for _ in 0..2 {
        assert_eq!(states(&server).await, before);
        assert_eq!(fs_err::read_to_string(server.log_file(plan, &log)).unwrap(), "one\n");
        let agents = server.get(&format!("{POOL}/agents")).await;
        assert_eq!(agents["count"], 2);
        let with = server.anonymous(Method::GET, "/_apis/distributedtask/pools");
        with.basic_auth("", Some("x-token-0123456789")).answer().await.expect(200);
        assert_eq!(server.events("stateRestored").await.len(), 1);
        assert_eq!(server.folders_of_plans(), 2, "nothing of the way is left");
        server.restart().await;
    }
}

#[tokio::test]
async fn sessions_end_and_polls_are_told_at_once_while_a_running_job_goes_on() {
    // The clock stands: nothing but the restore can end the poll.
    let server = Server::start_with(Switches::default(), vec![]).await;
    let (busy, idle) = (Agent::register(&server, "busy").await, Agent::register(&server, "idle").await);
    let session = busy.open(&server).await;
    let running = server.queue("echo 1").await;
    let worker = Worker::new(&busy.take(&server, &session).await);
    let waiting = idle.open(&server).await;
    let on_its_way = server.queue("echo 2").await;
    let message = idle.poll(&server, &waiting, None).await.expect("the second job");
    assert_eq!(message.body["jobId"], on_its_way["jobId"]);
    let file = snapshot(&server).await;
    idle.take(&server, &waiting).await;

    let poll = busy.try_poll(&server, &session, None);
    tokio::pin!(poll);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut poll).await;
    assert!(early.is_err(), "control: the poll is held");
    assert_eq!(restore(&server, &file).await, json!({"agents": 2, "jobs": 2, "running": 1}));
    let told = tokio::time::timeout(Duration::from_secs(10), poll).await.expect("the poll ends");
    told.refused(403, "TaskAgentSessionExpiredException");
    assert_eq!(server.control(Method::GET, "/sessions").answer().await.expect(200), json!([]));

    // Whoever works goes on, with the token that the job has.
    assert_eq!(server.job(&running).await["state"], "running");
    let log = worker.add_log(&server, "a").await;
    worker.append_log(&server, &log, "late\n").await.expect(200);
    worker.complete(&server, "succeeded").await.expect(204);
    assert_eq!(server.job(&running).await["result"], "succeeded");
    // What was only on its way waits again, and no session is in the way.
    assert_eq!(server.job(&on_its_way).await["state"], "queued");
    let session = idle.open(&server).await;
    let message = idle.poll(&server, &session, None).await.expect("it is handed out again");
    assert_eq!(message.body["jobId"], on_its_way["jobId"]);
}

#[tokio::test]
async fn a_running_job_that_nobody_works_on_is_abandoned_when_its_lock_ends() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let job = server.queue("echo 1").await;
    let worker = Worker::new(&agent.take(&server, &session).await);
    let file = snapshot(&server).await;
    worker.complete(&server, "succeeded").await.expect(204);
    restore(&server, &file).await;
    server.advance(SignedDuration::from_mins(9));
    assert_eq!(server.job(&job).await["state"], "running", "control: its lock began anew");
    server.advance(SignedDuration::from_mins(2));
    assert_eq!(server.job(&job).await["result"], "abandoned");
}

#[tokio::test]
async fn what_was_given_out_since_opens_nothing_of_what_comes_later() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let claims = agent.claims(&server);
    let file = snapshot(&server).await;
    agent.request_token(&server, &claims).await.expect(200);
    let session = agent.open(&server).await;
    server.queue("echo late").await;
    let worker = Worker::new(&agent.take(&server, &session).await);
    let late = Agent::register(&server, "late").await;
    restore(&server, &file).await;

    let next = server.queue("echo next").await;
    assert_eq!(next["requestId"], 2, "number 1 was another job's");
    assert_eq!(Agent::register(&server, "other").await.id, late.id + 1);
    worker.complete(&server, "succeeded").await.refused(401, "UnauthorizedRequestException");
    assert_eq!(server.job(&next).await["state"], "queued");
    agent.request_token(&server, &claims).await.expect(400);

    // The key of the snapshot is the agent's again, and one that came later is dead.
    let replaced = agent.replace(&server).await;
    restore(&server, &file).await;
    assert_eq!(replaced.request_token(&server, &replaced.claims(&server)).await.status, 400);
    agent.request_token(&server, &agent.claims(&server)).await.expect(200);
}

#[tokio::test]
async fn a_file_that_is_bad_cut_off_or_sealed_with_another_key_changes_nothing() {
    let server = Server::start_with(Switches::default(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    server.queue("echo 1").await;
    let worker = Worker::new(&agent.take(&server, &session).await);
    let log = worker.add_log(&server, "a").await;
    worker.append_log(&server, &log, &"line\n".repeat(50_000)).await.expect(200);
    let file = snapshot(&server).await;
    server.queue("echo later").await;
    let before = server.stored();

    let poll = agent.try_poll(&server, &session, None);
    tokio::pin!(poll);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut poll).await;
    assert!(early.is_err(), "control: the poll is held");
    for length in [0, 5, 60, 200, 300, file.len() / 2, file.len() - 70_000, file.len() - 1] {
        let why = refused(&server, &file[..length], 400).await;
        let cut = length < 60 || why == "read the snapshot: it is cut off";
        assert!(cut && why.starts_with("read the snapshot"), "{length}: {why}");
    }
    let mut changed = file.clone();
    let middle = file.len() / 2;
    changed[middle] ^= 1;
    assert_eq!(refused(&server, &changed, 400).await, "read the snapshot: it is damaged");
    let text = String::from_utf8_lossy(&file[..200]).into_owned();
    assert!(text.contains("\"version\":1"), "{text}");
    let place = text.find("\"version\":1").unwrap() + "\"version\":".len();
    let mut newer = file.clone();
    newer[place] = b'9';
    let why = refused(&server, &newer, 400).await;
    assert!(why.contains("in version 9; `azure-devops` in version 1 is read"), "{why}");
    let other = Server::start().await;
    let why = refused(&server, &snapshot(&other).await, 409).await;
    assert!(why.contains("it was sealed with the key "), "{why}");
    let wrong =
        server.control(Method::POST, "/restore").header("mayfly-snapshot-key", "x").body(file.clone());
    wrong.answer().await.expect(400);

    assert!(server.stored() == before, "nothing was written");
    assert_eq!(server.folders_of_plans(), 1, "nothing of the way is left");
    let still = tokio::time::timeout(Duration::from_millis(300), &mut poll).await;
    assert!(still.is_err(), "nobody was told anything");
    restore(&server, &file).await;
    assert!(server.stored() != before, "control: the whole file is taken");
}

#[tokio::test]
async fn no_secret_is_readable_in_the_file() {
    let server = Server::start_with(quick(), vec![]).await;
    server
        .seed("jobs: [{script: make, variables: {KEY: {value: planted-secret, isSecret: true}}}]")
        .await
        .expect(201);
    let agent = Agent::register(&server, "planted-agent").await;
    let session = agent.open(&server).await;
    let worker = Worker::new(&agent.take(&server, &session).await);
    let log = worker.add_log(&server, "a").await;
    worker.append_log(&server, &log, "planted-line\n").await.expect(200);
    let file = snapshot(&server).await;
    let has = |text: &str| file.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(!has("planted"), "the file shows something");
    assert!(has("azure-devops"), "control: what is not sealed can be found");
}

#[tokio::test]
async fn logs_that_were_not_in_their_place_at_a_crash_are_put_there_by_the_next_start() {
    let mut server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let job = server.queue("echo 1").await;
    let worker = Worker::new(&agent.take(&server, &session).await);
    let log = worker.add_log(&server, "a").await;
    worker.append_log(&server, &log, "one\n").await.expect(200);
    let path = server.log_file(worker.job["plan"]["planId"].as_str().unwrap(), &log);
    let logs = path.parent().unwrap().parent().unwrap().to_owned();
    let plan = path.parent().unwrap().file_name().unwrap().to_owned();
    // As a crash leaves it: the store has the snapshot's state, its logs wait.
    let waits = logs.join(".restored-1");
    fs_err::create_dir_all(waits.join(&plan)).unwrap();
    fs_err::rename(&path, waits.join(&plan).join(path.file_name().unwrap())).unwrap();
    fs_err::create_dir_all(logs.join(".restored-2")).unwrap();
    server.store_logs_waiting(".restored-1");
    server.restart().await;
    assert_eq!(fs_err::read_to_string(&path).unwrap(), "one\n");
    assert_eq!(server.job(&job).await["state"], "running");
    assert_eq!(server.folders_of_plans(), 1, "what nobody waits for is gone");
}

#[tokio::test]
async fn another_instance_takes_a_file_with_a_key_that_both_are_given() {
    let (one, other) = (Server::start().await, Server::start().await);
    one.seed("pools: [Moved]\nagents: [{name: a, pool: Moved}]").await.expect(201);
    let sealed = one.control(Method::POST, "/snapshot").header("mayfly-snapshot-key", OWN_KEY);
    let file = sealed.send().await.unwrap().bytes().await.unwrap().to_vec();
    refused(&one, &file, 409).await;
    other.queue("echo gone").await;
    let taken = other.control(Method::POST, "/restore").header("mayfly-snapshot-key", OWN_KEY).body(file);
    assert_eq!(taken.answer().await.expect(200)["agents"], 1);
    assert_eq!(other.get("/_apis/distributedtask/pools/3/agents").await["value"][0]["name"], "a");
}

#[tokio::test]
async fn the_library_takes_a_snapshot_of_another_test_with_the_same_key_file() {
    let folder = tempfile::tempdir().unwrap();
    let (key, file) = (folder.path().join("key"), folder.path().join("snapshot"));
    let one = AzureDevOps::builder().key_file(&key).start().await;
    one.seed("agents: [{name: a}, {name: b}]").await;
    one.snapshot(&file).await;
    let other = AzureDevOps::builder().key_file(&key).start().await;
    assert_eq!(other.restore(&file).await.agents, 2);
    assert_eq!(other.agents().len(), 2);
    let pools = reqwest::Client::new().get(format!("{}/_apis/distributedtask/pools", other.url()));
    assert_eq!(
        pools.basic_auth("", Some(other.token())).send().await.unwrap().status(),
        200,
        "its own token"
    );
    let stranger = AzureDevOps::start().await;
    let taken = tokio::spawn(async move { stranger.restore(&file).await }).await;
    assert!(taken.is_err(), "another key");
}
