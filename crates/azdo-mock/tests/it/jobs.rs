//! Jobs from the queue to their end, and everything that can come between.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use crate::client::{Agent, POOL, Worker};
use crate::server::{Ask, Server, quick};

const NIL: &str = "00000000-0000-0000-0000-000000000000";

#[tokio::test]
async fn a_job_runs_to_its_end_with_log_lines_and_records() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let body = json!({
        "pool": "default", "name": "Greet",
        "steps": [{"script": "echo hello", "displayName": "Say hello"}, {"bash": "echo bye"}],
        "variables": {"color": "blue"},
    });
    let queued = server.control(Method::POST, "/jobs").json(&body).answer().await.expect(201);
    assert_eq!((&queued["name"], &queued["poolId"]), (&json!("Greet"), &json!(1)));
    assert_eq!(server.job(&queued).await["state"], "assigned");

    let message = agent.poll(&server, &session, None).await.unwrap();
    let worker = Worker::new(&message);
    assert_eq!(worker.job["jobId"], queued["jobId"]);
    assert_eq!(worker.job["variables"]["color"]["value"], "blue");
    assert_eq!(worker.job["steps"][0]["displayName"], "Say hello");
    assert_eq!(worker.job["steps"][0]["inputs"]["script"], "echo hello");
    agent.delete_message(&server, &session, message.id).await;
    let request = &worker.job["requestId"];
    let renewed = agent.renew(&server, request).await.expect(200);
    assert_eq!(renewed["lockedUntil"], "2026-11-24T12:10:00.000Z");
    let running = server.job(&queued).await;
    assert_eq!((&running["state"], &running["agent"]), (&json!("running"), &json!("web01")));
    let busy = server.get(&format!("{POOL}/agents/{}?includeAssignedRequest=true", agent.id)).await;
    assert_eq!(busy["assignedRequest"]["requestId"], *request);
    let delete = server.as_user(Method::DELETE, &format!("{POOL}/agents/{}", agent.id)).answer().await;
    let error = delete.refused(409, "TaskAgentJobStillRunningException");
    assert_eq!(error["message"], "Agent \"web01\" is running a job for pool \"Default\"");

    let step = worker.job["steps"][0]["id"].clone();
    let init = "aaaaaaaa-0000-4000-8000-000000000001";
    let merged = worker
        .patch_records(
            &server,
            json!([
                {"id": worker.job["jobId"], "state": "inProgress", "startTime": "2026-11-24T12:00:00Z"},
                {"id": init, "parentId": worker.job["jobId"], "type": "Task", "name": "Initialize job",
                 "refName": "JobExtension_Init", "state": 1, "order": 1},
                {"id": step, "state": "inProgress", "variables": {"a": {"value": "1"}}},
            ]),
        )
        .await
        .expect(200);
    assert_eq!(merged["count"], 3);
    assert_eq!(merged["value"][1]["state"], "inProgress", "numbers are taken, text is sent");
    assert_eq!(merged["value"][2]["name"], "Say hello", "what is absent stays");

    worker.feed(&server, &step, 1, &["hello", "world"]).await;
    let init_record = json!([{"id": init, "state": "completed", "result": "succeeded"}]);
    worker.patch_records(&server, init_record).await.expect(200);
    assert_eq!(server.log(&queued, 0).await["complete"], false);

    let log = worker.add_log(&server, step.as_str().unwrap()).await;
    let line = |text: &str| format!("2026-11-24T12:00:01.1234567Z {text}\n");
    worker.append_log(&server, &log, &line("hello")).await.expect(200);
    let appended = worker.append_log(&server, &log, &(line("world") + &line("end"))).await.expect(200);
    assert_eq!((&appended["lineCount"], &appended["id"]), (&json!(3), &log));
    let done = json!([{"id": step, "state": "completed", "result": 0, "log": {"id": log}, "issues": [],
                       "variables": {"b": {"value": "2"}}}]);
    let merged = worker.patch_records(&server, done).await.expect(200);
    assert_eq!(merged["value"][0]["variables"], json!({"a": {"value": "1"}, "b": {"value": "2"}}));
    worker.complete(&server, "succeeded").await.expect(204);

    let ended = server.job(&queued).await;
    assert_eq!((&ended["state"], &ended["result"]), (&json!("completed"), &json!("succeeded")));
    assert_eq!(
        ended["steps"][0],
        json!({"displayName": "Say hello", "state": "completed", "result": "succeeded"})
    );
    assert_eq!(ended["steps"][1]["result"], "skipped", "what the agent left open is ended");
    let log_view = server.log(&queued, 1).await;
    assert_eq!(log_view, json!({"lines": ["world", "end"], "next": 3, "complete": true}));
    let raw = server.as_user(Method::GET, &format!("{}/logs/{log}", worker.plan_path())).answer().await;
    assert_eq!(raw.text.lines().count(), 3);
    let idle = server.get(&format!("{POOL}/agents/{}?includeAssignedRequest=true", agent.id)).await;
    assert!(idle.get("assignedRequest").is_none());
}

