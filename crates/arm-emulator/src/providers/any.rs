//! What an id leads to, whatever its type. Requests, templates and what they refer to come through here.

use serde_json::{Value, json};

use crate::app::Arm;
use crate::control::events::EventKind;
use crate::error::ArmError;
use crate::providers::stored::{self, Asked};
use crate::providers::{
    Kind, Put, namespaces, resource_groups, role_assignments, role_definitions, tags_resource,
};
use crate::records::{deployments, groups, resources, roles};
use crate::request::subscription_not_found;
use crate::resource_id::ResourceId;

/// What is behind an id.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// The tenant or a subscription.
    Scope,
    /// A resource group, also one that is not there.
    Group(String),
    /// A type with behaviour.
    Kind(Kind, ResourceId),
    Deployment(ResourceId),
    RoleAssignment(ResourceId),
    RoleDefinition(ResourceId),
    /// The tags of this scope.
    Tags(ResourceId),
    /// Any other type.
    Stored(ResourceId),
}

/// Names of resources that are there with their parents, and that nobody has to create: settings of a part of the parent
/// (`azure-rest-api-specs: storage, blobServices/default` and many like it).
const SINGLETONS: [&str; 3] = ["default", "current", "$default"];

/// Tells what is behind an id; the resource group is spelt as it was created.
pub(crate) fn place(arm: &Arm, id: &ResourceId) -> Result<Place, ArmError> {
    let subscription = id.subscription();
    if !subscription.is_empty() && !subscription.eq_ignore_ascii_case(&arm.subscription()) {
        return Err(subscription_not_found(subscription));
    }
    let stored = id.resource_group().map(|group| groups::find(arm, group)).transpose()?.flatten();
    let id = id.clone().respelt(stored.map(|group| group.name));
    let Some(resource_type) = id.resource_type() else {
        return Ok(id.resource_group().map_or(Place::Scope, |group| Place::Group(group.to_owned())));
    };
    if Kind::find(&resource_type).is_ok() {
        let (kind, id) = Kind::of(arm, &id)?;
        return Ok(Place::Kind(kind, id));
    }
    let is = |known: &str| resource_type.eq_ignore_ascii_case(known);
    Ok(if is("Microsoft.Resources/deployments") {
        Place::Deployment(id)
    } else if is(roles::TYPE) {
        Place::RoleAssignment(id)
    } else if is(role_definitions::TYPE) {
        Place::RoleDefinition(id)
    } else if is("Microsoft.Resources/tags") {
        Place::Tags(id.scope())
    } else {
        Place::Stored(id)
    })
}

/// The resource or scope as ARM shows it.
pub(crate) fn get(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    match place(arm, id)? {
        Place::Scope if id.subscription().is_empty() => {
            Ok(Some(json!({ "id": "/", "name": "", "properties": {} })))
        }
        Place::Scope => Ok(Some(json!({ "id": id, "name": id.subscription(), "properties": {} }))),
        Place::Group(name) => Ok(groups::find(arm, &name)?.map(|group| group.view(arm))),
        Place::Kind(kind, id) => super::get(arm, kind, &id),
        Place::Deployment(id) => {
            let found = deployments::find(arm, &deployments::Scope::of(&id), id.last_name())?;
            Ok(found.map(|one| one.view(arm)))
        }
        Place::RoleAssignment(id) => role_assignments::get(arm, &id),
        Place::RoleDefinition(id) => role_definitions::get(arm, &id),
        Place::Tags(scope) => tags_resource::get(arm, &scope).map(Some),
        Place::Stored(id) if is_root_management_group(arm, &id) => Ok(Some(root_management_group(arm))),
        Place::Stored(id) => stored::get(arm, &id),
    }
}

/// The same, or ARM's 404.
pub(crate) fn existing(arm: &Arm, id: &ResourceId) -> Result<Value, ArmError> {
    if let Some(group) = id.resource_group() {
        groups::get(arm, group)?;
    }
    get(arm, id)?.ok_or_else(|| not_found(id))
}

/// Checks a body for any type but those with behaviour and deployments.
pub(crate) fn check(arm: &Arm, id: &ResourceId, body: &Value, api_version: &str) -> Result<(), ArmError> {
    match place(arm, id)? {
        Place::Kind(kind, id) => super::check(kind, &id, body, api_version),
        Place::Group(name) => resource_groups::check(&name, body),
        Place::RoleAssignment(id) => role_assignments::check(arm, &id, body),
        Place::RoleDefinition(id) => role_definitions::check(arm, &id, body),
        Place::Tags(_) => tags_resource::read(body).map(|_| ()),
        Place::Stored(id) => stored::check(&id, body, api_version),
        Place::Scope | Place::Deployment(_) => Err(wrong_scope(id)),
    }
}

