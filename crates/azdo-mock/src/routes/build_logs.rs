//! Logs of builds and runs, numbered over all jobs. Text, JSON and zip by `Accept` or `$format`.
//!
//! Shapes: azure-devops (PyPI): `get_build_log`, `get_build_log_lines`, `get_build_logs_zip`, pipelines/models.py. Lines are
//! counted from 0 and the last one is included (microsoft/azure-devops-mcp: "defaults to 0").

use axum::Json;
use axum::body::Body as RawBody;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::builds::BuildPart;
use super::extract::{Query, Values};
use super::in_project::InProject;
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::log_text::{self, Part};
use crate::state::build_refusal::BuildRefusal;
use crate::state::build_state::BuildLog;
use crate::state::builds::Build;
use crate::view::{self, builds};
use crate::wire::ids::RunId;

/// The part of the path that names a log.
#[derive(Debug, Deserialize)]
pub(crate) struct LogPart {
    log: i64,
}

/// What a caller wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Text,
    Zip,
}

/// The form that is asked for; `usual` where any will do.
pub(super) fn form(headers: &HeaderMap, query: &Query, usual: Form) -> Result<Form, ApiError> {
    match query.text(&["$format"]).map(str::to_ascii_lowercase).as_deref() {
        Some("json") => return Ok(Form::Json),
        Some("text") => return Ok(Form::Text),
        Some("zip") => return Ok(Form::Zip),
        Some(_) => return Err(query.wrong("$format")),
        None => {}
    }
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wanted = accept.split(',').find_map(|kind| {
        match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/json" | "text/json" => Some(Form::Json),
            "text/plain" => Some(Form::Text),
            "application/zip" => Some(Form::Zip),
            _ => None,
        }
    });
    Ok(wanted.unwrap_or(usual))
}

fn part(service: &AzureDevOps, log: &BuildLog<'_>, name: String) -> Part {
    let file = service.files().log(log.plan.id, log.log.id);
    Part { name, number: log.number, file, bytes: log.log.bytes, lines: log.log.lines }
}

fn find<'a>(build: &Build<'a>, number: i64) -> Result<BuildLog<'a>, BuildRefusal> {
    let found = build.logs().into_iter().find(|log| log.number == number);
    found.ok_or(BuildRefusal::LogNotFound { log: number, build: build.id })
}

/// `GET builds/{buildId}/logs`.
pub(crate) async fn list(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    if form(&headers, &query, Form::Json)? == Form::Zip {
        return all_zipped(&project, build).await;
    }
    project.read(|state, addresses| {
        let build = state.build(build)?;
        let shown = build.logs().iter().map(|log| builds::log(addresses, &build, log)).collect();
        Ok(Json(view::list(shown)).into_response())
    })
}

async fn all_zipped(project: &InProject, id: RunId) -> Result<Response, ApiError> {
    let parts = project.read(|state, _| {
        let build = state.build(id)?;
        Ok(build.logs().iter().map(|log| part(&project.service, log, file_name(&build, log))).collect())
    })?;
    zipped(parts, &format!("logs_{id}.zip")).await
}

/// Where a log is in the archive: `Job/2_CmdLine.txt`, and `1_Job.txt` for that of a job as a whole.
fn file_name(build: &Build<'_>, log: &BuildLog<'_>) -> String {
    let clean = |text: &str| {
        let odd = |c: char| c.is_control() || "\\/:*?\"<>|".contains(c);
        text.replace(odd, "_")
    };
    let jobs = build.jobs();
    let own = |job: &&crate::state::build_state::BuildJob<'_>| {
        job.request.is_some_and(|request| request.plan_id == log.plan.id)
    };
    let Some((place, job)) = (1..).zip(&jobs).find(|(_, job)| own(job)) else {
        return format!("{}.txt", log.number);
    };
    let title = clean(job.display_name);
    let record = log.plan.records.values().find(|record| {
        record.get("log").and_then(|of| of.get("id")).and_then(Value::as_i64) == Some(log.log.id.0)
    });
    let Some(record) = record else { return format!("{title}/{}.txt", log.number) };
    let field = |name: &str| record.get(name).cloned().unwrap_or_default();
    if field("type") == "Job" {
        return format!("{place}_{title}.txt");
    }
    let name = clean(field("name").as_str().unwrap_or_default());
    format!("{title}/{}_{name}.txt", field("order").as_i64().unwrap_or(log.number))
}