#[tokio::test]
async fn an_agent_that_ends_its_only_job_gets_no_second_one() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let first = server.queue("echo 1").await;
    let second = server.queue("echo 2").await;
    let message = agent.poll(&server, &session, None).await.unwrap();
    agent.delete_message(&server, &session, message.id).await;
    // While it runs a job.
    assert!(agent.poll(&server, &session, Some(message.id)).await.is_none());
    assert_eq!(server.job(&second).await["state"], "queued");
    // Between the job's end and the end of the session.
    let worker = Worker::new(&message);
    worker.complete(&server, "succeeded").await.expect(204);
    assert!(agent.poll(&server, &session, Some(message.id)).await.is_none());
    assert_eq!(server.job(&second).await["state"], "queued");
    agent.close(&server, &session).await;
    assert_eq!(server.job(&first).await["result"], "succeeded");

    // Its next container, and only that, gets it.
    let next = agent.replace(&server).await;
    let session = next.open(&server).await;
    let worker = Worker::new(&next.poll(&server, &session, None).await.unwrap());
    assert_eq!(worker.job["jobId"], second["jobId"]);
}

#[tokio::test]
async fn an_agent_that_goes_on_polling_gets_the_next_job() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    server.queue("echo 1").await;
    let second = server.queue("echo 2").await;
    let message = agent.poll(&server, &session, None).await.unwrap();
    agent.delete_message(&server, &session, message.id).await;
    Worker::new(&message).complete(&server, "succeeded").await.expect(204);
    server.advance(SignedDuration::from_secs(10));
    let message = agent.poll(&server, &session, Some(message.id)).await.unwrap();
    assert_eq!(message.body["jobId"], second["jobId"]);
}

#[tokio::test]
async fn a_job_whose_message_was_not_taken_goes_to_another_agent() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let queued = server.queue("echo 1").await;
    let message = agent.poll(&server, &session, None).await.unwrap();
    agent.close(&server, &session).await;
    assert_eq!(server.job(&queued).await["state"], "queued");

    let other = Agent::register(&server, "web02").await;
    let session = other.open(&server).await;
    let again = other.poll(&server, &session, None).await.unwrap();
    assert_eq!(again.body["jobId"], message.body["jobId"]);
    // Whoever comes late is told before the worker starts.
    let late = agent.renew(&server, &message.body["requestId"]).await;
    late.refused(409, "TaskAgentJobTokenExpiredException");
    other.renew(&server, &message.body["requestId"]).await.expect(200);
}

