//! A job's log as one growing list of lines.
//!
//! The console feed is lossy, logs are complete but come late. Both number the lines of a step alike, so a step is
//! shown from the feed as far as that has no gap, and from its log once that is there. What was shown once never
//! changes its place.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use axum::Json;
use axum::extract::{Path as Segment, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ControlError, jobs};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::files::FeedLines;
use crate::state::State as Organization;
use crate::state::plans::{Plan, Record};
use crate::state::requests::Request;
use crate::wire::ids::LogId;

#[derive(Debug, Deserialize)]
pub(crate) struct From {
    #[serde(default)]
    from: usize,
}

/// What is needed of the state to read the log without holding it.
struct Snapshot {
    steps: Vec<StepLog>,
    /// The log of the job's own record, for agents that write only that.
    job_log: Option<LogFile>,
    feed: PathBuf,
    complete: bool,
}

struct StepLog {
    id: Uuid,
    /// Place among the steps, from 1. The records of a job may come out of turn.
    order: Option<i64>,
    completed: bool,
    log: Option<LogFile>,
}

#[derive(Clone)]
struct LogFile {
    path: PathBuf,
    bytes: u64,
}

/// `GET jobs/{jobId}/log?from=N`.
pub(crate) async fn read(
    State(service): State<AzureDevOps>,
    Segment(job): Segment<String>,
    Query(From { from }): Query<From>,
) -> Result<Json<Value>, ControlError> {
    let snapshot =
        service.read(|state| jobs::find(state, &job).map(|request| snapshot(&service, state, request)))??;
    let complete = snapshot.complete;
    let lines = tokio::task::spawn_blocking(move || snapshot.lines())
        .await
        .map_err(|error| ApiError::internal(&error))?
        .map_err(ApiError::from)?;
    let new = lines.get(from..).unwrap_or_default();
    Ok(Json(json!({"lines": new, "next": from.max(lines.len()), "complete": complete})))
}

fn snapshot(service: &AzureDevOps, state: &Organization, request: &Request) -> Snapshot {
    let mut snapshot = Snapshot {
        steps: Vec::new(),
        job_log: None,
        feed: service.files().feed(request.plan_id),
        complete: request.finish_time.is_some(),
    };
    let Some(plan) = state.plans.get(&request.plan_id) else { return snapshot };
    for record in state.records(plan.id, plan.main_timeline()).unwrap_or_default() {
        let log = log_file(service, plan, record);
        let Some(id) = text(record, "id").and_then(|id| id.parse::<Uuid>().ok()) else { continue };
        if id == request.job_id.0 {
            snapshot.job_log = log;
        } else {
            let order = record.get("order").and_then(Value::as_i64);
            let completed = text(record, "state") == Some("completed");
            snapshot.steps.push(StepLog { id, order, completed, log });
        }
    }
    snapshot
}

fn text<'a>(record: &'a Record, field: &str) -> Option<&'a str> {
    record.get(field).and_then(Value::as_str)
}

fn log_file(service: &AzureDevOps, plan: &Plan, record: &Record) -> Option<LogFile> {
    let id = LogId(record.get("log")?.get("id")?.as_i64()?);
    let log = plan.logs.get(&id).filter(|log| log.bytes > 0)?;
    Some(LogFile { path: service.files().log(plan.id, id), bytes: log.bytes })
}

impl Snapshot {
    fn lines(&self) -> std::io::Result<Vec<String>> {
        let feed = read_feed(&self.feed)?;
        let mut lines = Vec::new();
        for (place, step) in (1..).zip(&self.steps) {
            if !self.complete && step.order.is_some_and(|order| order > place) {
                // A step before this one is not known yet, and will want its place.
                return Ok(lines);
            }
            let live = feed.get(&step.id).cloned().unwrap_or_default();
            let log = step.log.as_ref().map(read_log).transpose()?.unwrap_or_default();
            let whole = live.keys().next_back().is_none_or(|last| log.len() as u64 >= *last);
            let closed = step.completed && step.log.is_some() && whole;
            if closed || (self.complete && log.len() >= live.len()) {
                lines.extend(log);
                continue;
            }
            let shown = (1..).zip(&live).take_while(|(number, (place, _))| number == *place);
            lines.extend(shown.map(|(_, (_, line))| line.clone()));
            if !self.complete {
                // A later step must not take the place of this one's missing lines.
                return Ok(lines);
            }
        }
        match &self.job_log {
            Some(log) if self.complete && lines.is_empty() => read_log(log),
            _ => Ok(lines),
        }
    }
}

/// Lines by step and by their number in the step's log, from 1.
fn read_feed(file: &Path) -> std::io::Result<BTreeMap<Uuid, BTreeMap<u64, String>>> {
    let opened = match fs_err::File::open(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        opened => opened?,
    };
    let mut steps: BTreeMap<Uuid, BTreeMap<u64, String>> = BTreeMap::new();
    for text in BufReader::new(opened).lines() {
        // The last line may be cut off by a crash.
        let Ok(entry) = serde_json::from_str::<FeedLines>(&text?) else { continue };
        let step = steps.entry(entry.step).or_default();
        let start = entry.start.unwrap_or_else(|| step.keys().next_back().map_or(1, |last| last + 1));
        step.extend((start..).zip(entry.lines));
    }
    Ok(steps)
}

fn read_log(log: &LogFile) -> std::io::Result<Vec<String>> {
    let mut text = Vec::new();
    fs_err::File::open(&log.path)?.take(log.bytes).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).lines().map(|line| without_time(line).to_owned()).collect())
}

/// The line without the time that agents put before it in logs, though not in the feed.
fn without_time(line: &str) -> &str {
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    match line.split_once(' ') {
        Some((time, rest)) if time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok() => rest,
        // A blank line has nothing behind its time.
        None if line.ends_with('Z') && line.parse::<jiff::Timestamp>().is_ok() => "",
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(steps: &[(i64, &[&str])], complete: bool) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let steps = steps.iter().enumerate().map(|(number, (order, lines))| {
            let path = folder.path().join(number.to_string());
            let text = lines.join("\n");
            fs_err::write(&path, &text).unwrap();
            let log = Some(LogFile { path, bytes: text.len() as u64 });
            StepLog { id: Uuid::from_u128(number as u128), order: Some(*order), completed: true, log }
        });
        let steps = steps.collect();
        Snapshot { steps, job_log: None, feed: folder.path().join("none"), complete }.lines().unwrap()
    }

    #[test]
    fn a_step_waits_for_the_one_before_it() {
        assert_eq!(shown(&[(2, &["second"])], false), [""; 0]);
        assert_eq!(shown(&[(1, &["first"]), (2, &["second"])], false), ["first", "second"]);
        assert_eq!(shown(&[(1, &["first"]), (3, &["third"])], false), ["first"]);
        assert_eq!(
            shown(&[(1, &["first"]), (3, &["third"])], true),
            ["first", "third"],
            "what never came is not waited for"
        );
    }

    #[test]
    fn the_time_before_a_line_is_taken_off_and_nothing_else() {
        for (line, expected) in [
            ("2026-01-02T03:04:05.6789012Z hello world", "hello world"),
            ("2026-01-02T03:04:05.6789012Z ", ""),
            ("2026-01-02T03:04:05.6789012Z", ""),
            ("\u{feff}2026-01-02T03:04:05.6789012Z x", "x"),
            ("hello world", "hello world"),
            ("Z x", "Z x"),
        ] {
            assert_eq!(without_time(line), expected);
        }
    }
}
