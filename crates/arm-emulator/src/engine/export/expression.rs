//! Names and references of an exported template. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::resource_id::ResourceId;

/// The resources of one template and the parameters that hold their names.
#[derive(Debug)]
pub(super) struct Names {
    /// By key of the id: the id, and the parameter of its top-level resource's name.
    known: BTreeMap<String, (ResourceId, Option<String>)>,
    /// Parameter and name.
    parameters: Vec<(String, String)>,
}

impl Names {
    pub(super) fn of<'a>(ids: impl Iterator<Item = &'a ResourceId>, literal: bool) -> Self {
        let mut names = Self { known: BTreeMap::new(), parameters: Vec::new() };
        for id in ids {
            let parameter = if literal { None } else { names.parameter(id) };
            names.known.insert(id.key(), (id.clone(), parameter));
        }
        names
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(parameter, name)| (parameter.as_str(), name.as_str()))
    }

    /// The parameter for the first name of an id: that of its parent, or a new one.
    fn parameter(&mut self, id: &ResourceId) -> Option<String> {
        if let Some(parent) = id.parent() {
            return self.known.get(&parent.key()).and_then(|(_, parameter)| parameter.clone());
        }
        let name = id.last_name();
        let resource_type = id.resource_type().unwrap_or_default();
        let short = resource_type.rsplit('/').next().unwrap_or_default();
        let plain: String =
            name.chars().map(|one| if one.is_ascii_alphanumeric() { one } else { '_' }).collect();
        let wanted = format!("{short}_{plain}_name");
        let taken = |text: &str| self.parameters.iter().any(|(known, _)| known.eq_ignore_ascii_case(text));
        let free = (1..).map(|number| format!("{wanted}_{number}"));
        let parameter = std::iter::once(wanted.clone()).chain(free).find(|text| !taken(text))?;
        self.parameters.push((parameter.clone(), name.to_owned()));
        Some(parameter)
    }

    /// The `name` of a resource.
    pub(super) fn name(&self, id: &ResourceId) -> String {
        let whole = id.name().unwrap_or_default();
        let Some((_, Some(parameter))) = self.known.get(&id.key()) else { return escaped(whole) };
        match whole.split_once('/') {
            None => format!("[parameters('{parameter}')]"),
            Some((_, rest)) => format!("[concat(parameters('{parameter}'), '/{}')]", quoted(rest)),
        }
    }

    /// `[resourceId(…)]` of a resource of this template.
    pub(super) fn reference(&self, id: &ResourceId) -> Option<String> {
        let (id, parameter) = self.known.get(&id.key())?;
        let whole = id.name().unwrap_or_default();
        let mut names = whole.split('/');
        let first = names.next().unwrap_or_default();
        let first = match parameter {
            Some(parameter) => format!("parameters('{parameter}')"),
            None => format!("'{}'", quoted(first)),
        };
        let rest = names.map(|name| format!("'{}'", quoted(name)));
        let arguments: Vec<_> = std::iter::once(first).chain(rest).collect();
        Some(format!("[resourceId('{}', {})]", id.resource_type()?, arguments.join(", ")))
    }

    /// The body with ids of the template's resources as references, which are also put into `needed`, and with texts that
    /// would be read as expressions escaped.
    pub(super) fn rewritten(&self, value: Value, needed: &mut Vec<String>) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text, needed)),
            Value::Array(values) => values.into_iter().map(|one| self.rewritten(one, needed)).collect(),
            Value::Object(members) => {
                let rewrite = |(name, value)| (self.text(name, needed), self.rewritten(value, needed));
                Value::Object(members.into_iter().map(rewrite).collect::<Map<_, _>>())
            }
            plain => plain,
        }
    }

    fn text(&self, text: String, needed: &mut Vec<String>) -> String {
        let id = if text.starts_with('/') { text.parse::<ResourceId>().ok() } else { None };
        match id.and_then(|id| self.reference(&id)) {
            Some(reference) => {
                needed.push(reference.clone());
                reference
            }
            None => escaped(text),
        }
    }
}

/// A text that begins with a bracket is an expression, unless it begins with two.
fn escaped(text: String) -> String {
    if text.starts_with('[') { format!("[{text}") } else { text }
}

fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GROUP: &str = "/subscriptions/s/resourceGroups/g/providers";

    fn id(tail: &str) -> ResourceId {
        format!("{GROUP}/{tail}").parse().unwrap()
    }

    #[test]
    fn names_become_parameters_and_ids_references() {
        let ids = [id("A.B/things/it-1"), id("A.B/things/it.1"), id("A.B/things/it-1/parts/p'q")];
        let names = Names::of(ids.iter(), false);
        let parameters: Vec<_> = names.parameters().collect();
        assert_eq!(parameters, [("things_it_1_name", "it-1"), ("things_it_1_name_1", "it.1")]);
        assert_eq!(names.name(&ids[0]), "[parameters('things_it_1_name')]");
        assert_eq!(names.name(&ids[2]), "[concat(parameters('things_it_1_name'), '/p''q')]");
        let part = "[resourceId('A.B/things/parts', parameters('things_it_1_name'), 'p''q')]";
        assert_eq!(names.reference(&ids[2]).unwrap(), part);
        let mut needed = Vec::new();
        let body = json!({
            format!("{GROUP}/a.b/THINGS/IT.1"): {}, "other": format!("{GROUP}/A.B/things/else"), "text": ["[x]", 1],
        });
        let expected = json!({
            "[resourceId('A.B/things', parameters('things_it_1_name_1'))]": {},
            "other": format!("{GROUP}/A.B/things/else"), "text": ["[[x]", 1],
        });
        assert_eq!(names.rewritten(body, &mut needed), expected);
        assert_eq!(needed, ["[resourceId('A.B/things', parameters('things_it_1_name_1'))]"]);
        let literal = Names::of(ids.iter(), true);
        assert_eq!(literal.parameters().count(), 0);
        assert_eq!(literal.name(&ids[2]), "it-1/p'q");
        assert_eq!(literal.reference(&ids[0]).unwrap(), "[resourceId('A.B/things', 'it-1')]");
    }
}
