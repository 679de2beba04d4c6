//! Deployments above resource groups, and linked templates.

use super::support::{details, request, template};
use crate::{Code, Diagnostic, Level, Linked, Placeholders, Plan, Scope, Template};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn at(level: Level, sections: Value) -> Result<Plan, Vec<Diagnostic>> {
    let mut request = request(json!({}));
    request.scope = Scope {
        level,
        management_group: "mg".to_owned(),
        location: "westeurope".to_owned(),
        subscription_id: "00000000-0000-0000-0000-000000000001".to_owned(),
        ..Scope::default()
    };
    Template::parse(&template(sections))?.plan(&request)
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.resources().iter().map(|resource| resource.id.as_str()).collect()
}

const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-000000000001";

#[test]
fn ids_follow_the_level() {
    let sections = json!({"resources": [
        {"type": "My.Rp/a", "apiVersion": "2020-01-01", "name": "x"},
        {"type": "My.Rp/a", "apiVersion": "2020-01-01", "name": "y", "scope": "Microsoft.Management/managementGroups/other"},
        {"type": "My.Rp/a", "apiVersion": "2020-01-01", "name": "z", "scope": "/"},
    ]});
    let bases = [
        (Level::Subscription, SUBSCRIPTION),
        (Level::ManagementGroup, "/providers/Microsoft.Management/managementGroups/mg"),
        (Level::Tenant, ""),
    ];
    for (level, base) in bases {
        let plan = at(level, sections.clone()).expect("a plan");
        let expected = [
            format!("{base}/providers/My.Rp/a/x"),
            "/providers/Microsoft.Management/managementGroups/other/providers/My.Rp/a/y".to_owned(),
            "/providers/My.Rp/a/z".to_owned(),
        ];
        assert_eq!(ids(&plan), expected, "{level:?}");
    }
}

#[test]
fn a_resource_group_is_a_resource_of_the_subscription() {
    let sections = json!({"resources": [
        {"type": "My.Rp/a", "apiVersion": "2020-01-01", "name": "x",
         "dependsOn": ["[subscriptionResourceId('Microsoft.Resources/resourceGroups', 'g')]"]},
        {"type": "Microsoft.Resources/resourceGroups", "apiVersion": "2020-01-01", "name": "g", "location": "westeurope"},
    ]});
    let plan = at(Level::Subscription, sections).expect("a plan");
    assert_eq!(
        ids(&plan),
        [format!("{SUBSCRIPTION}/resourceGroups/g"), format!("{SUBSCRIPTION}/providers/My.Rp/a/x")]
    );
}

#[test]
fn functions_know_the_level() {
    let value = |level, expression: &str| {
        let value = format!("[createArray({expression})]");
        let outputs = json!({"outputs": {"o": {"type": "array", "value": value}}});
        let plan = at(level, outputs).map_err(|faults| details(&faults).join(" "))?;
        Ok::<_, String>(plan.outputs(&Placeholders).expect("outputs")["o"]["value"][0].clone())
    };
    let unexpected = |level, name: &str| {
        let text = value(level, &format!("{name}()")).expect_err("not here");
        assert!(
            text.contains(&format!("The template function '{name}' is not expected at this location")),
            "{text}"
        );
    };
    assert_eq!(value(Level::Subscription, "subscription().id"), Ok(json!(SUBSCRIPTION)));
    assert_eq!(value(Level::ManagementGroup, "managementGroup().name"), Ok(json!("mg")));
    assert_eq!(value(Level::Tenant, "deployment().location"), Ok(json!("westeurope")));
    assert_eq!(
        value(Level::Subscription, "resourceId('My.Rp/a', 'x')"),
        Ok(json!(format!("{SUBSCRIPTION}/providers/My.Rp/a/x")))
    );
    assert_eq!(value(Level::Tenant, "resourceId('My.Rp/a', 'x')"), Ok(json!("/providers/My.Rp/a/x")));
    assert_eq!(
        value(Level::ManagementGroup, "managementGroupResourceId('My.Rp/a', 'x')"),
        Ok(json!("/providers/Microsoft.Management/managementGroups/mg/providers/My.Rp/a/x"))
    );
    unexpected(Level::Subscription, "resourceGroup");
    unexpected(Level::ManagementGroup, "subscription");
    unexpected(Level::Tenant, "managementGroup");
    unexpected(Level::ResourceGroup, "managementGroup");
}

