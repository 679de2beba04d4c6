//! What is checked before anything is changed.

use crate::arm::{Deployment, QuotaUsage, Registry};
use crate::context::Context;
use crate::deployment::{AgentSpec, DEPLOYER_TAG, RegistryLocation};
use crate::error::RolloutError;
use crate::image_ref::ImageRef;
use crate::observe::{FLEET_TAG, ObservedFleet};
use crate::plan::Plan;
use crate::report::Reporter;
use crate::rollout::Request;
use crate::settings::Target;

/// Against Azure nothing is deleted without a yes.
pub(super) fn consent(context: &Context, plan: &Plan, reporter: &dyn Reporter) -> Result<(), RolloutError> {
    if context.settings.target != Target::Azure || !plan.deletes() || reporter.confirm(plan) {
        return Ok(());
    }
    Err(RolloutError::NotConfirmed {
        fleet: context.settings.fleet.to_string(),
        group: context.settings.resource_group.clone(),
    })
}

/// Refuses while a deployment of this fleet that somebody else started is under way.
pub(super) fn no_other_deployer(
    context: &Context,
    request: &Request,
    last: Option<&Deployment>,
) -> Result<(), RolloutError> {
    match last {
        Some(last) if last.is_active() && last.tag(DEPLOYER_TAG) != Some(&request.deployer) => {
            Err(another_deployer(context, Some(last)))
        }
        _ => Ok(()),
    }
}

pub(super) fn another_deployer(context: &Context, deployment: Option<&Deployment>) -> RolloutError {
    RolloutError::AnotherDeployer {
        deployment: context.settings.fleet.deployment(),
        by: deployment.and_then(|deployment| deployment.tag(DEPLOYER_TAG)).map(str::to_owned),
        started: deployment.and_then(|deployment| deployment.properties.timestamp.clone()),
        correlation: deployment.and_then(|deployment| deployment.properties.correlation_id.clone()),
    }
}

/// Refuses what the subscription's quota does not allow. What the plan takes away is taken away first, so it counts.
pub(super) async fn quota(
    context: &Context,
    agents: u32,
    observed: &ObservedFleet,
    plan: &Plan,
    spec: &AgentSpec,
) -> Result<(), RolloutError> {
    let (cpu, location) = (spec.cpu, spec.location.as_str());
    let usages = context.arm.usages(location).await?;
    let cores_of = |name: &str| observed.group(name).map_or(0.0, |group| group.cpu);
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let leaving = plan.drain.iter().chain(&plan.update);
    let freed_cores: f64 = leaving.map(|change| cores_of(change.agent.as_str())).sum();
    let needs = [
        ("ContainerGroups", count(plan.create.len()) - count(plan.drain.len())),
        ("StandardCores", count(plan.create.len() + plan.update.len()) * cpu - freed_cores),
    ];
    for (name, requested) in needs {
        let usage = usages.iter().find(|usage| usage.name.eq_ignore_ascii_case(name));
        if let Some(usage) = usage
            && requested > 0.0
            && usage.used + requested > usage.limit
        {
            return Err(refused(agents, location, usage, requested));
        }
    }
    Ok(())
}

fn refused(agents: u32, location: &str, usage: &QuotaUsage, requested: f64) -> RolloutError {
    RolloutError::Quota { agents, location: location.to_owned(), usage: usage.clone(), requested }
}

/// The registry that the image is in, and its region where that is known. It may not share the fleet's group.
pub(super) async fn registry(
    context: &Context,
    given: Option<&RegistryLocation>,
    image: &ImageRef,
) -> Result<(RegistryLocation, Option<String>), RolloutError> {
    let (location, region) = match given {
        Some(given) => (given.clone(), None),
        None => find_registry(context, image).await?,
    };
    let settings = &context.settings;
    let subscription = settings.subscription_id.to_string();
    if location.resource_group.eq_ignore_ascii_case(&settings.resource_group)
        && location.subscription_id.eq_ignore_ascii_case(&subscription)
    {
        return Err(RolloutError::SharedGroup {
            group: settings.resource_group.clone(),
            registry: location.name,
        });
    }
    Ok((location, region))
}

async fn find_registry(
    context: &Context,
    image: &ImageRef,
) -> Result<(RegistryLocation, Option<String>), RolloutError> {
    let registries = context.arm.registries().await?;
    let is_its = |server: &str| server.eq_ignore_ascii_case(image.server());
    let found = registries.iter().find(|registry| is_its(&registry.properties.login_server));
    let parts =
        |registry: &Registry| Some((RegistryLocation::from_id(&registry.id)?, registry.location.clone()));
    found.and_then(parts).ok_or_else(|| RolloutError::NoRegistry {
        server: image.server().to_owned(),
        subscription: context.settings.subscription_id.to_string(),
        found: registries.into_iter().map(|registry| registry.properties.login_server).collect(),
    })
}

/// Complete mode deletes what the deployment does not name, so all of the group must be this fleet's.
pub(super) async fn nothing_foreign(context: &Context) -> Result<(), RolloutError> {
    let fleet = context.settings.fleet.as_str();
    let resources = match context.arm.resources().await {
        Err(error) if error.code() == Some("ResourceGroupNotFound") => return Ok(()),
        other => other?,
    };
    let ids: Vec<String> = resources
        .into_iter()
        .filter(|resource| resource.tag(FLEET_TAG) != Some(fleet))
        .map(|resource| resource.id)
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    Err(RolloutError::ForeignResources {
        group: context.settings.resource_group.clone(),
        fleet: fleet.to_owned(),
        ids,
    })
}
