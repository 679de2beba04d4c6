//! Parameters and expressions, seen through the steps that they make.

mod kinds;
mod references;
mod variables;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::expression::{Known, Scope, evaluate};
use super::value::{Field, Value};
use crate::{Inputs, Plan};

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn with<'a>(pairs: &[(&str, &str)]) -> Inputs<'a> {
    Inputs { parameters: given(pairs), ..Inputs::default() }
}

fn scripts(text: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    scripts_of(text, &with(pairs))
}

#[track_caller]
fn scripts_of(text: &str, inputs: &Inputs<'_>) -> Vec<String> {
    let plan = Plan::read(text, inputs).unwrap_or_else(|faults| panic!("{faults}\n---\n{text}"));
    plan.phases.into_iter().flat_map(|phase| phase.steps).map(|step| step.script).collect()
}

#[track_caller]
fn refused(text: &str, pairs: &[(&str, &str)], expected: &[&str]) {
    refused_of(text, &with(pairs), expected);
}

#[track_caller]
fn refused_of(text: &str, inputs: &Inputs<'_>, expected: &[&str]) {
    let faults = Plan::read(text, inputs).expect_err(text).to_string();
    let lines: Vec<_> = faults.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{faults}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\nis not\n{expected}\n---\n{text}");
    }
}

const TYPED: &str = "parameters:
- {name: image, default: linux, values: [linux, mac]}
- {name: count, type: number, default: 2}
- {name: fast, displayName: Be fast, type: boolean, default: true}
- {name: regions, type: object, default: [{name: west, size: 1}, {name: east}]}
";

#[test]
fn values_stand_where_expressions_were() {
    let steps = "steps:
- script: ${{ parameters.image }} ${{parameters.COUNT}} ${{ parameters['fast'] }} ${{ parameters.regions[1].name }}
  displayName: On ${{ parameters.image }}
  env: {'${{ upper(parameters.image) }}': '${{ parameters.image }}'}
  enabled: ${{ parameters.fast }}
  timeoutInMinutes: ${{ parameters.count }}
  condition: ${{ iif(parameters.fast, 'always()', 'failed()') }}
";
    let text = format!("{TYPED}{steps}");
    assert_eq!(scripts(&text, &[]), ["linux 2 True east"]);
    let pairs =
        [("Image", "mac"), ("count", "5"), ("fast", "FALSE"), ("regions", "[1, {\"name\": \"north\"}]")];
    assert_eq!(scripts(&text, &pairs), ["mac 5 False north"]);
    let plan = Plan::read(&text, &with(&pairs)).expect("a plan");
    let step = &plan.phases[0].steps[0];
    assert_eq!(step.display_name.as_deref(), Some("On mac"));
    assert_eq!(step.env.get("MAC").map(String::as_str), Some("mac"));
    assert_eq!((step.enabled, step.timeout_in_minutes), (false, 5));
    assert_eq!(step.condition.to_string(), "failed()");
}

#[test]
fn what_is_missing_unknown_or_of_another_type_is_told() {
    let steps = "steps: [{script: a}]\n";
    let required = format!("parameters:\n- name: x\n- {{name: y, type: number}}\n{steps}");
    refused(
        &required,
        &[("Y", "many"), ("z", "1")],
        &[
            "1:1: Unexpected parameter 'z'",
            "2:3: A value for the 'x' parameter must be provided.",
            "3:3: The 'y' parameter value 'many' is not a valid Number.",
        ],
    );
    let text = format!("{TYPED}{steps}");
    refused(
        &text,
        &[("image", "amiga")],
        &["2:3: The 'image' parameter value 'amiga' is not an allowed value."],
    );
    refused(&text, &[("fast", "yes")], &["4:3: The 'fast' parameter value 'yes' is not a valid Boolean."]);
    refused(&text, &[("regions", "[")], &["5:3: The 'regions' parameter value '[' is not a valid Object."]);
    for (parameters, expected) in [
        ("{x: 1}", "1:13: `parameters` is a mapping; it needs a list"),
        ("[{default: 1}]", "1:14: `parameters[0]` has no `name`"),
        (
            "[{name: a, default: 1}, {name: A, default: 1}]",
            "1:44: `parameters[1].name` is `A`, the name of an",
        ),
        (
            "[{name: a, type: deploymentList}]",
            "1:30: `parameters[0].type` is `deploymentList`, which is not supported: there are no deployment jobs; supported: string",
        ),
        ("[{name: a, type: number, default: x}]", "1:14: The 'a' parameter value 'x' is not a valid Number."),
        ("[{name: a, default: 1, options: [1]}]", "1:36: `parameters[0].options` is not supported here"),
    ] {
        refused(&format!("parameters: {parameters}\n{steps}"), &[], &[expected]);
    }
}

#[test]
fn conditions_and_loops_put_steps_and_keys_in() {
    let steps = "steps:
- ${{ if eq(parameters.image, 'linux') }}:
  - script: on linux
- ${{ elseif parameters.fast }}:
  - script: fast
- ${{ else }}:
  - script: slow
- ${{ each region in parameters.regions }}:
  - script: ${{ region.name }}
    ${{ if region.size }}:
      displayName: size ${{ region.size }}
    ${{ else }}:
      displayName: no size
- ${{ each pair in parameters.regions[0] }}:
  - script: ${{ pair.key }}=${{ pair.value }}
";
    let text = format!("{TYPED}{steps}");
    let rest = ["west", "east", "name=west", "size=1"];
    for (pairs, first) in [
        (vec![], "on linux"),
        (vec![("image", "mac")], "fast"),
        (vec![("image", "mac"), ("fast", "false")], "slow"),
    ] {
        let made = scripts(&text, &pairs);
        assert_eq!((made[0].as_str(), &made[1..]), (first, rest.map(str::to_owned).as_slice()));
    }
    let plan = Plan::parse(&text).expect("a plan");
    let names: Vec<_> = plan.phases[0].steps[1..3].iter().map(|step| step.display_name.as_deref()).collect();
    assert_eq!(names, [Some("size 1"), Some("no size")]);

    // A list in place of a step is as many steps.
    let whole = "parameters:\n- {name: s, type: object, default: [{script: a}, {script: b}]}\nsteps:\n- ${{ parameters.s \
                 }}\n- ${{ insert }}: [{script: c}]\n";
    assert_eq!(scripts(whole, &[]), ["a", "b", "c"]);
}

