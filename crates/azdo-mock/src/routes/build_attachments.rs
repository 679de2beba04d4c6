//! What jobs hung on their records, over all jobs of a build; and a build's report.
//!
//! Shapes: azure-devops (PyPI): build_client.py (`get_attachments`, `get_attachment`, `get_build_report`).

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::builds::BuildPart;
use super::extract::{Query, Values};
use super::in_project::InProject;
use crate::addresses::Addresses;
use crate::error::ApiError;
use crate::files;
use crate::state::build_refusal::BuildRefusal;
use crate::state::builds::Build;
use crate::state::plans::{Attachment, Plan};
use crate::view::{self, builds};
use crate::wire::ids::RecordId;

/// The part of the path that names a kind of attachments.
#[derive(Debug, Deserialize)]
pub(crate) struct KindPart {
    kind: String,
}

/// The part of the path that names an attachment. The timeline is the build's or the job's own.
#[derive(Debug, Deserialize)]
pub(crate) struct AttachmentPart {
    timeline: Uuid,
    record: RecordId,
    kind: String,
    name: String,
}

fn all<'a>(build: &Build<'a>) -> impl Iterator<Item = (&'a Plan, &'a Attachment)> {
    let plans = build.plans().into_iter();
    plans.flat_map(|plan| plan.attachments.iter().map(move |attachment| (plan, attachment)))
}

fn shown(addresses: &Addresses, build: &Build<'_>, attachment: &Attachment) -> Value {
    let Attachment { record, kind, name, .. } = attachment;
    let url =
        format!("{}/{}/{record}/attachments/{kind}/{name}", builds::url(addresses, build), build.plan());
    json!({"name": name, "_links": {"self": {"href": url}}})
}

/// `GET builds/{buildId}/attachments/{type}`.
pub(crate) async fn list(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    Values(KindPart { kind }): Values<KindPart>,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, addresses| {
        let build = state.build(build)?;
        let found = all(&build).filter(|(_, attachment)| attachment.kind.eq_ignore_ascii_case(&kind));
        Ok(Json(view::list(found.map(|(_, one)| shown(addresses, &build, one)).collect())))
    })
}

/// `GET builds/{buildId}/{timelineId}/{recordId}/attachments/{type}/{name}`: the content.
pub(crate) async fn one(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    Values(part): Values<AttachmentPart>,
) -> Result<Response, ApiError> {
    let file = project.read(|state, _| {
        let build = state.build(build)?;
        let is = |(plan, one): &(&Plan, &Attachment)| {
            (one.record == part.record && one.kind.eq_ignore_ascii_case(&part.kind) && one.name == part.name)
                && [build.plan().0, plan.id.0, one.timeline.0].contains(&part.timeline)
        };
        let (plan, found) = all(&build)
            .find(is)
            .ok_or_else(|| BuildRefusal::AttachmentNotFound { name: part.name.clone(), build: build.id })?;
        let key = files::attachment_key(found.timeline, found.record, &found.kind, &found.name);
        Ok(project.service.files().attachment(plan.id, &key))
    })?;
    let body = files::stream(&file, 0, u64::MAX).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// `GET builds/{buildId}/report`: HTML for whoever accepts it, else the same in an object.
pub(crate) async fn report(
    project: InProject,
    Values(BuildPart { build }): Values<BuildPart>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let kind = query.text(&["type"]).unwrap_or("html");
    if !kind.eq_ignore_ascii_case("html") {
        return Err(ApiError::invalid(format!(
            "The value '{kind}' is not valid for parameter type. Supported: html."
        )));
    }
    let content = project.read(|state, _| Ok(html(&state.build(build)?)))?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.to_ascii_lowercase().contains("text/html") {
        return Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], content).into_response());
    }
    Ok(Json(json!({"buildId": build, "type": "html", "content": content})).into_response())
}

/// What became of a build and of its jobs.
fn html(build: &Build<'_>) -> String {
    let text = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let ended = build.outcome().map_or_else(|| build.status().word(), |outcome| outcome.word());
    let rows: Vec<_> = build
        .jobs()
        .iter()
        .map(|job| {
            let end = job.result.map_or_else(|| json!(job.state().name()), |end| json!(end));
            let end = end.as_str().unwrap_or_default().to_owned();
            format!("<tr><td>{}</td><td>{end}</td></tr>", text(job.display_name))
        })
        .collect();
    format!(
        "<h1>Build {}</h1><p>{ended}</p><table><tr><th>Job</th><th>Result</th></tr>{}</table>",
        text(build.number()),
        rows.concat()
    )
}
