//! The examples of the documentation (azure-docs, `definitions.md`) and what goes wrong beside them.

use crate::tests::support::{plan, template};
use crate::{Code, Placeholders};
use proptest::prelude::*;
use serde_json::{Value, json};

fn sections(definitions: Value, parameter: Value) -> String {
    template(json!({
        "languageVersion": "2.0",
        "resources": {},
        "definitions": definitions,
        "parameters": {"p": parameter},
    }))
}

fn given(definitions: &Value, value: Value) -> Result<(), String> {
    let text = sections(definitions.clone(), json!({"$ref": "#/definitions/t"}));
    match plan(&text, json!({"p": {"value": value}})) {
        Ok(_) => Ok(()),
        Err(faults) => {
            assert_eq!(faults[0].code, Code::InvalidTemplate, "{faults:#?}");
            Err(format!("{} | {}", faults[0].detail, faults[0].help.clone().unwrap_or_default()))
        }
    }
}

fn accepted(definitions: Value, values: &[Value]) {
    for value in values {
        given(&definitions, value.clone()).unwrap_or_else(|fault| panic!("{value}: {fault}"));
    }
}

fn refused(definitions: Value, values: &[(Value, &str)]) {
    for (value, part) in values {
        let fault = given(&definitions, value.clone()).expect_err(&value.to_string());
        assert!(fault.contains(part), "{value}: {fault}");
    }
}

#[test]
fn limits_hold_for_defined_types() {
    let colour = json!({"t": {"type": "string", "allowedValues": ["one", "two"]}});
    accepted(colour.clone(), &[json!("one")]);
    refused(colour, &[(json!("three"), "not part of the allowed value(s): 'one,two'")]);
    let name = json!({"t": {"type": "string", "minLength": 3, "maxLength": 24}});
    accepted(name.clone(), &[json!("abc")]);
    refused(name, &[(json!("ab"), "Length of the value should be greater than or equal to '3'")]);
    let month = json!({"t": {"type": "int", "minValue": 1, "maxValue": 12}});
    refused(
        month,
        &[(json!(13), "The value should be less than or equal to '12'"), (json!("1"), "type 'Integer'")],
    );
}

#[test]
fn properties_are_required_unless_nullable() {
    let object = json!({"t": {"type": "object", "properties": {
        "foo": {"type": "string", "minLength": 3},
        "bar": {"type": "int", "minValue": 0, "nullable": true},
    }}});
    accepted(
        object.clone(),
        &[
            json!({"foo": "string", "bar": 1}),
            json!({"foo": "string"}),
            json!({"foo": "string", "bar": null}),
            json!({"FOO": "string", "more": [1]}),
        ],
    );
    refused(
        object,
        &[
            (json!({"bar": 1}), "required properties: ['foo']"),
            (json!({"foo": "string", "bar": -1}), "'p.bar'"),
            (json!({"foo": ""}), "'p.foo'"),
            (json!("x"), "Expected a value of type 'Object', but received a value of type 'String'"),
        ],
    );
}

#[test]
fn unknown_properties_are_as_the_type_says() {
    let sealed =
        json!({"t": {"type": "object", "properties": {"a": {"type": "int"}}, "additionalProperties": false}});
    refused(
        sealed,
        &[(
            json!({"a": 1, "bar": 2, "baz": 3}),
            "The object does not allow values with properties not defined in the schema, but the following unknown \
             properties were present: ['bar', 'baz']",
        )],
    );
    let typed = json!({"t": {"type": "object", "properties": {"a": {"type": "int"}},
        "additionalProperties": {"type": "string"}}});
    accepted(typed.clone(), &[json!({"a": 1, "b": "x"})]);
    refused(typed, &[(json!({"a": 1, "b": 2}), "'p.b'")]);
}