#[tokio::test]
async fn a_job_given_to_an_agents_new_key_is_not_the_old_keys() {
    let server = Server::start_with(quick(), vec![]).await;
    let old = Agent::register(&server, "web01").await;
    let session = old.open(&server).await;
    server.queue("echo 1").await;
    let message = old.poll(&server, &session, None).await.unwrap();
    old.close(&server, &session).await;
    let new = old.replace(&server).await;
    let session = new.open(&server).await;
    new.poll(&server, &session, None).await.unwrap();
    // A worker of the container that is gone would start now, with a token that still lives.
    let late = old.renew(&server, &message.body["requestId"]).await;
    late.refused(409, "TaskAgentJobTokenExpiredException");
    new.renew(&server, &message.body["requestId"]).await.expect(200);
}

#[tokio::test]
async fn an_agent_reaches_the_plan_of_its_own_job_and_no_other() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let other = Agent::register(&server, "web02").await;
    let session = agent.open(&server).await;
    server.queue("echo 1").await;
    let worker = Worker::new(&agent.poll(&server, &session, None).await.unwrap());
    let path = format!("{}?includeRecords=True", worker.timeline_path());
    server.bearer(&agent.token, Method::GET, &path).answer().await.expect(200);
    server.bearer(&other.token, Method::GET, &path).answer().await.refused(403, "AccessDeniedException");
}

#[tokio::test]
async fn a_job_that_was_renewed_stays_its_agents_though_the_message_was_not_deleted() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let queued = server.queue("echo 1").await;
    let message = agent.poll(&server, &session, None).await.unwrap();
    agent.renew(&server, &message.body["requestId"]).await.expect(200);
    agent.close(&server, &session).await;
    let job = server.job(&queued).await;
    assert_eq!((&job["state"], &job["agent"]), (&json!("running"), &json!("web01")));
    Worker::new(&message).complete(&server, "failed").await.expect(204);
    assert_eq!(server.job(&queued).await["result"], "failed");
}

#[tokio::test]
async fn a_job_that_nobody_renews_is_abandoned_and_says_why() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let queued = server.queue("sleep 1000").await;
    let message = agent.poll(&server, &session, None).await.unwrap();
    agent.delete_message(&server, &session, message.id).await;
    let request = message.body["requestId"].clone();
    for _ in 0..3 {
        server.advance(SignedDuration::from_mins(9));
        agent.renew(&server, &request).await.expect(200);
    }
    server.advance(SignedDuration::from_mins(11));
    let job = server.job(&queued).await;
    assert_eq!((&job["state"], &job["result"]), (&json!("completed"), &json!("abandoned")));
    let reason = job["issues"][0]["message"].as_str().unwrap();
    assert!(reason.starts_with("We stopped hearing from agent web01."), "{reason}");
    agent.renew(&server, &request).await.refused(409, "TaskAgentJobTokenExpiredException");
}

#[tokio::test]
async fn renewal_wants_the_right_lock_the_right_agent_and_a_running_job() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let other = Agent::register(&server, "web02").await;
    let session = agent.open(&server).await;
    server.queue("echo 1").await;
    let message = agent.poll(&server, &session, None).await.unwrap();
    let request = message.body["requestId"].clone();
    let patch = |token: &str, path: String, body: serde_json::Value| {
        server.bearer(token, Method::PATCH, &path).json(&body).answer()
    };
    let path = |lock: &str| format!("{POOL}/jobrequests/{request}?lockToken={lock}");
    let body = json!({"requestId": request});

    let wrong = patch(&agent.token, path("7a2c3f6e-0000-4000-8000-000000000000"), body.clone()).await;
    wrong.refused(409, "TaskAgentJobTokenExpiredException");
    patch(&agent.token, path("x"), body.clone()).await.refused(400, "VssPropertyValidationException");
    other.renew(&server, &request).await.refused(409, "TaskAgentJobTokenExpiredException");
    agent.renew(&server, &json!(99)).await.refused(404, "TaskAgentJobNotFoundException");
    let mismatch = patch(&agent.token, path(NIL), json!({"requestId": 99})).await;
    mismatch.refused(400, "VssPropertyValidationException");
    let user = server.as_user(Method::PATCH, &path(NIL)).json(&body).answer().await;
    user.refused(403, "AccessDeniedException");

    agent.renew(&server, &request).await.expect(200);
    Worker::new(&message).complete(&server, "succeeded").await.expect(204);
    agent.renew(&server, &request).await.refused(409, "TaskAgentJobTokenExpiredException");
}

