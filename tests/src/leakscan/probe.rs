//! Why the image has no health check: a process that the engine starts beside PID 1 gets the container's first
//! environment, token and all, however well PID 1 has cleaned its own.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bollard::models::{ContainerCreateBody, HealthConfig};

use super::needles::Needles;
use super::scan::{Check, Finding};
use super::target::{self, Agent, Kind};
use crate::Stack;

/// Looks for such a process at the target. The proof that it would be found: the same image, once with a health check.
pub(crate) async fn follow(stack: &Stack, agent: &Agent, needles: &Needles) -> Result<Finding> {
    let mut finding = Finding { looked: 2, unit: "settings".into(), ..Finding::default() };
    let (repository, tag) = stack.local_image();
    let image = stack.engine().0.inspect_image(&format!("{repository}:{tag}")).await?;
    let container = stack.engine().0.inspect_container(&agent.container, None).await?;
    let of_image = image.config.and_then(|config| config.healthcheck);
    let of_container = container.config.and_then(|config| config.healthcheck);
    for (place, check) in [("the image", of_image), ("the container", of_container)] {
        if check.and_then(|check| check.test).is_some_and(|test| !test.is_empty() && test != ["NONE"]) {
            finding.classes.insert("registration-token".into(), 1);
            finding.hits.push(("a health check".into(), "registration-token".into(), place.into()));
        }
    }
    if agent.kind != Kind::Mayfly {
        finding.check = Some(Check::Closed("no process is started beside PID 1".into()));
        return Ok(finding);
    }
    finding.check = Some(match control(stack, needles).await {
        Ok(()) => Check::Held,
        Err(error) => Check::Failed(format!("{error:#}")),
    });
    finding.note =
        "control: with a health check in the same image, its process holds the registration token".into();
    Ok(finding)
}

/// The same image with a health check that prints its environment, which the engine keeps.
async fn control(stack: &Stack, needles: &Needles) -> Result<()> {
    let second = 1_000_000_000;
    let body = ContainerCreateBody {
        env: Some(
            ["AZDO_URL", "AZDO_TOKEN", "AZDO_POOL"]
                .map(|name| format!("{name}={}", stack.variable(name)))
                .into_iter()
                .chain(["AZDO_AGENT_NAME=leakscan-probed".to_owned()])
                .collect(),
        ),
        healthcheck: Some(HealthConfig {
            test: Some(vec!["CMD".into(), "env".into()]),
            interval: Some(second / 2),
            timeout: Some(5 * second),
            ..HealthConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let container = target::create(stack, body).await?;
    stack.engine().0.start_container(&container, None).await?;
    let said = stack
        .eventually("the health check has run", Duration::from_secs(20), async || {
            let shown = stack.engine().0.inspect_container(&container, None).await?;
            let runs =
                shown.state.and_then(|state| state.health).and_then(|health| health.log).unwrap_or_default();
            let output = runs.into_iter().find_map(|run| run.output).context("not yet")?;
            ensure!(!output.is_empty(), "it printed nothing");
            Ok(output)
        })
        .await;
    target::remove(stack, &container).await?;
    let found = needles.within(said?.as_bytes());
    ensure!(found.iter().any(|(_, class)| *class == "registration-token"), "the control found no token");
    Ok(())
}
