//! Definitions, and the same as pipelines.
//!
//! Shapes: azure-devops (PyPI): build/models.py, pipelines/models.py; MicrosoftDocs/vsts-rest-api-specs: build/7.1.

use serde_json::{Map, Value, json};

use super::projects;
use crate::addresses::Addresses;
use crate::state::State;
use crate::state::definitions::{Definition, DefinitionVariable, Revision, file_path};
use crate::wire::ids::DefinitionId;
use crate::wire::job::PROJECT;
use crate::wire::time::stamp;

fn url(state: &State, addresses: &Addresses, id: DefinitionId) -> String {
    addresses.at(&format!("{}/_apis/build/Definitions/{id}", state.meta.project_id))
}

/// A definition as builds refer to it.
pub(crate) fn brief(state: &State, addresses: &Addresses, id: DefinitionId) -> Value {
    let known = state.project.definitions.get(&id);
    json!({
        "drafts": [],
        "id": id,
        "name": known.map(|known| &known.content.name),
        "url": known.map(|known| format!("{}?revision={}", url(state, addresses, id), known.revision)),
        "uri": format!("vstfs:///Build/Definition/{id}"),
        "path": known.map_or("\\", |known| known.content.path.as_str()),
        "type": "build",
        "queueStatus": known.map_or("disabled", queue_status),
        "revision": known.map(|known| known.revision),
        "project": projects::project(state, addresses),
    })
}

fn queue_status(definition: &Definition) -> &'static str {
    if definition.content.disabled { "disabled" } else { "enabled" }
}

/// A definition in a list.
pub(crate) fn reference(state: &State, addresses: &Addresses, definition: &Definition) -> Value {
    let id = definition.id;
    let mut shown = brief(state, addresses, id);
    shown["_links"] = json!({
        "self": {"href": shown["url"]},
        "web": {"href": addresses.at(&format!("{PROJECT}/_build/definition?definitionId={id}"))},
        "editor": {"href": addresses.at(&format!("{PROJECT}/_build/designer?id={id}&_a=edit-build-definition"))},
        "badge": {"href": addresses.at(&format!("_apis/public/build/definitions/{}/{id}/badge", state.meta.project_id))},
    });
    shown["quality"] = json!("definition");
    shown["authoredBy"] = projects::identity(addresses, definition.author.as_ref());
    shown["createdDate"] = json!(stamp(definition.changed_on));
    let queue = definition.content.queue.and_then(|queue| state.project.queues.get(&queue));
    if let Some(queue) = queue.or_else(|| state.first_queue()) {
        shown["queue"] = projects::queue_reference(state, addresses, queue);
    }
    shown
}

/// All revisions of a definition, the first one first. What the earlier ones said is not kept, so nothing is found at their
/// address.
pub(crate) fn revisions(state: &State, addresses: &Addresses, definition: &Definition) -> Vec<Value> {
    let url = url(state, addresses, definition.id);
    let one = |revision: &Revision| {
        json!({
            "revision": revision.number,
            "name": revision.name,
            "changedBy": projects::identity(addresses, revision.author.as_ref()),
            "changedDate": stamp(revision.changed_on),
            "changeType": if revision.number == 1 { "add" } else { "update" },
            "definitionUrl": format!("{url}?revision={}", revision.number),
        })
    };
    definition.earlier.iter().chain([&definition.present()]).map(one).collect()
}

/// A definition by itself. Values of secret variables are never shown.
pub(crate) fn whole(state: &State, addresses: &Addresses, definition: &Definition) -> Value {
    let content = &definition.content;
    let mut shown = reference(state, addresses, definition);
    let defaults = json!({
        "options": [],
        "triggers": [],
        "properties": {},
        "jobAuthorizationScope": "projectCollection",
        "jobTimeoutInMinutes": 60,
        "jobCancelTimeoutInMinutes": 5,
        "repository": repository(state, addresses),
    });
    let own = json!({
        "process": {"yamlFilename": content.yaml_filename, "type": 2},
        "tags": definition.tags,
        "variables": variables(content.variables.iter()),
    });
    for part in [defaults, Value::Object(content.rest.clone()), own] {
        if let (Some(shown), Value::Object(part)) = (shown.as_object_mut(), part) {
            shown.extend(part);
        }
    }
    if let Some(description) = &content.description {
        shown["description"] = json!(description);
    }
    shown
}

fn variables<'a>(all: impl Iterator<Item = (&'a String, &'a DefinitionVariable)>) -> Value {
    let shown = all.map(|(name, variable)| {
        let mut shown = Map::new();
        let value = variable.value.as_ref().filter(|_| !variable.is_secret);
        shown.insert("value".to_owned(), json!(value));
        for (name, set) in [("isSecret", variable.is_secret), ("allowOverride", variable.allow_override)] {
            if set {
                shown.insert(name.to_owned(), json!(true));
            }
        }
        (name.clone(), Value::Object(shown))
    });
    Value::Object(shown.collect())
}

/// The repository that pipeline files stand in for.
pub(crate) fn repository(state: &State, addresses: &Addresses) -> Value {
    json!({
        "properties": {},
        "id": state.meta.project_id,
        "type": "TfsGit",
        "name": PROJECT,
        "url": addresses.at(&format!("{PROJECT}/_git/{PROJECT}")),
        "defaultBranch": "refs/heads/main",
        "clean": null,
        "checkoutSubmodules": false,
    })
}

/// A pipeline as runs refer to it.
pub(crate) fn pipeline_reference(state: &State, addresses: &Addresses, id: DefinitionId) -> Value {
    let known = state.project.definitions.get(&id);
    let revision = known.map_or(1, |known| known.revision);
    let path = format!("{}/_apis/pipelines/{id}?revision={revision}", state.meta.project_id);
    json!({
        "url": addresses.at(&path),
        "id": id,
        "revision": revision,
        "name": known.map(|known| &known.content.name),
        "folder": known.map_or("\\", |known| known.content.path.as_str()),
    })
}

/// A pipeline in a list.
pub(crate) fn pipeline(state: &State, addresses: &Addresses, definition: &Definition) -> Value {
    let id = definition.id;
    let mut shown = pipeline_reference(state, addresses, id);
    shown["_links"] = json!({
        "self": {"href": shown["url"]},
        "web": {"href": addresses.at(&format!("{PROJECT}/_build/definition?definitionId={id}"))},
    });
    shown
}

/// A pipeline by itself.
pub(crate) fn whole_pipeline(state: &State, addresses: &Addresses, definition: &Definition) -> Value {
    let mut shown = pipeline(state, addresses, definition);
    shown["configuration"] = json!({
        "path": file_path(&definition.content.yaml_filename).trim_start_matches('/'),
        "repository": {"id": state.meta.project_id, "type": "azureReposGit"},
        "type": "yaml",
    });
    shown
}