#[test]
fn arrays_and_tuples() {
    let list = json!({"t": {"type": "array", "items": {"$ref": "#/definitions/n"}}, "n": {"type": "int"}});
    accepted(list.clone(), &[json!([]), json!([1, 2])]);
    refused(list, &[(json!([1, "x"]), "'p[1]'")]);
    let tuple =
        json!({"t": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "int"}], "items": false}});
    accepted(tuple.clone(), &[json!(["a", 1])]);
    refused(
        tuple,
        &[(json!(["a"]), "'2' elements"), (json!(["a", 1, 2]), "'3' were given"), (json!([1, 1]), "'p[0]'")],
    );
}

#[test]
fn a_discriminator_chooses_the_variant() {
    let variants = json!({
        "t": {"type": "object", "discriminator": {"propertyName": "kind", "mapping": {
            "string": {"$ref": "#/definitions/text"},
            "int": {"$ref": "#/definitions/number"},
        }}},
        "text": {"type": "object", "properties": {"kind": {"type": "string"}, "value": {"type": "string"}}},
        "number": {"type": "object", "properties": {"kind": {"type": "string"}, "value": {"type": "int"}}},
    });
    accepted(
        variants.clone(),
        &[json!({"kind": "int", "value": 1}), json!({"kind": "string", "value": "x"})],
    );
    refused(
        variants,
        &[
            (json!({"kind": "int", "value": "x"}), "'p.value'"),
            (json!({"kind": "bool", "value": true}), "should be one of: ['string', 'int']"),
            (json!({"value": true}), "should be one of"),
        ],
    );
}

#[test]
fn types_may_recur_through_members_but_not_by_reference_alone() {
    let tree = json!({"t": {"type": "object", "properties": {
        "children": {"type": "array", "nullable": true, "items": {"$ref": "#/definitions/t"}},
    }, "additionalProperties": false}});
    accepted(tree.clone(), &[json!({"children": [{"children": []}, {}]})]);
    refused(tree, &[(json!({"children": [{"children": [{"x": 1}]}]}), "'p.children[0].children[0]'")]);
    let ring = json!({"t": {"$ref": "#/definitions/u"}, "u": {"$ref": "#/definitions/t"}});
    refused(ring, &[(json!(1), "refers to itself")]);
    let variant = json!({"t": {"type": "object", "discriminator": {"propertyName": "k", "mapping": {
        "a": {"$ref": "#/definitions/t"}}}}});
    refused(variant, &[(json!({"k": "a"}), "refers to itself")]);
    refused(json!({"t": {"$ref": "#/definitions/none"}}), &[(json!(1), "'#/definitions/none' is not found")]);
}

#[test]
fn malformed_types_are_refused() {
    refused(json!({"t": {"properties": {}}}), &[(json!(1), "needs either a 'type' or a '$ref'")]);
    refused(
        json!({"t": {"type": "int", "$ref": "#/definitions/u"}, "u": {"type": "int"}}),
        &[(json!(1), "needs either a 'type' or a '$ref'")],
    );
    refused(json!({"t": {"type": "number"}}), &[(json!(1), "The supported types are")]);
    refused(
        json!({"t": {"type": "string", "items": {"type": "int"}}}),
        &[(json!(1), "can't have the member 'items'")],
    );
    refused(json!({"t": {"$ref": "other.json#/definitions/x"}}), &[(json!(1), "#/definitions/<name>")]);
}

/// Azure/bicep leaves `type` out of what is derived from a resource's type of any value (`Emit/TemplateWriter.cs`).
#[test]
fn what_has_no_type_is_of_any() {
    let values = [json!(1), json!("a"), json!(null), json!({"a": [true]}), json!([{}])];
    accepted(json!({"t": {"metadata": {"__bicep_resource_derived_type!": {}}}}), &values);
    let member = json!({"t": {"type": "object", "properties": {"any": {}, "n": {"type": "int"}}}});
    accepted(member.clone(), &[json!({"any": "a", "n": 1}), json!({"any": [], "n": 1})]);
    refused(
        member,
        &[
            (json!({"n": 1}), "missing values for the following required properties: ['any']"),
            (json!({"any": 1, "n": "1"}), "type 'Integer'"),
        ],
    );
    accepted(json!({"t": {"allowedValues": [1, "a"]}}), &[json!(1), json!("a")]);
    refused(
        json!({"t": {"allowedValues": [1, "a"]}}),
        &[(json!(2), "not part of the allowed value(s): '1,a'")],
    );
}

