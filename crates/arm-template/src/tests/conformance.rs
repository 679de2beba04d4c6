//! Known answers: Microsoft's documentation, the values of Bicep's own tests (`Azure/bicep`: EvaluationTests), and the
//! public re-implementations of the function library.

use super::support::{evaluate, output_of, plan, template};
use crate::Placeholders;
use serde_json::{Value, json};

fn check(expression: &str, expected: Value) {
    assert_eq!(evaluate(expression), Ok(expected), "{expression}");
}

#[test]
fn an_escaped_bracket_is_text() {
    assert_eq!(output_of(&json!("[[concat('a')]")), Ok(json!("[concat('a')]")));
    assert_eq!(output_of(&json!("[[x")), Ok(json!("[x")));
    assert_eq!(output_of(&json!("[abc")), Ok(json!("[abc")));
    assert_eq!(output_of(&json!("[concat('a')] b")), Ok(json!("[concat('a')] b")));
    assert_eq!(output_of(&json!("x[concat('a')]")), Ok(json!("x[concat('a')]")));
    assert_eq!(output_of(&json!(["[[a]", {"[[k]": 1}])), Ok(json!(["[a]", {"[k]": 1}])));
}

#[test]
fn format_prints_as_dotnet() {
    let arguments = r#"false(), 12948, 'hello!', json('{"a":"b","!c":2}'), json('[true,2893,"abc"]')"#;
    check(
        &format!("format('>{{0}}<>{{1}}<>{{2}}<>{{3}}<>{{4}}<', {arguments})"),
        json!(">False<>12948<>hello!<>{'a':'b','!c':2}<>[true,2893,'abc']<"),
    );
}

#[test]
fn searching_regards_case_only_sometimes() {
    check("indexOf('FOOBAR', 'foo')", json!(0));
    check("indexOf('FOOBAR', 'bar')", json!(3));
    check("contains('FOOBAR', 'foo')", json!(false));
    check("contains('FOOBAR', 'FOO')", json!(true));
    check("indexOf(createArray('FOO', 'BAR'), 'foo')", json!(-1));
    check("indexOf(createArray('FOO', 'BAR'), 'BAR')", json!(1));
    check("contains(createArray('FOO', 'BAR'), 'foo')", json!(false));
}

#[test]
fn items_are_sorted_without_regard_to_case() {
    let keys = ["ghiKey", "defKey", "abcKey", "123Key", "GHIKey", "DEFKey", "ABCKey", "456Key"];
    let arguments: Vec<String> = keys.iter().map(|key| format!("\"{key}\":1")).collect();
    let object = format!("json('{{{}}}')", arguments.join(","));
    check(
        &format!("map(items({object}), lambda('i', lambdaVariables('i').key))"),
        json!(["123Key", "456Key", "abcKey", "ABCKey", "defKey", "DEFKey", "ghiKey", "GHIKey"]),
    );
}

#[test]
fn unique_strings_are_azures() {
    for (arguments, expected) in [
        ("'/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/myRg'", "js26ofeqkqeve"),
        ("'test'", "rbgf3xv4ufgzg"),
        ("'hello', 'world'", "a7wkljktk6wne"),
        ("'abc'", "cgtzqvhu4i23s"),
        ("'foo', 'bar', 'baz'", "xzi4ioaxtmth4"),
        ("'a'", "eveiun73364hy"),
        ("'a', 'b', 'c'", "gmauwwrtcq2xa"),
    ] {
        check(&format!("uniqueString({arguments})"), json!(expected));
    }
    check("guid('a', 'b')", json!("2d796349-8c7e-55ec-9624-54ece82ed031"));
    check("guid('test')", json!("d6a5baf1-8b9b-542a-8525-2982f1f98a0c"));
}

#[test]
fn copy_makes_variables() {
    let text = template(json!({
        "variables": {
            "copy": [{"name": "stringArray", "count": 5, "input": "[concat('item', copyIndex('stringArray', 1))]"}],
            "inside": {
                "copy": [{"name": "list", "count": 2, "input": {"n": "[copyIndex('list')]"}}],
                "other": 1
            }
        },
        "outputs": {
            "a": {"type": "array", "value": "[variables('stringArray')]"},
            "b": {"type": "object", "value": "[variables('inside')]"}
        }
    }));
    let outputs = plan(&text, json!({})).expect("a plan").outputs(&Placeholders).expect("outputs");
    assert_eq!(outputs["a"]["value"], json!(["item1", "item2", "item3", "item4", "item5"]));
    assert_eq!(outputs["b"]["value"], json!({"other": 1, "list": [{"n": 0}, {"n": 1}]}));
}

#[test]
fn lambdas() {
    check(
        "sort(createArray(8, 3, 10, -13, 5), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))",
        json!([-13, 3, 5, 8, 10]),
    );
    let multiply = "lambda('cur', 'next', mul(lambdaVariables('cur'), lambdaVariables('next')))";
    check(&format!("reduce(range(1, 5), 1, {multiply})"), json!(120));
    check(&format!("reduce(createArray(), 0, {multiply})"), json!(0));
    check("flatten(createArray())", json!([]));
    check("filter(createArray(), lambda('i', true()))", json!([]));
    check(
        "toObject(createArray(123, 456, 789), lambda('i', format('{0}', div(lambdaVariables('i'), 100))))",
        json!({"1": 123, "4": 456, "7": 789}),
    );
    check(
        "reduce(createArray('abc', 'def', 'ghi'), '', lambda('cur', 'next', 'i', if(equals(mod(lambdaVariables('i'), 2), 0), \
         concat(lambdaVariables('cur'), lambdaVariables('next')), lambdaVariables('cur'))))",
        json!("abcghi"),
    );
    check(
        "filter(createArray('a', 'b', 'c', 'd'), lambda('item', 'i', equals(mod(lambdaVariables('i'), 2), 0)))",
        json!(["a", "c"]),
    );
    let data = r#"json('[{"type":"a","value":123},{"type":"b","value":456},{"type":"a","value":789}]')"#;
    check(
        &format!(
            "groupBy({data}, lambda('x', lambdaVariables('x').type), lambda('x', lambdaVariables('x').value))"
        ),
        json!({"a": [123, 789], "b": [456]}),
    );
    check(
        "mapValues(createObject('a', 123, 'b', 456), lambda('x', mul(lambdaVariables('x'), 2)))",
        json!({"a": 246, "b": 912}),
    );
    check(
        "map(createArray('a', 'b'), lambda('x', 'i', concat(lambdaVariables('x'), string(lambdaVariables('i')))))",
        json!(["a0", "b1"]),
    );
    // An inner variable hides an outer one of the same name.
    check(
        "map(range(0, 2), lambda('x', map(range(5, 2), lambda('x', lambdaVariables('X')))))",
        json!([[5, 6], [5, 6]]),
    );
}

