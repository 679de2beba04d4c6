//! What a broken or hostile worker sends: the service's own error each time, and nothing changes.

#[cfg(target_os = "linux")]
use futures_util::stream;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Agent, Session, Worker};
use crate::server::{Ask, Server, quick};

const UNKNOWN: &str = "aaaaaaaa-0000-4000-8000-0000000000ff";

async fn running(server: &Server) -> (Agent, Session, Worker, Value) {
    let agent = Agent::register(server, "web01").await;
    let session = agent.open(server).await;
    let queued = server.queue("echo 1").await;
    let message = agent.poll(server, &session, None).await.unwrap();
    agent.delete_message(server, &session, message.id).await;
    (agent, session, Worker::new(&message), queued)
}

/// The most memory that this process ever had, in KiB.
#[cfg(target_os = "linux")]
fn peak() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_log_of_100_mb_goes_through_in_little_memory() {
    const PAGES: usize = 1600;
    let server = Server::start_with(quick(), vec![]).await;
    let (_, _, worker, _) = running(&server).await;
    let log = worker.add_log(&server, "large").await;
    let path = format!("{}/logs/{log}", worker.plan_path());
    let page: Vec<u8> = [b"x".repeat(63), b"\n".to_vec()].concat().repeat(1024);
    let sent = (PAGES * page.len()) as u64;
    let pages = stream::iter((0..PAGES).map(move |_| Ok::<_, std::io::Error>(page.clone())));
    let before = peak();
    let request = server.bearer(&worker.token, Method::POST, &path);
    let request = request.header("content-type", "application/octet-stream");
    let answer = request.body(reqwest::Body::wrap_stream(pages)).answer().await.expect(200);
    assert_eq!(answer["lineCount"], PAGES * 1024);
    let mut read = 0;
    let mut whole = server.as_user(Method::GET, &path).send().await.unwrap();
    while let Some(chunk) = whole.chunk().await.unwrap() {
        read += chunk.len() as u64;
    }
    assert_eq!(read, sent);
    let grown = peak() - before;
    assert!(grown < 32 * 1024, "{grown} KiB more for {sent} bytes");
}

#[tokio::test]
async fn records_of_nowhere_and_records_that_are_none_are_refused_whole() {
    let server = Server::start_with(quick(), vec![]).await;
    let (_, _, worker, _) = running(&server).await;
    let timeline = worker.job["timeline"]["id"].as_str().unwrap();
    let elsewhere = format!("{}/records", worker.timeline_path().replace(timeline, UNKNOWN));
    let elsewhere =
        elsewhere.replacen(UNKNOWN, timeline, usize::from(elsewhere.matches(UNKNOWN).count() > 1));
    let record = json!({"count": 1, "value": [{"id": worker.job["jobId"], "state": "completed"}]});
    let answer = server.bearer(&worker.token, Method::PATCH, &elsewhere).json(&record).answer().await;
    answer.refused(404, "TimelineNotFoundException");

    for id in [json!("x"), json!(7), json!(null), json!("")] {
        let batch = json!([{"id": worker.job["jobId"], "name": "changed"}, {"id": id}]);
        worker.patch_records(&server, batch).await.refused(400, "VssPropertyValidationException");
    }
    for value in [json!([7]), json!(["x"]), json!({"id": UNKNOWN})] {
        worker.patch_records(&server, value).await.refused(400, "ArgumentException");
    }
    let records = server.bearer(&worker.token, Method::GET, &format!("{}/records", worker.timeline_path()));
    let records = records.answer().await.expect(200);
    assert_eq!(records["value"][0]["name"], "Job", "a batch is taken whole or not at all");
}

#[tokio::test]
async fn a_huge_batch_is_taken_as_far_as_a_body_may_be_long() {
    let server = Server::start_with(quick(), vec![]).await;
    let (_, _, worker, _) = running(&server).await;
    let job = worker.job["jobId"].clone();
    let same: Vec<_> = (0..50_000).map(|number| json!({"id": job, "order": number})).collect();
    let merged = worker.patch_records(&server, json!(same)).await.expect(200);
    assert_eq!(merged["value"][49_999]["order"], 49_999, "one after the other");
    // A client on Windows that still writes does not see an answer that came before its end.
    #[cfg(unix)]
    {
        let long = json!([{"id": job, "name": "x".repeat(9 * 1024 * 1024)}]);
        worker.patch_records(&server, long).await.refused(413, "HttpException");
    }
}

#[tokio::test]
async fn lines_and_logs_of_nothing_are_refused() {
    let server = Server::start_with(quick(), vec![]).await;
    let (_, _, worker, _) = running(&server).await;
    let lines = json!({"count": 1, "value": ["x"], "stepId": UNKNOWN, "startLine": 1});
    for (record, status, type_key) in
        [(UNKNOWN, 404, "TimelineRecordNotFoundException"), ("x", 404, "VssResourceNotFoundException")]
    {
        let path = format!("{}/records/{record}/feed", worker.timeline_path());
        let answer = server.bearer(&worker.token, Method::POST, &path).json(&lines).answer().await;
        answer.refused(status, type_key);
    }
    worker
        .append_log(&server, &json!(99), "x")
        .await
        .refused(404, "TaskOrchestrationPlanLogNotFoundException");
    // A step that the service does not know yet may speak in the job's record.
    worker.feed(&server, &json!(UNKNOWN), 1, &["x"]).await;
}

#[tokio::test]
async fn a_job_ends_once() {
    let server = Server::start_with(quick(), vec![]).await;
    let (agent, _, worker, queued) = running(&server).await;
    agent.renew(&server, &worker.job["requestId"]).await.expect(200);
    worker.complete(&server, "succeeded").await.expect(204);
    worker.complete(&server, "succeeded").await.expect(204);
    worker.complete(&server, "failed").await.refused(409, "TaskAgentJobTokenExpiredException");
    let late = agent.renew(&server, &worker.job["requestId"]).await;
    late.refused(409, "TaskAgentJobTokenExpiredException");
    assert_eq!(server.job(&queued).await["result"], "succeeded");
}

#[tokio::test]
async fn an_attachment_is_described_or_given() {
    let server = Server::start_with(quick(), vec![]).await;
    let (_, _, worker, _) = running(&server).await;
    let kind = format!(
        "{}/records/{}/attachments/DistributedTask.Core.Summary",
        worker.timeline_path(),
        worker.job["jobId"].as_str().unwrap()
    );
    let ask = |method, path: &str| server.bearer(&worker.token, method, path);
    let one = format!("{kind}/a.md");
    ask(Method::PUT, &one).body("# fine").answer().await.expect(200);
    let described =
        ask(Method::GET, &one).header("accept", "application/json;api-version=7.1").answer().await;
    assert_eq!(described.expect(200)["name"], "a.md");
    let given = ask(Method::GET, &one).header("accept", "application/octet-stream").answer().await;
    assert_eq!(given.text, "# fine");
    assert_eq!(ask(Method::GET, &kind).answer().await.expect(200)["count"], 1);
    let missing = ask(Method::GET, &format!("{kind}/b.md")).answer().await;
    missing.refused(404, "VssResourceNotFoundException");
    let record = worker.job["jobId"].as_str().unwrap();
    let unknown = one.replace(record, "11111111-2222-3333-4444-555555555555");
    let refused = ask(Method::PUT, &unknown).body("# lost").answer().await;
    refused.refused(404, "TimelineRecordNotFoundException");
}
