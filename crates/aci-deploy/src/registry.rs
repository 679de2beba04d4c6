//! The registry that holds the agent image, in a resource group of its own.

use serde::Serialize;

use crate::arm::{ArmError, Registry};
use crate::context::Context;
use crate::deployment::{DEPLOYER_TAG, registry_body};
use crate::error::{ExitClass, Explain};
use crate::observe::FLEET_TAG;
use crate::report::{Event, Reporter};
use crate::target::TargetError;

/// The registry that should be there.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// 5 to 50 letters and digits, unique in all of Azure.
    pub name: String,
    /// Its resource group; not the fleet's.
    pub resource_group: String,
    /// Region; `None`: the settings' or the group's.
    pub location: Option<String>,
    /// `Basic`, `Standard` or `Premium`.
    pub sku: String,
    /// See [`crate::DeployOptions::deployer`].
    pub deployer: String,
}

/// The registry that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistryReport {
    /// Full id.
    pub id: String,
    /// Host (and port) that images are pushed to.
    pub login_server: String,
    /// It was not there before.
    pub created: bool,
}

/// The registry could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The endpoints do not fit the target.
    #[error("check the target")]
    Target(#[from] TargetError),
    /// A call to Azure failed.
    #[error(transparent)]
    Arm(#[from] ArmError),
    /// The name is one Azure does not take.
    #[error("create registry `{0}`: a registry's name is 5 to 50 letters and digits")]
    Name(String),
    /// Registry and fleet would share a group.
    #[error(
        "create registry `{registry}` in resource group `{group}`: that is the fleet's group, and a Complete deployment of the fleet would delete the registry"
    )]
    SharedGroup {
        /// The registry.
        registry: String,
        /// The group.
        group: String,
    },
    /// The resource group is absent, and no region is given.
    #[error("create resource group `{group}`: no region is given")]
    NoLocation {
        /// The group.
        group: String,
    },
    /// Somebody else's registry, without what the fleet needs.
    #[error(
        "use registry `{registry}`: its admin user is disabled, so the containers could not pull from it"
    )]
    NoAdminUser {
        /// The registry.
        registry: String,
    },
    /// Another deployment of this registry is under way.
    #[error("deploy registry `{registry}`: another deployment of it is under way")]
    AnotherDeployer {
        /// The registry.
        registry: String,
    },
}

impl Explain for RegistryError {
    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Arm(error) => error.exit_class(),
            Self::Target(_) | Self::SharedGroup { .. } | Self::AnotherDeployer { .. } => ExitClass::Guard,
            _ => ExitClass::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Arm(error) => return error.hint(),
            Self::Target(_) | Self::Name(_) => return None,
            Self::SharedGroup { .. } => "give the registry a resource group of its own",
            Self::NoLocation { .. } => "name a region with --location",
            Self::NoAdminUser { .. } => "enable it: az acr update --name <registry> --admin-enabled true",
            Self::AnotherDeployer { .. } => "wait until it has ended, then run the command again",
        };
        Some(text.to_owned())
    }
}

/// Makes the registry and its resource group where they are absent. A registry that is there is left as it is.
pub async fn ensure_registry(
    context: &Context,
    options: &RegistryOptions,
    reporter: &dyn Reporter,
) -> Result<RegistryReport, RegistryError> {
    let (name, group) = (&options.name, &options.resource_group);
    if !(5..=50).contains(&name.len()) || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(RegistryError::Name(name.clone()));
    }
    if group.eq_ignore_ascii_case(&context.settings.resource_group) {
        return Err(RegistryError::SharedGroup { registry: name.clone(), group: group.clone() });
    }
    reporter.event(&Event::Target(context.target_line()));
    context.check_target()?;
    if let Some(registry) = context.arm.registry(group, name).await? {
        if !registry.properties.admin_user_enabled {
            return Err(RegistryError::NoAdminUser { registry: name.clone() });
        }
        return Ok(found(registry, false));
    }
    let location = ensure_group(context, options, reporter).await?;
    let deployment = format!("mayfly-registry-{}", name.to_ascii_lowercase());
    let fleet = context.settings.fleet.as_str();
    let body = registry_body(fleet, name, &location, &options.sku, &options.deployer);
    reporter.event(&Event::Doing(format!("creating registry {name} in resource group {group}")));
    let started = match context.arm.start_deployment(group, &deployment, &body).await {
        Ok(started) => Some(started),
        Err(error) if error.is_deployment_active() => {
            let active = context.arm.deployment(group, &deployment).await?;
            let ours = active.is_some_and(|active| active.tag(DEPLOYER_TAG) == Some(&options.deployer));
            if !ours {
                return Err(RegistryError::AnotherDeployer { registry: name.clone() });
            }
            None
        }
        Err(error) => return Err(error.into()),
    };
    let done = context.arm.finish_deployment(group, &deployment, started.as_ref()).await?;
    let registry = context.arm.registry(group, name).await?;
    match registry {
        Some(registry) => Ok(found(registry, true)),
        // The deployment's output says the same.
        None => Ok(RegistryReport {
            id: format!(
                "{}/providers/Microsoft.ContainerRegistry/registries/{name}",
                context.arm.group_path(group)
            ),
            login_server: done.output("loginServer").unwrap_or_default().to_owned(),
            created: true,
        }),
    }
}

async fn ensure_group(
    context: &Context,
    options: &RegistryOptions,
    reporter: &dyn Reporter,
) -> Result<String, RegistryError> {
    let group = &options.resource_group;
    let wanted = options.location.clone().or_else(|| context.settings.location.clone());
    if let Some(existing) = context.arm.resource_group(group).await? {
        return Ok(wanted.unwrap_or(existing.location));
    }
    let location = wanted.ok_or_else(|| RegistryError::NoLocation { group: group.clone() })?;
    reporter.event(&Event::Doing(format!("creating resource group {group} in {location}")));
    let tags = serde_json::json!({FLEET_TAG: context.settings.fleet});
    context.arm.create_resource_group(group, &location, &tags).await?;
    Ok(location)
}

fn found(registry: Registry, created: bool) -> RegistryReport {
    tracing::debug!(registry = %registry.name, created, "registry found");
    RegistryReport { id: registry.id, login_server: registry.properties.login_server, created }
}

#[cfg(test)]
mod tests;
