//! Pipeline files and definitions: what a repository would hold is given here.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Input};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::state::State as Organization;
use crate::state::definitions::{Definition, file_path};
use crate::state::runs::Order;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DefinitionBody {
    /// The text of the pipeline file.
    yaml: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileBody {
    text: String,
}

fn show(state: &Organization, definition: &Definition) -> Value {
    let file = file_path(&definition.content.yaml_filename);
    let text = state.project.files.get(&file);
    // What is wrong is told at once, though it is no reason to refuse the text.
    let order = Order { definition: definition.id, ..Order::default() };
    let faults = text.and_then(|text| state.read_file(&file, text, &order).err()).map(|faults| faults.0);
    json!({
        "id": definition.id,
        "name": definition.content.name,
        "file": file,
        "hasFile": text.is_some(),
        "faults": faults.unwrap_or_default(),
    })
}

/// `GET definitions`.
pub(crate) async fn list(State(service): State<AzureDevOps>) -> Result<Json<Value>, ControlError> {
    let shown: Vec<_> =
        service.read(|state| state.project.definitions.values().map(|one| show(state, one)).collect())?;
    Ok(Json(json!(shown)))
}

/// `PUT definitions/{name}`.
pub(crate) async fn put(
    State(service): State<AzureDevOps>,
    Path(name): Path<String>,
    body: Input<DefinitionBody>,
) -> Result<Json<Value>, ControlError> {
    let Json(body) = body?;
    let shown = service.change(|state, moment| {
        let id = state.put_definition(&name, body.yaml, moment)?;
        Ok::<_, ApiError>(show(state, state.definition(id)?))
    })?;
    Ok(Json(shown))
}

/// `GET files`: paths.
pub(crate) async fn files(State(service): State<AzureDevOps>) -> Result<Json<Value>, ControlError> {
    let paths: Vec<_> = service.read(|state| state.project.files.keys().cloned().collect())?;
    Ok(Json(json!(paths)))
}

/// `PUT files/{path}`: the file that definitions of this `yamlFilename` run from now on.
pub(crate) async fn put_file(
    State(service): State<AzureDevOps>,
    Path(path): Path<String>,
    body: Input<FileBody>,
) -> Result<Json<Value>, ControlError> {
    let Json(body) = body?;
    let path = file_path(&path);
    if path == "/" {
        return Err(ControlError::bad("the file has no name"));
    }
    service.change(|state, _| {
        state.put_file(&path, body.text);
        Ok::<_, ApiError>(())
    })?;
    Ok(Json(json!({"path": path})))
}
