//! Folders of definitions. Shapes: azure-devops (PyPI): build_client.py.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{Body, Query, Values};
use super::in_project::InProject;
use crate::addresses::Addresses;
use crate::error::ApiError;
use crate::state::State;
use crate::state::build_refusal::BuildRefusal;
use crate::state::folders::folder_path;
use crate::view::{self, projects};
use crate::wire::project_bodies::FolderBody;
use crate::wire::time::stamp;
use crate::wire::words::FOLDER_ORDERS;

/// The part of the path that names a folder.
#[derive(Debug, Deserialize)]
pub(crate) struct FolderPart {
    path: String,
}

fn shown(state: &State, addresses: &Addresses, path: &str) -> Value {
    let known = state.project.folders.get(path);
    let created = known.map_or(state.meta.created_on, |folder| folder.created.0);
    let mut shown = json!({
        "path": path,
        "createdBy": projects::identity(addresses, known.map(|folder| &folder.created.1)),
        "createdOn": stamp(created),
        "project": projects::project(state, addresses),
    });
    if let Some(description) = known.and_then(|folder| folder.description.as_ref()) {
        shown["description"] = json!(description);
    }
    if let Some((time, by)) = known.and_then(|folder| folder.changed.as_ref()) {
        shown["lastChangedDate"] = json!(stamp(*time));
        shown["lastChangedBy"] = projects::identity(addresses, Some(by));
    }
    shown
}

fn list_of(project: &InProject, query: &Query, wanted: Option<&str>) -> Result<Json<Value>, ApiError> {
    let descending = query.word("queryOrder", FOLDER_ORDERS)? == Some("folderDescending");
    let wanted = wanted.or_else(|| query.text(&["path"])).map(folder_path);
    project.read(|state, addresses| {
        let mut paths: Vec<_> = state.folder_paths().into_iter().collect();
        paths.retain(|path| wanted.as_ref().is_none_or(|wanted| path.eq_ignore_ascii_case(wanted)));
        if descending {
            paths.reverse();
        }
        Ok(Json(view::list(paths.iter().map(|path| shown(state, addresses, path)).collect())))
    })
}

/// `GET build/folders`.
pub(crate) async fn list(project: InProject, query: Query) -> Result<Json<Value>, ApiError> {
    list_of(&project, &query, None)
}

/// `GET build/folders/{path}`: that one, if it is there.
pub(crate) async fn one(
    project: InProject,
    Values(FolderPart { path }): Values<FolderPart>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    list_of(&project, &query, Some(&path))
}

/// The folder that a request names, in its query before its body.
fn named(query: &Query, body: Option<String>) -> Result<String, ApiError> {
    let path = query.text(&["path"]).map(str::to_owned).or(body);
    path.ok_or_else(|| ApiError::invalid("The parameter path is required."))
}

/// `PUT build/folders?path=`.
pub(crate) async fn add(
    project: InProject,
    query: Query,
    Body(body): Body<FolderBody>,
) -> Result<Json<Value>, ApiError> {
    project.require_person("Edit build pipeline")?;
    let by = project.person();
    let path = named(&query, body.path)?;
    let addresses = project.service.addresses();
    project.change(|state, moment| {
        let path = state.add_folder(&path, body.description, by, moment.now)?;
        Ok::<_, BuildRefusal>(Json(shown(state, addresses, &path)))
    })
}

/// `POST build/folders?path=`: describes it anew, or gives it the path of the body.
pub(crate) async fn update(
    project: InProject,
    query: Query,
    Body(body): Body<FolderBody>,
) -> Result<Json<Value>, ApiError> {
    project.require_person("Edit build pipeline")?;
    let by = project.person();
    let path = named(&query, None)?;
    let to = body.path.unwrap_or_else(|| path.clone());
    let addresses = project.service.addresses();
    project.change(|state, moment| {
        let path = state.update_folder(&path, &to, body.description, (by, moment.now))?;
        Ok::<_, BuildRefusal>(Json(shown(state, addresses, &path)))
    })
}

/// `DELETE build/folders?path=`.
pub(crate) async fn delete(project: InProject, query: Query) -> Result<StatusCode, ApiError> {
    project.require_person("Delete build pipeline")?;
    let path = named(&query, None)?;
    project.change(|state, moment| state.delete_folder(&path, moment))?;
    Ok(StatusCode::NO_CONTENT)
}