/// Creates or updates a resource without behaviour of its own.
pub(crate) fn put(arm: &Arm, id: &ResourceId, body: &Value, asked: &Asked) -> Result<Put, ArmError> {
    let put = match place(arm, id)? {
        // Which tells of itself.
        Place::Group(name) => return resource_groups::put(arm, &name, body),
        Place::RoleAssignment(id) => role_assignments::put(arm, &id, body),
        Place::RoleDefinition(id) => role_definitions::put(arm, &id, body, asked),
        Place::Tags(scope) => tags_resource::put(arm, &scope, body),
        Place::Stored(id) => stored::put(arm, &id, body, asked),
        Place::Scope | Place::Deployment(_) | Place::Kind(..) => Err(wrong_scope(id)),
    }?;
    arm.tell(EventKind::ResourcePut { id: id.to_string(), created: put.created });
    Ok(put)
}

/// Whether what an id is in, and what it is of, can be written to: its resource group, its parent, what it extends.
pub(crate) fn check_surroundings(arm: &Arm, id: &ResourceId) -> Result<(), ArmError> {
    if let Some(group) = id.resource_group() {
        groups::writable(arm, group)?;
    }
    if let Some(parent) = parent_to_be_there(arm, id)? {
        if get(arm, &parent)?.is_none() {
            return Err(ArmError::not_found(
                "ParentResourceNotFound",
                format!(
                    "Failed to perform 'write' on resource(s) of type '{}', because the parent resource '{parent}' could \
                     not be found.",
                    id.resource_type().unwrap_or_default()
                ),
            ));
        }
        return Ok(());
    }
    let scope = id.scope();
    if scope.is_resource() && get(arm, &scope)?.is_none() { Err(not_found(&scope)) } else { Ok(()) }
}

/// The nearest parent that somebody has to have created.
fn parent_to_be_there(arm: &Arm, id: &ResourceId) -> Result<Option<ResourceId>, ArmError> {
    let Some(mut parent) = id.parent() else { return Ok(None) };
    while SINGLETONS.contains(&parent.last_name().to_lowercase().as_str())
        && resources::find(arm, &parent)?.is_none()
        && let Some(above) = parent.parent()
    {
        parent = above;
    }
    Ok(Some(parent))
}

pub(crate) fn not_found(id: &ResourceId) -> ArmError {
    let kind = id.resource_type().unwrap_or_default();
    if kind.eq_ignore_ascii_case(roles::TYPE) {
        let problem = format!("The role assignment '{}' is not found.", id.last_name());
        return ArmError::not_found("RoleAssignmentNotFound", problem);
    }
    if kind.eq_ignore_ascii_case(role_definitions::TYPE) {
        let problem = format!("The specified role definition with ID '{}' does not exist.", id.last_name());
        return ArmError::not_found("RoleDefinitionDoesNotExist", problem);
    }
    if kind.eq_ignore_ascii_case("Microsoft.Resources/deployments") {
        let problem = format!("Deployment '{}' could not be found.", id.last_name());
        return ArmError::not_found("DeploymentNotFound", problem);
    }
    match (id.resource_type(), id.resource_group()) {
        (None, Some(group)) => ArmError::resource_group_not_found(group),
        (kind, group) => ArmError::resource_not_found(
            &kind.unwrap_or_default(),
            &id.name().unwrap_or_default(),
            group.unwrap_or("<null>"),
        ),
    }
}

fn wrong_scope(id: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "InvalidResourceType",
        format!("'{id}' cannot be created in this way: its type does not exist at this scope."),
    )
}

/// Every tenant has one management group, which has the tenant's id as its name.
fn is_root_management_group(arm: &Arm, id: &ResourceId) -> bool {
    let tenant = arm.settings().tenant_id.to_string();
    id.key() == format!("/providers/microsoft.management/managementgroups/{tenant}")
}

fn root_management_group(arm: &Arm) -> Value {
    let tenant = arm.settings().tenant_id;
    json!({
        "id": format!("/providers/Microsoft.Management/managementGroups/{tenant}"),
        "name": tenant,
        "type": "Microsoft.Management/managementGroups",
        "properties": { "tenantId": tenant, "displayName": "Tenant Root Group" },
    })
}

/// Those of a type that are kept, and the management group that nobody has to create.
pub(crate) fn listed(arm: &Arm, scope: &ResourceId, resource_type: &str) -> Result<Vec<Value>, ArmError> {
    let mut found = stored::of_type(arm, scope, resource_type)?;
    let groups = resource_type.eq_ignore_ascii_case("Microsoft.Management/managementGroups");
    if groups && !found.iter().any(|one| one["name"] == arm.settings().tenant_id.to_string()) {
        found.insert(0, root_management_group(arm));
    }
    Ok(found)
}

/// Checks a type that a list names.
pub(crate) fn check_listed(resource_type: &str, api_version: &str) -> Result<(), ArmError> {
    let known = [roles::TYPE, "Microsoft.Resources/tags", "Microsoft.Resources/deployments"];
    if Kind::find(resource_type).is_ok() || known.iter().any(|one| one.eq_ignore_ascii_case(resource_type)) {
        return Ok(());
    }
    namespaces::check_type(resource_type, api_version)
}
