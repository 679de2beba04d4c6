//! Where every resource of a plan goes, and whether it may.

use std::collections::BTreeSet;

use arm_template::{Plan, PlannedResource};

use super::Destination;
use crate::app::Arm;
use crate::engine::live::Live;
use crate::error::{ArmError, ErrorBody};
use crate::location;
use crate::providers::any::{self, Place};
use crate::providers::{self, namespaces, registration};
use crate::records::deployments::Scope;
use crate::records::groups;
use crate::request::is_api_version;
use crate::resource_id::{ResourceId, ResourceIdError};

/// How much of a plan is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// Types and api-versions: what it goes into may still be to come.
    Types,
    /// Also whether what it goes into is there.
    Places,
    /// Also what the resource providers say of its resources.
    Resources,
}

/// Where every resource goes, or all reasons why some may not.
pub(super) fn destinations(
    arm: &Arm,
    scope: &Scope,
    plan: &Plan,
    depth: Checked,
) -> Result<Vec<Destination>, Vec<ErrorBody>> {
    let new_groups = new_groups(plan);
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for (index, resource) in plan.resources().iter().enumerate() {
        let checked = destination(arm, scope, resource, (&new_groups, depth)).and_then(|destination| {
            registration::check(arm, destination.id())?;
            // What depends on resources that are still to be deployed cannot be checked before they are.
            if depth == Checked::Resources
                && let Ok(body) = plan.body(index, &Live(arm))
            {
                match &destination {
                    Destination::Resource(kind, id) => {
                        providers::check(*kind, id, &body, &resource.api_version)?;
                    }
                    Destination::Other(id) => any::check(arm, id, &body, &resource.api_version)?,
                    Destination::Deployment(_) => {}
                }
            }
            Ok(destination)
        });
        match checked {
            Ok(destination) => found.push(destination),
            Err(error) => {
                error.log();
                errors.push(*error.with_target(resource.id.clone()).body);
            }
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

/// The resource groups that the template creates, in lower case: others of its resources may go into them.
fn new_groups(plan: &Plan) -> BTreeSet<String> {
    let is_group =
        |one: &&PlannedResource| one.resource_type.eq_ignore_ascii_case("Microsoft.Resources/resourceGroups");
    plan.resources().iter().filter(is_group).map(|one| one.name.to_lowercase()).collect()
}

fn destination(
    arm: &Arm,
    scope: &Scope,
    resource: &PlannedResource,
    (new_groups, depth): (&BTreeSet<String>, Checked),
) -> Result<Destination, ArmError> {
    let id: ResourceId = resource
        .id
        .parse()
        .map_err(|error: ResourceIdError| ArmError::bad_request("InvalidResourceId", error.to_string()))?;
    let destination = match any::place(arm, &id)? {
        Place::Deployment(id) => Destination::Deployment(id),
        Place::Kind(kind, id) => Destination::Resource(kind, id),
        Place::Stored(id) => {
            namespaces::check_type(&resource.resource_type, &resource.api_version)?;
            Destination::Other(id)
        }
        Place::Scope
        | Place::Group(_)
        | Place::RoleAssignment(_)
        | Place::RoleDefinition(_)
        | Place::Tags(_) => Destination::Other(id),
    };
    if !is_api_version(&resource.api_version) {
        return Err(no_such_version(arm, scope, resource));
    }
    let id = destination.id();
    // What a nested deployment depends on may make its resource group, however deep in a template of its own.
    let may_come = matches!(destination, Destination::Deployment(_)) && !resource.depends_on.is_empty();
    let to_be_there = |group: &&str| {
        let new = may_come || new_groups.contains(&group.to_lowercase());
        id.is_resource() && depth != Checked::Types && !new
    };
    if let Some(group) = id.resource_group().filter(to_be_there) {
        groups::writable(arm, group)?;
    }
    Ok(destination)
}

fn no_such_version(arm: &Arm, scope: &Scope, resource: &PlannedResource) -> ArmError {
    let short = resource.resource_type.split_once('/').map_or("", |(_, short)| short);
    let group = scope.group().and_then(|name| groups::find(arm, name).ok().flatten());
    let around = group.map_or_else(|| arm.settings().location.clone(), |group| group.location);
    ArmError::bad_request(
        "NoRegisteredProviderFound",
        format!(
            "No registered resource provider found for location '{}' and API version '{}' for type '{short}'. The \
             supported api-versions are 'YYYY-MM-DD' and 'YYYY-MM-DD-preview', any date. The supported locations are '{}'.",
            resource.location.as_deref().unwrap_or(&around),
            resource.api_version,
            location::names()
        ),
    )
}

/// 1 to 64 characters of letters, digits, `- _ . ( )`.
pub(super) fn check_name(name: &str) -> Result<(), ArmError> {
    let length = name.chars().count();
    if (1..=64).contains(&length)
        && name.chars().all(|character| character.is_alphanumeric() || "-_.()".contains(character))
    {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "InvalidDeploymentName",
        format!(
            "The provided deployment name '{name}' has {length} characters or characters that are not allowed. It may \
             have 1 to 64 letters, digits, '-', '_', '.', '(' and ')'."
        ),
    ))
}
