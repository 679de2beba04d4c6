//! Dependencies, loops, conditions.

use super::support::{Registry, details, ids, plan, template};
use crate::Placeholders;
use serde_json::{Value, json};

fn resource(name: &str, members: Value) -> Value {
    let mut resource = json!({"type": "A.B/c", "apiVersion": "2020-01-01", "name": name});
    let (Some(map), Value::Object(members)) = (resource.as_object_mut(), members) else { panic!("objects") };
    map.extend(members);
    resource
}

fn planned(resources: Value) -> crate::Plan {
    plan(&template(json!({"resources": resources})), json!({})).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

#[test]
fn dependencies_are_named_in_many_ways() {
    let plan = planned(json!([
        resource(
            "z",
            json!({"dependsOn": [
                "a", "A.B/c/b", "[resourceId('A.B/c', 'D')]", "loop",
                "[concat('/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/EXAMPLE-group/providers/A.B/c/', 'e')]"
            ]})
        ),
        resource("a", json!({})),
        resource("b", json!({})),
        resource("[concat('l', copyIndex())]", json!({"copy": {"name": "loop", "count": 2}})),
        resource("d", json!({})),
        resource("e", json!({})),
    ]));
    assert_eq!(ids(&plan), ["a", "b", "l0", "l1", "d", "e", "z"]);
    assert_eq!(plan.resources()[6].depends_on, [0, 1, 2, 3, 4, 5]);
    assert_eq!(plan.waves(), [vec![0, 1, 2, 3, 4, 5], vec![6]]);
}

#[test]
fn a_loop_of_no_turns_is_waited_for_by_name_and_makes_nothing() {
    let none = resource("[concat('l', copyIndex())]", json!({"copy": {"name": "loop", "count": 0}}));
    let plan = planned(json!([resource("a", json!({"dependsOn": ["loop"]})), none]));
    assert_eq!(ids(&plan), ["a"]);
    assert!(plan.resources()[0].depends_on.is_empty(), "{:?}", plan.resources()[0].depends_on);
}

#[test]
fn reading_a_resource_is_waiting_for_it() {
    let plan = planned(json!([
        resource("a", json!({"properties": {"x": "[reference('b').x]"}})),
        resource("b", json!({"tags": {"t": "[concat('x', listKeys('c', '2020-01-01').key)]"}})),
        resource(
            "c",
            json!({"properties": {"copy": [{
                "name": "p", "count": 2, "input": "[reference(concat('d', copyIndex('p'))).x]"
            }]}})
        ),
        resource("[concat('d', copyIndex())]", json!({"copy": {"name": "ds", "count": 3}})),
        resource(
            "e",
            json!({"properties": {
                "x": "[if(equals(1, 2), reference('a').x, 'nothing')]",
                "y": "[resourceId('A.B/c', 'b')]",
                "z": "[reference(resourceId('A.B/c', 'd2')).x]"
            }})
        ),
    ]));
    assert_eq!(ids(&plan), ["d0", "d1", "c", "b", "a", "d2", "e"]);
    assert_eq!(plan.resources()[2].depends_on, [0, 1]);
    // The branch that is not taken, and an id alone, are no reason to wait.
    assert_eq!(plan.resources()[6].depends_on, [5]);
}

#[test]
fn serial_loops_run_in_batches() {
    let names = |copy: Value| {
        let plan = planned(json!([resource("[concat('a', copyIndex())]", json!({"copy": copy}))]));
        plan.waves()
    };
    assert_eq!(names(json!({"name": "l", "count": 3})), [vec![0, 1, 2]]);
    assert_eq!(names(json!({"name": "l", "count": 3, "mode": "Serial"})), [vec![0], vec![1], vec![2]]);
    assert_eq!(
        names(json!({"name": "l", "count": 5, "mode": "serial", "batchSize": 2})),
        [vec![0, 1], vec![2, 3], vec![4]]
    );
    assert_eq!(
        names(json!({"name": "l", "count": 5, "mode": "serial", "batchSize": "[add(1, 2)]"})),
        [vec![0, 1, 2], vec![3, 4]]
    );
    for bad in [json!(0), json!("2"), json!("[sub(1, 1)]")] {
        let copy = json!({"name": "l", "count": 2, "mode": "serial", "batchSize": bad});
        let text =
            template(json!({"resources": [resource("[concat('a', copyIndex())]", json!({"copy": copy}))]}));
        let faults = plan(&text, json!({})).unwrap_err();
        assert!(details(&faults)[0].contains("must be an integer of at least '1'"), "{faults:?}");
    }
}

#[test]
fn what_is_not_deployed_is_not_waited_for() {
    let plan = planned(json!([
        resource("a", json!({"condition": false})),
        resource("b", json!({"dependsOn": ["a"]})),
        resource(
            "[concat('w', copyIndex())]",
            json!({
                "copy": {"name": "workers", "count": 3}, "condition": "[not(equals(copyIndex(), 1))]"
            })
        ),
    ]));
    assert_eq!(ids(&plan), ["b", "w0", "w2"]);
    assert!(plan.resources()[0].depends_on.is_empty());
    let skipped: Vec<&str> = plan.skipped().iter().map(|resource| resource.name.as_str()).collect();
    assert_eq!(skipped, ["a", "w1"]);
}

#[test]
fn complete_mode_keeps_what_is_named() {
    let named = |resources: Value| -> Vec<String> {
        let prefix =
            "/subscriptions/00000000-0000-0000-0000-000000000001/resourcegroups/example-group/providers/";
        planned(resources)
            .named_resource_ids()
            .into_iter()
            .map(|id| id.strip_prefix(prefix).expect("an id of the group").to_owned())
            .collect()
    };
    assert_eq!(
        named(json!([
            resource("A", json!({})),
            resource("b", json!({"condition": "[false()]"})),
            resource("[concat('l', copyIndex())]", json!({"copy": {"name": "l", "count": 2}})),
            {"type": "A.B/c/d", "apiVersion": "2020-01-01", "name": "parent/child"},
        ])),
        ["a.b/c/a", "a.b/c/l0", "a.b/c/l1"]
    );
    let nested = |members: Value| {
        json!([{
            "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "n",
            "resourceGroup": members["group"],
            "properties": {"mode": "Incremental", "template": {
                "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
                "contentVersion": "1.0.0.0", "resources": [resource("e", json!({}))]
            }}
        }])
    };
    assert_eq!(
        named(nested(json!({"group": "Example-Group"}))),
        ["a.b/c/e", "microsoft.resources/deployments/n"]
    );
    assert!(named(nested(json!({"group": "other"}))).is_empty());
}

#[test]
fn children_have_the_names_of_their_parents() {
    let plan = planned(json!([resource(
        "[concat('p', copyIndex())]",
        json!({
            "copy": {"name": "l", "count": 2},
            "resources": [{
                "type": "d", "apiVersion": "2020-01-01", "name": "[concat('child', copyIndex())]",
                "dependsOn": ["[resourceId('A.B/c', concat('p', copyIndex()))]"],
                "resources": [{"type": "e", "apiVersion": "2020-01-01", "name": "grandchild", "dependsOn": ["[concat('p', copyIndex(), '/child', copyIndex())]"]}]
            }]
        })
    ),]));
    assert_eq!(
        ids(&plan),
        ["p0", "p0/child0", "p0/child0/grandchild", "p1", "p1/child1", "p1/child1/grandchild"]
    );
    let grandchild = &plan.resources()[2];
    assert_eq!(grandchild.resource_type, "A.B/c/d/e");
    assert!(grandchild.id.ends_with("/providers/A.B/c/p0/d/child0/e/grandchild"), "{}", grandchild.id);
    assert_eq!(grandchild.depends_on, [1]);
}

#[test]
fn extensions_stand_under_what_they_extend() {
    let plan = planned(json!([
        resource("a", json!({})),
        {"type": "X.Y/locks", "apiVersion": "2020-01-01", "name": "by-id", "scope": "[resourceId('A.B/c', 'a')]"},
        {"type": "X.Y/locks", "apiVersion": "2020-01-01", "name": "by-name", "scope": "A.B/c/a"},
        {"type": "A.B/c/providers/locks", "apiVersion": "2020-01-01", "name": "a/X.Y/old"},
    ]));
    for (index, end) in [
        (1, "A.B/c/a/providers/X.Y/locks/by-id"),
        (2, "A.B/c/a/providers/X.Y/locks/by-name"),
        (3, "A.B/c/a/providers/X.Y/locks/old"),
    ] {
        assert!(plan.resources()[index].id.ends_with(end), "{}", plan.resources()[index].id);
    }
    assert_eq!(plan.named_resource_ids().len(), 1);
}

#[test]
fn names_in_keys_and_everywhere() {
    let plan = planned(json!([resource(
        "a",
        json!({
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {"[resourceId('M.I/ids', 'x')]": {}}},
            "tags": {"[concat('k', 1)]": "v"},
            "sku": {"name": "[toUpper('basic')]"},
            "properties": {"copy": "no loop", "list": [{"copy": [{"name": "inner", "count": 2, "input": {"copy": [
                {"name": "deep", "count": 2, "input": "[concat(copyIndex('inner'), copyIndex('DEEP', 10))]"}
            ]}}]}]}
        })
    )]));
    assert_eq!(
        plan.body(0, &Placeholders).expect("a body"),
        json!({
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {
                "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/example-group/providers/M.I/ids/x": {}
            }},
            "tags": {"k1": "v"},
            "sku": {"name": "BASIC"},
            "properties": {"copy": "no loop", "list": [{"inner": [{"deep": ["010", "011"]}, {"deep": ["110", "111"]}]}]}
        })
    );
}