#[tokio::test]
async fn jobs_go_only_to_enabled_agents_that_meet_the_demands() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let path = format!("{POOL}/agents/{}", agent.id);
    let enable = async |enabled: bool| {
        server.as_user(Method::PATCH, &path).json(&json!({"enabled": enabled})).answer().await.expect(200);
    };
    enable(false).await;
    let session = agent.open(&server).await;
    let body =
        json!({"pool": "Default", "steps": [{"script": "x"}], "demands": ["java", "size -equals large"]});
    let queued = server.control(Method::POST, "/jobs").json(&body).answer().await.expect(201);
    let elsewhere = json!({"pool": "Linux", "steps": [{"script": "x"}]});
    let other_pool = server.control(Method::POST, "/jobs").json(&elsewhere).answer().await.expect(201);
    enable(true).await;
    assert_eq!(server.job(&queued).await["state"], "queued", "the agent is not large");
    let size = json!({"Size": "Large"});
    server.as_user(Method::PUT, &format!("{path}/usercapabilities")).json(&size).answer().await.expect(200);
    assert_eq!(server.job(&queued).await["state"], "assigned");
    assert_eq!(server.job(&other_pool).await["state"], "queued");
    assert!(agent.poll(&server, &session, None).await.is_some());
}

#[tokio::test]
async fn cancelling_ends_a_queued_job_at_once_and_a_running_one_through_its_agent() {
    let server = Server::start_with(quick(), vec![]).await;
    let waiting = server.queue("echo 1").await;
    let cancel = |queued: &serde_json::Value| {
        server.control(Method::POST, &format!("/jobs/{}/cancel", queued["jobId"].as_str().unwrap())).answer()
    };
    assert_eq!(cancel(&waiting).await.expect(200)["result"], "canceled");
    cancel(&waiting).await.expect(409);

    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let running = server.queue("sleep 1000").await;
    let message = agent.poll(&server, &session, None).await.unwrap();
    agent.delete_message(&server, &session, message.id).await;
    assert_eq!(cancel(&running).await.expect(200)["state"], "running");
    cancel(&running).await.expect(200);
    let told = agent.poll(&server, &session, Some(message.id)).await.unwrap();
    assert_eq!(told.kind, "JobCancellation");
    assert_eq!(told.body, json!({"jobId": running["jobId"], "timeout": "00:05:00"}));
    agent.delete_message(&server, &session, told.id).await;
    assert!(
        agent.poll(&server, &session, Some(told.id)).await.is_none(),
        "one message, however often it is asked"
    );
    Worker::new(&message).complete(&server, "canceled").await.expect(204);
    assert_eq!(server.job(&running).await["result"], "canceled");
}

#[tokio::test]
async fn an_agent_is_told_how_often_to_send_what_its_job_s_console_shows() {
    let server = Server::start_with(quick(), vec![]).await;
    let queued = server.queue("sleep 1000").await;
    let set = async |milliseconds: u32| {
        let path = format!("/jobs/{}/console-rate", queued["jobId"].as_str().unwrap());
        server.control(Method::POST, &path).json(&json!({"milliseconds": milliseconds})).answer().await
    };
    set(500).await.expect(409);
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let message = agent.poll(&server, &session, None).await.unwrap();
    set(500).await.expect(409);
    agent.delete_message(&server, &session, message.id).await;
    set(0).await.expect(400);
    set(500).await.expect(204);
    let told = agent.poll(&server, &session, Some(message.id)).await.unwrap();
    assert_eq!(told.kind, "JobMetadataUpdate");
    assert_eq!(told.body, json!({"jobId": queued["jobId"], "postLinesFrequencyMillis": 500}));
    Worker::new(&message).complete(&server, "succeeded").await.expect(204);
    assert!(agent.poll(&server, &session, Some(message.id)).await.is_none(), "it goes with its job");
    set(500).await.expect(409);
}