pub(super) async fn zipped(parts: Vec<Part>, name: &str) -> Result<Response, ApiError> {
    let body = log_text::zip(parts).await?;
    let disposition = format!("attachment; filename={name}");
    let headers = [(header::CONTENT_TYPE, "application/zip"), (header::CONTENT_DISPOSITION, &disposition)];
    Ok((headers, body).into_response())
}

/// `GET builds/{buildId}/logs/{logId}`.
pub(crate) async fn one(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    Values(LogPart { log }): Values<LogPart>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let form = form(&headers, &query, Form::Text)?;
    let start: u64 = query.parsed(&["startLine"])?.unwrap_or(0);
    let end: Option<u64> = query.parsed(&["endLine"])?;
    let part = project.read(|state, _| {
        let build = state.build(build)?;
        let found = find(&build, log)?;
        Ok(part(&project.service, &found, format!("{log}.txt")))
    })?;
    send(part, form, start, end, &format!("log_{log}.zip")).await
}

async fn send(
    part: Part,
    form: Form,
    start: u64,
    end: Option<u64>,
    name: &str,
) -> Result<Response, ApiError> {
    let lines = start..end.map_or(part.lines, |end| end.saturating_add(1)).min(part.lines).max(start);
    match form {
        Form::Zip => zipped(vec![part], name).await,
        Form::Text => {
            let body = log_text::text(part, lines).await?;
            Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
        }
        Form::Json => {
            let body: RawBody = log_text::json(part, lines);
            Ok(([(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response())
        }
    }
}

/// The part of the path that names a run.
#[derive(Debug, Deserialize)]
pub(crate) struct RunPart {
    pub(crate) pipeline: crate::wire::ids::DefinitionId,
    pub(crate) run: RunId,
}

/// The content of logs for whoever asks for it with `$expand=signedContent`. The address is the build's log; it needs a
/// credential, as every address here.
fn signed(service: &AzureDevOps, query: &Query, url: &str) -> Result<Option<Value>, ApiError> {
    match query.text(&["$expand"]) {
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case("none") => Ok(None),
        Some(text) if text.eq_ignore_ascii_case("signedContent") => {
            let expires = service.now().saturating_add(jiff::SignedDuration::from_hours(1));
            let expires = expires.unwrap_or(jiff::Timestamp::MAX);
            Ok(Some(json!({"url": url, "signatureExpires": crate::wire::time::stamp(expires)})))
        }
        Some(_) => Err(query.wrong("$expand")),
    }
}

/// `GET runs/{runId}/logs`.
pub(crate) async fn list_of_run(
    project: InProject,
    Values(RunPart { pipeline, run }): Values<RunPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let service = &project.service;
    let id = service.state().meta.project_id;
    let url = service.addresses().at(&format!("{id}/_apis/build/Builds/{run}/logs"));
    let all = signed(service, &query, &format!("{url}?$format=zip"))?;
    project.read_pipeline(|state, addresses| {
        let build = super::pipelines::find_run(state, pipeline, run)?;
        let logs = build.logs();
        let each = |log: &BuildLog<'_>| {
            let own = all.clone().map(|mut own| {
                own["url"] = json!(format!("{url}/{}", log.number));
                own
            });
            builds::run_log(addresses, &build, log, own)
        };
        let mut shown = json!({
            "logs": logs.iter().map(each).collect::<Vec<_>>(),
            "url": format!("{}/logs", builds::run_url(addresses, &build)),
        });
        if let Some(all) = &all {
            shown["signedContent"] = all.clone();
        }
        Ok(Json(shown))
    })
}

/// `GET runs/{runId}/logs/{logId}`.
pub(crate) async fn one_of_run(
    project: InProject,
    Values(RunPart { pipeline, run }): Values<RunPart>,
    Values(LogPart { log }): Values<LogPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let service = &project.service;
    let id = service.state().meta.project_id;
    let url = service.addresses().at(&format!("{id}/_apis/build/Builds/{run}/logs/{log}"));
    let own = signed(service, &query, &url)?;
    project.read_pipeline(|state, addresses| {
        let build = super::pipelines::find_run(state, pipeline, run)?;
        Ok(Json(builds::run_log(addresses, &build, &find(&build, log)?, own)))
    })
}