#[test]
fn symbolic_names() {
    let text = template(json!({
        "languageVersion": "2.0",
        "resources": {
            "second": resource("b", json!({"dependsOn": ["first", "workers"], "properties": {"x": "[reference('old').x]"}})),
            "first": resource("a", json!({})),
            "old": {"existing": true, "type": "A.B/c", "apiVersion": "2019-01-01", "name": "o"},
            "workers": resource("[concat('w', copyIndex())]", json!({
                "copy": {"name": "workers", "count": 3}, "condition": "[not(equals(copyIndex(), 1))]"
            }))
        },
        "outputs": {
            "all": {"type": "array", "value": "[map(references('workers'), lambda('w', last(split(lambdaVariables('w').id, '/'))))]"},
            "one": {"type": "string", "value": "[reference('first').id]"}
        }
    }));
    let plan = plan(&text, json!({})).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_eq!(ids(&plan), ["a", "w0", "w2", "b"]);
    assert_eq!(plan.resources()[3].depends_on, [0, 1, 2]);
    let outputs = plan.outputs(&Registry).expect("outputs");
    assert_eq!(outputs["all"]["value"], json!(["w0", "w2"]));
    assert!(outputs["one"]["value"].as_str().is_some_and(|id| id.ends_with("/a")));
    assert_eq!(
        plan.body(3, &Placeholders).expect("a body")["properties"]["x"],
        json!("[reference('old').x]")
    );
}