#[tokio::test]
async fn a_cancelled_job_ends_even_if_its_agent_keeps_silent() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let queued = server.queue("sleep 1000").await;
    let message = agent.poll(&server, &session, None).await.unwrap();
    agent.delete_message(&server, &session, message.id).await;
    let path = format!("/jobs/{}/cancel", queued["jobId"].as_str().unwrap());
    server.control(Method::POST, &path).answer().await.expect(200);
    server.advance(SignedDuration::from_mins(8));
    assert_eq!(server.job(&queued).await["result"], "canceled");
}

#[tokio::test]
async fn the_live_log_never_moves_a_line_that_was_shown() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let body = json!({"pool": "Default", "steps": [{"script": "a"}, {"script": "b"}]});
    let queued = server.control(Method::POST, "/jobs").json(&body).answer().await.expect(201);
    let worker = Worker::new(&agent.poll(&server, &session, None).await.unwrap());
    let step = |index: usize| worker.job["steps"][index]["id"].clone();
    worker.feed(&server, &step(0), 1, &["a1", "a2"]).await;
    // Line 3 was lost on the way; the second step already talks.
    worker.feed(&server, &step(0), 4, &["a4"]).await;
    worker.feed(&server, &step(1), 1, &["b1"]).await;
    // The agent's own first step is not known yet: its lines will want their place.
    assert_eq!(server.log(&queued, 0).await, json!({"lines": [], "next": 0, "complete": false}));
    worker.initialize(&server).await;
    assert_eq!(
        server.log(&queued, 0).await,
        json!({"lines": ["ready", "a1", "a2"], "next": 3, "complete": false})
    );
    let log = worker.add_log(&server, "a").await;
    worker.append_log(&server, &log, "a1\na2\na3\na4").await.expect(200);
    let done = json!([{"id": step(0), "state": "completed", "result": "succeeded", "log": {"id": log}}]);
    worker.patch_records(&server, done).await.expect(200);
    assert_eq!(
        server.log(&queued, 3).await,
        json!({"lines": ["a3", "a4", "b1"], "next": 6, "complete": false})
    );
    worker.complete(&server, "failed").await.expect(204);
    assert_eq!(server.log(&queued, 6).await, json!({"lines": [], "next": 6, "complete": true}));
}

