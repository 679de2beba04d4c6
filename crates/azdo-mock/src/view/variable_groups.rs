//! Variable groups. Shape: azure-devops (PyPI): task_agent/models.py (`VariableGroup`).

use serde_json::{Map, Value, json};

use super::projects::identity;
use crate::addresses::Addresses;
use crate::state::State;
use crate::state::variable_groups::{GroupVariable, VariableGroup};
use crate::wire::job::PROJECT;
use crate::wire::time::stamp;

/// A group. Values of secret variables are never shown.
pub(crate) fn group(state: &State, addresses: &Addresses, group: &VariableGroup) -> Value {
    let content = &group.content;
    let variables: Map<_, _> =
        content.variables.iter().map(|(name, variable)| (name.clone(), shown(variable))).collect();
    json!({
        "variables": variables,
        "id": group.id,
        "type": "Vsts",
        "name": content.name,
        "description": content.description,
        "createdBy": identity(addresses, Some(&group.created.1)),
        "createdOn": stamp(group.created.0),
        "modifiedBy": identity(addresses, Some(&group.modified.1)),
        "modifiedOn": stamp(group.modified.0),
        "isShared": false,
        "variableGroupProjectReferences": [{
            "projectReference": {"id": state.meta.project_id, "name": PROJECT},
            "name": content.name,
            "description": content.description,
        }],
    })
}

fn shown(variable: &GroupVariable) -> Value {
    let mut shown = json!({"value": variable.value});
    if variable.is_secret {
        shown = json!({"value": null, "isSecret": true});
    }
    if variable.is_read_only {
        shown["isReadOnly"] = true.into();
    }
    shown
}
