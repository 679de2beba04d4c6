//! A table for each group of functions: what the conformance cases leave out, edges first.

use crate::tests::support::evaluate;
use serde_json::{Value, json};

fn check(expression: &str, expected: Value) {
    assert_eq!(evaluate(expression), Ok(expected), "{expression}");
}

/// The expression fails, and the message has the text in it.
fn fails(expression: &str, text: &str) {
    let message = evaluate(expression).expect_err(expression);
    assert!(message.contains(text), "{expression}: {message}");
}

#[test]
fn strings() {
    check("concat('a', 5, true(), null(), 'b')", json!("a5Trueb"));
    check("concat(createArray(1), createArray(2, 3))", json!([1, 2, 3]));
    fails("concat('a', createArray(1))", "must be all arrays or all string literals");
    fails("concat(createObject())", "'Object'");
    check("toLower('ÄB')", json!("äb"));
    check("toUpper('äb')", json!("ÄB"));
    check("trim('  a b ')", json!("a b"));
    fails("trim(5)", "to be a string. The provided value is of type 'Integer'");
    check("replace('aXbX', 'X', '-')", json!("a-b-"));
    check("replace('aXb', 'x', '-')", json!("aXb"));
    fails("replace('a', '', 'b')", "can not be empty");
    check("split('a,b,,c', ',')", json!(["a", "b", "", "c"]));
    check("split('a,b;c', createArray(',', ';'))", json!(["a", "b", "c"]));
    check("split('', ',')", json!([""]));
    check("join(createArray('a', 1, true()), ', ')", json!("a, 1, True"));
    fails("join(createArray(createArray()), ',')", "'Array'");
    check("startsWith('Abc', 'aB')", json!(true));
    check("endsWith('Abc', 'BC')", json!(true));
    check("endsWith('a', 'abc')", json!(false));
    check("startsWith('abc', '')", json!(true));
    check("substring('abcdef', 2)", json!("cdef"));
    check("substring('abcdef', 2, 3)", json!("cde"));
    check("substring('abc', 3)", json!(""));
    fails("substring('abc', 1, 5)", "must refer to a location within the string");
    fails("substring('abc', -1)", "must refer to a location within the string");
    check("padLeft('5', 3, '0')", json!("005"));
    check("padLeft(5, 3)", json!("  5"));
    check("padLeft('abcd', 3)", json!("abcd"));
    fails("padLeft('a', 17)", "between '1' and '16'");
    fails("padLeft('a', 3, 'xy')", "single character");
    check("string(createObject('a', createArray(1, true(), null())))", json!(r#"{"a":[1,true,null]}"#));
    check("string(true())", json!("True"));
    check("string(null())", json!(""));
    check("string(5)", json!("5"));
    check("json('null')", Value::Null);
    check("json('{''a'': 1.5}')", json!({"a": 1.5}));
    check("json('5')", json!(5));
    check("json(null())", json!({}));
    fails("json('')", "not valid JSON");
    fails("json('{')", "not valid JSON");
    check("length('aä😀')", json!(4));
    fails("fail('no such plan')", "no such plan");
    check("indexOf('abcabc', 'C')", json!(2));
    check("lastIndexOf('abcabc', 'C')", json!(5));
    check("lastIndexOf('abc', 'x')", json!(-1));
    check("indexOf('abc', '')", json!(0));
}

#[test]
fn formats() {
    check("format('{0:N2}|{1,5}|{1,-5}|{{}}', 1234567, 'a')", json!("1,234,567.00|    a|a    |{}"));
    check("format('{0:D5} {0:X} {0:x4} {0:F1} {0:N0}', 255)", json!("00255 FF 00ff 255.0 255"));
    check("format('{0:000} {0:0.00} {0:#,##0}', 7)", json!("007 7.00 7"));
    check("format('{0:#,##0.##} {1:P0} {1:E2}', 1234567, float('0.25'))", json!("1,234,567 25 % 2.50E-001"));
    check("format('{0}', null())", json!(""));
    check("format('{0}', float('1.5'))", json!("1.5"));
    check("format('no holes')", json!("no holes"));
    fails("format('{1}', 'a')", "'{1}' has no argument");
    fails("format('{0', 'a')", "not valid");
    fails("format('a}', 'a')", "not valid");
    fails("format('{x}', 'a')", "'{x}' is not valid");
    fails("format('{0:Q}', 5)", "'Q' is not supported");
    fails("format(5)", "a string");
}

#[test]
fn arrays() {
    check("array('a')", json!(["a"]));
    check("array(createArray(1))", json!([1]));
    check("first('abc')", json!("a"));
    check("first('')", json!(""));
    check("first(createArray())", Value::Null);
    check("last(createArray(1, 2))", json!(2));
    check("last('')", json!(""));
    check("empty('')", json!(true));
    check("empty(null())", json!(true));
    check("empty(createObject('a', 1))", json!(false));
    fails("empty(5)", "'Integer'");
    check("length(createObject('a', 1))", json!(1));
    check("length(null())", json!(0));
    fails("length(5)", "of type 'Integer'");
    check("skip(createArray(1, 2, 3), 2)", json!([3]));
    check("skip('abc', -1)", json!("abc"));
    check("skip('abc', 9)", json!(""));
    check("take(createArray(1, 2, 3), 2)", json!([1, 2]));
    check("take('abc', 0)", json!(""));
    check("range(3, 0)", json!([]));
    check("range(-1, 3)", json!([-1, 0, 1]));
    fails("range(0, 10001)", "between '0' and '10000'");
    fails("range(2147483647, 1)", "2147483647");
    check("flatten(createArray(createArray(1), createArray(createArray(2))))", json!([1, [2]]));
    fails("flatten(createArray(1))", "an array of arrays");
    check("union(createArray(1, 1, 2), createArray(2, 3))", json!([1, 2, 3]));
    check(
        "union(json('{\"a\": {\"x\": 1}, \"l\": [1]}'), json('{\"A\": {\"y\": 2}, \"l\": [2], \"b\": 3}'))",
        json!({"a": {"x": 1, "y": 2}, "l": [2], "b": 3}),
    );
    fails("union(createArray(1), createObject())", "as all others");
    check("intersection(createArray(1, 2, 2, 3), createArray(3, 2))", json!([2, 3]));
    check("intersection(json('{\"a\": 1, \"b\": 2}'), json('{\"b\": 2, \"a\": 3}'))", json!({"b": 2}));
    check("contains(createObject('Key', 1), 'kEY')", json!(true));
    check("contains(createArray('1'), 1)", json!(false));
    check("contains(createArray(1), float('1.0'))", json!(true));
    check("contains('a1b', 1)", json!(true));
    check("indexFromEnd(createArray(1, 2, 3), 1)", json!(3));
    fails("indexFromEnd(createArray(1), 2)", "out of bounds");
    check("tryIndexFromEnd(createArray(1), 2)", Value::Null);
    check("lastIndexOf(createArray(1, 2, 1), 1)", json!(2));
}

#[test]
fn objects() {
    check("createObject('a', 1, 'b', createArray())", json!({"a": 1, "b": []}));
    fails("createObject('a')", "must be even");
    fails("createObject('a', 1, 'A', 2)", "more than once");
    check("objectKeys(createObject('b', 1, 'a', 2))", json!(["a", "b"]));
    check(
        "shallowMerge(createArray(json('{\"a\": {\"x\": 1}}'), json('{\"A\": {\"y\": 2}, \"b\": 1}')))",
        json!({"a": {"y": 2}, "b": 1}),
    );
    check("createObject('Name', createArray('x')).name[0]", json!("x"));
    check("createObject('a-b', 1)['A-B']", json!(1));
    check("createArray(createArray(1, 2))[0][add(0, 1)]", json!(2));
    fails("createObject('a', 1).b", "property 'b' doesn't exist, available properties are 'a'");
    fails("createArray(1)[1]", "index '1' is out of bounds");
    fails("createArray(1)[-1]", "index '-1' is out of bounds");
    fails("createArray(1)['a']", "an array index must be an integer");
    fails("createObject('1', 1)[1]", "property name must be a string");
    fails("string(5).length", "has no properties");
    fails("null().a", "has no properties");
}

#[test]
fn logic() {
    check("if(true(), 'a', fail('not taken'))", json!("a"));
    check("if(false(), fail('not taken'), 'b')", json!("b"));
    fails("if('true', 1, 2)", "must be a boolean");
    check("and(true(), true(), false())", json!(false));
    check("or(false(), true())", json!(true));
    check("or(true(), fail('not reached'))", json!(true));
    check("and(false(), fail('not reached'))", json!(false));
    fails("and(true(), 1)", "position '2' must be a boolean");
    check("not(false())", json!(true));
    check("coalesce(null(), 'a', fail('not reached'))", json!("a"));
    check("coalesce(null())", Value::Null);
    check("equals(1, float('1.0'))", json!(true));
    check("equals('a', 'A')", json!(false));
    check("equals(json('{\"a\":1,\"b\":2}'), json('{\"b\":2,\"a\":1}'))", json!(true));
    check("equals(1, '1')", json!(false));
    check("less('a', 'B')", json!(true));
    check("less('a', 'A')", json!(true));
    check("greaterOrEquals(2, 2)", json!(true));
    check("greater(float('2.5'), 2)", json!(true));
    check("lessOrEquals('b', 'a')", json!(false));
    fails("less(1, 'a')", "both be integers or both be strings");
    check("bool('TRUE')", json!(true));
    check("bool(0)", json!(false));
    fails("bool('yes')", "to a boolean value");
}

#[test]
fn numbers() {
    check("int('42')", json!(42));
    check("int(7)", json!(7));
    check("int(float('7.9'))", json!(7));
    fails("int('4.2')", "cannot convert provided value '4.2' to integer value");
    fails("int(true())", "neither an integer nor a string");
    check("float('1.5')", json!(1.5));
    fails("float('x')", "'x'");
    check("div(-7, 2)", json!(-3));
    check("mod(-7, 2)", json!(-1));
    fails("div(1, 0)", "divide by zero");
    fails("mod(1, 0)", "divide by zero");
    fails("add(9223372036854775807, 1)", "overflow");
    fails("div(-9223372036854775808, -1)", "overflow");
    fails("add('1', 1)", "an integer");
    check("max(3, 1, 2)", json!(3));
    check("min(createArray(3, 1, 2))", json!(1));
    fails("max(createArray())", "must not be empty");
    fails("max(1, 'a')", "position '2'");
}

#[test]
fn uris() {
    check("uri('http://h/a', 'b')", json!("http://h/b"));
    check("uri('http://h/a/', 'b/c.json')", json!("http://h/a/b/c.json"));
    fails("uri('a', 'b')", "not an absolute URI");
    check("uriComponent('a b/ü~')", json!("a%20b%2F%C3%BC~"));
    check("uriComponentToString('a%20b+c')", json!("a b c"));
    check("dataUri(createObject('a', 1))", json!("data:application/json;charset=utf8;base64,eyJhIjoxfQ=="));
    check("parseUri('http://h:81/p/q?x=1').port", json!(81));
    check("parseUri('http://h/p?x=1').query", json!("?x=1"));
    check("buildUri(createObject('scheme', 'https', 'host', 'h', 'path', 'p'))", json!("https://h/p"));
    fails("buildUri(createObject('host', 'h'))", "'scheme' and 'host'");
    fails("base64ToString('?')", "not a valid base64");
}

#[test]
fn networks() {
    check(
        "parseCidr('10.144.0.0/20')",
        json!({
            "network": "10.144.0.0", "netmask": "255.255.240.0", "broadcast": "10.144.15.255",
            "firstUsable": "10.144.0.1", "lastUsable": "10.144.15.254", "cidr": 20
        }),
    );
    check("cidrSubnet('10.144.0.0/20', 24, 0)", json!("10.144.0.0/24"));
    check("cidrSubnet('10.144.0.0/20', 24, 15)", json!("10.144.15.0/24"));
    fails("cidrSubnet('10.144.0.0/20', 24, 16)", "'16' is out of range");
    fails("cidrSubnet('10.144.0.0/20', 19, 0)", "between '20' and '32'");
    check("cidrSubnet('fdad:3236:5555::/48', 64, 1)", json!("fdad:3236:5555:1::/64"));
    check("cidrHost('10.144.3.0/24', 0)", json!("10.144.3.1"));
    check("cidrHost('10.144.3.0/24', 3)", json!("10.144.3.4"));
    fails("parseCidr('10.0.0.0/33')", "not a valid network");
    check("parseCidr('::/0').lastUsable", json!("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    check("cidrSubnet('::/0', 128, 0)", json!("::/128"));
}

#[test]
fn dates() {
    check("dateTimeAdd('2020-01-31T00:00:00Z', 'P1M', 'yyyy-MM-dd')", json!("2020-02-29"));
    check("dateTimeAdd('20200407T145314Z', 'PT1M', 'u')", json!("2020-04-07 14:54:14Z"));
    check("dateTimeAdd('2020-04-07', 'PT0S', 'dddd, d MMM yy h tt')", json!("Tuesday, 7 Apr 20 12 AM"));
    check("dateTimeAdd('2020-04-07', 'PT0S', 'o')", json!("2020-04-07T00:00:00.0000000Z"));
    fails("dateTimeAdd('soon', 'P1D')", "not a valid date");
    fails("dateTimeAdd('2020-04-07', 'tomorrow')", "ISO 8601 duration");
    fails("dateTimeAdd('2020-04-07', 'P1D', 'q')", "'q' is not a valid date and time format");
    fails("dateTimeAdd('2020-04-07', 'P9000Y')", "out of range");
    fails("dateTimeFromEpoch(9223372036854775807)", "out of range");
}

#[test]
fn lambdas_refuse_what_is_none() {
    fails("map(createArray(1), 'x')", "must be a lambda");
    fails("map(createArray(1), lambda('a', 'b', 'c', 1))", "'3' variables");
    fails("map(createArray(1), lambda(concat('a'), 1))", "string literals");
    fails("map('a', lambda('x', 1))", "must be an array");
    fails("filter(createArray(1), lambda('x', 1))", "must be a boolean");
    fails("lambda('x', 1)", "a function that takes one");
    fails("map(createArray(1), lambda('x', lambdaVariables('y')))", "lambda variable 'y' is not found");
    fails("lambdaVariables('x')", "'x' is not found");
    fails("toObject(createArray(true()), lambda('x', lambdaVariables('x')))", "the key must be a string");
}

#[test]
fn scopes() {
    check("resourceGroup().name", json!("example-group"));
    check("resourceGroup().LOCATION", json!("westeurope"));
    check("subscription().subscriptionId", json!(crate::tests::support::SUBSCRIPTION));
    check("tenant().tenantId", json!("00000000-0000-0000-0000-00000000000f"));
    check("deployment().name", json!("example"));
    check("deployment().properties.mode", json!("Incremental"));
    check("environment().suffixes.acrLoginServer", json!(".azurecr.io"));
    fails("deployer().objectId", "who deploys is not known");
    let reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
    check("roleDefinitions('reader').roleDefinitionId", json!(reader));
    let below = format!("/subscriptions/{}", crate::tests::support::SUBSCRIPTION);
    let id = format!("{below}/providers/Microsoft.Authorization/roleDefinitions/{reader}");
    check("roleDefinitions('Reader').id", json!(id));
    fails("roleDefinitions('Nobody')", "no built-in role is named 'Nobody', and custom roles are known to a");
    fails("roleDefinitions(1)", "a string");
    fails("pickZones('Microsoft.Compute', 'virtualMachines', 'westus2', 4)", "between '1' and '3'");
    fails("toLogicalZone('s', 'westus2', 'eastus-az1')", "is not known in the region 'westus2'");
    fails("managementGroup().id", "is not expected at this location");
}

#[test]
fn ids_refuse_what_does_not_fit() {
    fails("resourceId('My.Rp/a/b', 'x')", "requires '2' resource name argument(s), '1' are given");
    fails("resourceId('x', 'y')", "multi-segmented argument");
    fails("resourceId('not-a-guid', 'g', 'My.Rp/a', 'x')", "'not-a-guid' is not a GUID");
    fails("resourceId('My.Rp/a', '')", "is empty");
    fails("resourceId('My.Rp/', 'x')", "not valid");
    check("last(split(resourceId('My.Rp/a/', 'x'), 'providers'))", json!("/My.Rp/a/x"));
    fails("resourceId(5, 'x')", "a string");
}

#[test]
fn names_do_not_regard_case() {
    check("CONCAT('a', ToUpper('b'))", json!("aB"));
    fails("Concatenate('a')", "The template function 'Concatenate' is not valid");
    fails("trim('a', 'b')", "the actual number of arguments '2' doesn't match the expected number '1'");
    fails("ns.f('a')", "The template function 'ns.f' is not valid");
}

#[test]
fn the_table_of_functions_is_that_of_the_documentation() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/arm-functions.md");
    let text = fs_err::read_to_string(file).expect("the documentation");
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()? != "refused"))
    });
    let documented: std::collections::BTreeMap<String, bool> = rows.collect();
    let known = super::groups()
        .into_iter()
        .flatten()
        .chain([&super::resource::LIST])
        .map(|function| (function.name.to_owned(), !matches!(function.run, super::Run::Unsupported(_))))
        .collect();
    assert_eq!(documented, known);
}

