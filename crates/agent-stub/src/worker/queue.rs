//! What goes to the server in the background: records, console lines and logs
//! (azure-pipelines-agent: JobServerQueue.cs). The feed may lose lines; logs are complete.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::plan_server::PlanServer;
use crate::{clock, diagnostics::Diagnostics};

const RECORDS_PER_CALL: usize = 25;
const LINES_PER_CALL: usize = 100;
/// Longer lines are cut, in characters.
const LINE_LENGTH: usize = 1024;
/// At the end only this many lines are still sent.
const LAST_LINES: usize = 200;
const PAGE_BYTES: usize = 8 * 1024 * 1024;
const FAST: Duration = Duration::from_millis(500);
const SLOW: Duration = Duration::from_secs(1);
/// The feed is fast for so many rounds.
const FAST_ROUNDS: u32 = 30;
/// A batch of records is tried this often at the end.
const LAST_TRIES: u32 = 3;

/// The sending side, shared by all records of a job.
#[derive(Debug)]
pub(crate) struct Queue {
    job: String,
    records: Mutex<Vec<Value>>,
    lines: Mutex<VecDeque<FeedLine>>,
    logs: mpsc::UnboundedSender<FinishedLog>,
}

#[derive(Debug)]
struct FeedLine {
    step: String,
    number: u64,
    text: String,
}

#[derive(Debug)]
struct FinishedLog {
    record: String,
    file: PathBuf,
}

/// The background work; `finish` waits for it.
#[derive(Debug)]
pub(crate) struct Sender {
    stop: CancellationToken,
    feed: JoinHandle<()>,
    records: JoinHandle<()>,
    logs: JoinHandle<()>,
    stop_logs: CancellationToken,
    stop_records: CancellationToken,
}

/// How often lines are sent, once the server has said so.
pub(crate) type ConsoleRate = watch::Receiver<Option<Duration>>;

/// Starts the background work of a job.
pub(crate) fn start(
    server: Arc<PlanServer>,
    job: &str,
    rate: ConsoleRate,
    diagnostics: &Diagnostics,
) -> (Arc<Queue>, Sender) {
    let (logs, inbox) = mpsc::unbounded_channel();
    let queue =
        Arc::new(Queue { job: job.to_owned(), records: Mutex::default(), lines: Mutex::default(), logs });
    let (stop, stop_logs, stop_records) =
        (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let feed = tokio::spawn(send_lines(queue.clone(), server.clone(), rate, stop.clone()));
    let records =
        tokio::spawn(send_records(queue.clone(), server.clone(), stop_records.clone(), diagnostics.clone()));
    let logs = tokio::spawn(send_logs(queue.clone(), server, inbox, stop_logs.clone(), diagnostics.clone()));
    (queue, Sender { stop, feed, records, logs, stop_logs, stop_records })
}

impl Sender {
    /// Sends what is left: lines, then logs, then the records that name them.
    pub(crate) async fn finish(self) {
        self.stop.cancel();
        drop(self.feed.await);
        self.stop_logs.cancel();
        drop(self.logs.await);
        self.stop_records.cancel();
        drop(self.records.await);
    }
}

impl Queue {
    /// Queues a record; fields of one that still waits are overwritten.
    pub(crate) fn record(&self, record: Value) {
        let mut records = lock(&self.records);
        let waiting = records.iter_mut().find(|waiting| waiting["id"] == record["id"]);
        match (waiting, record) {
            (Some(Value::Object(waiting)), Value::Object(fields)) => waiting.extend(fields),
            (_, record) => records.push(record),
        }
    }

    pub(crate) fn line(&self, step: &str, number: u64, text: &str) {
        let text = text.chars().take(LINE_LENGTH).collect();
        lock(&self.lines).push_back(FeedLine { step: step.to_owned(), number, text });
    }

    /// Queues a record's whole log for upload.
    pub(crate) fn log(&self, record: &str, file: PathBuf) {
        // The receiver lives until `finish`.
        drop(self.logs.send(FinishedLog { record: record.to_owned(), file }));
    }

    /// Lines of one step that follow each other, at most one call's worth.
    fn next_lines(&self) -> Option<(String, u64, Vec<String>)> {
        let mut lines = lock(&self.lines);
        let first = lines.pop_front()?;
        let (step, start) = (first.step, first.number);
        let mut texts = vec![first.text];
        while texts.len() < LINES_PER_CALL
            && lines
                .front()
                .is_some_and(|line| line.step == step && line.number == start + texts.len() as u64)
        {
            texts.extend(lines.pop_front().map(|line| line.text));
        }
        Some((step, start, texts))
    }
}

async fn send_lines(queue: Arc<Queue>, server: Arc<PlanServer>, rate: ConsoleRate, stop: CancellationToken) {
    let mut round = 0;
    loop {
        let own = if round < FAST_ROUNDS { FAST } else { SLOW };
        let pause = rate.borrow().unwrap_or(own);
        round += 1;
        let last = tokio::select! {
            () = clock::sleep(pause) => false,
            () = stop.cancelled() => true,
        };
        if last {
            let mut lines = lock(&queue.lines);
            let surplus = lines.len().saturating_sub(LAST_LINES);
            lines.drain(..surplus);
        }
        while let Some((step, start, texts)) = queue.next_lines() {
            // Lost lines are still in the log.
            drop(server.feed(&queue.job, &step, start, &texts).await);
        }
        if last {
            return;
        }
    }
}

async fn send_records(
    queue: Arc<Queue>,
    server: Arc<PlanServer>,
    stop: CancellationToken,
    diagnostics: Diagnostics,
) {
    loop {
        let last = tokio::select! {
            () = clock::sleep(FAST) => false,
            () = stop.cancelled() => true,
        };
        let mut tries = 0;
        loop {
            let batch: Vec<Value> = {
                let mut records = lock(&queue.records);
                let count = records.len().min(RECORDS_PER_CALL);
                records.drain(..count).collect()
            };
            if batch.is_empty() {
                break;
            }
            let Err(error) = server.update_records(&batch).await else { continue };
            diagnostics.error(&format!("The timeline could not be updated: {error}"));
            tries += 1;
            if last && tries >= LAST_TRIES {
                break;
            }
            // Back to the front; what has come since lies over it.
            let newer = std::mem::replace(&mut *lock(&queue.records), batch);
            for record in newer {
                queue.record(record);
            }
            if !last {
                break;
            }
            clock::sleep(SLOW).await;
        }
        if last {
            return;
        }
    }
}

async fn send_logs(
    queue: Arc<Queue>,
    server: Arc<PlanServer>,
    mut inbox: mpsc::UnboundedReceiver<FinishedLog>,
    stop: CancellationToken,
    diagnostics: Diagnostics,
) {
    loop {
        let log = tokio::select! {
            biased;
            Some(log) = inbox.recv() => log,
            () = stop.cancelled() => return,
        };
        if let Err(error) = send_log(&queue, &server, &log).await {
            // A lost log does not fail the job.
            diagnostics.error(&format!("The log of {} could not be uploaded: {error:#}", log.record));
        }
        drop(fs_err::remove_file(&log.file));
    }
}

async fn send_log(queue: &Queue, server: &PlanServer, log: &FinishedLog) -> anyhow::Result<()> {
    let text = fs_err::read(&log.file)?;
    let id = server.create_log(&log.record).await?;
    for page in text.chunks(PAGE_BYTES) {
        server.append_log(id, page).await?;
    }
    queue.record(json!({ "id": log.record, "log": { "id": id } }));
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
