//! Console lines, logs and attachments; their text goes to files as it comes in.
//!
//! Source: azure-pipelines-agent: JobServer.cs, JobServerQueue.cs.

use axum::Json;
use axum::body::Body as RawBody;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::extract::{Body, Values};
use super::plans::PlanPath;
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::files::{self, FeedLines};
use crate::state::plans::Attachment;
use crate::state::refusal::Refusal;
use crate::state::secrets::Caller;
use crate::state::{self};
use crate::view;
use crate::wire::bodies::{FeedBody, LogBody};
use crate::wire::ids::{LogId, PlanId, RecordId, TimelineId};

type RecordPath = (String, String, PlanId, TimelineId, RecordId);

fn open(
    state: &state::State,
    caller: Caller,
    (scope, hub, plan): (&str, &str, PlanId),
) -> Result<PlanId, Refusal> {
    PlanPath::new(scope, hub, plan).open(state, caller)
}

/// `POST feed`: console lines, lossy by design.
pub(crate) async fn feed(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((scope, hub, plan, timeline, record)): Values<RecordPath>,
    Body(body): Body<FeedBody>,
) -> Result<StatusCode, ApiError> {
    service.read(|state| {
        open(state, caller, (&scope, &hub, plan))?;
        state.records(plan, timeline).map(drop)
    })??;
    let lines =
        FeedLines { step: body.step_id.unwrap_or(record.0), start: body.start_line, lines: body.value };
    service.files().append_feed(plan, &lines).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET logs`.
pub(crate) async fn list(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(path): Values<PlanPath>,
) -> Result<Json<Value>, ApiError> {
    let shown = service.read(|state| {
        let plan = state.plan(path.open(state, caller)?)?;
        let project = state.meta.project_id;
        let logs = plan.logs.values().map(|log| view::log(service.addresses(), project, plan.id, log));
        Ok::<_, Refusal>(view::list(logs.collect()))
    })?;
    Ok(Json(shown?))
}

/// `POST logs`: makes an empty log.
pub(crate) async fn add(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(path): Values<PlanPath>,
    Body(body): Body<LogBody>,
) -> Result<Json<Value>, ApiError> {
    service.change(|state, moment| {
        let plan = path.open(state, caller)?;
        let log = state.add_log(plan, body.path, moment.now)?;
        Ok::<_, Refusal>(Json(view::log(service.addresses(), state.meta.project_id, plan, &log)))
    })
}

/// `POST logs/{logId}`: appends a page.
pub(crate) async fn append(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((scope, hub, plan, log)): Values<(String, String, PlanId, LogId)>,
    body: RawBody,
) -> Result<Json<Value>, ApiError> {
    let file = service.files().log(plan, log);
    let _alone = service.files().lock(&file).await;
    let kept = service.read(|state| {
        open(state, caller, (&scope, &hub, plan))?;
        state.log(plan, log).map(|log| log.bytes)
    })??;
    let grown = files::append(&file, kept, body).await?;
    service.change(|state, moment| {
        let log = state.grow_log(plan, log, grown, moment.now)?;
        Ok::<_, Refusal>(Json(view::log(service.addresses(), state.meta.project_id, plan, &log)))
    })
}

/// `GET logs/{logId}`: the text.
pub(crate) async fn read(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((scope, hub, plan, log)): Values<(String, String, PlanId, LogId)>,
) -> Result<Response, ApiError> {
    let length = service.read(|state| {
        open(state, caller, (&scope, &hub, plan))?;
        state.log(plan, log).map(|log| log.bytes)
    })??;
    let body = if length == 0 {
        RawBody::empty()
    } else {
        files::stream(&service.files().log(plan, log), 0, length).await?
    };
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

/// The path of an attachment.
#[derive(Debug, Deserialize)]
pub(crate) struct AttachmentPath {
    scope: String,
    hub: String,
    plan: PlanId,
    timeline: TimelineId,
    record: RecordId,
    kind: String,
    name: String,
}

impl AttachmentPath {
    fn file_key(&self) -> String {
        format!("{}/{}/{}/{}", self.timeline, self.record, self.kind, self.name)
    }

    fn is(&self, known: &Attachment) -> bool {
        (known.timeline, known.record, &known.kind, &known.name)
            == (self.timeline, self.record, &self.kind, &self.name)
    }
}

/// `PUT attachments/{type}/{name}`.
pub(crate) async fn attach(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(path): Values<AttachmentPath>,
    body: RawBody,
) -> Result<Json<Value>, ApiError> {
    service.read(|state| {
        open(state, caller, (&path.scope, &path.hub, path.plan))?;
        state.records(path.plan, path.timeline).map(drop)
    })??;
    let file = service.files().attachment(path.plan, &path.file_key());
    let _alone = service.files().lock(&file).await;
    files::replace(&file, body).await?;
    service.change(|state, moment| {
        let attachment = Attachment {
            timeline: path.timeline,
            record: path.record,
            kind: path.kind,
            name: path.name,
            created_on: moment.now,
        };
        state.add_attachment(path.plan, attachment.clone())?;
        Ok::<_, Refusal>(Json(view::attachment(&attachment)))
    })
}

/// `GET attachments/{type}/{name}`: the content.
pub(crate) async fn attachment(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values(path): Values<AttachmentPath>,
) -> Result<Response, ApiError> {
    let known = service.read(|state| {
        open(state, caller, (&path.scope, &path.hub, path.plan))?;
        state.plan(path.plan).map(|plan| plan.attachments.iter().any(|known| path.is(known)))
    })??;
    if !known {
        return Err(ApiError::not_found(format!("Attachment {} was not found.", path.name)));
    }
    let file = service.files().attachment(path.plan, &path.file_key());
    let body = files::stream(&file, 0, u64::MAX).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// `GET attachments/{type}` of a plan.
pub(crate) async fn attachments(
    State(service): State<AzureDevOps>,
    caller: Caller,
    Values((scope, hub, plan, kind)): Values<(String, String, PlanId, String)>,
) -> Result<Json<Value>, ApiError> {
    let shown = service.read(|state| {
        open(state, caller, (&scope, &hub, plan))?;
        let found =
            state.plan(plan)?.attachments.iter().filter(|known| known.kind.eq_ignore_ascii_case(&kind));
        Ok::<_, Refusal>(view::list(found.map(view::attachment).collect()))
    })?;
    Ok(Json(shown?))
}
