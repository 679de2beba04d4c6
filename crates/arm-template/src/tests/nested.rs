//! Templates inside of templates.

use super::support::{Registry, guid, plan, request, template};
use crate::{Placeholders, Template, jsonc};
use serde_json::{Value, json};

fn nested(scope: Option<&str>, inner: Value, parameters: Value) -> Value {
    let mut document: Value = serde_json::from_str(&template(inner)).expect("JSON");
    let mut properties = json!({"mode": "Incremental", "template": document.take()});
    if let Some(scope) = scope {
        properties["expressionEvaluationOptions"] = json!({"scope": scope});
        properties["parameters"] = parameters;
    }
    json!({"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "inside", "properties": properties})
}

fn around(resources: Value) -> String {
    template(json!({
        "parameters": {"p": {"type": "string", "defaultValue": "given"}},
        "variables": {"exampleVar": "from parent template"},
        "resources": resources
    }))
}

#[test]
fn the_scope_decides_which_variables_are_seen() {
    let inner = || {
        json!({
            "variables": {"exampleVar": "from nested template"},
            "outputs": {"v": {"type": "string", "value": "[variables('exampleVar')]"}}
        })
    };
    for (scope, expected) in [
        (None, "from parent template"),
        (Some("outer"), "from parent template"),
        (Some("inner"), "from nested template"),
    ] {
        let plan = plan(&around(json!([nested(scope, inner(), json!({}))])), json!({})).expect("a plan");
        assert!(plan.is_nested(0));
        let inside = plan.nested(0, &Placeholders, None, &guid).expect("nested").expect("a plan");
        assert_eq!(inside.outputs(&Placeholders).expect("outputs")["v"]["value"], json!(expected));
    }
}

#[test]
fn parameters_go_in_and_wait_for_what_they_read() {
    let inner = json!({
        "parameters": {"server": {"type": "string"}, "secret": {"type": "securestring"}},
        "resources": [{
            "type": "A.B/c", "apiVersion": "2020-01-01", "name": "[concat('x-', parameters('server'))]",
            "location": "[resourceGroup().location]", "properties": {"name": "[deployment().name]"}
        }]
    });
    let parameters = json!({
        "server": {"value": "[reference('registry').loginServer]"}, "secret": {"value": "[parameters('p')]"}
    });
    let text = around(json!([
        nested(Some("inner"), inner, parameters),
        {"type": "R.R/registries", "apiVersion": "2020-01-01", "name": "registry"}
    ]));
    let plan = plan(&text, json!({})).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_eq!(plan.resources()[0].name, "registry");
    assert_eq!(plan.resources()[1].depends_on, [0]);
    let inside = plan.nested(1, &Registry, None, &guid).expect("nested").expect("a plan");
    assert_eq!(inside.resources()[0].name, "x-localhost:5000");
    assert_eq!(inside.resources()[0].location.as_deref(), Some("westeurope"));
    assert_eq!(inside.body(0, &Registry).expect("a body")["properties"]["name"], json!("inside"));
    assert_eq!(Value::Object(inside.parameters_for_history())["secret"], json!({"type": "SecureString"}));
    let body = plan.body(1, &Registry).expect("a body");
    assert_eq!(body["properties"]["parameters"]["server"]["value"], json!("localhost:5000"));
    assert_eq!(
        body["properties"]["template"]["resources"][0]["name"],
        json!("[concat('x-', parameters('server'))]")
    );
    assert!(plan.nested(0, &Registry, None, &guid).is_none());
}

#[test]
fn another_group_is_a_matter_of_the_resource() {
    let inner = || {
        json!({
            "resources": [{"type": "A.B/c", "apiVersion": "2020-01-01", "name": "x", "properties": {"group": "[resourceGroup().name]"}}]
        })
    };
    for (scope, group_seen) in [(Some("inner"), "other"), (Some("outer"), "example-group")] {
        let mut deployment = nested(scope, inner(), json!({}));
        deployment["resourceGroup"] = json!("[concat('oth', 'er')]");
        let plan = plan(&around(json!([deployment])), json!({})).expect("a plan");
        assert_eq!(plan.resources()[0].resource_group, "other");
        let inside = plan.nested(0, &Placeholders, None, &guid).expect("nested").expect("a plan");
        assert!(inside.resources()[0].id.contains("/resourceGroups/other/"));
        assert_eq!(inside.body(0, &Placeholders).expect("a body")["properties"]["group"], json!(group_seen));
    }
}

#[test]
fn faults_inside_are_said_with_the_outer_ones() {
    let inner = json!({
        "parameters": {"needed": {"type": "int"}},
        "resources": [{"type": "A.B/c", "apiVersion": "2020-01-01", "name": "x"}]
    });
    let faults =
        plan(&around(json!([nested(Some("inner"), inner, json!({"needed": {"value": "text"}}))])), json!({}))
            .expect_err("a fault");
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert!(faults[0].detail.contains("Expected 'Integer'. Actual 'String'"), "{faults:#?}");
    assert_eq!(faults[0].path, "resources[0].properties.template.parameters.needed");
    let broken =
        json!({"resources": [{"type": "A.B/c", "apiVersion": "2020-01-01", "name": "[noFunction()]"}]});
    let faults =
        Template::parse(&around(json!([nested(Some("inner"), broken, json!({}))]))).expect_err("a fault");
    assert_eq!(faults[0].path, "resources[0].properties.template.resources[0].name");
}

#[test]
fn an_outer_scope_reads_what_stands_around() {
    let inner = json!({
        "resources": [{"type": "A.B/c", "apiVersion": "2020-01-01", "name": "x", "properties": {"s": "[reference('registry').loginServer]"}}]
    });
    let text = around(json!([
        nested(None, inner, json!({})),
        {"type": "R.R/registries", "apiVersion": "2020-01-01", "name": "registry"}
    ]));
    let plan = plan(&text, json!({})).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_eq!(plan.resources()[1].depends_on, [0]);
    let inside = plan.nested(1, &Registry, None, &guid).expect("nested").expect("a plan");
    assert_eq!(inside.body(0, &Registry).expect("a body")["properties"]["s"], json!("localhost:5000"));
}

#[test]
fn complete_mode_inside_is_refused() {
    let mut deployment = nested(None, json!({}), json!({}));
    deployment["properties"]["mode"] = json!("Complete");
    let faults = Template::parse(&around(json!([deployment]))).expect_err("refused");
    assert!(faults[0].detail.contains("must be 'Incremental'"), "{faults:#?}");
}

#[test]
fn a_template_in_a_request_body() {
    let inner = template(json!({"outputs": {"o": {"type": "string", "value": "[nothing()]"}}}));
    let body = format!("{{\"properties\": {{\"mode\": \"Incremental\", template:{inner}}}}}");
    let root = jsonc::parse(&body).expect("what az sends");
    let node = root.get("properties").and_then(|properties| properties.get("template")).expect("a template");
    let faults = Template::parse_node(&body, node).expect_err("a fault");
    let span = faults[0].span.expect("a place");
    assert_eq!(&body[span.start..span.end], "nothing()");
    assert_eq!(faults[0].path, "outputs.o.value");
    let fine = template(json!({"outputs": {"o": {"type": "int", "value": 5}}}));
    let body = format!("{{template:{fine}}}");
    let root = jsonc::parse(&body).expect("what az sends");
    let template =
        Template::parse_node(&body, root.get("template").expect("a template")).expect("a template");
    let plan = template.plan(&request(json!({}))).expect("a plan");
    assert_eq!(plan.outputs(&Placeholders).expect("outputs")["o"], json!({"type": "Int", "value": 5}));
}

#[test]
fn a_nested_template_may_be_the_value_of_an_expression() {
    let inner: Value = serde_json::from_str(&template(json!({
        "parameters": {"all": {"type": "array"}},
        "resources": [{"type": "My.Rp/a", "apiVersion": "2020-01-01", "name": "[[concat('x', length(parameters('all')))]"}]
    })))
    .expect("JSON");
    let text = template(json!({"variables": {"t": inner}, "resources": [{
        "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "n",
        "properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"},
            "template": "[variables('t')]",
            "parameters": {"all": {"copy": [{"name": "value", "count": 2, "input": "[copyIndex('value')]"}]}}}
    }]}));
    let plan = plan(&text, json!({})).expect("a plan");
    let nested = plan.nested(0, &Placeholders, None, &guid).expect("nested").expect("a plan");
    assert_eq!(nested.resources()[0].name, "x2");
}