#[tokio::test]
async fn timelines_attachments_and_the_task_are_served() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    server.queue("echo 1").await;
    let worker = Worker::new(&agent.poll(&server, &session, None).await.unwrap());
    let ask = |method: Method, path: &str| server.bearer(&worker.token, method, path);

    let sub = json!({"id": "aaaaaaaa-0000-4000-8000-00000000000a"});
    let timelines = format!("{}/timelines", worker.plan_path());
    ask(Method::POST, &timelines).json(&sub).answer().await.expect(200);
    ask(Method::POST, &timelines).json(&sub).answer().await.refused(409, "TimelineExistsException");
    assert_eq!(ask(Method::GET, &timelines).answer().await.expect(200)["count"], 2);
    let whole = ask(Method::GET, &format!("{}?includeRecords=True", worker.timeline_path()))
        .answer()
        .await
        .expect(200);
    assert_eq!(whole["records"][0]["type"], "Job");
    assert_eq!(whole["records"][0]["id"], worker.job["jobId"]);

    let attachment = format!(
        "{}/records/{}/attachments/DistributedTask.Core.Summary/..%2FLogs",
        worker.timeline_path(),
        worker.job["jobId"].as_str().unwrap()
    );
    let put = ask(Method::PUT, &attachment).body("# fine").answer().await.expect(200);
    assert_eq!((&put["name"], &put["type"]), (&json!("../Logs"), &json!("DistributedTask.Core.Summary")));
    assert_eq!(ask(Method::GET, &attachment).answer().await.text, "# fine");
    let listed = format!("{}/attachments/distributedtask.core.summary", worker.plan_path());
    assert_eq!(ask(Method::GET, &listed).answer().await.expect(200)["count"], 1);

    let reference = &worker.job["steps"][0]["reference"];
    let text = |name: &str| reference[name].as_str().unwrap();
    let path = format!("/_apis/distributedtask/tasks/{}/{}", text("id"), text("version"));
    let zip = ask(Method::GET, &path).header("accept", "application/zip").answer().await;
    assert_eq!(zip.header("content-type"), "application/zip");
    assert_eq!(
        ask(Method::GET, &path).answer().await.expect(200)["execution"]["Node20_1"]["target"],
        "main.js"
    );
    let probe = "/_apis/distributedtask/tasks/d9bafed4-0b18-4f58-968d-86655b4d2ce9";
    ask(Method::GET, probe).answer().await.refused(404, "TaskDefinitionNotFoundException");

    let log = format!("{}/logs/99", worker.plan_path());
    ask(Method::POST, &log)
        .body("x")
        .answer()
        .await
        .refused(404, "TaskOrchestrationPlanLogNotFoundException");
    let other_hub = worker.plan_path().replace("/Build/", "/Gates/");
    ask(Method::GET, &other_hub).answer().await.refused(404, "TaskOrchestrationPlanNotFoundException");
    let event = json!({"name": "JobStarted", "result": "succeeded"});
    let events = format!("{}/events", worker.plan_path());
    ask(Method::POST, &events).json(&event).answer().await.refused(400, "VssPropertyValidationException");
    let bare = json!([{"id": worker.job["jobId"], "state": "inProgress"}]);
    let records = format!("{}/records", worker.timeline_path());
    ask(Method::PATCH, &records).json(&bare).answer().await.refused(400, "ArgumentException");
    let odd = worker.patch_records(&server, json!([{"id": worker.job["jobId"], "state": "resting"}])).await;
    odd.refused(400, "VssPropertyValidationException");
}

#[tokio::test]
async fn the_organizations_limit_of_parallel_jobs_is_kept() {
    let server = Server::start_with(quick(), vec![]).await;
    let limit = async |limit: serde_json::Value| {
        server
            .control(Method::PUT, "/parallel-jobs")
            .json(&json!({"limit": limit}))
            .answer()
            .await
            .expect(204);
    };
    limit(json!(1)).await;
    let agents = [Agent::register(&server, "web01").await, Agent::register(&server, "web02").await];
    let sessions = [agents[0].open(&server).await, agents[1].open(&server).await];
    let first = server.queue("echo 1").await;
    let second = server.queue("echo 2").await;
    assert_eq!(server.job(&first).await["state"], "assigned");
    assert_eq!(server.job(&second).await["state"], "queued", "though an agent is free");
    let waiting = server.get(&format!("{POOL}/jobrequests/{}", second["requestId"])).await;
    let why = waiting["statusMessage"].as_str().unwrap();
    assert!(why.ends_with("'Self-Hosted Private'. Current position in queue: 1"), "{why}");
    assert!(waiting.get("assignTime").is_none());
    let message = agents[0].poll(&server, &sessions[0], None).await.unwrap();
    Worker::new(&message).complete(&server, "succeeded").await.expect(204);
    assert_eq!(server.job(&second).await["state"], "assigned", "a job that ends makes room");
    let third = server.queue("echo 3").await;
    server.advance(SignedDuration::from_secs(10));
    agents[0].poll(&server, &sessions[0], Some(message.id)).await;
    assert_eq!(server.job(&third).await["state"], "queued");
    limit(json!(null)).await;
    assert_eq!(server.job(&third).await["state"], "assigned", "without a limit only agents count");
}

