//! What a project has beside definitions and builds: folders, settings, badges; and lists of what can be made on the
//! service alone, which are always empty.
//!
//! Shapes: azure-devops (PyPI): build_client.py, build/models.py (`Folder`, `BuildSettings`, `PipelineGeneralSettings`,
//! `ProjectRetentionSetting`), task_agent_client.py, service_endpoint_client.py.

use std::collections::BTreeSet;

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::build_parts::{LatestPart, find, last_build};
use super::extract::{Query, Values};
use super::in_project::InProject;
use crate::error::ApiError;
use crate::state::State;
use crate::state::build_state::Outcome;
use crate::view::{self, projects};
use crate::wire::time::stamp;

/// `GET environments`, `GET deploymentgroups`, `GET taskgroups`, `GET serviceendpoint/endpoints`: none, since nothing
/// here is deployed.
pub(crate) async fn none(_: InProject) -> Json<Value> {
    Json(view::list(Vec::new()))
}

/// `GET build/folders`: those that definitions are in, and the folders above them.
pub(crate) async fn folders(project: InProject, query: Query) -> Result<Json<Value>, ApiError> {
    let order = query.text(&["queryOrder"]).unwrap_or("none").to_ascii_lowercase();
    let descending = match order.as_str() {
        "none" | "0" | "folderascending" | "1" => false,
        "folderdescending" | "2" => true,
        _ => return Err(query.wrong("queryOrder")),
    };
    project.read(|state, addresses| {
        let own = projects::project(state, addresses);
        let by = projects::identity(addresses, None);
        let folder = |path: &String| {
            json!({
                "path": path,
                "createdBy": by,
                "createdOn": stamp(state.meta.created_on),
                "project": own,
            })
        };
        let paths = paths(state);
        let shown: Vec<_> = if descending {
            paths.iter().rev().map(folder).collect()
        } else {
            paths.iter().map(folder).collect()
        };
        Ok(Json(view::list(shown)))
    })
}

fn paths(state: &State) -> BTreeSet<String> {
    let mut paths = BTreeSet::from(["\\".to_owned()]);
    for definition in state.project.definitions.values() {
        let mut above = String::new();
        for name in definition.content.path.split('\\').filter(|name| !name.is_empty()) {
            above = format!("{above}\\{name}");
            paths.insert(above.clone());
        }
    }
    paths
}

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

/// `GET build/retention`.
pub(crate) async fn retention(_: InProject) -> Json<Value> {
    let setting = |min: u32, max: u32, value: u32| json!({"min": min, "max": max, "value": value});
    Json(json!({
        "purgeArtifacts": setting(1, 60, 30),
        "purgeRuns": setting(30, 731, 30),
        "purgePullRequestRuns": setting(1, 30, 10),
        "retainRunsPerProtectedBranch": setting(0, 50, 3),
    }))
}

/// `GET build/generalsettings`: what holds here. A variable that is said when queueing is taken, whatever the definition
/// says of it; a badge is shown to those who may see the project.
pub(crate) async fn general_settings(_: InProject) -> Json<Value> {
    Json(json!({
        "auditEnforceSettableVar": false,
        "disableClassicPipelineCreation": true,
        "enforceJobAuthScope": true,
        "enforceJobAuthScopeForReleases": true,
        "enforceReferencedRepoScopedToken": true,
        "enforceSettableVar": false,
        "publishPipelineMetadata": false,
        "statusBadgesArePrivate": true,
    }))
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
