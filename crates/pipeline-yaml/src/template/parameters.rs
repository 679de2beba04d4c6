//! `parameters` of a file: what is declared, and the values that a run is queued with.
//!
//! Source: azure-devops-docs: runtime-parameters.md; azure-devops-yaml-schema: parameters-parameter.md. Texts of what is wrong
//! with a value: public error reports (MicrosoftDocs/azure-devops-docs#12870; "The 'x' parameter value 'y' is not a valid
//! Boolean."). That of a value which is none of the `values` is assumed.

use std::collections::BTreeMap;

use super::value::{Value, number, same};
use crate::fault::{Found, Position};
use crate::read::Fields;
use crate::yaml::{Entry, Node, Value as Tree, tree};

/// Most parameters of a file.
const MOST: usize = 100;
/// The types that are supported, as they are written and as the service tells them.
const TYPES: [(&str, &str); 4] =
    [("string", "String"), ("number", "Number"), ("boolean", "Boolean"), ("object", "Object")];

/// The values of all parameters, in the order of the file.
pub(super) fn bind(
    declared: Option<&Entry>,
    given: &BTreeMap<String, String>,
    start: Position,
    found: &mut Found,
) -> Vec<(String, Value)> {
    let mut values: Vec<(String, Value)> = Vec::new();
    let items = match declared.map(|entry| (&entry.value.value, entry)) {
        None | Some((Tree::Null, _)) => &[],
        Some((Tree::List(items), _)) => items.as_slice(),
        Some((other, entry)) => {
            let message = format!("is {}; it needs a list: `- name: NAME`", other.kind());
            found.add(entry.value.at, "parameters", message);
            &[]
        }
    };
    if items.len() > MOST {
        found.add(start, "parameters", format!("has more than {MOST} parameters"));
    }
    for (index, item) in items.iter().take(MOST).enumerate() {
        let path = format!("parameters[{index}]");
        let Some(fields) = Fields::of(item, &path, found) else { continue };
        fields.only(&["name", "displayName", "type", "default", "values"], found);
        let Some(name) = fields.text("name", found) else {
            found.add(fields.at, &path, "has no `name`");
            continue;
        };
        if values.iter().any(|(known, _)| same(known, &name)) {
            fields.refuse("name", &format!("is `{name}`, the name of an earlier parameter"), found);
            continue;
        }
        let value = one(&fields, &name, given, found).unwrap_or(Value::Null);
        values.push((name, value));
    }
    let known = |name: &String| values.iter().any(|(known, _)| same(known, name));
    for name in given.keys().filter(|name| !known(name)) {
        found.add(start, "", format!("Unexpected parameter '{name}'"));
    }
    values
}

/// The value of a parameter: the given one, else its default.
fn one(
    fields: &Fields<'_>,
    name: &str,
    given: &BTreeMap<String, String>,
    found: &mut Found,
) -> Option<Value> {
    fields.text("displayName", found);
    let kind = fields.text("type", found).unwrap_or_else(|| "string".to_owned());
    let Some((_, kind)) = TYPES.iter().find(|(known, _)| *known == kind) else {
        let known = TYPES.map(|(known, _)| known).join(", ");
        fields.refuse("type", &format!("is `{kind}`, which is not supported; supported: {known}"), found);
        return None;
    };
    let allowed: Vec<_> =
        fields.places("values", found).into_iter().filter_map(|(text, _)| read(kind, &text)).collect();
    let said = given.iter().find(|(known, _)| same(known, name)).map(|(_, text)| text);
    let (value, shown) = match (said, fields.get("default")) {
        (Some(text), _) => (read(kind, text), text.clone()),
        (None, Some(entry)) => (from_file(kind, &entry.value), shown(&entry.value)),
        (None, None) => {
            found.add(fields.at, "", format!("A value for the '{name}' parameter must be provided."));
            return None;
        }
    };
    let Some(value) = value else {
        found.add(fields.at, "", format!("The '{name}' parameter value '{shown}' is not a valid {kind}."));
        return None;
    };
    if !allowed.is_empty() && !allowed.contains(&value) {
        let known: Vec<_> = allowed.iter().filter_map(Value::text).collect();
        let known = known.join(", ");
        let message = format!(
            "The '{name}' parameter value '{shown}' is not an allowed value. Allowed values: {known}."
        );
        found.add(fields.at, "", message);
        return None;
    }
    Some(value)
}

fn shown(node: &Node) -> String {
    match &node.value {
        Tree::Text(text) => text.clone(),
        _ => Value::of(node).json(),
    }
}

/// A default is as the file says it, for only literals can be there.
fn from_file(kind: &str, node: &Node) -> Option<Value> {
    match (&node.value, kind) {
        (_, "Object") => Some(Value::of(node)),
        (Tree::Text(text), _) => read(kind, text),
        (Tree::Null, "String") => Some(Value::String(String::new())),
        _ => None,
    }
}

/// A value that is said in a request, which is text; an object is JSON or YAML in it.
fn read(kind: &str, text: &str) -> Option<Value> {
    match kind {
        "Boolean" if text.trim().eq_ignore_ascii_case("true") => Some(Value::Boolean(true)),
        "Boolean" if text.trim().eq_ignore_ascii_case("false") => Some(Value::Boolean(false)),
        "Boolean" => None,
        "Number" => number(text).map(Value::Number),
        "Object" => tree(text).ok().map(|node| Value::of(&node)),
        _ => Some(Value::String(text.to_owned())),
    }
}
