//! A container group from its creation until it runs, against the same container made by the engine alone.

use std::path::Path;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, RemoveContainerOptionsBuilder, StartContainerOptions,
};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::figures::{Figure, percentile};
use testkit::unique_name;

use crate::sandbox::{Arm, Sandbox};
use crate::{Outcome, say};

const TIMES: usize = 8;
const VERSION: &str = "?api-version=2023-05-01";

pub(crate) async fn run(mayfly: &Path) -> Outcome<Vec<Figure>> {
    say("container groups");
    let sandbox = Sandbox::start(mayfly)?;
    let arm = sandbox.arm().await?;
    let engine = Docker::connect_with_defaults()?;
    let image = std::env::var(testkit::BASE_IMAGE_VARIABLE).map_err(|_| {
        format!("it needs an image that has `sleep`, named by {}", testkit::BASE_IMAGE_VARIABLE)
    })?;
    let command = ["sleep".to_owned(), "infinity".to_owned()];
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    // In turns, so that a busy moment of the machine is not one side's alone.
    for _ in 0..TIMES {
        ours.push(group(&arm, &body(&image, &command)).await?);
        bare.push(container(&engine, &image, &command, &sandbox.network()).await?);
    }
    let name = "container group, creation to running, to the engine alone, p50";
    Ok(vec![
        Figure::new(name, percentile(&ours, 50), "ms").aim("<= 1.3x").against(percentile(&bare, 50)),
        Figure::new("the same container by the engine alone, p50", percentile(&bare, 50), "ms"),
    ])
}

fn body(image: &str, command: &[String]) -> Value {
    json!({"location": "westeurope", "properties": {
        "osType": "Linux", "restartPolicy": "Always",
        "containers": [{"name": "main", "properties": {
            "image": image, "command": command, "resources": {"requests": {"cpu": 1, "memoryInGB": 1}},
        }}],
    }})
}

async fn group(arm: &Arm<'_>, body: &Value) -> Outcome<Duration> {
    let path =
        format!("/providers/Microsoft.ContainerInstance/containerGroups/{}{VERSION}", unique_name("bench"));
    let begun = Instant::now();
    arm.call(Method::PUT, &path, Some(body)).await?;
    let runs = |shown: &Value| {
        let properties = &shown["properties"];
        let state = &properties["containers"][0]["properties"]["instanceView"]["currentState"]["state"];
        state == "Running" || properties["provisioningState"] == "Failed"
    };
    let ended = arm.until(&path, runs).await?;
    let took = begun.elapsed();
    arm.call(Method::DELETE, &path, None).await?;
    if ended["properties"]["provisioningState"] == "Failed" {
        return Err(format!("the group failed: {}", ended["properties"]["instanceView"]["events"]).into());
    }
    Ok(took)
}

async fn container(engine: &Docker, image: &str, command: &[String], network: &str) -> Outcome<Duration> {
    let begun = Instant::now();
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(command.to_vec()),
        host_config: Some(HostConfig {
            network_mode: Some(network.to_owned()),
            memory: Some(1 << 30),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let id = engine.create_container(None::<CreateContainerOptions>, body).await?.id;
    engine.start_container(&id, None::<StartContainerOptions>).await?;
    let seen = engine.inspect_container(&id, None::<InspectContainerOptions>).await?;
    let took = begun.elapsed();
    let remove = RemoveContainerOptionsBuilder::new().force(true).build();
    engine.remove_container(&id, Some(remove)).await?;
    match seen.state.and_then(|state| state.running) {
        Some(true) => Ok(took),
        _ => Err("the bare container does not run".into()),
    }
}
