//! `expand`, as the command does it: a text is read, planned, and every body is made.

use std::time::{Duration, Instant};

use arm_template::{Diagnostic, Mode, Placeholders, PlanRequest, ResourceGroupInfo, Scope, Template};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use testkit::figures::Figure;
use uuid::Uuid;

/// How long one measurement goes on.
const BUDGET: Duration = Duration::from_millis(600);

pub(crate) fn run() -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut each = Vec::new();
    for copies in [1, 10, 100, 800] {
        let name = format!("expand {copies} copies, to serde_json that writes the result");
        match measured(&looped(copies)) {
            Ok((ours, written)) => {
                each.push(ours / f64::from(copies));
                figures.push(Figure::new(name, ours, "us").aim("<= 5x").against(written));
            }
            Err(fault) => figures.push(Figure::missing(name, fault)),
        }
    }
    if let [.., hundred, most] = each.as_slice() {
        figures.push(
            Figure::new("expand, time of one of 800 copies, to one of 100", *most, "us").against(*hundred),
        );
    }
    let name = "expand 800 resources in a template of 4 MB, to serde_json that writes the result";
    figures.push(match measured(&large()) {
        Ok((ours, written)) => Figure::new(name, ours / 1000.0, "ms").against(written / 1000.0),
        Err(fault) => Figure::missing(name, fault),
    });
    figures
}

/// Microseconds of one expansion, and of writing its result; the quickest of many of each.
fn measured(text: &str) -> Result<(f64, f64), String> {
    let failed = |faults: Vec<Diagnostic>| faults.first().map(ToString::to_string).unwrap_or_default();
    let result = expand(text).map_err(failed)?;
    let ours = quickest(|| expand(text).map(|value| value["resources"].as_array().map_or(0, Vec::len)));
    let written = quickest(|| serde_json::to_string(&result).map(|text| text.len()));
    Ok((ours, written))
}

fn quickest<T>(mut work: impl FnMut() -> T) -> f64 {
    let (begun, mut best) = (Instant::now(), Duration::MAX);
    while begun.elapsed() < BUDGET {
        let start = Instant::now();
        std::hint::black_box(work());
        best = best.min(start.elapsed());
    }
    best.as_secs_f64() * 1e6
}

fn expand(text: &str) -> Result<Value, Vec<Diagnostic>> {
    let template = Template::parse(text)?;
    let group = ResourceGroupInfo {
        name: "bench".to_owned(),
        location: "westeurope".to_owned(),
        ..Default::default()
    };
    let plan = template.plan(&PlanRequest {
        parameters: Map::new(),
        scope: Scope {
            level: template.level(),
            management_group: String::new(),
            location: "westeurope".to_owned(),
            subscription_id: Uuid::nil().to_string(),
            tenant_id: Uuid::nil().to_string(),
            resource_group: group,
        },
        deployment_name: "bench".to_owned(),
        mode: Mode::Incremental,
        now: Timestamp::UNIX_EPOCH,
        new_guid: &Uuid::nil,
        environment: None,
        deployer: None,
        linked: None,
        template_uri: None,
    })?;
    let mut resources = Vec::new();
    for (index, planned) in plan.resources().iter().enumerate() {
        let body = plan.body(index, &Placeholders).map_err(|fault| vec![fault])?;
        // As the command does it: `json!` would copy the body.
        let one = [("id".to_owned(), Value::from(planned.id.as_str())), ("body".to_owned(), body)];
        resources.push(Value::Object(Map::from_iter(one)));
    }
    Ok(Value::Object(Map::from_iter([("resources".to_owned(), Value::Array(resources))])))
}

/// One container group as fleets have it, so many times over.
fn looped(copies: i32) -> String {
    let variable = |n: i32| json!({"name": format!("SETTING_{n}"), "value": format!("[format('{{0}}/{n}', parameters('prefix'))]")});
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {
            "prefix": {"type": "string", "defaultValue": "agent"},
            "count": {"type": "int", "defaultValue": copies},
            "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
        },
        "variables": {"image": "[concat('registry.example.com/', parameters('prefix'), ':1.0')]"},
        "resources": [{
            "type": "Microsoft.ContainerInstance/containerGroups",
            "apiVersion": "2023-05-01",
            "name": "[concat(parameters('prefix'), '-', copyIndex())]",
            "location": "[parameters('location')]",
            "tags": {"fleet": "bench", "number": "[string(copyIndex())]"},
            "copy": {"name": "agents", "count": "[parameters('count')]"},
            "properties": {
                "osType": "Linux", "restartPolicy": "Always",
                "containers": [{"name": "agent", "properties": {
                    "image": "[variables('image')]",
                    "command": ["/bin/sh", "-c", "echo ready; exec sleep infinity"],
                    "environmentVariables": (0..8).map(variable).collect::<Vec<_>>(),
                    "resources": {"requests": {"cpu": 1, "memoryInGB": 1.5}},
                }}],
                "diagnostics": {"note": "what does not change, as long as most of a resource is".repeat(4)},
            },
        }],
    });
    format!("{template:#}")
}

/// As many resources as may be, in as many bytes as may be.
fn large() -> String {
    let filling = "what a template holds that is no expression\n".repeat(112);
    let resource = |n: i32| {
        json!({
            "type": "Microsoft.Network/virtualNetworks", "apiVersion": "2023-05-01",
            "name": format!("[concat('network-', {n})]"), "location": "westeurope", "tags": {"n": n.to_string()},
            "properties": {"filling": filling},
        })
    };
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": (0..800).map(resource).collect::<Vec<_>>(),
    });
    format!("{template:#}").replace("\\n", " ")
}