#[test]
fn arithmetic() {
    check("add(1, 3)", json!(4));
    check("mul(4, 5)", json!(20));
    check("mod(20, 7)", json!(6));
    check("div(6, 11)", json!(0));
    check("sub(0, 13)", json!(-13));
}

#[test]
fn try_get_is_safe_in_its_first_step_alone() {
    let object = "createObject('key', createObject('n', 'v'))";
    check(&format!("tryGet({object}, 'x', 'n')"), Value::Null);
    check("tryGet(createArray(), 0)", Value::Null);
    check(&format!("tryGet({object}, 'KEY', 'N')"), json!("v"));
    let missing = evaluate(&format!("tryGet({object}, 'key', 'zz')")).expect_err("a missing second step");
    assert!(missing.contains("property 'zz' doesn't exist, available properties are 'n'"), "{missing}");
}

#[test]
fn ids() {
    const SUBSCRIPTION: &str = super::support::SUBSCRIPTION;
    let kind = "'My.Rp/parent/child', 'myParent', 'myChild'";
    let path = "/providers/My.Rp/parent/myParent/child/myChild";
    let own = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/example-group{path}");
    check(&format!("resourceId({kind})"), json!(own));
    check(
        &format!("resourceId('other', {kind})"),
        json!(format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/other{path}")),
    );
    let foreign = "99999999-0000-0000-0000-000000000001";
    check(
        &format!("resourceId('{foreign}', 'other', {kind})"),
        json!(format!("/subscriptions/{foreign}/resourceGroups/other{path}")),
    );
    check(&format!("tenantResourceId({kind})"), json!(path));
    check(&format!("subscriptionResourceId({kind})"), json!(format!("/subscriptions/{SUBSCRIPTION}{path}")));
    check(
        &format!("subscriptionResourceId('{foreign}', {kind})"),
        json!(format!("/subscriptions/{foreign}{path}")),
    );
    check(
        &format!("managementGroupResourceId('M', {kind})"),
        json!(format!("/providers/Microsoft.Management/managementGroups/M{path}")),
    );
    check(
        &format!(
            "extensionResourceId(tenantResourceId({kind}), 'My.ExtensionRp/parent/child', 'myParent', 'myChild')"
        ),
        json!(format!("{path}/providers/My.ExtensionRp/parent/myParent/child/myChild")),
    );
}

#[test]
fn encodings() {
    check("base64('one, two, three')", json!("b25lLCB0d28sIHRocmVl"));
    check("base64ToString('b25lLCB0d28sIHRocmVl')", json!("one, two, three"));
    check("base64ToJson(base64('{\"a\": 1}'))", json!({"a": 1}));
    check("dataUri('Hello')", json!("data:text/plain;charset=utf8;base64,SGVsbG8="));
    check("dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')", json!("Hello, World!"));
}

#[test]
fn dates() {
    let base = "'2020-04-07 14:53:14Z'";
    check(&format!("dateTimeAdd({base}, 'P3Y')"), json!("4/7/2023 2:53:14 PM"));
    check(&format!("dateTimeAdd({base}, '-P9D')"), json!("3/29/2020 2:53:14 PM"));
    check(&format!("dateTimeAdd({base}, 'PT1H')"), json!("4/7/2020 3:53:14 PM"));
    check(&format!("dateTimeAdd({base}, 'PT1H', 'yyyy-MM-dd HH:mm')"), json!("2020-04-07 15:53"));
    check("dateTimeToEpoch('2020-04-07T14:53:14Z')", json!(1_586_271_194));
    check("dateTimeFromEpoch(1586271194)", json!("2020-04-07T14:53:14Z"));
}

#[test]
fn the_clock_is_an_input() {
    let text = template(json!({
        "parameters": {
            "plain": {"type": "string", "defaultValue": "[utcNow()]"},
            "day": {"type": "string", "defaultValue": "[utcNow('d')]"},
            "custom": {"type": "string", "defaultValue": "[utcNow('M d')]"},
            "id": {"type": "string", "defaultValue": "[newGuid()]"},
            "both": {"type": "string", "defaultValue": "[concat(parameters('id'), '-', parameters('custom'))]"}
        },
        "outputs": {
            "all": {
                "type": "array",
                "value": ["[parameters('plain')]", "[parameters('day')]", "[parameters('custom')]", "[parameters('both')]"]
            }
        }
    }));
    let outputs = plan(&text, json!({})).expect("a plan").outputs(&Placeholders).expect("outputs");
    let expected =
        json!(["20190305T175318Z", "03/05/2019", "3 5", "00000000-0000-0000-0000-000000001234-3 5"]);
    assert_eq!(outputs["all"]["value"], expected);
}
