//! Properties: values that people hang on builds, definitions and the project, each with its type beside it.
//!
//! Source: actions/runner: PropertiesCollection (the form with `$type` and `$value`); RFC 6902 (the changes).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::build_refusal::BuildRefusal;
use super::project::Person;
use super::{Document, State};
use crate::wire::ids::{DefinitionId, RunId};

/// A change to one property. The whole list of changes is made, or none of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PropertyChange {
    /// Also where there is one of this name.
    Add(String, Value),
    /// Only where there is one of this name.
    Replace(String, Value),
    Remove(String),
    /// Changes nothing; refused where the value is another one.
    Test(String, Value),
}

/// A value with its type, as the service sends it; `null` takes a property away.
pub(super) fn typed(value: &Value) -> Option<Value> {
    let kind = match value {
        Value::Null => return None,
        Value::Object(given) if given.contains_key("$value") => return Some(value.clone()),
        Value::String(_) => "System.String",
        Value::Bool(_) => "System.Boolean",
        Value::Number(number) if number.is_i64() => "System.Int32",
        Value::Number(_) => "System.Double",
        Value::Array(_) | Value::Object(_) => {
            return Some(json!({"$type": "System.String", "$value": value.to_string()}));
        }
    };
    Some(json!({"$type": kind, "$value": value}))
}

fn missing(name: &str) -> BuildRefusal {
    BuildRefusal::Property(format!("The property {name} is not there."))
}

fn changed(
    before: &Map<String, Value>,
    changes: Vec<PropertyChange>,
) -> Result<Map<String, Value>, BuildRefusal> {
    let mut all = before.clone();
    for change in changes {
        match change {
            PropertyChange::Replace(name, _) if !all.contains_key(&name) => return Err(missing(&name)),
            PropertyChange::Add(name, value) | PropertyChange::Replace(name, value) => match typed(&value) {
                Some(value) => drop(all.insert(name, value)),
                None => drop(all.remove(&name)),
            },
            PropertyChange::Remove(name) => drop(all.remove(&name).ok_or_else(|| missing(&name))?),
            PropertyChange::Test(name, value) => {
                if all.get(&name) != typed(&value).as_ref() {
                    let why = format!("The property {name} has another value than the test names.");
                    return Err(BuildRefusal::Property(why));
                }
            }
        }
    }
    Ok(all)
}

impl State {
    /// Changes a build's properties; those that there are then.
    pub(crate) fn change_build_properties(
        &mut self,
        id: RunId,
        changes: Vec<PropertyChange>,
        by: Option<Person>,
        now: Timestamp,
    ) -> Result<&Map<String, Value>, BuildRefusal> {
        let none = Map::new();
        let after = changed(self.build(id)?.notes.map_or(&none, |notes| &notes.properties), changes)?;
        let notes = self.noted(id, by, now);
        notes.properties = after;
        Ok(&notes.properties)
    }

    /// The same for a definition, in whose content they are. It is no new revision of it.
    pub(crate) fn change_definition_properties(
        &mut self,
        id: DefinitionId,
        changes: Vec<PropertyChange>,
    ) -> Result<Map<String, Value>, BuildRefusal> {
        let after = changed(&self.definition(id)?.properties(), changes)?;
        if let Some(definition) = self.project.definitions.get_mut(&id) {
            definition.content.rest.insert("properties".to_owned(), Value::Object(after.clone()));
            self.dirty.insert(Document::Definition(id));
        }
        Ok(after)
    }

    /// The same for the project, whose properties are plain values.
    pub(crate) fn change_project_properties(
        &mut self,
        changes: Vec<PropertyChange>,
    ) -> Result<(), BuildRefusal> {
        self.project.settings.properties = changed(&self.project.settings.properties, changes)?;
        self.dirty.insert(Document::ProjectSettings);
        Ok(())
    }
}
