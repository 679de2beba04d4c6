//! What belongs to the project as a whole: its settings, and the badges of its definitions.
//!
//! Shapes: azure-devops (PyPI): build_client.py.

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::build_parts::{LatestPart, find, last_build};
use super::extract::{Body, Query, Values};
use super::in_project::InProject;
use crate::error::ApiError;
use crate::state::State;
use crate::state::build_refusal::BuildRefusal;
use crate::state::build_state::Outcome;
use crate::state::project_settings::GENERAL;

/// `GET build/settings`: the service's defaults. Nothing is ever removed here, whatever they say.
pub(crate) async fn settings(_: InProject) -> Json<Value> {
    let policy = |days: u32| {
        json!({
            "artifacts": [], "artifactTypesToDelete": ["FilePath", "SymbolStore"], "branches": ["+refs/heads/*"],
            "daysToKeep": days, "minimumToKeep": 1, "deleteBuildRecord": true, "deleteTestResults": true,
        })
    };
    Json(json!({
        "defaultRetentionPolicy": policy(30),
        "maximumRetentionPolicy": policy(30),
        "daysToKeepDeletedBuildsBeforeDestroy": 30,
    }))
}

/// `GET build/generalsettings`.
pub(crate) async fn general_settings(project: InProject) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| Ok(Json(general(state))))
}

fn general(state: &State) -> Value {
    let settings = &state.project.settings;
    Value::Object(
        GENERAL.iter().map(|(name, _)| ((*name).to_owned(), json!(settings.general(name)))).collect(),
    )
}

/// `PATCH build/generalsettings`.
pub(crate) async fn update_general_settings(
    project: InProject,
    Body(body): Body<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    project.require_person("Edit project-level information")?;
    project.change(|state, _| {
        state.change_general(&body)?;
        Ok::<_, BuildRefusal>(Json(general(state)))
    })
}

/// `GET build/status/{definition}`: the badge of the last build that has ended.
pub(crate) async fn badge(
    project: InProject,
    Values(LatestPart { definition }): Values<LatestPart>,
    query: Query,
) -> Result<Response, ApiError> {
    let branch = super::builds::branch(query.text(&["branchName"]));
    let label = query.text(&["label"]).unwrap_or("Azure Pipelines").to_owned();
    let outcome = project.read(|state, _| {
        let id = find(state, &definition)?.id;
        Ok(last_build(state, id, branch.as_deref(), |_| true).and_then(|build| build.outcome()))
    })?;
    let (word, colour) = match outcome {
        Some(Outcome::Succeeded) => ("succeeded", "#55a362"),
        Some(Outcome::PartiallySucceeded) => ("partially succeeded", "#dbab09"),
        Some(Outcome::Failed) => ("failed", "#cb2431"),
        Some(Outcome::Canceled) => ("canceled", "#909090"),
        None => ("never built", "#909090"),
    };
    Ok(([(header::CONTENT_TYPE, "image/svg+xml; charset=utf-8")], drawn(&label, word, colour))
        .into_response())
}

/// The part of the path that names a type of repositories.
#[derive(Debug, Deserialize)]
pub(crate) struct RepositoryPart {
    kind: String,
}

/// `GET build/repos/{repoType}/badge?repoId=`: the last build of the repository that has ended.
pub(crate) async fn repository_badge(
    project: InProject,
    Values(RepositoryPart { kind }): Values<RepositoryPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let branch = super::builds::branch(query.text(&["branchName"]));
    let named = query.text(&["repoId"]).map(str::to_owned);
    project.read(|state, addresses| {
        super::sources::check(state, &kind, named.as_deref())?;
        let all = state.project.definitions.keys();
        let last = all.filter_map(|id| last_build(state, *id, branch.as_deref(), |_| true));
        let Some(last) = last.max_by_key(|build| (build.finish_time(), build.id)) else {
            return Err(BuildRefusal::Repository(
                "No completed builds were found for the repository.".to_owned(),
            ));
        };
        let path = format!("{}/_apis/build/status/{}", state.meta.project_id, last.definition());
        Ok(Json(json!({"buildId": last.id, "imageUrl": addresses.at(&path)})))
    })
}

/// Two words side by side.
fn drawn(label: &str, word: &str, colour: &str) -> String {
    let width = |text: &str| 12 + 7 * text.chars().count();
    let (left, right) = (width(label), width(word));
    let label = label.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<svg width=\"{all}\" height=\"20\" xmlns=\"http://www.w3.org/2000/svg\"><rect width=\"{left}\" height=\"20\" \
         fill=\"#555\"/><rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/><g fill=\"#fff\" \
         font-family=\"Segoe UI,Helvetica Neue,Helvetica,Arial,Verdana\" font-size=\"11\"><text x=\"6\" y=\"14\">{label}</text>\
         <text x=\"{text}\" y=\"14\">{word}</text></g></svg>",
        all = left + right,
        text = left + 6,
    )
}
