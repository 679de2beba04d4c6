//! Console lines, logs and attachments; their text goes to files as it comes in.
//!
//! Source: azure-pipelines-agent: JobServer.cs, JobServerQueue.cs.

use axum::Json;
use axum::body::Body as RawBody;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::extract::{Body, Values};
use super::in_plan::InPlan;
use crate::error::ApiError;
use crate::files::{self, FeedLines};
use crate::state::plans::Attachment;
use crate::view;
use crate::wire::bodies::{FeedBody, LogBody};
use crate::wire::ids::{LogId, RecordId, TimelineId};

/// The part of the path that names a record.
#[derive(Debug, Deserialize)]
pub(crate) struct RecordPart {
    timeline: TimelineId,
    record: RecordId,
}

/// The part of the path that names a log.
#[derive(Debug, Deserialize)]
pub(crate) struct LogPart {
    log: LogId,
}

/// The part of the path that names a kind of attachments.
#[derive(Debug, Deserialize)]
pub(crate) struct KindPart {
    kind: String,
}

/// `POST feed`: console lines, lossy by design. The record is the job's own, which is there from the start.
pub(crate) async fn feed(
    plan: InPlan,
    Values(RecordPart { timeline, record }): Values<RecordPart>,
    Body(body): Body<FeedBody>,
) -> Result<StatusCode, ApiError> {
    plan.read(|_, plan| plan.check_record(timeline, record))?;
    let lines =
        FeedLines { step: body.step_id.unwrap_or(record.0), start: body.start_line, lines: body.value };
    plan.service.files().append_feed(plan.id(), &lines).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET logs`.
pub(crate) async fn list(plan: InPlan) -> Result<Json<Value>, ApiError> {
    plan.read(|state, of| {
        let addresses = plan.service.addresses();
        let logs = of.logs.values().map(|log| view::log(state, addresses, of.id, log));
        Ok(Json(view::list(logs.collect())))
    })
}

/// `POST logs`: makes an empty log.
pub(crate) async fn add(plan: InPlan, Body(body): Body<LogBody>) -> Result<Json<Value>, ApiError> {
    plan.change(|state, id, moment| {
        let log = state.add_log(id, body.path, moment.now)?;
        Ok(Json(view::log(state, plan.service.addresses(), id, &log)))
    })
}

/// `POST logs/{logId}`: appends a page, of any length: it is never held in memory.
pub(crate) async fn append(
    plan: InPlan,
    Values(LogPart { log }): Values<LogPart>,
    body: RawBody,
) -> Result<Json<Value>, ApiError> {
    let file = plan.service.files().log(plan.id(), log);
    let _alone = plan.service.files().lock(&file).await;
    let kept = plan.read(|state, plan| state.log(plan.id, log).map(|log| log.bytes))?;
    let grown = files::append(&file, kept, body).await?;
    plan.change(|state, id, moment| {
        let log = state.grow_log(id, log, grown, moment.now)?;
        Ok(Json(view::log(state, plan.service.addresses(), id, &log)))
    })
}

/// `GET logs/{logId}`: the text.
pub(crate) async fn read(
    plan: InPlan,
    Values(LogPart { log }): Values<LogPart>,
) -> Result<Response, ApiError> {
    let length = plan.read(|state, plan| state.log(plan.id, log).map(|log| log.bytes))?;
    let body = if length == 0 {
        RawBody::empty()
    } else {
        files::stream(&plan.service.files().log(plan.id(), log), 0, length).await?
    };
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

/// The part of the path that names an attachment.
#[derive(Debug, Deserialize)]
pub(crate) struct AttachmentPart {
    timeline: TimelineId,
    record: RecordId,
    kind: String,
    name: String,
}

impl AttachmentPart {
    fn file_key(&self) -> String {
        files::attachment_key(self.timeline, self.record, &self.kind, &self.name)
    }

    fn is(&self, known: &Attachment) -> bool {
        (known.timeline, known.record, &known.kind, &known.name)
            == (self.timeline, self.record, &self.kind, &self.name)
    }
}

/// `PUT attachments/{type}/{name}`.
pub(crate) async fn attach(
    plan: InPlan,
    Values(path): Values<AttachmentPart>,
    body: RawBody,
) -> Result<Json<Value>, ApiError> {
    plan.read(|_, plan| plan.check_record(path.timeline, path.record))?;
    let file = plan.service.files().attachment(plan.id(), &path.file_key());
    let _alone = plan.service.files().lock(&file).await;
    files::replace(&file, body).await?;
    plan.change(|state, id, moment| {
        let AttachmentPart { timeline, record, kind, name } = path;
        let attachment = Attachment { timeline, record, kind, name, created_on: moment.now };
        state.add_attachment(id, attachment.clone())?;
        Ok(Json(view::attachment(&attachment)))
    })
}

/// `GET attachments/{type}/{name}`: what is known of it for whoever accepts JSON, else the content (azure-devops, PyPI:
/// `get_attachment`, `get_attachment_content`).
pub(crate) async fn attachment(
    plan: InPlan,
    Values(path): Values<AttachmentPart>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let known =
        plan.read(|_, plan| Ok(plan.attachments.iter().find(|known| path.is(known)).map(view::attachment)))?;
    let known =
        known.ok_or_else(|| ApiError::not_found(format!("Attachment {} was not found.", path.name)))?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.to_ascii_lowercase().starts_with("application/json") {
        return Ok(Json(known).into_response());
    }
    let file = plan.service.files().attachment(plan.id(), &path.file_key());
    let body = files::stream(&file, 0, u64::MAX).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// `GET attachments/{type}` of a plan.
pub(crate) async fn attachments(
    plan: InPlan,
    Values(KindPart { kind }): Values<KindPart>,
) -> Result<Json<Value>, ApiError> {
    plan.read(|_, plan| Ok(list_attachments(plan.attachments.iter(), &kind)))
}

/// `GET attachments/{type}` of a record.
pub(crate) async fn record_attachments(
    plan: InPlan,
    Values(RecordPart { timeline, record }): Values<RecordPart>,
    Values(KindPart { kind }): Values<KindPart>,
) -> Result<Json<Value>, ApiError> {
    plan.read(|_, plan| {
        plan.check_record(timeline, record)?;
        let of_record = |known: &&Attachment| (known.timeline, known.record) == (timeline, record);
        Ok(list_attachments(plan.attachments.iter().filter(of_record), &kind))
    })
}

fn list_attachments<'a>(all: impl Iterator<Item = &'a Attachment>, kind: &str) -> Json<Value> {
    let found = all.filter(|known| known.kind.eq_ignore_ascii_case(kind));
    Json(view::list(found.map(view::attachment).collect()))
}
