//! `variables`, as a mapping or as a list.

use std::collections::BTreeMap;

use super::fields::Fields;
use crate::fault::{Found, Position};
use crate::plan::VariableGroup;
use crate::yaml::{Node, Value};

/// Variables as they stand in one place.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables {
    /// By name.
    pub(super) named: BTreeMap<String, String>,
    /// Groups in the order of the file; the last one is last.
    pub(super) groups: Vec<VariableGroup>,
}

/// Most variables in one place: each job of a matrix has a copy of them.
const MOST: usize = 500;
/// Most groups in one place: each has a copy of the names before it.
const MOST_GROUPS: usize = 20;

/// The variables of the file or of a job.
pub(super) fn read(owner: &Fields<'_>, found: &mut Found) -> Variables {
    let mut variables = Variables::default();
    let Some(entry) = owner.get("variables") else { return variables };
    let path = owner.path("variables");
    let Value::List(items) = &entry.value.value else {
        if let Some(fields) = Fields::of(&entry.value, &path, found) {
            mapping(&fields, &mut variables, found);
        }
        return variables;
    };
    for (index, node) in items.iter().enumerate() {
        if found.leaves_out(node.at) {
            continue;
        }
        let path = format!("{path}[{index}]");
        let Some(fields) = Fields::of(node, &path, found) else { continue };
        if fields.get("group").is_some() {
            group(&fields, &mut variables, found);
            continue;
        }
        fields.only(&["name", "value"], found);
        let Some(name) = fields.text("name", found) else {
            if fields.get("name").is_none() {
                found.add(fields.at, &path, "has neither `name` nor `group`");
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

/// `- group: NAME` (azure-devops-yaml-schema: variables-group.md).
fn group(fields: &Fields<'_>, variables: &mut Variables, found: &mut Found) {
    fields.only(&["group"], found);
    let Some(name) = fields.text("group", found) else { return };
    if name.contains("$(") {
        fields.refuse(
            "group",
            &format!("is `{name}`; variables are not replaced here, write the name"),
            found,
        );
    } else if variables.groups.len() == MOST_GROUPS {
        let why = format!("is one group too many; the most in one place is {MOST_GROUPS}");
        fields.refuse("group", &why, found);
    } else {
        let over = variables.named.keys().map(|name| name.to_ascii_lowercase()).collect();
        variables.groups.push(VariableGroup { name, over });
    }
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
    if variables.named.len() == MOST {
        found.add(at, path, format!("is one variable too many; the most in one place is {MOST}"));
        return;
    }
    if variables.named.keys().any(|known| known.eq_ignore_ascii_case(name)) {
        found.add(
            at,
            path,
            format!("sets the variable `{name}` a second time; case does not tell names apart"),
        );
        return;
    }
    if let Some(text) = text(value, path, found) {
        variables.named.insert(name.to_owned(), text);
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
    for group in &top.groups {
        let before = base.named.keys().map(|name| name.to_ascii_lowercase());
        all.groups.push(VariableGroup {
            name: group.name.clone(),
            over: group.over.iter().cloned().chain(before).collect(),
        });
    }
    for (name, value) in &top.named {
        all.named.retain(|known, _| !known.eq_ignore_ascii_case(name));
        all.named.insert(name.clone(), value.clone());
        // What is written in an inner place comes over the groups of the outer one, but not over those after it.
        for group in &mut all.groups[..base.groups.len()] {
            group.over.remove(&name.to_ascii_lowercase());
        }
        for (group, own) in all.groups[base.groups.len()..].iter_mut().zip(&top.groups) {
            if !own.over.contains(&name.to_ascii_lowercase()) {
                group.over.remove(&name.to_ascii_lowercase());
            }
        }
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
