//! A loop gives what its turns would give one by one, and is bounded as they are.

use crate::expr::eval::Budget;
use crate::plan::build::evaluate_body;
use crate::tests::support::{Registry, request, template};
use crate::{Plan, Template};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A loop of so many turns whose resources hold `inner`, and how many values its plan made.
fn planned(inner: &Value, turns: usize) -> (Plan, usize) {
    let text = template(json!({
        "parameters": {"p": {"type": "string", "defaultValue": "parameter"}},
        "variables": {"v": {"a": ["[parameters('p')]", "x".repeat(200)], "b": 1}, "w": "[variables('v').a[0]]"},
        "resources": [{
            "type": "A.B/c", "apiVersion": "2020-01-01", "name": "[concat('r', copyIndex())]",
            "copy": {"name": "turns", "count": turns}, "tags": {"t": "[variables('w')]"},
            "properties": {"inner": inner},
        }],
    }));
    let budget = Budget::default();
    let plan = Template::parse(&text).expect("a template").plan_within(&request(json!({})), &budget);
    (plan.expect("a plan"), Budget::default().steps_left() - budget.steps_left())
}

/// Literals and expressions, the same in each turn or not, in arrays, objects, loops and computed names.
fn any_body() -> impl Strategy<Value = Value> {
    let leaf = proptest::sample::select(
        &[
            "literal",
            "[[escaped",
            "[copyIndex()]",
            "[copyIndex('turns', 1)]",
            "[parameters('p')]",
            "[variables('v')]",
            "[variables('v').a[0]]",
            "[concat(variables('w'), copyIndex())]",
            "[map(createArray(1, 2), lambda('x', add(lambdaVariables('x'), 1)))]",
            "[if(equals(variables('v').b, 1), resourceId('A.B/c', 'x'), copyIndex())]",
        ][..],
    )
    .prop_map(Value::from);
    let leaf = prop_oneof![4 => leaf, 1 => Just(json!(null)), 1 => Just(json!("y".repeat(300)))];
    leaf.prop_recursive(4, 30, 5, |inner| {
        let name = proptest::sample::select(&["a", "b", "c", "[concat('d', 'e')]", "[parameters('p')]"][..]);
        let turns = (0..3_usize, inner.clone())
            .prop_map(|(count, input)| json!({"copy": [{"name": "own", "count": count, "input": input}]}));
        prop_oneof![
            2 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => proptest::collection::vec((name, inner), 0..5).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
            }),
            1 => turns,
        ]
    })
}

proptest! {
    #[test]
    fn a_folded_body_is_the_body(inner in any_body()) {
        let (plan, _) = planned(&inner, 4);
        for turn in 0..4 {
            prop_assert!(!plan.is_deferred(turn));
            let folded = plan.body(turn, &Registry).expect("a body");
            let alone = plan.evaluated_body(turn, &Registry).expect("a body");
            prop_assert_eq!(folded.to_string(), alone.to_string());
        }
    }

    #[test]
    fn a_folded_body_counts_what_a_body_counts(inner in any_body()) {
        let (plan, one) = planned(&inner, 1);
        let (_, two) = planned(&inner, 2);
        // The name takes five (its visit, the call, two arguments, the text), type and api-version two each.
        prop_assert_eq!(two - one, 9 + unfolded(&plan));
    }
}

/// How many values the first body makes that is evaluated as written, with all variables known.
fn unfolded(plan: &Plan) -> usize {
    let budget = Budget::default();
    let mut evaluator = plan.evaluator(&plan.instances[0]);
    evaluator.budget = Some(&budget);
    let body = &plan.instances[0].definition.body;
    evaluate_body(&mut evaluator, &plan.instances[0], body).expect("a body");
    Budget::default().steps_left() - budget.steps_left()
}