#[test]
fn parameters_outputs_and_functions_may_have_no_type() {
    let text = |version: &str| {
        template(json!({
            "languageVersion": version,
            "resources": {},
            "functions": [{"namespace": "my", "members": {"same": {
                "parameters": [{"name": "x"}], "output": {"type": "object", "value": "[createObject('x', parameters('x'))]"}}}}],
            "parameters": {"p": {}, "q": {"defaultValue": [1]}},
            "outputs": {"o": {"value": "[my.same(parameters('p')).x]"}},
        }))
    };
    for (value, kind) in
        [(json!("a"), "String"), (json!(1), "Int"), (json!({"a": 1}), "Object"), (json!([]), "Array")]
    {
        let plan = plan(&text("2.0"), json!({"p": {"value": value}})).expect("a plan");
        let shown = json!({"type": kind, "value": value});
        assert_eq!(plan.outputs(&Placeholders).expect("outputs")["o"], shown);
        assert_eq!(plan.parameters_for_history()["p"], shown);
        assert_eq!(plan.parameters_for_history()["q"], json!({"type": "Array", "value": [1]}));
    }
    let faults = plan(&text("1.0"), json!({"p": {"value": 1}})).expect_err("refused");
    assert!(
        faults
            .iter()
            .any(|fault| fault.detail.contains("'p' at line") && fault.detail.contains("has no type"))
    );
}

/// The forms are those of `TypeDeclarations_LF` among the baselines of Azure/bicep.
#[test]
fn references_lead_into_definitions() {
    let definitions = |reference: &str| {
        json!({
            "t": {"$ref": reference},
            "foo": {"type": "object", "properties": {
                "object Prop": {"type": "object", "properties": {"a/b~c": {"type": "int", "minValue": 5}}},
                "next": {"$ref": "#/definitions/bar/items", "nullable": true},
            }},
            "bar": {"type": "array", "items": {"type": "string", "maxLength": 3}},
            "tuple": {"type": "array", "prefixItems": [{"type": "int"}, {"type": "bool"}], "items": false},
            "map": {"type": "object", "additionalProperties": {"type": "array"}},
            "one": {"type": "object", "discriminator": {"propertyName": "kind", "mapping": {
                "x": {"type": "object", "properties": {"kind": {"type": "string", "allowedValues": ["x"]}}}}}},
        })
    };
    for (pointer, good, bad, part) in [
        (
            "foo/properties/object%20Prop/properties/a~1b~0c",
            json!(5),
            json!(4),
            "greater than or equal to '5'",
        ),
        ("FOO/Properties/next", json!("abc"), json!("abcd"), "less than or equal to '3'"),
        ("foo/properties/next", json!(null), json!(1), "type 'String'"),
        ("bar/items", json!("a"), json!(1), "type 'String'"),
        ("tuple/prefixItems/1", json!(true), json!(1), "type 'Boolean'"),
        ("map/additionalProperties", json!([]), json!(1), "type 'Array'"),
        (
            "one/discriminator/mapping/x",
            json!({"kind": "x"}),
            json!({"kind": "y"}),
            "not part of the allowed",
        ),
    ] {
        let definitions = definitions(&format!("#/definitions/{pointer}"));
        accepted(definitions.clone(), &[good]);
        refused(definitions, &[(bad, part)]);
    }
    for nowhere in [
        "foo/properties",
        "foo/properties/other",
        "tuple/prefixItems/2",
        "tuple/items",
        "foo/type",
        "no/items",
    ] {
        let sentence = format!("'#/definitions/{}' is not found in the template.", nowhere.to_lowercase());
        refused(definitions(&format!("#/definitions/{nowhere}")), &[(json!(1), &sentence)]);
    }
    refused(
        json!({"t": {"type": "object", "properties": {"a": {"$ref": "#/definitions/t/properties/a"}}}}),
        &[(json!({}), "it stands for no type")],
    );
}

