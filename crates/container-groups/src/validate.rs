//! What the resource provider refuses before it does anything.
//!
//! Codes and texts are those seen in public issues and Microsoft's articles where there are any
//! (`MicrosoftDocs/azure-docs#38067`, `virtual-kubelet/azure-aci#149`, `docker-archive/compose-cli#357`); the others
//! carry the code name alone that Microsoft documents, with a text of ours.

mod network;
mod placement;
mod probes;
mod volumes;
mod windows;

use std::collections::BTreeSet;

use secrecy::ExposeSecret;

use crate::error::GroupError;
use crate::group::{ContainerSpec, EnvValue, GroupSpec, OsType};

const MOST_CONTAINERS: usize = 60;
const MOST_CPU: f64 = 4.0;
const MOST_MEMORY_GB: f64 = 16.0;
/// Room for sums of decimal fractions.
const SLACK: f64 = 1e-9;

/// Checks a desired state by itself.
pub(crate) fn check(spec: &GroupSpec) -> Result<(), GroupError> {
    let name = &spec.name;
    if !dns_name(name) {
        return Err(bad(
            "InvalidContainerGroupName",
            format!("The container group name '{name}' is invalid. {NAMES}"),
        ));
    }
    if !name.eq_ignore_ascii_case(spec.id.name()) {
        return Err(bad(
            "InvalidContainerGroupName",
            format!(
                "The container group name '{name}' differs from the name in the resource id '{}'.",
                spec.id
            ),
        ));
    }
    if spec.containers.is_empty() {
        return Err(bad("MissingContainers", format!("The container group '{name}' has no containers.")));
    }
    let count = spec.all_containers().count();
    if count > MOST_CONTAINERS {
        return Err(bad(
            "ContainerCountLimitExceeded",
            format!("The container group '{name}' has {count} containers; {MOST_CONTAINERS} at most."),
        ));
    }
    if count > 1 && spec.os_type == OsType::Windows {
        return Err(bad(
            "InvalidContainerGroup",
            format!("The container group '{name}' of osType 'Windows' has more than one container."),
        ));
    }
    windows::check_versions(spec)?;
    volumes::check(spec)?;
    check_registry_identities(spec)?;
    for container in spec.all_containers() {
        check_container(spec, container)?;
        volumes::check_mounts(spec, container)?;
        probes::check(spec, container)?;
    }
    network::check(spec)?;
    placement::check(spec)?;
    check_resources(spec)
}

pub(crate) use network::{name_taken, public_name};

const NAMES: &str =
    "A name has 1 to 63 lower-case letters, digits and '-', and begins and ends with a letter or digit.";

fn check_container(spec: &GroupSpec, container: &ContainerSpec) -> Result<(), GroupError> {
    let (group, name) = (&spec.name, &container.name);
    if !dns_name(name) {
        return Err(bad(
            "InvalidContainerName",
            format!(
                "The container name '{name}' in container group '{group}' is invalid. The container name must contain no more than 63 characters and must match the regex '[a-z0-9]([-a-z0-9]*[a-z0-9])?' (e.g. 'my-name')."
            ),
        ));
    }
    if spec.all_containers().filter(|other| other.name == *name).count() > 1 {
        return Err(bad(
            "DuplicateContainerName",
            format!("The container name '{name}' is used more than once in container group '{group}'."),
        ));
    }
    if container.image.trim().is_empty() {
        return Err(bad(
            "MissingContainerImage",
            format!("The container '{name}' in container group '{group}' has no image."),
        ));
    }
    let mut names = BTreeSet::new();
    for variable in &container.environment {
        let valid = (1..=63).contains(&variable.name.len())
            && variable.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !variable.name.starts_with(|first: char| first.is_ascii_digit());
        if !valid {
            // The words are seen in a public log.
            return Err(bad(
                "InvalidContainerEnvironmentVariable",
                format!(
                    "The environment variable name in container '{name}' of container group '{group}' is invalid. A valid environment variable name must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName')"
                ),
            ));
        }
        let valid = names.insert(variable.name.as_str());
        let value = match &variable.value {
            EnvValue::Plain(value) => value.as_str(),
            EnvValue::Secure(value) => value.expose_secret(),
        };
        if !valid || value.contains('\0') {
            return Err(bad(
                "InvalidContainerEnvironmentVariable",
                format!(
                    "The environment variable '{}' in container '{name}' of container group '{group}' is invalid. A name is used once; a value has no zero character.",
                    variable.name
                ),
            ));
        }
    }
    Ok(())
}

/// The code is documented for a service that is too old for this; for an identity that is not assigned it is assumed.
fn check_registry_identities(spec: &GroupSpec) -> Result<(), GroupError> {
    let stranger = spec.registry_identities.iter().find(|one| spec.identity.user(&one.identity).is_none());
    let Some(stranger) = stranger else { return Ok(()) };
    Err(bad(
        "InvalidImageRegistryCredentialType",
        format!(
            "The identity '{}' in 'imageRegistryCredentials' of container group '{}' is not assigned to the container group.",
            stranger.identity, spec.name
        ),
    ))
}

