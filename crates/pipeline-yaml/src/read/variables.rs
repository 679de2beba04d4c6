//! `variables`, as a mapping or as a list.

use std::collections::BTreeMap;

use super::fields::Fields;
use crate::fault::{Found, Position};
use crate::yaml::{Node, Value};

/// Variables by name.
pub(super) type Variables = BTreeMap<String, String>;

/// Most variables in one place: each job of a matrix has a copy of them.
const MOST: usize = 500;

/// The variables of the file or of a job.
pub(super) fn read(owner: &Fields<'_>, found: &mut Found) -> Variables {
    let mut variables = Variables::new();
    let Some(entry) = owner.get("variables") else { return variables };
    let path = owner.path("variables");
    let Value::List(items) = &entry.value.value else {
        if let Some(fields) = Fields::of(&entry.value, &path, found) {
            mapping(&fields, &mut variables, found);
        }
        return variables;
    };
    for (index, node) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(fields) = Fields::of(node, &path, found) else { continue };
        fields.only(&["name", "value"], found);
        let Some(name) = fields.text("name", found) else {
            if fields.get("name").is_none()
                && fields.get("group").is_none()
                && fields.get("template").is_none()
            {
                found.add(fields.at, &path, "has no `name`");
            }
            continue;
        };
        match fields.get("value") {
            Some(value) => add(&mut variables, (&name, fields.at), &value.value, &path, found),
            None => found.add(fields.at, &path, "has no `value`"),
        }
    }
    variables
}

/// A mapping from names to values: `variables`, or a leg of a matrix.
pub(super) fn mapping(fields: &Fields<'_>, variables: &mut Variables, found: &mut Found) {
    for entry in fields.entries() {
        add(variables, (&entry.key, entry.at), &entry.value, &fields.path(&entry.key), found);
    }
}

fn add(variables: &mut Variables, (name, at): (&str, Position), value: &Node, path: &str, found: &mut Found) {
    if let Some(why) = refused(name) {
        found.add(at, path, why);
        return;
    }
    if variables.len() == MOST {
        found.add(at, path, format!("is one variable too many; the most in one place is {MOST}"));
        return;
    }
    if variables.keys().any(|known| known.eq_ignore_ascii_case(name)) {
        found.add(
            at,
            path,
            format!("sets the variable `{name}` a second time; case does not tell names apart"),
        );
        return;
    }
    if let Some(text) = text(value, path, found) {
        variables.insert(name.to_owned(), text);
    }
}

/// The text of a value that the service would not have to work out.
pub(super) fn text(value: &Node, path: &str, found: &mut Found) -> Option<String> {
    match &value.value {
        Value::Null => Some(String::new()),
        Value::Text(text) if text.trim_start().starts_with("$[") => {
            found.add(
                value.at,
                path,
                "is a runtime expression (`$[ ]`), which is not supported; write the value",
            );
            None
        }
        Value::Text(text) => Some(text.clone()),
        other => {
            found.add(value.at, path, format!("is {}; it needs text", other.kind()));
            None
        }
    }
}

/// Lays variables over others; names match in any case.
pub(super) fn over(base: &Variables, top: &Variables) -> Variables {
    let mut all = base.clone();
    for (name, value) in top {
        all.retain(|known, _| !known.eq_ignore_ascii_case(name));
        all.insert(name.clone(), value.clone());
    }
    all
}

/// Names that cannot be set (azure-devops-docs: variables.md, "Variable naming restrictions"; predefined variables).
fn refused(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
    if name.is_empty() || name.contains(['(', ')', '=', '\n', '\0']) {
        return Some("is no name of a variable".to_owned());
    }
    if starts(&["endpoint", "input", "secret", "path", "securefile"]) {
        return Some("begins with `endpoint`, `input`, `secret`, `path` or `securefile`, which Azure Pipelines keeps for itself".to_owned());
    }
    // It is the one of them that people set.
    if lower != "system.debug" && starts(&["system.", "agent.", "build."]) {
        return Some("is set by the service or the agent; choose another name".to_owned());
    }
    None
}