#[test]
fn nested_deployments_go_where_they_say() {
    let nested = |target: Value| {
        let mut resource = json!({
            "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "n",
            "properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"},
                "template": serde_json::from_str::<Value>(&template(json!({}))).expect("JSON")}
        });
        resource.as_object_mut().expect("an object").extend(target.as_object().expect("an object").clone());
        json!({"resources": [resource]})
    };
    let found = |target| {
        at(Level::ManagementGroup, nested(target))
            .map(|plan| (plan.resources()[0].level, plan.resources()[0].id.clone()))
    };
    let id = |base: &str| format!("{base}/providers/Microsoft.Resources/deployments/n");
    let cases = [
        (json!({}), Level::ManagementGroup, "/providers/Microsoft.Management/managementGroups/mg"),
        (json!({"scope": "/"}), Level::Tenant, ""),
        (
            json!({"resourceGroup": ""}),
            Level::ManagementGroup,
            "/providers/Microsoft.Management/managementGroups/mg",
        ),
        (json!({"subscriptionId": "s"}), Level::Subscription, "/subscriptions/s"),
        (
            json!({"subscriptionId": "s", "resourceGroup": "g"}),
            Level::ResourceGroup,
            "/subscriptions/s/resourceGroups/g",
        ),
    ];
    for (target, level, base) in cases {
        assert_eq!(found(target), Ok((level, id(base))));
    }
    assert!(
        found(json!({"scope": "nowhere"})).expect_err("no scope")[0].detail.contains("The scope 'nowhere'")
    );
}

/// Texts by their address.
#[derive(Debug, Default)]
struct Shelf(BTreeMap<String, String>);

impl Linked for Shelf {
    fn text(&self, uri: &str) -> Result<Arc<str>, String> {
        self.0
            .get(uri)
            .map(|text| Arc::from(text.as_str()))
            .ok_or_else(|| "it is not on the shelf".to_owned())
    }
}

fn linked(texts: &[(&str, Value)], link: Value) -> Result<Plan, Vec<Diagnostic>> {
    let mut request = request(json!({}));
    let shelf = texts.iter().map(|(uri, text)| ((*uri).to_owned(), template(text.clone()))).collect();
    request.linked = Some(Arc::new(Shelf(shelf)));
    request.template_uri = Some("https://example.org/a/main.json?secret".to_owned());
    let sections = json!({"resources": [{
        "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "n",
        "properties": {"mode": "Incremental", "templateLink": link, "parameters": {"p": {"value": "v"}}}
    }]});
    Template::parse(&template(sections))?.plan(&request)
}

#[test]
fn linked_templates_are_asked_for() {
    let inner = json!({"parameters": {"p": {"type": "string"}}, "resources": [
        {"type": "My.Rp/a", "apiVersion": "2020-01-01", "name": "[parameters('p')]"}
    ]});
    for link in [
        json!({"uri": "[uri(deployment().properties.templateLink.uri, 'b.json')]"}),
        json!({"relativePath": "b.json"}),
        json!({"uri": "https://example.org/a/b.json"}),
    ] {
        let plan = linked(&[("https://example.org/a/b.json", inner.clone())], link).expect("a plan");
        let nested =
            plan.nested(0, &Placeholders, None, &super::support::guid).expect("nested").expect("a plan");
        assert_eq!(nested.resources()[0].name, "v");
    }
}

#[test]
fn a_link_that_leads_nowhere_is_named() {
    let faults =
        linked(&[], json!({"uri": "https://example.org/a/b.json?sig=secret"})).expect_err("nothing there");
    assert_eq!(faults[0].code, Code::InvalidContentLink);
    assert!(
        faults[0]
            .detail
            .starts_with("Unable to download deployment content from 'https://example.org/a/b.json'.")
    );
    assert!(!format!("{faults:?}").contains("secret"));
    assert_eq!(faults[0].path, "resources[0].properties.templateLink");
}

#[test]
fn a_template_that_links_itself_ends() {
    let itself = json!({"parameters": {"p": {"type": "string"}}, "resources": [{
        "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "n",
        "properties": {"mode": "Incremental", "templateLink": {"relativePath": "b.json"}, "parameters": {"p": {"value": 1}}}
    }]});
    let mut fine = itself.clone();
    fine["resources"][0]["properties"]["parameters"]["p"]["value"] = json!("v");
    let faults = linked(&[("https://example.org/a/b.json", fine)], json!({"relativePath": "b.json"}));
    assert!(faults.expect_err("no end")[0].detail.contains("nested deeper than '30' levels"));
}
