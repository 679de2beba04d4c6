//! What is wrong, where, and in which words.

use super::support::{Registry, details, evaluate, plan, template};
use crate::{Code, Diagnostic, Template};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Every fault: code, path, place, the text it points at, the message.
fn shown(faults: &[Diagnostic]) -> String {
    let mut out = String::new();
    for fault in faults {
        let place = fault.position().map(|at| format!("{}:{}", at.line, at.column)).unwrap_or_default();
        let pointed = fault
            .span
            .zip(fault.source_text())
            .map(|(span, text)| &text[span.start..span.end])
            .unwrap_or_default();
        let pointed = pointed.lines().next().unwrap_or_default();
        let _ = writeln!(out, "{} {} {place} `{pointed}`\n  {fault}", fault.code, fault.path);
        if let Some(help) = &fault.help {
            let _ = writeln!(out, "  help: {help}");
        }
    }
    out
}

fn faults(sections: Value, parameters: Value) -> String {
    match plan(&template(sections), parameters) {
        Ok(plan) => panic!("no fault in {plan:?}"),
        Err(faults) => shown(&faults),
    }
}

fn group(name: &str) -> Value {
    json!({"type": "Microsoft.ContainerInstance/containerGroups", "apiVersion": "2023-05-01", "name": name})
}

fn with(mut resource: Value, members: Value) -> Value {
    let (Some(map), Value::Object(members)) = (resource.as_object_mut(), members) else { panic!("objects") };
    map.extend(members);
    resource
}

fn copies(count: Value) -> Value {
    json!({"resources": [with(group("[concat('a', copyIndex())]"), json!({"copy": {"name": "loop", "count": count}}))]})
}