#[test]
fn user_functions() {
    let text = template(json!({
        "functions": [{"namespace": "contoso", "members": {"uniqueName": {
            "parameters": [{"name": "prefix", "type": "string"}, {"name": "count", "type": "int"}],
            "output": {"type": "string", "value": "[concat(toLower(parameters('Prefix')), parameters('count'))]"}
        }}}],
        "variables": {"v": "[Contoso.uniquename('AB', 3)]"},
        "outputs": {"o": {"type": "string", "value": "[variables('v')]"}}
    }));
    let outputs = plan(&text, json!({})).expect("a plan").outputs(&Placeholders).expect("outputs");
    assert_eq!(outputs["o"]["value"], json!("ab3"));
    for (call, message) in [
        (
            "contoso.uniqueName('a')",
            "the actual number of arguments '1' doesn't match the expected number '2'",
        ),
        (
            "contoso.uniqueName('a', 'b')",
            "'count' must be of type 'Integer', the provided value is of type 'String'",
        ),
        ("contoso.other('a')", "The template function 'contoso.other' is not valid"),
    ] {
        let text = text.replace("Contoso.uniquename('AB', 3)", call);
        let faults = plan(&text, json!({})).map(|_| ()).expect_err(call);
        assert!(faults[0].detail.contains(message), "{:?}", faults[0]);
    }
}

