//! Providers of sources. There is one, with one repository and one branch, in which are the pipeline files that were given
//! to the mock.
//!
//! Shapes: azure-devops (PyPI): build/models.py (`SourceProviderAttributes`, `SourceRepositories`, `SourceRepositoryItem`).

use std::collections::BTreeSet;

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{Query, Values};
use super::in_project::InProject;
use crate::error::ApiError;
use crate::state::State;
use crate::state::build_refusal::BuildRefusal;
use crate::state::definitions::file_path;
use crate::state::run_jobs::BRANCH;
use crate::view::{self, definitions};
use crate::wire::job::PROJECT;

/// The provider: Git repositories of the organization.
const PROVIDER: &str = "TfsGit";

/// The part of the path that names a provider.
#[derive(Debug, Deserialize)]
pub(crate) struct ProviderPart {
    provider: String,
}

/// Refuses another provider and another repository; none is the one there is.
pub(super) fn check(state: &State, provider: &str, repository: Option<&str>) -> Result<(), BuildRefusal> {
    if !provider.eq_ignore_ascii_case(PROVIDER) {
        return Err(BuildRefusal::NoProvider(provider.to_owned()));
    }
    let id = state.meta.project_id.to_string();
    let known = |name: &str| name.eq_ignore_ascii_case(PROJECT) || name.eq_ignore_ascii_case(&id);
    match repository.filter(|name| !known(name)) {
        Some(name) => Err(BuildRefusal::NoRepository(name.to_owned())),
        None => Ok(()),
    }
}

/// What the request names, if it is there.
fn checked(
    state: &State,
    ProviderPart { provider }: &ProviderPart,
    query: &Query,
) -> Result<(), BuildRefusal> {
    check(state, provider, query.text(&["repository", "repositoryId"]))?;
    let branch = super::builds::branch(query.text(&["commitOrBranch"]));
    match branch.filter(|branch| branch != BRANCH) {
        Some(branch) => Err(BuildRefusal::Repository(format!(
            "TF401175: The version descriptor <Branch: {branch}> could not be resolved to a version in the repository \
             {PROJECT}. There is {BRANCH}."
        ))),
        None => Ok(()),
    }
}

/// `GET sourceproviders`.
pub(crate) async fn providers(_: InProject) -> Json<Value> {
    let capabilities = json!({
        "queryBranches": true, "queryFileContents": true, "queryPathContents": true, "queryRepositories": true,
        "queryTopRepositories": false, "queryWebhooks": true, "createLabel": false, "downloadSources": false,
        "queryPullRequest": false, "queryRelatedWorkItems": false,
    });
    let provider = json!({"name": PROVIDER, "supportedCapabilities": capabilities, "supportedTriggers": []});
    Json(view::list(vec![provider]))
}

/// `GET sourceProviders/{providerName}/repositories`.
pub(crate) async fn repositories(
    project: InProject,
    Values(part): Values<ProviderPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, addresses| {
        check(state, &part.provider, query.text(&["repository"]))?;
        let own = definitions::repository(state, addresses);
        let own = json!({
            "id": own["id"], "name": own["name"], "fullName": own["name"], "url": own["url"], "properties": {},
            "defaultBranch": own["defaultBranch"], "sourceProviderName": PROVIDER,
        });
        Ok(Json(json!({
            "repositories": [own], "pageLength": 1, "totalPageCount": 1, "continuationToken": null,
        })))
    })
}

/// `GET sourceProviders/{providerName}/branches`.
pub(crate) async fn branches(
    project: InProject,
    Values(part): Values<ProviderPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| {
        check(state, &part.provider, query.text(&["repository"]))?;
        let wanted = super::builds::branch(query.text(&["branchName"]));
        let shown =
            [BRANCH].into_iter().filter(|branch| wanted.as_ref().is_none_or(|wanted| wanted == branch));
        Ok(Json(view::list(shown.map(|branch| json!(branch)).collect())))
    })
}

fn missing(path: &str) -> BuildRefusal {
    BuildRefusal::Repository(format!(
        "TF401174: The item '{path}' could not be found in the repository {PROJECT} at the version specified by <Branch: \
         {BRANCH}>. Files are put there by the control API."
    ))
}

/// `GET sourceProviders/{providerName}/filecontents?path=`.
pub(crate) async fn file(
    project: InProject,
    Values(part): Values<ProviderPart>,
    query: Query,
) -> Result<Response, ApiError> {
    let path = file_path(query.text(&["path"]).unwrap_or_default());
    let text = project.read(|state, _| {
        checked(state, &part, &query)?;
        state.project.files.get(&path).cloned().ok_or_else(|| missing(&path))
    })?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// `GET sourceProviders/{providerName}/pathcontents?path=`: the files and the folders that are in it, not those below.
pub(crate) async fn path(
    project: InProject,
    Values(part): Values<ProviderPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let folder = file_path(query.text(&["path"]).unwrap_or_default());
    let inside = if folder == "/" { folder.clone() } else { format!("{folder}/") };
    project.read(|state, addresses| {
        checked(state, &part, &query)?;
        let rests = state.project.files.keys().filter_map(|path| path.strip_prefix(&inside));
        let found: BTreeSet<(&str, bool)> =
            rests.map(|rest| rest.split_once('/').map_or((rest, false), |(name, _)| (name, true))).collect();
        if found.is_empty() && folder != "/" {
            return Err(missing(&folder));
        }
        let shown = found.into_iter().map(|(name, is_folder)| {
            let path = format!("{inside}{name}");
            json!({
                "path": path,
                "type": if is_folder { "folder" } else { "file" },
                "isContainer": is_folder,
                "url": addresses.at(&format!("{PROJECT}/_git/{PROJECT}?path={path}")),
            })
        });
        Ok(Json(view::list(shown.collect())))
    })
}

/// `GET sourceProviders/{providerName}/webhooks`: none, since nobody could call.
pub(crate) async fn webhooks(
    project: InProject,
    Values(part): Values<ProviderPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| {
        check(state, &part.provider, query.text(&["repository"]))?;
        Ok(Json(view::list(Vec::new())))
    })
}

/// `GET sourceProviders/{providerName}/pullrequests/{pullRequestId}`: there is none.
pub(crate) async fn pull_request(
    project: InProject,
    Values(part): Values<ProviderPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| {
        check(state, &part.provider, query.text(&["repositoryId"]))?;
        Err(BuildRefusal::NoPullRequest)
    })
}
