//! `parameters` of a file or template: what is declared, and the values that a run or a reference gives them.
//!
//! Source: azure-devops-docs: runtime-parameters.md, template-parameters.md; azure-devops-yaml-schema:
//! parameters-parameter.md. Texts of what is wrong with a value: public error reports (MicrosoftDocs/azure-devops-docs#12870;
//! "The 'x' parameter value 'y' is not a valid Boolean."; dotnet/runtime#78968: "The 'stages' parameter is not a valid
//! StageList."). That of a value which is none of the `values` is assumed.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::value::{Field, Origin, Value, number, same};
use crate::fault::{Found, Position};
use crate::read::Fields;
use crate::yaml::{DEEPEST, Entry, Node, Value as Tree, tree};

/// Most parameters of a file.
const MOST: usize = 100;

/// What a parameter's value may be.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    String,
    Number,
    Boolean,
    Object,
    /// A step, job or stage.
    One(&'static str),
    /// A list of them.
    List(&'static str),
}

/// The types that are supported, as they are written.
const KINDS: [(&str, Kind); 10] = [
    ("string", Kind::String),
    ("number", Kind::Number),
    ("boolean", Kind::Boolean),
    ("object", Kind::Object),
    ("step", Kind::One("Step")),
    ("stepList", Kind::List("StepList")),
    ("job", Kind::One("Job")),
    ("jobList", Kind::List("JobList")),
    ("stage", Kind::One("Stage")),
    ("stageList", Kind::List("StageList")),
];

impl Kind {
    /// As the service tells it.
    fn name(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Number => "Number",
            Self::Boolean => "Boolean",
            Self::Object => "Object",
            Self::One(name) | Self::List(name) => name,
        }
    }
}

/// Where the values come from that are not the defaults.
pub(super) enum Given<'a> {
    /// From the request, as text.
    Request(&'a BTreeMap<String, String>),
    /// From the reference to a template, which stands here.
    Reference(Position, &'a [Entry]),
}

/// What is said of one parameter.
enum Said<'a> {
    Text(&'a str),
    Node(&'a Entry),
}

impl Given<'_> {
    fn of(&self, name: &str) -> Option<Said<'_>> {
        match self {
            Self::Request(texts) => {
                texts.iter().find(|(known, _)| same(known, name)).map(|(_, text)| Said::Text(text))
            }
            Self::Reference(_, entries) => {
                entries.iter().find(|entry| same(&entry.key, name)).map(Said::Node)
            }
        }
    }

    /// The names, and where they are said.
    fn names(&self, start: Position) -> Vec<(&str, Position)> {
        match self {
            Self::Request(texts) => texts.keys().map(|name| (name.as_str(), start)).collect(),
            Self::Reference(_, entries) => {
                entries.iter().map(|entry| (entry.key.as_str(), entry.at)).collect()
            }
        }
    }
}

/// The values of all parameters, in the order of the file.
pub(super) fn bind(
    declared: Option<&Entry>,
    given: &Given<'_>,
    start: Position,
    found: &mut Found,
) -> Vec<Field> {
    let mut values: Vec<Field> = Vec::new();
    match (declared.map(|entry| (&entry.value.value, entry)), given) {
        (None | Some((Tree::Null, _)), _) => {}
        (Some((Tree::List(items), entry)), _) => {
            if items.len() > MOST {
                found.add(entry.at, "parameters", format!("has more than {MOST} parameters"));
            }
            literals(&entry.value, found);
            for (index, item) in items.iter().take(MOST).enumerate() {
                let path = format!("parameters[{index}]");
                let Some(fields) = Fields::of(item, &path, found) else { continue };
                if let Some(value) = listed(&fields, &path, &values, given, found) {
                    values.push(value);
                }
            }
        }
        // Without types (azure-devops-docs: templates.md, "azure-devops-2019"); only templates may be written like that.
        (Some((Tree::Map(entries), entry)), Given::Reference(..)) => {
            literals(&entry.value, found);
            values.extend(entries.iter().take(MOST).map(|entry| untyped(entry, given)));
            if entries.len() > MOST {
                found.add(entry.at, "parameters", format!("has more than {MOST} parameters"));
            }
        }
        (Some((other, entry)), _) => {
            let message = format!("is {}; it needs a list: `- name: NAME`", other.kind());
            found.add(entry.value.at, "parameters", message);
        }
    }
    for field in &values {
        if field.value.depth() > DEEPEST {
            let message = format!("The '{}' parameter is nested deeper than {DEEPEST} levels.", field.key);
            found.add(start, "", message);
        }
    }
    let known = |name: &str| values.iter().any(|field| same(&field.key, name));
    for (name, at) in given.names(start) {
        if !known(name) {
            found.add(at, "", format!("Unexpected parameter '{name}'"));
        }
    }
    values
}

/// "You can only use literals for parameter default values."
fn literals(node: &Node, found: &mut Found) {
    let mut check = |text: &str, at: Position| {
        if text.contains("${{") {
            found.add(at, "parameters", "holds a template expression (`${{ }}`); only literals can be here");
        }
    };
    match &node.value {
        Tree::Null => {}
        Tree::Text(text) => check(text, node.at),
        Tree::List(items) => items.iter().for_each(|item| literals(item, found)),
        Tree::Map(entries) => {
            for entry in entries {
                check(&entry.key, entry.at);
            }
            for entry in entries {
                literals(&entry.value, found);
            }
        }
    }
}