fn check_resources(spec: &GroupSpec) -> Result<(), GroupError> {
    let group = &spec.name;
    let (mut cpu, mut memory) = (0.0, 0.0);
    for container in &spec.containers {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if !positive(container.cpu) || !positive(container.memory_gb) {
            return Err(bad(
                "ResourceRequestsNotSpecified",
                format!(
                    "The resource requests are not specified in container '{}' of contain group '{group}'. Both memory and CPU requests are required since API version '2017-07-01-preview'.",
                    container.name
                ),
            ));
        }
        cpu += container.cpu;
        memory += container.memory_gb;
    }
    for container in &spec.containers {
        check_limit(spec, container, "Cpu", container.cpu_limit, container.cpu, cpu)?;
        check_limit(spec, container, "MemoryInGB", container.memory_limit_gb, container.memory_gb, memory)?;
    }
    if let Some(gpu) = spec.containers.iter().find_map(|container| container.gpu.as_ref()) {
        return Err(placement::no_gpu(spec, gpu));
    }
    if cpu > MOST_CPU + SLACK || memory > MOST_MEMORY_GB + SLACK {
        return Err(not_available(spec));
    }
    // Documented as a rule, without its code: assumed.
    if cpu < 1.0 - SLACK || memory < 1.0 - SLACK {
        return Err(bad(
            "InvalidResourceRequests",
            format!(
                "The container group '{group}' requests '{cpu}' CPU and '{memory}' GB memory in total. A container group needs at least 1 CPU and 1 GB."
            ),
        ));
    }
    Ok(())
}

fn check_limit(
    spec: &GroupSpec,
    container: &ContainerSpec,
    what: &str,
    limit: Option<f64>,
    request: f64,
    total: f64,
) -> Result<(), GroupError> {
    let Some(limit) = limit else { return Ok(()) };
    let (group, name) = (&spec.name, &container.name);
    if limit.is_nan() || limit + SLACK < request {
        return Err(bad(
            "ResourceLimitsLessThanRequests",
            format!(
                "The resource requirement in container '{name}' of contain group '{group}' is invalid. The '{what}' limit value must be greater than or equal to the request value."
            ),
        ));
    }
    if limit > total + SLACK {
        return Err(bad(
            "ContainerLimitGreaterThanContainerGroupTotalRequest",
            format!(
                "The '{what}' limit '{limit}' in container '{name}' is greater than the total request '{total}' of container group '{group}'."
            ),
        ));
    }
    Ok(())
}

/// The region cannot give what is asked for.
pub(crate) fn not_available(spec: &GroupSpec) -> GroupError {
    let cpu: f64 = spec.containers.iter().map(|container| container.cpu).sum();
    let memory: f64 = spec.containers.iter().map(|container| container.memory_gb).sum();
    GroupError::new(
        409,
        "ServiceUnavailable",
        format!(
            "The requested resource is not available in the location '{}' at this moment. Please retry with a different resource request or in another location. Resource requested: '{cpu}' CPU '{memory}' GB memory '{}' OS",
            spec.location,
            spec.os_type.as_str()
        ),
    )
}

/// Whether the change needs the group to be deleted first.
pub(crate) fn check_update(old: &GroupSpec, new: &GroupSpec) -> Result<(), GroupError> {
    let resources = |spec: &GroupSpec| {
        let mut all: Vec<_> = spec
            .containers
            .iter()
            .map(|c| (c.name.clone(), [Some(c.cpu), Some(c.memory_gb), c.cpu_limit, c.memory_limit_gb]))
            .collect();
        all.sort_by(|left, right| left.0.cmp(&right.0));
        all
    };
    if old.os_type != new.os_type
        || old.restart_policy != new.restart_policy
        || resources(old) != resources(new)
        || old.placement.subnets != new.placement.subnets
        || placement::logs_elsewhere(old, new)
    {
        return Err(bad(
            "InvalidContainerGroupUpdate",
            format!(
                "The updates on container group '{}' are invalid. If you are going to update the os type, restart policy, network profile, CPU, memory or GPU resources for a container group, you must delete it first and then create a new one.",
                old.name
            ),
        ));
    }
    Ok(())
}

/// Whether the group may move to the new location: it may not.
pub(crate) fn check_location(old: &GroupSpec, new: &GroupSpec) -> Result<(), GroupError> {
    let plain = |location: &str| location.replace(' ', "").to_ascii_lowercase();
    if plain(&old.location) == plain(&new.location) {
        return Ok(());
    }
    Err(GroupError::new(
        409,
        "InvalidResourceLocation",
        format!(
            "The resource '{}' already exists in location '{}' in resource group '{}'. A resource with the same name cannot be created in location '{}'. Please select a new resource name.",
            old.name,
            old.location,
            old.id.resource_group(),
            new.location
        ),
    ))
}

fn bad(code: &str, message: String) -> GroupError {
    GroupError::new(400, code, message)
}

fn dns_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests;
