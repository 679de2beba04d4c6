//! What belongs to a definition: its tags and its file; and the tags of all builds.
//!
//! Shapes: azure-devops (PyPI): build_client.py.

use axum::Json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::build_parts::list_tags;
use super::definitions::DefinitionPart;
use super::extract::{Body, Items, Values};
use super::in_project::InProject;
use crate::error::ApiError;
use crate::state::build_refusal::BuildRefusal;
use crate::state::definitions::file_path;
use crate::view::{self, definitions};
use crate::wire::ids::DefinitionId;
use crate::wire::project_bodies::TagsBody;

/// The part of the path that names a tag.
#[derive(Debug, Deserialize)]
pub(crate) struct TagPart {
    tag: String,
}

/// `GET definitions/{definitionId}/yaml`.
pub(crate) async fn yaml(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| {
        let path = file_path(&state.definition(definition)?.content.yaml_filename);
        let text = state.project.files.get(&path);
        let text = text.ok_or_else(|| BuildRefusal::InvalidDefinition(format!("File {path} not found.")))?;
        Ok(Json(json!({"yaml": text})))
    })
}

/// `GET definitions/{definitionId}/revisions`.
pub(crate) async fn revisions(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, addresses| {
        Ok(Json(view::list(definitions::revisions(state, addresses, state.definition(definition)?))))
    })
}

fn change_tags(
    project: &InProject,
    definition: DefinitionId,
    add: Vec<String>,
    remove: &[String],
) -> Result<Json<Value>, ApiError> {
    project.require_person("Edit build pipeline")?;
    project.change(|state, _| Ok(list_tags(state.tag_definition(definition, add, remove)?)))
}

/// `GET definitions/{definitionId}/tags`.
pub(crate) async fn tags(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| Ok(list_tags(&state.definition(definition)?.tags)))
}

/// `POST definitions/{definitionId}/tags`.
pub(crate) async fn add_tags(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
    Items(tags): Items<String>,
) -> Result<Json<Value>, ApiError> {
    change_tags(&project, definition, tags, &[])
}

/// `PATCH definitions/{definitionId}/tags`.
pub(crate) async fn update_tags(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
    Body(body): Body<TagsBody>,
) -> Result<Json<Value>, ApiError> {
    change_tags(&project, definition, body.tags_to_add, &body.tags_to_remove)
}

/// `PUT definitions/{definitionId}/tags/{tag}`.
pub(crate) async fn add_tag(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
    Values(TagPart { tag }): Values<TagPart>,
) -> Result<Json<Value>, ApiError> {
    change_tags(&project, definition, vec![tag], &[])
}

/// `DELETE definitions/{definitionId}/tags/{tag}`.
pub(crate) async fn remove_tag(
    project: InProject,
    Values(DefinitionPart { definition }): Values<DefinitionPart>,
    Values(TagPart { tag }): Values<TagPart>,
) -> Result<Json<Value>, ApiError> {
    change_tags(&project, definition, Vec::new(), &[tag])
}

/// `GET tags`: those of all builds.
pub(crate) async fn all_tags(project: InProject) -> Result<Json<Value>, ApiError> {
    project.read(|state, _| Ok(list_tags(&state.build_tags())))
}

/// `DELETE tags/{tag}`: takes a tag from all builds.
pub(crate) async fn forget_tag(
    project: InProject,
    Values(TagPart { tag }): Values<TagPart>,
) -> Result<Json<Value>, ApiError> {
    project.require_person("Edit build quality")?;
    let by = project.person();
    project.change(|state, moment| {
        let tagged: Vec<_> = state
            .builds()
            .filter(|build| build.tags().any(|known| known.eq_ignore_ascii_case(&tag)))
            .map(|build| build.id)
            .collect();
        for build in tagged {
            state.tag_build(build, (Vec::new(), vec![tag.clone()]), Some(by.clone()), moment.now)?;
        }
        Ok(list_tags(&state.build_tags()))
    })
}
