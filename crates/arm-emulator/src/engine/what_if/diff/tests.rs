use proptest::prelude::*;
use serde_json::{Value, json};

use super::Shape;

const SHAPE: Shape = Shape {
    read_only: &["properties.state", "properties.parts.*.view"],
    write_only: &["properties.parts.*.secret"],
    defaults: &[("properties.policy", "\"Always\"")],
    words: &["properties.policy"],
};

fn changes(before: Value, after: Value) -> Value {
    serde_json::to_value(SHAPE.changes(&before, &after)).unwrap()
}

fn short(before: Value, after: Value) -> Vec<String> {
    fn walk(changes: &Value, above: &str, lines: &mut Vec<String>) {
        for change in changes.as_array().unwrap() {
            let path = format!("{above}/{}", change["path"].as_str().unwrap());
            let kind = change["propertyChangeType"].as_str().unwrap();
            lines.push(format!("{kind} {path}"));
            if !change["children"].is_null() {
                walk(&change["children"], &path, lines);
            }
        }
    }
    let mut lines = Vec::new();
    walk(&changes(before, after), "", &mut lines);
    lines
}

#[test]
fn the_wire_form_is_the_services() {
    assert_eq!(
        changes(json!({"properties": {"a": 1}}), json!({"properties": {"a": 2}})),
        json!([{"path": "properties.a", "propertyChangeType": "Modify", "before": 1, "after": 2, "children": null}])
    );
}

#[test]
fn members_come_go_and_change() {
    let before = json!({"id": "/x", "tags": {"a": "1", "b": "2"}, "properties": {"Size": {"cpu": 1}}});
    let after =
        json!({"id": "/y", "tags": {"a": "3", "c": "4"}, "properties": {"size": {"cpu": 1, "gpu": 2}}});
    assert_eq!(
        short(before, after),
        ["Modify /tags.a", "Create /tags.c", "Delete /tags.b", "Create /properties.size.gpu"]
    );
}

#[test]
fn what_the_provider_sets_is_no_change() {
    let before = json!({"location": "westeurope", "tags": {}, "properties": {
        "state": "Running", "policy": "Always", "parts": [{"name": "a", "view": {"n": 1}}]}});
    let after = json!({"location": "West Europe", "properties": {
        "policy": "always", "parts": [{"name": "a", "secret": "s"}]}});
    assert_eq!(short(before.clone(), after), [""; 0]);
    let after = json!({"location": "westeurope", "properties": {"state": "Gone", "parts": [{"name": "a"}]}});
    assert_eq!(short(before, after), ["NoEffect /properties.state"]);
}

#[test]
fn elements_are_told_by_number() {
    let before =
        json!({"properties": {"parts": [{"name": "a", "image": 1}, {"name": "b"}], "words": ["x", "y"]}});
    let after = json!({"properties": {"parts": [{"name": "a", "image": 2}], "words": ["x", "z", "w"]}});
    assert_eq!(
        short(before, after),
        [
            "Array /properties.parts",
            "Modify /properties.parts/0",
            "Modify /properties.parts/0/image",
            "Delete /properties.parts/1",
            "Array /properties.words",
            "Modify /properties.words/1",
            "Create /properties.words/2",
        ]
    );
}

#[test]
fn numbers_as_text_are_numbers() {
    let (before, after) = (json!({"properties": {"cpu": 0.5}}), json!({"properties": {"cpu": "0.5"}}));
    assert_eq!(short(before.clone(), after), [""; 0]);
    assert_eq!(short(before, json!({"properties": {"cpu": "half"}})), ["Modify /properties.cpu"]);
}

#[test]
fn secrets_are_not_shown() {
    let shown =
        SHAPE.shown(json!({"properties": {"parts": [{"name": "a", "SECRET": "s"}], "secret": "not a rule"}}));
    assert_eq!(shown, json!({"properties": {"parts": [{"name": "a"}], "secret": "not a rule"}}));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("(properties|state|policy|parts|view)", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// What is read and sent back as it is changes nothing.
    #[test]
    fn a_resource_does_not_differ_from_itself(resource in any_json()) {
        prop_assert!(SHAPE.changes(&resource, &resource).is_empty());
    }
}