#[test]
fn a_secret_inside_of_a_definition_stays_one() {
    let definitions =
        json!({"login": {"type": "object", "properties": {"password": {"type": "securestring"}}}});
    let text = sections(definitions, json!({"$ref": "#/definitions/login/properties/password"}));
    let plan = plan(&text, json!({"p": {"value": "correct horse"}})).expect("a plan");
    assert_eq!(plan.parameters_for_history()["p"], json!({"type": "SecureString"}));
}

#[test]
fn language_version_2_is_needed() {
    let text = template(json!({"parameters": {"p": {"type": "array", "items": {"type": "int"}}}}));
    let faults = plan(&text, json!({"p": {"value": []}})).expect_err("refused");
    assert!(faults[0].detail.contains("feature 'AggregateTypeValidation'"), "{faults:#?}");
}

#[test]
fn a_secret_inside_of_a_type_is_shown_nowhere() {
    let text = template(json!({
        "languageVersion": "2.0",
        "resources": {},
        "definitions": {"login": {"type": "object", "properties": {
            "user": {"type": "string", "maxLength": 3}, "password": {"type": "securestring"}}}},
        "parameters": {"p": {"$ref": "#/definitions/login"}},
        "outputs": {"o": {"$ref": "#/definitions/login", "value": "[parameters('p')]"}},
    }));
    let good = json!({"p": {"value": {"user": "me", "password": "correct horse"}}});
    let plan_ = plan(&text, good).expect("a plan");
    let outputs = plan_.outputs(&Placeholders).expect("outputs");
    assert_eq!(outputs["o"], json!({"type": "Object"}));
    assert!(!format!("{:?}", plan_.parameters_for_history()).contains("correct horse"));
    let wrong = json!({"p": {"value": {"user": "too long", "password": "correct horse"}}});
    let faults = plan(&text, wrong).expect_err("refused");
    assert!(!format!("{faults:?}").contains("correct horse"), "{faults:?}");
}

#[test]
fn outputs_and_user_functions_have_types_too() {
    let text = |value: &str| {
        template(json!({
            "languageVersion": "2.0",
            "resources": {},
            "definitions": {"pair": {"type": "array", "prefixItems": [{"type": "int"}, {"type": "int"}], "items": false}},
            "functions": [{"namespace": "f", "members": {"sum": {
                "parameters": [{"name": "of", "$ref": "#/definitions/pair"}],
                "output": {"type": "int", "value": "[add(parameters('of')[0], parameters('of')[1])]"}}}}],
            "outputs": {
                "sum": {"type": "int", "value": format!("[f.sum({value})]")},
                "none": {"type": "string", "nullable": true, "value": "[null()]"},
            },
        }))
    };
    let plan_ = plan(&text("createArray(1, 2)"), json!({})).expect("a plan");
    assert_eq!(plan_.outputs(&Placeholders).expect("outputs")["sum"]["value"], json!(3));
    let faults = plan(&text("createArray(1)"), json!({})).expect_err("refused");
    assert!(faults[0].detail.contains("'2' elements"), "{faults:#?}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("(type|\\$ref|items|properties|a|kind)", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever stands there as a type and as a value: an answer, no panic and no endless walk.
    #[test]
    fn any_type_and_any_value_get_an_answer(definition in any_json(), value in any_json()) {
        let text = sections(json!({"t": definition}), json!({"$ref": "#/definitions/t"}));
        let _ = plan(&text, json!({"p": {"value": value}}));
    }
}
