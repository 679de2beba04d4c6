//! How a stored resource is shown.

use serde_json::{Map, Value, json};

use super::computed;
use crate::etag;
use crate::records::resources::Stored;

/// The resource as its own GET shows it.
pub(crate) fn one(record: &Stored) -> Value {
    let mut shown = identity(record, record.id.last_name());
    for (name, value) in &record.body {
        shown.insert(name.clone(), value.clone());
    }
    let properties = shown.entry("properties").or_insert_with(|| json!({}));
    if !properties.is_object() {
        *properties = json!({});
    }
    properties["provisioningState"] = json!("Succeeded");
    shown.insert("etag".to_owned(), json!(etag::shown(record.etag)));
    shown.insert("systemData".to_owned(), system_data(record));
    let mut shown = Value::Object(shown);
    computed::add(&record.id, &mut shown);
    shown
}

/// The resource as a list of all types shows it: a child with its parents' names (`azure-rest-api-specs:
/// GenericResourceExpanded`).
pub(crate) fn listed(record: &Stored) -> Value {
    let mut shown = identity(record, &record.id.name().unwrap_or_default());
    for name in
        ["location", "tags", "sku", "kind", "identity", "plan", "zones", "managedBy", "extendedLocation"]
    {
        if let Some(value) = record.body.get(name) {
            shown.insert(name.to_owned(), value.clone());
        }
    }
    shown.insert("createdTime".to_owned(), json!(record.created.to_string()));
    shown.insert("changedTime".to_owned(), json!(record.changed.to_string()));
    shown.insert("provisioningState".to_owned(), json!("Succeeded"));
    Value::Object(shown)
}

fn identity(record: &Stored, name: &str) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("id".to_owned(), json!(record.id));
    shown.insert("name".to_owned(), json!(name));
    shown.insert("type".to_owned(), json!(record.id.resource_type()));
    shown
}

/// `azure-rest-api-specs: common-types/…/systemData`.
fn system_data(record: &Stored) -> Value {
    json!({
        "createdBy": record.created_by,
        "createdByType": "Application",
        "createdAt": record.created.to_string(),
        "lastModifiedBy": record.changed_by,
        "lastModifiedByType": "Application",
        "lastModifiedAt": record.changed.to_string(),
    })
}

/// JSON merge patch (RFC 7396); member names compare without regard to case.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(members) = target else { return };
    for (name, change) in patch {
        let known = members.keys().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name).clone();
        if change.is_null() {
            members.remove(&known);
        } else {
            merge(members.entry(known).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7396, appendix A, that are about objects.
    #[test]
    fn merging_is_as_the_rfc_has_it() {
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"a": "foo"}), json!({"b": {"c": {"d": null}}}), json!({"a": "foo", "b": {"c": {}}})),
            (json!({"Abc": 1}), json!({"aBC": 2}), json!({"Abc": 2})),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, expected, "{target} with {patch}");
        }
    }
}
