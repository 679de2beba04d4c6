//! Deployments of resources that are stored, from the request until the service says that they are there.

use std::path::Path;
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::figures::Figure;

use crate::sandbox::Sandbox;
use crate::{Outcome, say};

pub(crate) async fn run(mayfly: &Path) -> Outcome<Vec<Figure>> {
    say("deployments");
    let sandbox = Sandbox::start(mayfly)?;
    let arm = sandbox.arm().await?;
    let mut each = Vec::new();
    for copies in [20, 200, 400] {
        let path = format!("/providers/Microsoft.Resources/deployments/of-{copies}?api-version=2021-04-01");
        let body = json!({"properties": {"mode": "Incremental", "template": template(copies)}});
        let begun = Instant::now();
        arm.call(Method::PUT, &path, Some(&body)).await?;
        let ended = arm.until(&path, |shown| !matches!(state(shown), "" | "Accepted" | "Running")).await?;
        if state(&ended) != "Succeeded" {
            return Err(format!("the deployment ended: {}", ended["properties"]["error"]).into());
        }
        each.push(begun.elapsed().as_secs_f64() * 1000.0 / f64::from(copies));
    }
    let name = |copies: u32| format!("deployment of {copies} stored resources, time of each");
    Ok(vec![
        Figure::new("deployment of 200 stored resources", each[1] * 200.0, "ms"),
        Figure::new(name(200), each[1], "ms"),
        Figure::new(format!("{}, to one of 200", name(400)), each[2], "ms").against(each[1]),
    ])
}

fn state(shown: &Value) -> &str {
    shown["properties"]["provisioningState"].as_str().unwrap_or_default()
}

fn template(copies: i32) -> Value {
    json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [{
            "type": "Microsoft.Network/publicIPAddresses",
            "apiVersion": "2023-05-01",
            "name": format!("[concat('address-{copies}-', copyIndex())]"),
            "location": "[resourceGroup().location]",
            "sku": {"name": "Standard"},
            "copy": {"name": "addresses", "count": copies},
            "properties": {"publicIPAllocationMethod": "Static", "idleTimeoutInMinutes": 4},
        }],
    })
}