#[tokio::test]
async fn the_second_message_of_an_agent_that_runs_once_is_another_agents_job() {
    for hands_back in [true, false] {
        let server = Server::start_with(quick(), vec![]).await;
        let once = Agent::register(&server, "web01").await;
        let session = once.open(&server).await;
        server.queue("echo 1").await;
        let message = once.poll(&server, &session, None).await.unwrap();
        once.delete_message(&server, &session, message.id).await;
        Worker::new(&message).complete(&server, "succeeded").await.expect(204);
        // It is slow to end, and asks once more.
        server.advance(SignedDuration::from_secs(3));
        let second = server.queue("echo 2").await;
        let raced = once.poll(&server, &session, Some(message.id)).await.unwrap();
        assert_eq!(raced.body["jobId"], second["jobId"], "the race is there");
        if !hands_back {
            // The control: an agent that deletes what it will not run.
            once.delete_message(&server, &session, raced.id).await;
        }
        once.close(&server, &session).await;
        let other = Agent::register(&server, "web02").await;
        let session = other.open(&server).await;
        let given = other.poll(&server, &session, None).await;
        if hands_back {
            Worker::new(&given.unwrap()).complete(&server, "succeeded").await.expect(204);
            let job = server.job(&second).await;
            assert_eq!((&job["result"], &job["agent"]), (&json!("succeeded"), &json!("web02")));
        } else {
            assert!(given.is_none(), "nobody else gets it");
            server.advance(SignedDuration::from_mins(11));
            assert_eq!(server.job(&second).await["result"], "abandoned", "and it does not run again");
        }
    }
}

#[tokio::test]
async fn a_job_without_an_agent_says_why_it_waits() {
    let server = Server::start_with(quick(), vec![]).await;
    let why = async |queued: &serde_json::Value| {
        let request = server.get(&format!("{POOL}/jobrequests/{}", queued["requestId"])).await;
        request["statusMessage"].as_str().unwrap().to_owned()
    };
    let queued = server.queue("echo 1").await;
    assert_eq!(
        why(&queued).await,
        "No agent found in pool Default which satisfies the following demands: Agent.Version -gtVersion 2.163.1."
    );
    let agent = Agent::register(&server, "web01").await;
    assert_eq!(why(&queued).await, "All eligible agents are disabled or offline");
    agent.open(&server).await;
    assert_eq!(server.job(&queued).await["state"], "assigned");
    let next = server.queue("echo 2").await;
    assert!(why(&next).await.ends_with("running other requests. Current position in queue: 1"));
}

#[tokio::test]
async fn secrets_go_to_the_agent_marked_as_such() {
    let server = Server::start_with(quick(), vec![]).await;
    let agent = Agent::register(&server, "web01").await;
    let session = agent.open(&server).await;
    let secret = json!({"value": "planted", "isSecret": true});
    let body = json!({"pool": "Default", "steps": [{"script": "x"}], "variables": {"key": secret},
                      "timeoutInMinutes": 3, "cancelTimeoutInMinutes": 1});
    let queued = server.control(Method::POST, "/jobs").json(&body).answer().await.expect(201);
    let message = agent.poll(&server, &session, None).await.unwrap();
    let worker = Worker::new(&message);
    let variables = &worker.job["variables"];
    assert_eq!(variables["key"], secret);
    assert_eq!(variables["system.accessToken"], json!({"value": worker.token, "isSecret": true}));
    assert_eq!(variables["system.enableAccessToken"]["value"], "SecretVariable");
    assert_eq!(worker.job["mask"][0]["value"].as_str().unwrap().replace('\\', ""), worker.token);
    // The service keeps the time, and gives the agent the minutes that the job has for its end.
    agent.delete_message(&server, &session, message.id).await;
    server.advance(SignedDuration::from_mins(4));
    let told = agent.poll(&server, &session, Some(message.id)).await.unwrap();
    assert_eq!((told.kind.as_str(), &told.body["timeout"]), ("JobCancellation", &json!("00:01:00")));
    server.advance(SignedDuration::from_mins(4));
    let job = server.job(&queued).await;
    assert_eq!(job["result"], "canceled");
    assert_eq!(
        job["issues"].as_array().unwrap().len(),
        2,
        "the limit, and that the agent kept silent: {job}"
    );
}