#[test]
fn conditions_and_loops_of_outputs() {
    let text = template(json!({"outputs": {
        "no": {"type": "string", "condition": "[equals(1, 2)]", "value": "[fail('not computed')]"},
        "many": {"type": "array", "copy": {"count": 2, "input": "[concat('n', copyIndex(5))]"}},
        "secret": {"type": "secureObject", "value": {"a": 1}}
    }}));
    let outputs = plan(&text, json!({})).expect("a plan").outputs(&Placeholders).expect("outputs");
    assert_eq!(
        Value::Object(outputs),
        json!({"many": {"type": "Array", "value": ["n5", "n6"]}, "secret": {"type": "SecureObject"}})
    );
}

#[test]
fn full_references_and_bodies_of_lists() {
    let plan = planned(json!([
        resource(
            "a",
            json!({"properties": {
                "where": "[reference('/subscriptions/s/resourceGroups/g/providers/R.R/registries/x', '2020-01-01', 'Full').location]",
                "api": "[reference('b').api]",
                "body": "[listCredentials(resourceId('R.R/registries', 'x'), '2020-01-01', createObject('k', 1)).body]"
            }})
        ),
        resource("b", json!({}))
    ]));
    assert_eq!(
        plan.body(1, &Registry).expect("a body")["properties"],
        json!({"where": "westeurope", "api": "2020-01-01", "body": {"k": 1}})
    );
    assert!(plan.is_deferred(1) && !plan.is_deferred(0));
}

#[test]
fn placeholders_keep_secrets_to_themselves() {
    let text = template(json!({
        "parameters": {"token": {"type": "securestring"}, "plain": {"type": "string"}},
        "variables": {"header": "[concat('Bearer ', parameters('token'))]"},
        "resources": [resource("a", json!({"properties": {
            "direct": "[parameters('token')]",
            "mixed": "[concat(parameters('plain'), ':', variables('header'))]",
            "plain": "[parameters('plain')]"
        }}))]
    }));
    let parameters = json!({"token": {"value": "planted-secret"}, "plain": {"value": "seen"}});
    let plan = plan(&text, parameters).expect("a plan");
    assert_eq!(
        plan.body(0, &Placeholders).expect("a body")["properties"],
        json!({
            "direct": "[parameters('token')]",
            "mixed": "[concat('seen', ':', variables('header'))]",
            "plain": "seen"
        })
    );
    assert_eq!(
        plan.body(0, &Registry).expect("a body")["properties"]["mixed"],
        json!("seen:Bearer planted-secret")
    );
    assert_eq!(Value::Object(plan.parameters_for_history())["token"], json!({"type": "SecureString"}));
    assert!(!format!("{plan:?}").contains("planted-secret"));
}

#[test]
fn one_turn_of_a_symbolic_loop_can_be_waited_for() {
    let text = template(json!({"languageVersion": "2.0", "resources": {
        "after": {"type": "My.Rp/a", "apiVersion": "2020-01-01", "name": "after", "dependsOn": ["turns[1]"]},
        "turns": {"type": "My.Rp/b", "apiVersion": "2020-01-01", "name": "[concat('t', copyIndex())]",
                  "copy": {"name": "loop", "count": 3}}
    }}));
    let plan = plan(&text, json!({})).expect("a plan");
    let after = plan.resources().iter().find(|resource| resource.name == "after").expect("after");
    let needs: Vec<&str> =
        after.depends_on.iter().map(|need| plan.resources()[*need].name.as_str()).collect();
    assert_eq!(needs, ["t1"]);
}

