//! What holds for every input.

use super::support::{Registry, evaluate, plan, template};
use crate::{Placeholders, Template};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Every function name that an expression may try.
const NAMES: &[&str] = &[
    "add",
    "and",
    "array",
    "base64",
    "base64ToJson",
    "base64ToString",
    "bool",
    "buildUri",
    "cidrHost",
    "cidrSubnet",
    "coalesce",
    "concat",
    "contains",
    "copyIndex",
    "createArray",
    "createObject",
    "dataUri",
    "dataUriToString",
    "dateTimeAdd",
    "dateTimeFromEpoch",
    "dateTimeToEpoch",
    "deployment",
    "distinct",
    "div",
    "empty",
    "endsWith",
    "environment",
    "equals",
    "filter",
    "first",
    "flatten",
    "float",
    "format",
    "greater",
    "groupBy",
    "guid",
    "if",
    "indexFromEnd",
    "indexOf",
    "int",
    "intersection",
    "items",
    "join",
    "json",
    "lambda",
    "lambdaVariables",
    "last",
    "lastIndexOf",
    "length",
    "less",
    "like",
    "list",
    "listKeys",
    "map",
    "mapValues",
    "max",
    "min",
    "mod",
    "mul",
    "not",
    "null",
    "objectKeys",
    "or",
    "padLeft",
    "parameters",
    "parseCidr",
    "parseUri",
    "range",
    "reduce",
    "reference",
    "references",
    "replace",
    "resourceGroup",
    "resourceId",
    "shallowMerge",
    "skip",
    "sort",
    "split",
    "startsWith",
    "string",
    "sub",
    "substring",
    "take",
    "toLower",
    "toObject",
    "trim",
    "true",
    "tryGet",
    "union",
    "uniqueString",
    "uri",
    "uriComponent",
    "variables",
];

fn any_expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[^']{0,12}".prop_map(|text| format!("'{text}'")),
        any::<i64>().prop_map(|value| value.to_string()),
        (-3_i64..20).prop_map(|value| value.to_string()),
        Just("'{0:D3}{1}'".to_owned()),
        Just("'10.0.0.0/8'".to_owned()),
        Just("'2020-01-01T00:00:00Z'".to_owned()),
        Just("'P1Y2M3DT4H'".to_owned()),
        Just("lambda('x', lambdaVariables('x'))".to_owned()),
        Just("lambda('x', 'y', less(lambdaVariables('x'), lambdaVariables('y')))".to_owned()),
        Just("true()".to_owned()),
        Just("null()".to_owned()),
        Just("createObject('a', 1, 'b', createArray('x', 2))".to_owned()),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let name = proptest::sample::select(NAMES);
        let accessor = prop_oneof![
            Just(String::new()),
            Just(".a".to_owned()),
            inner.clone().prop_map(|index| format!("[{index}]"))
        ];
        (name, proptest::collection::vec(inner, 0..4), accessor)
            .prop_map(|(name, arguments, accessor)| format!("{name}({}){accessor}", arguments.join(", ")))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn evaluation_is_total(expression in any_expression()) {
        let _ = evaluate(&expression);
        let text = template(json!({"resources": [{
            "type": "A.B/c", "apiVersion": "2020-01-01", "name": "x", "properties": {"p": format!("[{expression}]")}
        }]}));
        if let Ok(plan) = plan(&text, json!({})) {
            // Placeholders need no deployment, so they always have an answer.
            prop_assert!(plan.body(0, &Placeholders).is_ok());
        }
    }

    #[test]
    fn reading_is_total(text in any::<String>()) {
        let _ = Template::parse(&text);
        let _ = evaluate(&text);
    }

    #[test]
    fn every_string_may_be_an_expression(text in "\\[[a-z]{0,6}[\\PC]{0,40}\\]") {
        let _ = super::support::output_of(&Value::String(text));
    }

    #[test]
    fn a_literal_is_itself(text in any::<String>()) {
        prop_assume!(!text.starts_with('['));
        prop_assert_eq!(super::support::output_of(&json!(text.clone())), Ok(Value::String(text.clone())));
        let escaped = format!("[[{text}]");
        prop_assert_eq!(super::support::output_of(&json!(escaped)), Ok(Value::String(format!("[{text}]"))));
    }

    #[test]
    fn any_section_is_read_or_refused(name in proptest::sample::select(&["parameters", "variables", "resources", "outputs", "functions", "languageVersion"][..]), json in any_value()) {
        let mut sections = serde_json::Map::new();
        sections.insert(name.to_owned(), json);
        if let Ok(plan) = plan(&template(Value::Object(sections)), json!({})) {
            let _ = plan.outputs(&Registry);
        }
    }

    #[test]
    fn order_respects_dependencies(edges in proptest::collection::vec((0_usize..8, 0_usize..8), 0..20)) {
        let resources: Vec<Value> = (0..8).map(|node| {
            let needs: Vec<String> = edges.iter().filter(|(from, _)| *from == node).map(|(_, to)| format!("r{to}")).collect();
            json!({"type": "A.B/c", "apiVersion": "2020-01-01", "name": format!("r{node}"), "dependsOn": needs})
        }).collect();
        match plan(&template(json!({"resources": resources})), json!({})) {
            Ok(plan) => {
                let place = |name: String| plan.resources().iter().position(|resource| resource.name == name).expect("a resource");
                for (from, to) in &edges {
                    let (before, after) = (place(format!("r{to}")), place(format!("r{from}")));
                    prop_assert!(before < after);
                }
                for (position, resource) in plan.resources().iter().enumerate() {
                    prop_assert!(resource.depends_on.iter().all(|need| *need < position));
                }
            }
            Err(faults) => prop_assert!(faults[0].detail.starts_with("Circular dependency"), "{:?}", faults),
        }
    }
}

/// JSON made of the members that templates have, in the wrong places.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..900).prop_map(Value::from),
        proptest::sample::select(
            &["int", "string", "[copyIndex()]", "A.B/c", "a", "[concat('a', 1)]", "[[x", "2.0", "x/y"][..]
        )
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let name = proptest::sample::select(
            &[
                "type",
                "name",
                "apiVersion",
                "copy",
                "count",
                "input",
                "properties",
                "value",
                "defaultValue",
                "dependsOn",
                "resources",
                "condition",
                "allowedValues",
                "template",
                "parameters",
                "namespace",
                "members",
                "output",
                "a",
            ][..],
        );
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..6).prop_map(|pairs| Value::Object(
                pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            )),
        ]
    })
}