fn untyped(entry: &Entry, given: &Given<'_>) -> Field {
    let value = match given.of(&entry.key) {
        Some(Said::Node(said)) => &said.value,
        _ => &entry.value,
    };
    Field::new(&entry.key, Value::of(value, Origin::File))
}

/// `- name: NAME`; `None` where it has no name of its own.
fn listed(
    fields: &Fields<'_>,
    path: &str,
    before: &[Field],
    given: &Given<'_>,
    found: &mut Found,
) -> Option<Field> {
    fields.only(&["name", "displayName", "type", "default", "values"], found);
    let Some(name) = fields.text("name", found) else {
        found.add(fields.at, path, "has no `name`");
        return None;
    };
    if before.iter().any(|known| same(&known.key, &name)) {
        fields.refuse("name", &format!("is `{name}`, the name of an earlier parameter"), found);
        return None;
    }
    let value = one(fields, &name, given, found).unwrap_or(Value::Null);
    Some(Field::new(&name, value))
}

fn kind(fields: &Fields<'_>, found: &mut Found) -> Option<Kind> {
    let word = fields.text("type", found).unwrap_or_else(|| "string".to_owned());
    let kind = KINDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind);
    if kind.is_none() {
        let known = KINDS.map(|(known, _)| known).join(", ");
        let why = match word.as_str() {
            "deployment" | "deploymentList" => "there are no deployment jobs; ",
            _ => "",
        };
        fields.refuse(
            "type",
            &format!("is `{word}`, which is not supported: {why}supported: {known}"),
            found,
        );
    }
    kind
}

/// The value of a parameter: the given one, else its default.
fn one(fields: &Fields<'_>, name: &str, given: &Given<'_>, found: &mut Found) -> Option<Value> {
    fields.text("displayName", found);
    let kind = kind(fields, found)?;
    let allowed: Vec<_> =
        fields.places("values", found).into_iter().filter_map(|(text, _)| read(kind, &text)).collect();
    let (value, shown, at) = match (given.of(name), fields.get("default")) {
        (Some(Said::Text(text)), _) => (read(kind, text), Some(text.to_owned()), fields.at),
        (Some(Said::Node(entry)), _) => (from_file(kind, &entry.value), shown(&entry.value), entry.value.at),
        (None, Some(entry)) => (from_file(kind, &entry.value), shown(&entry.value), fields.at),
        (None, None) => {
            let at = match given {
                Given::Request(_) => fields.at,
                Given::Reference(at, _) => *at,
            };
            found.add(at, "", format!("A value for the '{name}' parameter must be provided."));
            return None;
        }
    };
    let shown = shown.map(|text| format!(" value '{text}'")).unwrap_or_default();
    let Some(value) = value else {
        found.add(at, "", format!("The '{name}' parameter{shown} is not a valid {}.", kind.name()));
        return None;
    };
    if !allowed.is_empty() && !allowed.contains(&value) {
        let known: Vec<_> = allowed.iter().filter_map(Value::text).collect();
        let known = known.join(", ");
        let message =
            format!("The '{name}' parameter{shown} is not an allowed value. Allowed values: {known}.");
        found.add(at, "", message);
        return None;
    }
    Some(value)
}

/// The text of a scalar.
fn shown(node: &Node) -> Option<String> {
    match &node.value {
        Tree::Text(text) => Some(text.clone()),
        Tree::Null => Some(String::new()),
        _ => None,
    }
}

/// A value as a file says it.
fn from_file(kind: Kind, node: &Node) -> Option<Value> {
    match (&node.value, kind) {
        (_, Kind::Object | Kind::One(_) | Kind::List(_)) => shaped(kind, node, Origin::File),
        (Tree::Text(text), _) => read(kind, text),
        (Tree::Null, Kind::String) => Some(Value::String(String::new())),
        _ => None,
    }
}

/// What is in a step is checked where it is put in.
fn shaped(kind: Kind, node: &Node, origin: Origin) -> Option<Value> {
    let fits = match (&node.value, kind) {
        (_, Kind::Object) | (Tree::Map(_), Kind::One(_)) => true,
        (Tree::Null, Kind::List(_)) => return Some(Value::Array(Rc::default())),
        (Tree::List(items), Kind::List(_)) => items.iter().all(|item| matches!(item.value, Tree::Map(_))),
        _ => false,
    };
    fits.then(|| Value::of(node, origin))
}

/// A value that is said in a request, which is text; what is no scalar is JSON or YAML in it.
fn read(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Boolean if text.trim().eq_ignore_ascii_case("true") => Some(Value::Boolean(true)),
        Kind::Boolean if text.trim().eq_ignore_ascii_case("false") => Some(Value::Boolean(false)),
        Kind::Boolean => None,
        Kind::Number => number(text).map(Value::Number),
        Kind::String => Some(Value::String(text.to_owned())),
        _ => tree(text).ok().and_then(|node| shaped(kind, &node, Origin::Request)),
    }
}
