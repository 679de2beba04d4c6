//! `run --file`: a pipeline file into the sandbox's queue, the logs of its jobs and their results onto stdout.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::{Control, Page, lines};
use super::repository::Repository;
use crate::cli::{Common, Format};
use crate::outcome::{Outcome, Problem};
use crate::output;

/// Between two looks at a run.
const LOOK: Duration = Duration::from_millis(200);
/// A name that is longer than this is not lined up with the others.
const WIDEST: usize = 30;

/// What of a run is looked at; the rest is passed on.
#[derive(Deserialize)]
struct Run {
    id: u64,
    name: String,
    result: Option<String>,
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    identifier: String,
    name: String,
    state: String,
    result: Option<String>,
    #[serde(rename = "jobId")]
    id: Option<String>,
    agent: Option<String>,
    start_time: Option<jiff::Timestamp>,
    finish_time: Option<jiff::Timestamp>,
}

/// What is asked for.
pub(crate) struct Order<'a> {
    pub(crate) file: &'a Path,
    pub(crate) pool: &'a str,
    pub(crate) name: Option<&'a str>,
    /// Values of the file's parameters.
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) wait: bool,
}

/// Values by name, of which there may be one each: case does not tell names apart.
pub(crate) fn parameters(said: Vec<(String, String)>) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for (name, value) in said {
        if values.keys().any(|known: &String| known.eq_ignore_ascii_case(&name)) {
            let text = format!("read `--parameter {name}`: the parameter has a value already");
            return Err(Problem::new(Outcome::Usage, text).hint("give each parameter once").into());
        }
        values.insert(name, value);
    }
    Ok(values)
}

pub(crate) async fn run(order: Order<'_>, control: &Control, common: &Common) -> Result<Outcome> {
    let queued = queue(&order, control).await?;
    let run: Run = serde_json::from_value(queued.clone()).context("read the sandbox's answer")?;
    output::note(&format!("run {} `{}`: {} jobs, pool `{}`", run.id, run.name, run.jobs.len(), order.pool));
    if !order.wait {
        if common.output == Format::Json {
            output::document(&queued)?;
        } else {
            output::result(&run.id.to_string());
        }
        return Ok(Outcome::Done);
    }
    let mut watch = Watch::new(&run, common.output);
    let (run, mut report) = watch.follow(run.id, control).await?;
    if common.output == Format::Json {
        for (job, identifier) in report["jobs"]
            .as_array_mut()
            .into_iter()
            .flatten()
            .zip(run.jobs.iter().map(|job| &job.identifier))
        {
            job["log"] = json!(watch.logs.get(identifier).map(|log| &log.lines));
        }
        output::document(&report)?;
    } else {
        output::result(&table(&run).to_string());
        output::note(&format!("run {}", run.result.as_deref().unwrap_or("unknown")));
    }
    Ok(match run.result.as_deref() {
        Some("succeeded" | "succeededWithIssues") => Outcome::Done,
        Some("canceled") => Outcome::JobCancelled,
        _ => Outcome::JobFailed,
    })
}

/// Queues the run. What is wrong with the file is told with file, line, column and key.
async fn queue(order: &Order<'_>, control: &Control) -> Result<Value> {
    let shown = order.file.display();
    let usage = |error| Problem::from_error(Outcome::Usage, error);
    let text = fs_err::read_to_string(order.file).map_err(usage)?;
    let repository = Repository::around(order.file).map_err(usage)?;
    let mut body = json!({
        "pool": order.pool,
        "name": order.name,
        "yaml": text,
        "parameters": order.parameters,
        "file": repository.file(),
        "templates": {},
    });
    loop {
        let mut refused =
            match control.try_post("/azdo/pipelines/runs", &body).await.context("queue a run")? {
                Ok(queued) => return Ok(queued),
                Err(refused) => refused,
            };
        // The sandbox reads the file, so it says which templates it needs; those may name more.
        let (mut sent, mut unread) = (false, Vec::new());
        for path in refused["missingTemplates"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            match repository.read(path) {
                Ok(text) => {
                    sent |= body["templates"].get(path).is_none();
                    body["templates"][path] = text.into();
                }
                Err(error) => unread.push(error.to_string()),
            }
        }
        if sent {
            continue;
        }
        for fault in refused["faults"].as_array_mut().into_iter().flatten() {
            if let Some(file) = fault["file"].as_str() {
                fault["file"] = repository.shown(file).into();
            }
        }
        let why = refused["error"].as_str().unwrap_or("the sandbox refused it");
        let mut details = lines(&shown.to_string(), &refused["faults"]);
        details.extend(unread);
        return Err(Problem::new(Outcome::Usage, format!("queue `{shown}`: {why}"))
            .details(details)
            .hint("docs/pipeline-files.md lists what is supported")
            .into());
    }
}