#[test]
fn functions_call_each_other_with_language_version_2() {
    let member = |value: &str| json!({"parameters": [], "output": {"type": "int", "value": value}});
    let sections = |language: &str, g: &str| {
        template(json!({
            "languageVersion": language,
            "functions": [{"namespace": "__bicep", "members": {"f": member("[add(__bicep.g(), 1)]"), "g": member(g)}}],
            "resources": if language == "2.0" { json!({}) } else { json!([]) },
            "outputs": {"o": {"type": "int", "value": "[__bicep.f()]"}},
        }))
    };
    let outputs = plan(&sections("2.0", "[add(1, 1)]"), json!({})).expect("a plan").outputs(&Placeholders);
    assert_eq!(outputs.expect("outputs")["o"]["value"], json!(3));
    let recursive = plan(&sections("2.0", "[__bicep.f()]"), json!({})).expect_err("no end");
    assert!(recursive[0].detail.contains("Circular reference detected"), "{}", recursive[0].detail);
    let old = plan(&sections("1.0", "[add(1, 1)]"), json!({})).expect_err("not before 2.0");
    assert!(old[0].detail.contains("function '__bicep.g' is not valid"), "{}", old[0].detail);
}

#[test]
fn the_name_of_what_is_not_deployed_need_not_exist() {
    let resource = |condition: bool| {
        template(json!({"resources": [{"type": "My.Rp/a", "apiVersion": "2020-01-01", "condition": condition,
            "name": "[last(split(null(), '/'))]"}]}))
    };
    assert_eq!(plan(&resource(false), json!({})).expect("a plan").resources().len(), 0);
    assert!(plan(&resource(true), json!({})).is_err());
}

#[test]
fn null_for_a_parameter_with_a_default_counts_as_not_given() {
    let text = template(json!({
        "parameters": {"p": {"type": "string", "defaultValue": "d"}},
        "outputs": {"o": {"type": "string", "value": "[parameters('p')]"}}
    }));
    let outputs = plan(&text, json!({"p": {"value": null}})).expect("a plan").outputs(&Placeholders);
    assert_eq!(outputs.expect("outputs")["o"]["value"], json!("d"));
}

/// What is shown to people takes as long as what is deployed: each variable is computed once, where it is twice in the
/// next one and nothing has to be hidden.
#[test]
fn variables_of_variables_are_computed_once() {
    let mut variables = json!({"v0": "a"});
    for n in 1..=40 {
        let before = n - 1;
        variables[format!("v{n}")] =
            json!(format!("[last(createArray(variables('v{before}'), variables('v{before}')))]"));
    }
    let sections = |parameters: &Value| {
        json!({
            "parameters": parameters, "variables": variables, "resources": [
                resource("y", json!({})),
                resource("x", json!({"properties": {"plain": "[variables('v40')]", "read": "[reference('y').z]"}})),
            ],
        })
    };
    let open = plan(&template(sections(&json!({}))), json!({})).expect("a plan");
    let body = open.body(1, &Placeholders).expect("a body");
    assert_eq!(body["properties"], json!({"plain": "a", "read": "[reference('y').z]"}));
    // Control: beside a secret they are computed anew each time, and the bounds say so.
    let secret = json!({"s": {"type": "securestring", "defaultValue": "hidden"}});
    let closed = plan(&template(sections(&secret)), json!({})).expect("a plan");
    assert!(closed.body(1, &Placeholders).is_err());
}

#[test]
fn all_bodies_at_once_are_the_bodies_one_by_one() {
    let text = template(json!({
        "parameters": {"secret": {"type": "securestring"}},
        "resources": [
            {"type": "A.B/c", "apiVersion": "2020-01-01", "name": "x", "properties": {"p": "[parameters('secret')]"}},
            {"type": "A.B/c", "apiVersion": "2020-01-01", "name": "y", "properties": {"p": "[reference('x').q]"}},
        ],
    }));
    let plan = || plan(&text, json!({"secret": {"value": "correct horse"}})).expect("a plan");
    let bodies = plan().into_bodies(&Placeholders).expect("bodies");
    for (index, (resource, body)) in bodies.iter().enumerate() {
        assert_eq!(resource, &plan().resources()[index]);
        assert_eq!(body, &plan().body(index, &Placeholders).expect("a body"));
    }
    assert_eq!(bodies[0].1["properties"]["p"], json!("[parameters('secret')]"));
}
