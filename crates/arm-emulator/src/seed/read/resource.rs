//! Resources of any type, with what lies below them, and the scopes that entries name.

use pipeline_yaml::{Fields, Found};
use serde_json::Value;

use super::super::{Resource, Wanted};
use super::{items, members, required};
use crate::providers::stored::read::MEMBERS;

/// What says which resource it is.
const ADDRESS: [&str; 7] = ["id", "type", "name", "resourceGroup", "scope", "apiVersion", "resources"];
/// Deepest nesting of children. A resource type of Azure has four at most.
const DEEPEST: usize = 8;

const SUBSCRIPTION: &str = "/subscriptions/{subscriptionId}";

/// The id of a resource without a parent.
pub(super) fn id_in_group(group: &str, resource_type: &str, name: &str) -> String {
    format!("{SUBSCRIPTION}/resourceGroups/{group}/providers/{resource_type}/{name}")
}

/// A resource and its children, parents first.
pub(super) fn with_children(fields: &Fields<'_>, found: &mut Found) -> Option<Vec<(String, Wanted)>> {
    let id = address(fields, found)?;
    let mut all = Vec::new();
    one(fields, id, None, String::new(), &mut all, found);
    Some(all)
}

fn one(
    fields: &Fields<'_>,
    id: String,
    inherited: Option<&str>,
    way: String,
    all: &mut Vec<(String, Wanted)>,
    found: &mut Found,
) {
    let of_body = [&MEMBERS[..], &["properties"]].concat();
    fields.only(&[&ADDRESS[..], &of_body].concat(), found);
    let given = fields.text("apiVersion", found).or_else(|| inherited.map(str::to_owned));
    let Some(api_version) = given else {
        found.add(fields.at, &fields.path("apiVersion"), "is missing");
        return;
    };
    let body = Value::Object(members(fields, &of_body));
    all.push((
        way.clone(),
        Wanted::Resource(Resource { id: id.clone(), api_version: api_version.clone(), body }),
    ));
    if way.matches(".resources[").count() == DEEPEST {
        fields.refuse("resources", &format!("is nested deeper than {DEEPEST} levels"), found);
        return;
    }
    for (index, (child, _, _)) in items(fields, "resources", found).into_iter().enumerate() {
        for key in ["id", "resourceGroup", "scope"] {
            if child.get(key).is_some() {
                child.refuse(key, "has no place in a child: it lies below its parent", found);
            }
        }
        let (kind, name) = (required(&child, "type", found), required(&child, "name", found));
        let (Some(kind), Some(name)) = (kind, name) else { continue };
        // An extension has a provider of its own, a child only the word that its parent's type lacks.
        let id = if kind.contains('/') {
            format!("{id}/providers/{kind}/{name}")
        } else {
            format!("{id}/{kind}/{name}")
        };
        one(&child, id, Some(&api_version), format!("{way}.resources[{index}]"), all, found);
    }
}

/// Where a resource is: its id, or type and name in a resource group, at a scope or in the subscription.
fn address(fields: &Fields<'_>, found: &mut Found) -> Option<String> {
    if fields.get("id").is_some() {
        for key in ["type", "name", "resourceGroup", "scope"] {
            if fields.get(key).is_some() {
                fields.refuse(key, "is there beside `id`, which says it already", found);
            }
        }
        return absolute(fields, "id", found);
    }
    let (kind, name) = (required(fields, "type", found), required(fields, "name", found));
    let (kind, name, scope) = (kind?, name?, scope(fields, found)?);
    let (types, names): (Vec<&str>, Vec<&str>) = (kind.split('/').collect(), name.split('/').collect());
    if types.len() != names.len() + 1 || types.iter().chain(&names).any(|part| part.is_empty()) {
        let why = format!(
            "has {} names; the type `{kind}` needs as many as words behind its namespace",
            names.len()
        );
        fields.refuse("name", &why, found);
        return None;
    }
    let pairs = types[1..].iter().zip(&names).map(|(kind, name)| format!("/{kind}/{name}"));
    Some(format!("{scope}/providers/{}{}", types[0], pairs.collect::<String>()))
}

/// The scope that an entry names: a resource group, an id, or else the subscription.
pub(super) fn scope(fields: &Fields<'_>, found: &mut Found) -> Option<String> {
    match (fields.get("scope"), fields.text("resourceGroup", found)) {
        (Some(_), Some(_)) => {
            fields.refuse("scope", "is there beside `resourceGroup`; one of them says where", found);
            None
        }
        (Some(_), None) => absolute(fields, "scope", found),
        (None, Some(group)) => Some(format!("{SUBSCRIPTION}/resourceGroups/{group}")),
        (None, None) => Some(SUBSCRIPTION.to_owned()),
    }
}

fn absolute(fields: &Fields<'_>, key: &str, found: &mut Found) -> Option<String> {
    let text = fields.text(key, found)?;
    if text.starts_with('/') {
        return Some(text.trim_end_matches('/').to_owned());
    }
    fields.refuse(key, "is no id: it begins with `/subscriptions/{subscriptionId}` or `/providers/`", found);
    None
}