/// What was seen of a job.
#[derive(Default)]
struct Log {
    next: u64,
    lines: Vec<String>,
    complete: bool,
    /// What was said last about its state.
    said: String,
}

struct Watch {
    logs: BTreeMap<String, Log>,
    width: usize,
    format: Format,
}

impl Watch {
    fn new(run: &Run, format: Format) -> Self {
        let widths = run.jobs.iter().map(|job| job.name.chars().count());
        let width = widths.filter(|width| *width <= WIDEST).max().unwrap_or_default();
        Self { logs: BTreeMap::new(), width, format }
    }

    /// Prints the logs as they grow, until the run has ended and all of them are whole.
    async fn follow(&mut self, id: u64, control: &Control) -> Result<(Run, Value)> {
        loop {
            let report: Value = control.get(&format!("/azdo/pipelines/runs/{id}")).await?;
            let run: Run = serde_json::from_value(report.clone()).context("read the sandbox's answer")?;
            let mut whole = true;
            for job in &run.jobs {
                whole &= self.look(job, control).await?;
            }
            if run.result.is_some() && whole {
                return Ok((run, report));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Prints what is new of a job; whether there will be no more of it.
    async fn look(&mut self, job: &Job, control: &Control) -> Result<bool> {
        let log = self.logs.entry(job.identifier.clone()).or_default();
        let state = job.result.as_deref().unwrap_or(&job.state);
        // Its end is told after the last line of its log.
        if log.said != state && job.result.is_none() && !["waiting", "assigned"].contains(&state) {
            let place = job.agent.as_deref().map(|agent| format!(" on {agent}")).unwrap_or_default();
            output::note(&format!("{}: {state}{place}", job.name));
            state.clone_into(&mut log.said);
        }
        let Some(id) = job.id.as_deref().filter(|_| job.state == "running" || job.state == "completed")
        else {
            if job.result.is_some() && log.said != state {
                output::note(&format!("{}: {state}", job.name));
                state.clone_into(&mut log.said);
            }
            return Ok(job.result.is_some());
        };
        if !log.complete {
            let page: Page = control.get(&format!("/azdo/jobs/{id}/log?from={}", log.next)).await?;
            log.next = page.next;
            log.complete = page.complete;
            if self.format == Format::Table {
                let (name, width) = (&job.name, self.width);
                page.lines.iter().for_each(|line| output::result(&format!("{name:width$} | {line}")));
            }
            log.lines.extend(page.lines);
        }
        if log.complete && job.result.is_some() && log.said != state {
            output::note(&format!("{}: {state}", job.name));
            state.clone_into(&mut log.said);
        }
        Ok(log.complete)
    }
}

fn table(run: &Run) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["JOB", "RESULT", "AGENT", "TOOK"]);
    for job in &run.jobs {
        let took = job.start_time.zip(job.finish_time).map(|(start, end)| {
            let seconds = end.duration_since(start).as_secs();
            if seconds < 60 { format!("{seconds}s") } else { format!("{}m {}s", seconds / 60, seconds % 60) }
        });
        let dash = || "-".to_owned();
        let result = job.result.clone().unwrap_or_else(dash);
        table.add_row([
            job.name.clone(),
            result,
            job.agent.clone().unwrap_or_else(dash),
            took.unwrap_or_else(dash),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_has_one_value() {
        let said = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect();
        assert_eq!(parameters(said(&["a", "b"])).unwrap().len(), 2);
        let refused = parameters(said(&["a", "A"])).unwrap_err().to_string();
        assert!(refused.contains("--parameter A"), "{refused}");
    }

    #[test]
    fn the_table_has_a_row_for_each_job() {
        let run: Run = serde_json::from_value(json!({
            "id": 7, "name": "nightly", "result": "failed",
            "jobs": [
                {"identifier": "A.x", "name": "A x", "state": "completed", "result": "failed", "jobId": "1", "agent": "mayfly-0",
                 "startTime": "2026-01-01T10:00:00Z", "finishTime": "2026-01-01T10:01:05Z"},
                {"identifier": "B.__default", "name": "B", "state": "completed", "result": "skipped"},
            ],
        }))
        .unwrap();
        let text = table(&run).to_string();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            rows,
            [
                vec!["JOB", "RESULT", "AGENT", "TOOK"],
                vec!["A", "x", "failed", "mayfly-0", "1m", "5s"],
                vec!["B", "skipped", "-", "-"],
            ]
        );
    }
}