/// The known answers of `fixtures/arm/functions`, one file a family: expression to value.
fn known_answers() -> Vec<(String, Value)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/arm/functions");
    let mut all = Vec::new();
    for file in fs_err::read_dir(folder).expect("the known answers") {
        let text = fs_err::read_to_string(file.expect("a file").path()).expect("a text");
        let cases: serde_json::Map<String, Value> = serde_json::from_str(&text).expect("an object");
        all.extend(cases);
    }
    all
}

#[test]
fn known_answers_hold() {
    let all = known_answers();
    assert!(all.len() > 100, "{}", all.len());
    let wrong: Vec<String> = all
        .iter()
        .filter_map(|(expression, expected)| match evaluate(expression) {
            Ok(found) if found == *expected => None,
            found => Some(format!("{expression}: {found:?}, not {expected}")),
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_function_that_needs_no_deployment_has_a_known_answer() {
    let called: String =
        known_answers().into_iter().map(|(expression, _)| expression.to_lowercase() + "\n").collect();
    // Those with a value only in a certain place have tests of their own.
    let elsewhere =
        ["copyIndex", "deployer", "fail", "managementGroup", "newGuid", "parameters", "utcNow", "variables"];
    let missing: Vec<&str> = super::groups()
        .into_iter()
        .flatten()
        .filter(|function| !matches!(function.run, super::Run::Unsupported(_)))
        .filter(|function| function.place == super::Allowed::Anywhere)
        .map(|function| function.name)
        .filter(|name| !elsewhere.contains(name) && !called.contains(&format!("{}(", name.to_lowercase())))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