#[test]
fn a_loop_has_from_0_to_800_turns() {
    insta::assert_snapshot!(faults(copies(json!(-1)), json!({})), @r"
    InvalidTemplate resources[0].copy.count 11:18 `-1`
      Deployment template validation failed: 'The template resource '[concat('a', copyIndex())]' at line '5' and column '5' is not valid: The copy count '-1' is not valid. The copy count must be a non-negative integer value and cannot exceed '800'. Please see https://aka.ms/arm-copy for usage details.'.
    ");
    insta::assert_snapshot!(faults(copies(json!("[add(800, 1)]")), json!({})), @r#"
    InvalidTemplate resources[0].copy.count 11:18 `"[add(800, 1)]"`
      Deployment template validation failed: 'The template resource '[concat('a', copyIndex())]' at line '5' and column '5' is not valid: The copy count '801' is not valid. The copy count must be a non-negative integer value and cannot exceed '800'. Please see https://aka.ms/arm-copy for usage details.'.
    "#);
    insta::assert_snapshot!(faults(copies(json!("three")), json!({})), @r#"
    InvalidTemplate resources[0].copy.count 11:18 `"three"`
      Deployment template validation failed: 'The template resource '[concat('a', copyIndex())]' at line '5' and column '5' is not valid: The copy count 'three' is not valid. The copy count must be a non-negative integer value and cannot exceed '800'. Please see https://aka.ms/arm-copy for usage details.'.
    "#);
    let none = plan(&template(copies(json!(0))), json!({})).expect("an empty loop");
    assert!(none.resources().is_empty());
    let most = plan(&template(copies(json!(800))), json!({})).expect("a full loop");
    assert_eq!(most.resources().len(), 800);
}

#[test]
fn no_more_than_800_resources() {
    let mut sections = copies(json!(800));
    sections["resources"].as_array_mut().expect("resources").push(group("one-more"));
    insta::assert_snapshot!(faults(sections, json!({})), @r"
    InvalidTemplate resources[1] 14:5 `{`
      Deployment template validation failed: 'The number of template resources limit exceeded. Limit: '800' and actual: more than '800'. Please see https://aka.ms/arm-template/#resources for usage details.'.
    ");
}

fn parameters() -> Value {
    json!({"parameters": {
        "count": {"type": "int", "minValue": 0, "maxValue": 10},
        "size": {"type": "string", "allowedValues": ["small", "large"], "defaultValue": "small"},
        "name": {"type": "string", "minLength": 3, "maxLength": 5, "defaultValue": "name"},
        "token": {"type": "securestring", "allowedValues": ["one", "two"], "defaultValue": "one"}
    }})
}

#[test]
fn parameters_are_checked_all_at_once() {
    insta::assert_snapshot!(faults(parameters(), json!({})), @r#"
    InvalidTemplate parameters.count 6:5 `"count"`
      Deployment template validation failed: 'The value for the template parameter 'count' at line '6' and column '5' is not provided. Please see https://aka.ms/arm-create-parameter-file for usage details.'.
    "#);
    insta::assert_snapshot!(faults(parameters(), json!({"count": {"value": "5"}, "size": {"value": "huge"}, "other": {"value": 1}})), @r#"
    InvalidTemplate parameters  ``
      Deployment template validation failed: 'The template parameters 'other' in the parameters file are not valid; they are not present in the original template and can therefore not be provided at deployment time. The only supported parameters for this template are 'count, size, name, token'. Please see https://aka.ms/arm-deploy/#parameter-file for usage details.'.
    InvalidTemplate parameters.count 6:5 `"count"`
      Deployment template validation failed: 'Template parameter JToken type is not valid. Expected 'Integer'. Actual 'String'. Please see https://aka.ms/resource-manager-parameter-files for usage details.'.
      help: the value is that of the parameter 'count', of type 'Int'
    InvalidTemplate parameters.size 11:5 `"size"`
      Deployment template validation failed: 'The provided value 'huge' for the template parameter 'size' at line '11' and column '5' is not valid. The parameter value is not part of the allowed value(s): 'small,large'.'.
    "#);
    insta::assert_snapshot!(faults(parameters(), json!({"COUNT": {"value": 11}, "name": {"value": "ab"}})), @r#"
    InvalidTemplate parameters.count 6:5 `"count"`
      Deployment template validation failed: 'The provided value '11' for the template parameter 'count' at line '6' and column '5' is not valid. The value should be less than or equal to '10'.'.
    InvalidTemplate parameters.name 19:5 `"name"`
      Deployment template validation failed: 'The provided value 'ab' for the template parameter 'name' at line '19' and column '5' is not valid. Length of the value should be greater than or equal to '3'.'.
    "#);
    insta::assert_snapshot!(faults(parameters(), json!({"count": {"value": null}, "name": {"value": "toolong"}})), @r#"
    InvalidTemplate parameters.count 6:5 `"count"`
      Deployment template validation failed: 'Template parameter JToken type is not valid. Expected 'Integer'. Actual 'Null'. Please see https://aka.ms/resource-manager-parameter-files for usage details.'.
      help: the value is that of the parameter 'count', of type 'Int'
    InvalidTemplate parameters.name 19:5 `"name"`
      Deployment template validation failed: 'The provided value 'toolong' for the template parameter 'name' at line '19' and column '5' is not valid. Length of the value should be less than or equal to '5'.'.
    "#);
    insta::assert_snapshot!(faults(parameters(), json!({"count": {"value": 1}, "token": {"reference": {"keyVault": {"id": "x"}, "secretName": "y"}}})), @r#"
    KeyVaultParameterReferenceNotFound parameters.token 25:5 `"token"`
      The specified KeyVault of the parameter 'token' could not be found: key vault references are not supported here, pass the value itself.
    "#);
    insta::assert_snapshot!(faults(parameters(), json!({"count": 5, "name": {"valeu": "abc"}})), @r#"
    InvalidRequestContent parameters.count 6:5 `"count"`
      The request content was invalid and could not be deserialized: 'Error converting value of the parameter 'count' to type 'DeploymentParameterDefinition': it must be an object with the member 'value'.'.
    InvalidRequestContent parameters.name 19:5 `"name"`
      The request content was invalid and could not be deserialized: 'Could not find member 'valeu' on object of type 'DeploymentParameterDefinition'. Path 'properties.parameters.name.valeu'.'.
    "#);
}

#[test]
fn no_message_shows_a_secret() {
    let text = faults(parameters(), json!({"count": {"value": 1}, "token": {"value": "planted-secret"}}));
    assert!(text.contains("not part of the allowed value(s)") && !text.contains("planted-secret"), "{text}");
    let sections = json!({
        "parameters": {"token": {"type": "securestring"}},
        "resources": [with(group("a"), json!({"properties": {"n": "[int(parameters('token'))]"}}))],
        "outputs": {"o": {"type": "int", "value": "[int(concat('x', parameters('token')))]"}}
    });
    let text = faults(sections, json!({"token": {"value": "planted-secret"}}));
    assert!(text.contains("'***'") && !text.contains("planted-secret"), "{text}");
}

#[test]
fn the_form_is_checked_all_at_once() {
    let text = r#"{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "",
  "parametrs": {},
  "parameters": { "a": { "type": "strnig" }, "b": { "defaultValue": 1 }, "c": { "type": "int", "defaultValue": "x" } },
  "variables": { "v": "[reference('x').y]", "w": "[concat('a'", "x": "[concat('a']" },
  "resources": [
    { "type": "A.B/c", "apiVersion": "2020-01-01", "name": "[unknownFunction('x')]", "propertys": {} },
    { "type": "A.B/c", "name": "x" },
    { "type": "A.B/c", "apiVersion": "[utcNow()]", "name": "[toLower('A', 'B')]", "copy": { "name": "l" } }
  ],
  "outputs": { "o": { "type": "string" } }
}"#;
    insta::assert_snapshot!(shown(&Template::parse(text).expect_err("faults")), @r#"
    InvalidTemplate contentVersion 3:21 `""`
      Deployment template validation failed: 'The template content version '' is not valid: it must be a text such as '1.0.0.0'.'.
    InvalidRequestContent parametrs 4:3 `"parametrs"`
      The request content was invalid and could not be deserialized: 'Could not find member 'parametrs' on object of type 'Template'. Path 'parametrs', line 4, position 3.'.
    InvalidTemplate parameters.a.type 5:34 `"strnig"`
      Deployment template validation failed: 'The template parameter 'a' at line '5' and column '19' has an invalid type. The supported types are 'string, securestring, int, bool, object, secureObject, array'.'.
    InvalidTemplate parameters.b 5:46 `"b"`
      Deployment template validation failed: 'The template parameter 'b' at line '5' and column '46' has no type. The supported types are 'string, securestring, int, bool, object, secureObject, array'.'.
    InvalidTemplate parameters.c.defaultValue 5:112 `"x"`
      Deployment template validation failed: 'Template parameter 'c' at line '5' and column '74' has an invalid default value. The default value must be of type 'Integer'.'.
    InvalidTemplate variables.v 6:25 `reference('x').y`
      Deployment template validation failed: 'The template function 'reference' is not expected at this location. Please see https://aka.ms/arm-template-expressions for usage details.'.
    InvalidTemplate variables.x 6:82 ``
      Deployment template validation failed: 'Unable to parse language expression 'concat('a'': expected token 'RightParenthesis' and actual 'EndOfData'. Please see https://aka.ms/arm-template-expressions for usage details.'.
    InvalidTemplate resources[0].name 8:62 `unknownFunction('x')`
      Deployment template validation failed: 'The template function 'unknownFunction' is not valid. Please see https://aka.ms/arm-template-expressions for usage details.'.
    InvalidRequestContent resources[0].propertys 8:86 `"propertys"`
      The request content was invalid and could not be deserialized: 'Could not find member 'propertys' on object of type 'TemplateResource'. Path 'resources[0].propertys', line 8, position 86.'.
    InvalidRequestContent resources[1] 9:5 `{`
      The request content was invalid and could not be deserialized: 'Required property 'apiVersion' not found in JSON. Path 'resources[1]'.'.
    InvalidTemplate resources[2].apiVersion 10:40 `utcNow()`
      Deployment template validation failed: 'The template function 'utcNow' is not expected at this location. Please see https://aka.ms/arm-template-expressions for usage details.'.
    InvalidTemplate resources[2].name 10:62 `toLower('A', 'B')`
      Deployment template validation failed: 'Unable to evaluate template language function 'toLower': the actual number of arguments '2' doesn't match the expected number '1'. Please see https://aka.ms/arm-functions#tolower for usage details.'.
    InvalidTemplate resources[2].copy 10:91 `{ "name": "l" }`
      Deployment template validation failed: 'The copy of a resource is not valid: it needs the members 'name' and 'count'. Please see https://aka.ms/arm-copy for usage details.'.
    InvalidTemplate outputs.o 12:16 `"o"`
      Deployment template validation failed: 'The template output 'o' at line '12' and column '16' is not valid: it needs either 'value' or a 'copy' with 'count' and 'input'.'.
    "#);
}

#[test]
fn what_is_missing_is_named() {
    insta::assert_snapshot!(shown(&Template::parse("{}").expect_err("faults")), @r"
    InvalidRequestContent  1:1 `{`
      The request content was invalid and could not be deserialized: 'Required property '$schema' not found in JSON. Path 'properties.template'.'.
    InvalidRequestContent  1:1 `{`
      The request content was invalid and could not be deserialized: 'Required property 'contentVersion' not found in JSON. Path 'properties.template'.'.
    InvalidRequestContent  1:1 `{`
      The request content was invalid and could not be deserialized: 'Required property 'resources' not found in JSON. Path 'properties.template'.'.
    ");
    insta::assert_snapshot!(shown(&Template::parse("[]").expect_err("faults")), @r"
    InvalidRequestContent  1:1 `[`
      The request content was invalid and could not be deserialized: 'The template must be a JSON object.'.
    ");
    insta::assert_snapshot!(shown(&Template::parse("{").expect_err("faults")), @r"
    InvalidRequestContent  1:2 ``
      The request content was invalid and could not be deserialized: 'Unexpected end of content while loading JSON. Path '', line 1, position 2.'.
    ");
}

#[test]
fn resources_are_checked() {
    let sections = json!({"resources": [
        {"type": "Microsoft.Web/serverfarms", "apiVersion": "2020-01-01", "name": "appPlan/x"},
        with(group("a"), json!({"dependsOn": ["nobody"]})),
        group("twice"),
        group("TWICE"),
        with(group("b"), json!({"tags": {"t": {}}})),
        with(group("c"), json!({"properties": {"x": "[variables('none')]", "y": "[parameters('none')]"}})),
        with(group("d"), json!({"condition": "yes"})),
        with(group("[createArray()]"), json!({})),
        with(group("e"), json!({"properties": {"x": "[reference('stranger').y]"}})),
        with(group("f"), json!({"properties": {"x": "[reference('/subscriptions/s/resourceGroups/g/providers/A.B/c/d').y]"}}))
    ]});
    insta::assert_snapshot!(faults(sections, json!({})), @r#"
    InvalidTemplate resources[0].name 8:15 `"appPlan/x"`
      Deployment template validation failed: 'The template resource 'appPlan/x' for type 'Microsoft.Web/serverfarms' at line '5' and column '5' has incorrect segment lengths. A nested resource type must have identical number of segments as its resource name. A root resource type must have segment length one greater than its resource name. Please see https://aka.ms/arm-template/#resources for usage details.'.
    InvalidTemplate resources[6].condition 49:20 `"yes"`
      Deployment template validation failed: 'The template resource 'd' at line '45' and column '5' is not valid: The 'condition' must evaluate to a boolean, it is of type 'String'. Please see https://aka.ms/arm-template-expressions for usage details.'.
    InvalidTemplate resources[7].name 54:15 `"[createArray()]"`
      Deployment template validation failed: 'The template resource '[createArray()]' at line '51' and column '5' is not valid: The 'name' property must evaluate to a string, it is of type 'Array'. Please see https://aka.ms/arm-template-expressions for usage details.'.
    InvalidTemplate resources[3].name 26:15 `"TWICE"`
      Deployment template validation failed: 'The resource 'Microsoft.ContainerInstance/containerGroups/TWICE' at line '23' and column '5' is defined multiple times in a template. Please see https://aka.ms/arm-template/#resources for usage details.'.
    InvalidTemplate resources[4] 28:5 `{`
      Deployment template validation failed: 'The template resource 'b' at line '28' and column '5' has an invalid tag 't'.'.
    InvalidTemplate resources[5].properties.x 41:16 `variables('none')`
      Deployment template validation failed: 'Unable to process template language expressions for resource '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/example-group/providers/Microsoft.ContainerInstance/containerGroups/c' at line '36' and column '5'. 'The template variable 'none' is not found. Please see https://aka.ms/arm-template/#variables for usage details.''.
    InvalidTemplate resources[9].properties.x 69:16 `reference('/subscriptions/s/resourceGroups/g/providers/A.B/c/d').y`
      Deployment template validation failed: 'The template resource 'f' reference to '/subscriptions/s/resourceGroups/g/providers/A.B/c/d' requires an API version. Please see https://aka.ms/arm-template for usage details.'.
    "#);
}

#[test]
fn references_by_name_are_checked() {
    let sections = json!({"resources": [
        with(group("a"), json!({"dependsOn": ["nobody"]})),
        with(group("e"), json!({"properties": {"x": "[reference('stranger').y]"}})),
        with(group("f"), json!({"properties": {"x": "[reference('/subscriptions/s/resourceGroups/g/providers/A.B/c/d').y]"}})),
        with(group("g"), json!({"dependsOn": "a"})),
        with(group("h"), json!({"dependsOn": [5]}))
    ]});
    insta::assert_snapshot!(faults(sections, json!({})), @r#"
    InvalidTemplate resources[0].dependsOn 9:20 `[`
      Deployment template validation failed: 'The resource 'nobody' is not defined in the template. Please see https://aka.ms/arm-template for usage details.'.
    InvalidTemplate resources[1].properties.x 18:16 `reference('stranger').y`
      Deployment template validation failed: 'Unable to process template language expressions for resource '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/example-group/providers/Microsoft.ContainerInstance/containerGroups/e' at line '13' and column '5'. 'The template reference 'stranger' is not valid: could not find template resource or resource copy with this name. Please see https://aka.ms/arm-function-reference for usage details.''.
    InvalidTemplate resources[2].properties.x 26:16 `reference('/subscriptions/s/resourceGroups/g/providers/A.B/c/d').y`
      Deployment template validation failed: 'The template resource 'f' reference to '/subscriptions/s/resourceGroups/g/providers/A.B/c/d' requires an API version. Please see https://aka.ms/arm-template for usage details.'.
    InvalidTemplate resources[3].dependsOn 33:20 `"a"`
      Deployment template validation failed: 'Unable to process template language expressions for resource '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/example-group/providers/Microsoft.ContainerInstance/containerGroups/g' at line '29' and column '5'. ''dependsOn' must be an array, it is of type 'String'.''.
    InvalidTemplate resources[4].dependsOn 39:20 `[`
      Deployment template validation failed: 'Unable to process template language expressions for resource '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/example-group/providers/Microsoft.ContainerInstance/containerGroups/h' at line '35' and column '5'. 'The elements of 'dependsOn' must be strings, one is of type 'Integer'.''.
    "#);
}

#[test]
fn a_cycle_is_named() {
    let sections = json!({"resources": [
        with(group("a"), json!({"dependsOn": ["b"]})),
        with(group("b"), json!({"properties": {"x": "[reference('c').y]"}})),
        with(group("c"), json!({"dependsOn": ["[resourceId('Microsoft.ContainerInstance/containerGroups', 'a')]"]})),
        group("d")
    ]});
    insta::assert_snapshot!(faults(sections, json!({})), @r#"
    InvalidTemplate resources[0].name 8:15 `"a"`
      Deployment template validation failed: 'Circular dependency detected on resource: '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/example-group/providers/Microsoft.ContainerInstance/containerGroups/a'. Please see https://aka.ms/arm-template/#resources for usage details.'.
      help: each waits for the next: a -> b -> c -> a
    "#);
    let own = json!({"resources": [with(group("a"), json!({"properties": {"x": "[reference('a').y]"}}))]});
    insta::assert_snapshot!(faults(own, json!({})), @r#"
    InvalidTemplate resources[0].name 8:15 `"a"`
      Deployment template validation failed: 'Circular dependency detected on resource: '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/example-group/providers/Microsoft.ContainerInstance/containerGroups/a'. Please see https://aka.ms/arm-template/#resources for usage details.'.
      help: each waits for the next: a -> a
    "#);
}

#[test]
fn a_cycle_of_variables_is_named() {
    let sections = json!({
        "variables": {"a": "[variables('b')]", "b": ["[variables('C')]"], "c": "[variables('a')]"},
        "outputs": {"o": {"type": "string", "value": "[variables('a')]"}}
    });
    insta::assert_snapshot!(faults(sections, json!({})), @r"
    InvalidTemplate variables.c 10:12 `variables('a')`
      Deployment template validation failed: 'The template output 'o' is not valid: The template variable 'a' is not valid: Circular reference detected: variable 'a' -> variable 'b' -> variable 'c' -> variable 'a'. Please see https://aka.ms/arm-template-expressions for usage details.'.
    ");
    let defaults = json!({"parameters": {
        "a": {"type": "string", "defaultValue": "[parameters('b')]"},
        "b": {"type": "string", "defaultValue": "[parameters('a')]"}
    }});
    insta::assert_snapshot!(faults(defaults, json!({})), @r"
    InvalidTemplate parameters.b.defaultValue 12:25 `parameters('a')`
      Deployment template validation failed: 'The template parameter 'a' is not valid: Circular reference detected: parameter 'a' -> parameter 'b' -> parameter 'a'. Please see https://aka.ms/arm-template-expressions for usage details.'.
    InvalidTemplate parameters.a.defaultValue 8:25 `parameters('b')`
      Deployment template validation failed: 'The template parameter 'b' is not valid: Circular reference detected: parameter 'b' -> parameter 'a' -> parameter 'b'. Please see https://aka.ms/arm-template-expressions for usage details.'.
    ");
}

#[test]
fn what_waits_for_a_deployment_has_its_places() {
    let sections = json!({
        "variables": {"v": "[listKeys('x', '2020-01-01')]"},
        "resources": [
            with(group("[reference('x').name]"), json!({"location": "[reference('x').location]"})),
            with(group("a"), json!({"condition": "[reference('x').on]"})),
            with(group("b"), json!({"copy": {"name": "l", "count": "[length(reference('x').list)]"}})),
            with(group("c"), json!({"properties": {"copy": [{"name": "p", "count": "[reference('x').n]", "input": 1}]}}))
        ]
    });
    let text = faults(sections, json!({}));
    assert_eq!(text.matches("is not expected at this location").count(), 6, "{text}");
}

#[test]
fn a_default_of_utc_now_is_no_variable() {
    let text = faults(json!({"variables": {"v": "[utcNow()]"}}), json!({}));
    assert!(text.contains("'utcNow' is not expected at this location"), "{text}");
    let text = faults(
        json!({"parameters": {"p": {"type": "object", "defaultValue": "[reference('x')]"}}}),
        json!({}),
    );
    assert!(text.contains("'reference' is not expected at this location"), "{text}");
}

#[test]
fn copy_index_needs_a_loop() {
    let index = |name: &str| json!({"resources": [group(name)]});
    let text = faults(index("[concat('a', copyIndex())]"), json!({}));
    assert!(text.contains("can only be used in a resource with copy specified"), "{text}");
    let text = faults(index("[concat('a', copyIndex('loop'))]"), json!({}));
    assert!(text.contains("no copy loop with the name 'loop' runs here"), "{text}");
}

#[test]
fn one_mistake_in_a_loop_is_said_once() {
    let mut sections = copies(json!(700));
    sections["resources"][0]["properties"] = json!({"x": "[variables('none')]"});
    let faults = plan(&template(sections), json!({})).expect_err("a fault");
    assert_eq!(faults.len(), 1, "{faults:#?}");
    let mut sections = copies(json!(700));
    sections["resources"][0]["name"] = json!("same");
    let faults = plan(&template(sections), json!({})).expect_err("a fault");
    assert_eq!(faults.len(), 1, "{faults:#?}");
}

#[test]
fn what_is_not_supported_says_so() {
    let refused = |sections: Value| {
        let faults = plan(&template(sections), json!({})).expect_err("refused");
        assert_eq!(faults[0].code, Code::FeatureNotSupported, "{faults:#?}");
        faults[0].detail.clone()
    };
    assert!(refused(json!({"imports": {"k": {"provider": "Kubernetes"}}})).contains("'imports'"));
    assert!(refused(json!({"extensions": {"k": {"name": "Kubernetes"}}})).contains("'extensions'"));
}

#[test]
fn asserts_must_hold() {
    assert!(plan(&template(json!({"asserts": {"a": "[equals(1, 1)]"}})), json!({})).is_ok());
    let text = faults(json!({"asserts": {"a": "[equals(1, 2)]", "b": "[add(1, 2)]"}}), json!({}));
    assert!(text.contains("The template assertion 'a' does not hold: it evaluates to 'false'"), "{text}");
    assert!(text.contains("The template assertion 'b' does not hold: The 'condition' must"), "{text}");
}

#[test]
fn limits_of_the_document() {
    let many = |count: usize, value: Value| -> Value {
        Value::Object((0..count).map(|index| (format!("n{index}"), value.clone())).collect())
    };
    let parameter = json!({"type": "int", "defaultValue": 1});
    assert!(plan(&template(json!({"parameters": many(256, parameter.clone())})), json!({})).is_ok());
    let text = faults(json!({"parameters": many(257, parameter)}), json!({}));
    assert!(
        text.contains("number of template parameters limit exceeded. Limit: '256' and actual: '257'"),
        "{text}"
    );
    let text = faults(json!({"variables": many(513, json!(1))}), json!({}));
    assert!(text.contains("variables limit exceeded. Limit: '512'"), "{text}");
    let text = faults(json!({"outputs": many(65, json!({"type": "int", "value": 1}))}), json!({}));
    assert!(text.contains("outputs limit exceeded. Limit: '64'"), "{text}");
    let text = faults(json!({"variables": {"v": format!("[concat('{}')]", "a".repeat(24_600))}}), json!({}));
    assert!(text.contains("length limit of '24576' exceeded"), "{text}");
    let text = faults(json!({"variables": {"v": "a".repeat(131_073)}}), json!({}));
    assert!(text.contains("literal length limit of '131072' exceeded"), "{text}");
    let big: Vec<String> = vec!["a".repeat(100_000); 42];
    let text = faults(json!({"variables": {"v": big}}), json!({}));
    assert!(text.contains("template size limit of '4194304' bytes exceeded"), "{text}");
}

#[test]
fn evaluation_is_bounded() {
    // Two hundred levels of calls work.
    let nested = format!("{}1{}", "max(".repeat(200), ")".repeat(200));
    assert_eq!(evaluate(&nested), Ok(json!(1)));
    // A chain of variables longer than the bound is an error, not a crash.
    let chain: Value = Value::Object(
        (0..500)
            .map(|index| {
                (format!("v{index}"), json!([[format!("[concat(variables('v{}'), 'x')]", index + 1)]]))
            })
            .chain([("v500".to_owned(), json!("end"))])
            .collect(),
    );
    let sections =
        json!({"variables": chain, "outputs": {"o": {"type": "array", "value": "[variables('v0')]"}}});
    let text = faults(sections, json!({}));
    assert!(text.contains("nested deeper than '350' levels"), "{text}");
    // Doubling again and again ends at the bound for values.
    let doubling: Value = Value::Object(
        (0..60)
            .map(|index| {
                let next = index + 1;
                (
                    format!("v{index}"),
                    json!(format!("[createArray(variables('v{next}'), variables('v{next}'))]")),
                )
            })
            .chain([("v60".to_owned(), json!("end"))])
            .collect(),
    );
    let sections =
        json!({"variables": doubling, "outputs": {"o": {"type": "array", "value": "[variables('v0')]"}}});
    let text = faults(sections, json!({}));
    assert!(text.contains("makes more than"), "{text}");
    // A lambda inside of a lambda inside of a lambda.
    let endless = "length(map(range(0, 10000), lambda('a', map(range(0, 10000), lambda('b', map(range(0, 10000), lambda('c', 1)))))))";
    let message = evaluate(endless).expect_err("a bound");
    assert!(message.contains("makes more than"), "{message}");
}

#[test]
fn outputs_have_their_types() {
    let sections = json!({"outputs": {"o": {"type": "string", "value": "[add(1, 2)]"}}});
    insta::assert_snapshot!(faults(sections, json!({})), @r#"
    InvalidTemplate outputs.o 6:5 `"o"`
      Deployment template validation failed: 'The template output 'o' is not valid: Template output JToken type is not valid. Expected 'String'. Actual 'Integer'. Please see https://aka.ms/arm-template/#outputs for usage details.'.
    "#);
    let text = template(json!({"outputs": {
        "o": {"type": "int", "value": "[reference('/subscriptions/s/resourceGroups/g/providers/A.B/c/d', '2020-01-01').loginServer]"}
    }}));
    let fault = plan(&text, json!({})).expect("a plan").outputs(&Registry).expect_err("a wrong type");
    insta::assert_snapshot!(shown(&[fault]), @r#"
    DeploymentOutputEvaluationFailed outputs.o 6:5 `"o"`
      The template output 'o' is not valid: Template output JToken type is not valid. Expected 'Integer'. Actual 'String'. Please see https://aka.ms/arm-template/#outputs for usage details.
    "#);
}

#[test]
fn what_a_deployment_cannot_answer_is_a_fault_of_the_resource() {
    let sections = json!({"resources": [
        with(group("a"), json!({"properties": {"x": "[reference('/subscriptions/s/resourceGroups/g/providers/A.B/c/missing', '2020-01-01').y]"}})),
        with(group("b"), json!({"properties": {"x": "[reference('/subscriptions/s/resourceGroups/g/providers/A.B/c/d', '2020-01-01').nothing]"}}))
    ]});
    let plan = plan(&template(sections), json!({})).expect("a plan");
    let faults: Vec<Diagnostic> =
        (0..2).map(|index| plan.body(index, &Registry).expect_err("no answer")).collect();
    insta::assert_snapshot!(shown(&faults), @r"
    InvalidTemplate resources[0].properties.x 10:16 `reference('/subscriptions/s/resourceGroups/g/providers/A.B/c/missing', '2020-01-01').y`
      Deployment template validation failed: 'Unable to process template language expressions for resource '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/example-group/providers/Microsoft.ContainerInstance/containerGroups/a' at line '5' and column '5'. 'The Resource '/subscriptions/s/resourceGroups/g/providers/A.B/c/missing' was not found.''.
    InvalidTemplate resources[1].properties.x 18:94 `.nothing`
      Deployment template validation failed: 'Unable to process template language expressions for resource '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/example-group/providers/Microsoft.ContainerInstance/containerGroups/b' at line '13' and column '5'. 'The language expression property 'nothing' doesn't exist, available properties are 'loginServer, id, api'.''.
    ");
}

#[test]
fn diagnostics_are_printed_with_their_line() {
    let text = template(json!({"variables": {"v": "[concat('a', nothing())]"}}));
    let faults = Template::parse(&text).expect_err("a fault");
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none());
    let mut out = String::new();
    handler.render_report(&mut out, &faults[0]).expect("a report");
    insta::assert_snapshot!(out.trim_end(), @r#"
    InvalidTemplate

      x Deployment template validation failed: 'The template function 'nothing' is not valid. Please see https://aka.ms/arm-template-expressions for usage details.'.
       ,-[6:24]
     5 |   "variables": {
     6 |     "v": "[concat('a', nothing())]"
       :                        ^^^^|^^^^
       :                            `-- variables.v
     7 |   }
       `----
    "#);
}

#[test]
fn several_resources_fail_at_once() {
    let sections = json!({"resources": [
        with(group("a"), json!({"properties": {"x": "[int('x')]"}})),
        with(group("b"), json!({"properties": {"x": "[int('y')]"}}))
    ]});
    let faults = plan(&template(sections), json!({})).expect_err("faults");
    assert_eq!(faults.len(), 2, "{:?}", details(&faults));
}

/// Runs on three quarters of the stack that a thread has by default, so that callers deep inside of a server are safe.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1536 * 1024).spawn(run).expect("a thread");
    thread.join().expect("no overflow and no failed assertion");
}

#[test]
fn deep_calls_fit_the_stack() {
    on_a_small_stack(|| {
        let nested =
            |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(evaluate(&nested("max(", ")", 250)), Ok(json!(1)));
        assert_eq!(evaluate(&nested("if(true(),", ", 0)", 250)), Ok(json!(1)));
        let lambdas = nested("first(map(createArray(1), lambda('x', ", ")))", 80);
        assert_eq!(evaluate(&lambdas), Ok(json!(1)));
        let accessors = nested("createArray(", ")[0]", 250);
        assert_eq!(evaluate(&accessors), Ok(json!(1)));
    });
}

#[test]
fn long_chains_fit_the_stack() {
    on_a_small_stack(|| {
        let lambdas = format!(
            "{}variables('NEXT'){}",
            "first(map(createArray(1), lambda('x', ".repeat(20),
            ")))".repeat(20)
        );
        for (value, deep) in [
            (json!("[concat(variables('NEXT'), '')]"), true),
            (json!([[[[["[variables('NEXT')]"]]]]]), true),
            (json!(format!("[{lambdas}]")), true),
            (json!("short"), false),
        ] {
            let chain: serde_json::Map<String, Value> = (0..400)
                .map(|index| {
                    let text = value.to_string().replace("NEXT", &format!("v{}", index + 1));
                    (format!("v{index}"), serde_json::from_str(&text).expect("JSON"))
                })
                .chain([("v400".to_owned(), json!("end"))])
                .collect();
            let text = template(json!({
                "variables": chain,
                "outputs": {"o": {"type": "array", "value": "[createArray(variables('v0'))]"}}
            }));
            match plan(&text, json!({})) {
                Ok(_) => assert!(!deep, "{value}"),
                Err(faults) => assert!(faults[0].detail.contains("nested deeper than"), "{faults:#?}"),
            }
        }
    });
}

#[test]
fn values_are_no_deeper_than_readers_take() {
    let endless = "reduce(range(0, 5000), 0, lambda('c', 'n', createArray(lambdaVariables('c'))))";
    let message = evaluate(endless).expect_err("a bound");
    assert!(message.contains("its value is nested deeper than '100' levels"), "{message}");
}

#[test]
fn nested_deployments_are_bounded() {
    let deployment = |inner: Value| -> Value {
        let document: Value = serde_json::from_str(&template(json!({"resources": [inner]}))).expect("JSON");
        json!({
            "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01",
            "name": "[concat('n', copyIndex())]", "copy": {"name": "l", "count": 100},
            "properties": {"mode": "Incremental", "template": document}
        })
    };
    let text = faults(json!({"resources": [deployment(deployment(deployment(group("x"))))]}), json!({}));
    assert!(text.contains("The number of nested deployments limit exceeded. Limit: '800'"), "{text}");
}

#[test]
fn a_plan_goes_to_other_threads() {
    fn assert_shared<T: Send + Sync>() {}
    assert_shared::<crate::Plan>();
    assert_shared::<Template>();
    assert_shared::<Diagnostic>();
}

#[test]
fn a_loop_that_only_a_deployment_counts_is_shown_as_one() {
    let text = template(json!({
        "parameters": {"all": {"type": "secureObject"}},
        "outputs": {"o": {"type": "array", "copy": {"count": "[length(parameters('all'))]", "input": "[copyIndex()]"}}}
    }));
    let plan = plan(&text, json!({"all": {"value": {"a": 1}}})).expect("a plan");
    assert_eq!(plan.outputs(&crate::Placeholders).expect("outputs")["o"]["value"], json!("[copy]"));
}