#[test]
fn expressions_that_cannot_be_are_refused_where_they_are() {
    let steps = |inner: &str| format!("{TYPED}steps:\n- script: |\n    first\n    echo {inner}\n");
    for (inner, expected) in [
        (
            "${{ resources.x }}",
            "9:10: Unrecognized value: 'resources'; only `parameters` and `variables` are known here. Located at",
        ),
        (
            "${{ parameters.imgae }}",
            "9:10: Key not found 'imgae'. Located at position 1 within expression: parameters.imgae",
        ),
        ("${{ parameters.image", "9:10: the expression has no end"),
        ("${{ }}", "9:10: Unexpected end of the expression"),
        ("${{ parameters.image 'x' }}", "9:10: Unexpected symbol: ''x''. Located at position 18"),
        ("${{ nope(1) }}", "9:10: Unrecognized value: 'nope'; the functions that are supported are and,"),
        ("${{ eq(1) }}", "9:10: The function 'eq' takes 2 parameters; it has 1"),
        ("${{ parameters.regions }}", "9:10: Unable to convert from Array to String. Value: Array"),
        ("${{ 'x }}", "9:10: the expression has no end"),
        ("${{ if true }}", "9:10: Unrecognized value: 'if'; only"),
    ] {
        refused(&steps(inner), &[], &[expected]);
    }
    refused("steps:\n- script: ${{ if true }}\n", &[], &["2:11: `${{ if true }}` can only be a key"]);
    refused(
        "steps:\n- ${{ else }}: []\n- script: a\n",
        &[],
        &["2:3: `elseif` and `else` stand behind an `if`"],
    );
    refused(
        "steps:\n- script: a\n  ${{ if true }}:\n    script: b\n",
        &[],
        &["4:5: `script` is there twice; the first is in line 2"],
    );
}

#[test]
fn functions_are_those_of_the_documentation() {
    let list = Value::Array(Rc::new(vec![Value::String("a".into()), Value::String("B".into())]));
    let fields = vec![Field::new("list", list), Field::new("no", Value::Boolean(false))];
    let object = Value::Object(Rc::new(fields));
    let scope = Scope(vec![("parameters".into(), object)]);
    for (text, expected) in [
        ("and(true, eq('A', 'a'), not(false))", "True"),
        ("or(false, ne(1, 1), parameters.no)", "False"),
        ("xor(true, 'x')", "False"),
        ("in('b', 'a', 'B')", "True"),
        ("notIn(1, 2, '1')", "False"),
        ("eq(parameters.list[7], '')", "True"),
        ("eq(true, 'false')", "True"),
        ("ge('10', 9)", "False"),
        ("gt(10, '9')", "True"),
        ("contains('Hello', 'ELL')", "True"),
        ("containsValue(parameters.list, 'b')", "True"),
        ("startsWith('abc', 'AB')", "True"),
        ("endsWith('abc', 'b')", "False"),
        ("format('{0}-{1} {{{0}}}', 'a', 1.50)", "a-1.5 {a}"),
        ("join(';', parameters.list)", "a;B"),
        ("coalesce(parameters.list.nope, '', 'z')", "z"),
        ("replace(lower('ABA'), 'a', 'it''s')", "it'sbit's"),
        ("trim(upper(' x '))", "X"),
        ("length(split('a,b;c', ',;'))", "3"),
        ("convertToJson(parameters)", r#"{"list":["a","B"],"no":false}"#),
        ("-1.5", "-1.5"),
    ] {
        let known = Known { scope: &scope, variables: &[], copied: Cell::new(0) };
        let value = evaluate(text, &known).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(value.text().as_deref(), Some(expected), "{text}");
    }
}

/// What is written in a few characters does not fill the memory.
#[test]
fn expressions_make_no_flood() {
    let many = format!("[{}]", vec!["1"; 400].join(", "));
    let text = format!(
        "parameters: [{{name: x, type: object, default: {many}}}]\nsteps:\n- ${{{{ each a in parameters.x }}}}:\n  - ${{{{ each b \
         in parameters.x }}}}:\n    - script: a\n"
    );
    refused(&text, &[], &["5:7: the file's expressions make more than 50000 values"]);
    let deep = format!("steps: [{{script: \"${{{{ {}1{} }}}}\"}}]", "not(".repeat(60), ")".repeat(60));
    refused(&deep, &[], &["1:19: The expression is nested too deep"]);
    let mut long = "'xxxxxxxxxxxxxxxx'".to_owned();
    for _ in 0..5 {
        long = format!("replace({long}, 'x', 'xxxxxxxxxxxxxxxx')");
    }
    refused(
        &format!("steps: [{{script: \"${{{{ {long} }}}}\"}}]"),
        &[],
        &["1:19: The function 'replace' makes"],
    );
}
