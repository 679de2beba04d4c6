//! `Microsoft.Resources/tags/default`: the tags of a scope as a resource of their own (`azure-rest-api-specs:
//! resources/…/tags.json`).

use serde_json::{Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::fields::{Fields, Tags, check_tags};
use crate::providers::any::{self, Place};
use crate::providers::stored::view::one;
use crate::providers::{Put, retag};
use crate::records::{deployments, groups, resources};
use crate::resource_id::ResourceId;

const TABLE: &str = "arm.subscription-tags";

/// How a PATCH changes tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Merge,
    Replace,
    Delete,
}

/// The tags that a body names.
pub(crate) fn read(body: &Value) -> Result<Tags, ArmError> {
    read_patch(body).map(|(_, tags)| tags)
}

/// Operation and tags of a PATCH; merging is the default.
pub(crate) fn read_patch(body: &Value) -> Result<(Operation, Tags), ArmError> {
    let mut fields = Fields::of(body, "")?;
    for echoed in ["id", "name", "type", "apiVersion"] {
        fields.value(echoed);
    }
    let operation = fields.word("operation", &["Replace", "Merge", "Delete"])?;
    let tags = fields.required_object("properties")?.tags()?.unwrap_or_default();
    fields.finish()?;
    let operation = match operation {
        Some("Replace") => Operation::Replace,
        Some("Delete") => Operation::Delete,
        _ => Operation::Merge,
    };
    Ok((operation, tags))
}

pub(crate) fn get(arm: &Arm, scope: &ResourceId) -> Result<Value, ArmError> {
    Ok(view(scope, &current(arm, scope)?))
}

pub(crate) fn put(arm: &Arm, scope: &ResourceId, body: &Value) -> Result<Put, ArmError> {
    let tags = read(body)?;
    current(arm, scope)?;
    write(arm, scope, tags.clone())?;
    Ok(Put { created: false, body: view(scope, &tags) })
}

pub(crate) fn patch(arm: &Arm, scope: &ResourceId, body: &Value) -> Result<Value, ArmError> {
    let (operation, given) = read_patch(body)?;
    let before = current(arm, scope)?;
    let tags = changed(before, operation, given);
    check_tags(&tags)?;
    write(arm, scope, tags.clone())?;
    Ok(view(scope, &tags))
}

pub(crate) fn delete(arm: &Arm, scope: &ResourceId) -> Result<(), ArmError> {
    current(arm, scope)?;
    write(arm, scope, Tags::new())
}

/// Names compare without regard to case; `Delete` takes away what has both the name and the value.
fn changed(mut tags: Tags, operation: Operation, given: Tags) -> Tags {
    if operation == Operation::Replace {
        return given;
    }
    for (name, value) in given {
        let known = tags.keys().find(|known| known.eq_ignore_ascii_case(&name)).cloned();
        match (operation, known) {
            (Operation::Delete, Some(known)) if tags.get(&known) == Some(&value) => {
                tags.remove(&known);
            }
            (Operation::Delete, _) => {}
            (_, known) => {
                tags.insert(known.unwrap_or(name), value);
            }
        }
    }
    tags
}

fn current(arm: &Arm, scope: &ResourceId) -> Result<Tags, ArmError> {
    if let (Place::Scope, true) = (any::place(arm, scope)?, scope.subscription().is_empty()) {
        return Err(no_tags(scope));
    }
    let key = scope.key();
    if matches!(any::place(arm, scope)?, Place::Scope) {
        return Ok(arm.store().get(TABLE, &key)?.unwrap_or_default());
    }
    let shown = any::existing(arm, scope)?;
    Ok(serde_json::from_value(shown["tags"].clone()).unwrap_or_default())
}

fn write(arm: &Arm, scope: &ResourceId, tags: Tags) -> Result<(), ArmError> {
    match any::place(arm, scope)? {
        Place::Scope => Ok(arm.store().put(TABLE, &scope.key(), &tags)?),
        Place::Group(name) => groups::retag(arm, &name, tags).map(|_| ()),
        Place::Kind(kind, id) => retag(arm, kind, &id, tags).map(|_| ()),
        Place::Deployment(id) => deployments::retag(arm, &id, tags),
        Place::Stored(id) => {
            let _guard = arm.lock();
            let mut record = resources::find(arm, &id)?.ok_or_else(|| any::not_found(&id))?;
            record.body.insert("tags".to_owned(), json!(tags));
            record.changed = arm.now();
            resources::save(arm, &record)?;
            tracing::debug!(id = %one(&record)["id"], "tags written");
            Ok(())
        }
        Place::RoleAssignment(_) | Place::RoleDefinition(_) | Place::Tags(_) => Err(no_tags(scope)),
    }
}

fn no_tags(scope: &ResourceId) -> ArmError {
    ArmError::bad_request("InvalidResourceType", format!("The scope '{scope}' does not support tags."))
}

fn view(scope: &ResourceId, tags: &Tags) -> Value {
    json!({
        "id": format!("{}/providers/Microsoft.Resources/tags/default", scope.to_string().trim_end_matches('/')),
        "name": "default",
        "type": "Microsoft.Resources/tags",
        "properties": { "tags": tags },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(given: &[(&str, &str)]) -> Tags {
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn tags_are_merged_replaced_and_taken_away() {
        let before = || tags(&[("Team", "a"), ("env", "prod")]);
        for (operation, given, expected) in [
            (
                Operation::Merge,
                tags(&[("team", "b"), ("new", "1")]),
                tags(&[("Team", "b"), ("env", "prod"), ("new", "1")]),
            ),
            (Operation::Replace, tags(&[("new", "1")]), tags(&[("new", "1")])),
            (Operation::Delete, tags(&[("TEAM", "a"), ("env", "test")]), tags(&[("env", "prod")])),
        ] {
            assert_eq!(changed(before(), operation, given), expected, "{operation:?}");
        }
    }
}
