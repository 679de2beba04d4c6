//! The resource providers: which types exist, and what every type can do. Requests and deployments come through here,
//! so that a resource behaves the same however it was asked for.

pub(crate) mod aci;
pub(crate) mod acr;
pub(crate) mod any;
pub(crate) mod catalogue;
pub(crate) mod directory;
pub(crate) mod locks;
pub(crate) mod moves;
pub(crate) mod msi;
pub(crate) mod namespaces;
pub(crate) mod operations;
pub(crate) mod registration;
pub(crate) mod resource_groups;
pub(crate) mod role_assignments;
pub(crate) mod role_definitions;
pub(crate) mod stored;
pub(crate) mod tag_names;
pub(crate) mod tags_resource;
pub(crate) mod versions;

use serde_json::Value;

use crate::app::Arm;
use crate::control::events::EventKind;
use crate::error::{ArmError, ErrorBody};
use crate::etag::Condition;
use crate::fields::Tags;
use crate::location;
use crate::providers::any::Place;
use crate::records::{groups, resources, roles};
use crate::resource_id::ResourceId;

/// A resource type that the emulator runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ContainerGroup,
    Registry,
    UserAssignedIdentity,
}

/// How far a resource is.
#[derive(Clone, Debug)]
pub(crate) enum Provisioning {
    Running,
    Succeeded,
    Failed(ErrorBody),
}

/// The answer to a PUT.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) created: bool,
    pub(crate) body: Value,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::ContainerGroup, Self::Registry, Self::UserAssignedIdentity];

    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::ContainerGroup => "Microsoft.ContainerInstance",
            Self::Registry => "Microsoft.ContainerRegistry",
            Self::UserAssignedIdentity => "Microsoft.ManagedIdentity",
        }
    }

    /// The type without its namespace.
    pub(crate) fn short(self) -> &'static str {
        match self {
            Self::ContainerGroup => "containerGroups",
            Self::Registry => "registries",
            Self::UserAssignedIdentity => "userAssignedIdentities",
        }
    }

    /// `namespace/type`.
    pub(crate) fn full(self) -> &'static str {
        match self {
            Self::ContainerGroup => "Microsoft.ContainerInstance/containerGroups",
            Self::Registry => "Microsoft.ContainerRegistry/registries",
            Self::UserAssignedIdentity => "Microsoft.ManagedIdentity/userAssignedIdentities",
        }
    }

    /// What can be done with one of them by POST.
    pub(crate) fn actions(self) -> &'static [&'static str] {
        match self {
            Self::ContainerGroup => &["start", "stop", "restart"],
            Self::Registry => &["listCredentials", "regenerateCredential", "generateCredentials"],
            Self::UserAssignedIdentity => &[],
        }
    }

    /// Finds a type by `namespace/type` in any case.
    pub(crate) fn find(resource_type: &str) -> Result<Self, ArmError> {
        let kind = Self::ALL.into_iter().find(|kind| kind.full().eq_ignore_ascii_case(resource_type));
        kind.ok_or_else(|| unknown_type(resource_type))
    }

    /// The kind of a resource and its id in the canonical spelling of type and resource group.
    pub(crate) fn of(arm: &Arm, id: &ResourceId) -> Result<(Self, ResourceId), ArmError> {
        let kind = Self::find(&id.resource_type().unwrap_or_default())?;
        let name = id.name().unwrap_or_default();
        let Some(group) = id.resource_group().filter(|_| id.is_top_level()) else {
            return Err(ArmError::bad_request(
                "InvalidResourceType",
                format!("The resource '{id}' of the type '{}' must be in a resource group.", kind.full()),
            ));
        };
        Ok((kind, kind.id(arm, group, &name)?))
    }

    /// The id of a resource of this kind; the resource group is spelt as it was created.
    pub(crate) fn id(self, arm: &Arm, group: &str, name: &str) -> Result<ResourceId, ArmError> {
        let stored = groups::find(arm, group)?;
        let group = stored.as_ref().map_or(group, |stored| stored.name.as_str());
        Ok(ResourceId::in_group(&arm.subscription(), group, self.full(), name))
    }
}

/// The error for a type that has no behaviour where one with behaviour is needed.
pub(crate) fn unknown_type(resource_type: &str) -> ArmError {
    let supported = Kind::ALL.map(Kind::full).join(", ");
    ArmError::not_found(
        "InvalidResourceType",
        format!(
            "The resource type '{resource_type}' has no behaviour here. The types that have are: {supported}."
        ),
    )
}

/// Checks a request body without doing anything.
pub(crate) fn check(kind: Kind, id: &ResourceId, body: &Value, api_version: &str) -> Result<(), ArmError> {
    versions::check(kind, id, body, api_version)?;
    match kind {
        Kind::ContainerGroup => aci::read::group(id, body).map(|_| ()),
        Kind::Registry => acr::read::registry(id, body).map(|_| ()),
        Kind::UserAssignedIdentity => msi::read(id, body).map(|_| ()),
    }
}

/// Creates or updates a resource; returns when the provider accepted it.
pub(crate) async fn put(arm: &Arm, kind: Kind, id: &ResourceId, body: &Value) -> Result<Put, ArmError> {
    groups::writable(arm, id.resource_group().unwrap_or_default())?;
    let put = match kind {
        Kind::ContainerGroup => aci::put(arm, id, body).await,
        Kind::Registry => acr::put(arm, id, body).await,
        Kind::UserAssignedIdentity => msi::put(arm, id, body),
    }?;
    arm.tell(EventKind::ResourcePut { id: id.to_string(), created: put.created });
    Ok(put)
}

/// Waits until a resource is provisioned.
pub(crate) async fn settled(
    arm: &Arm,
    kind: Kind,
    id: &ResourceId,
) -> Result<Option<Provisioning>, ArmError> {
    match kind {
        Kind::ContainerGroup => aci::settled(arm, id).await,
        Kind::Registry => acr::provisioning(arm, id),
        Kind::UserAssignedIdentity => msi::provisioning(arm, id),
    }
}

pub(crate) fn provisioning(arm: &Arm, id: &ResourceId) -> Result<Option<Provisioning>, ArmError> {
    match Kind::of(arm, id)? {
        (Kind::ContainerGroup, id) => aci::provisioning(arm, &id),
        (Kind::Registry, id) => acr::provisioning(arm, &id),
        (Kind::UserAssignedIdentity, id) => msi::provisioning(arm, &id),
    }
}

/// A resource as ARM shows it.
pub(crate) fn get(arm: &Arm, kind: Kind, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    match kind {
        Kind::ContainerGroup => aci::get(arm, id),
        Kind::Registry => acr::get(arm, id),
        Kind::UserAssignedIdentity => msi::get(arm, id),
    }
}

/// A resource as ARM shows it, or the error that says it is not there.
pub(crate) fn existing(arm: &Arm, kind: Kind, id: &ResourceId) -> Result<Value, ArmError> {
    let group = id.resource_group().unwrap_or_default();
    groups::get(arm, group)?;
    let name = id.name().unwrap_or_default();
    get(arm, kind, id)?.ok_or_else(|| ArmError::resource_not_found(kind.full(), &name, group))
}

/// Deletes a resource with what belongs to it; gives what it was, or nothing when there was none.
pub(crate) async fn delete(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    let deleted = delete_any(arm, id).await?;
    if deleted.is_some() {
        arm.tell(EventKind::ResourceDeleted { id: id.to_string() });
    }
    Ok(deleted)
}

async fn delete_any(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    let (kind, id) = match any::place(arm, id)? {
        Place::Kind(kind, id) => (kind, id),
        Place::RoleAssignment(id) => {
            let name = role_assignments::name(id.last_name())?;
            return role_assignments::delete_at(arm, &id.scope().to_string(), name);
        }
        Place::RoleDefinition(id) => return role_definitions::delete(arm, &id),
        Place::Tags(scope) => return tags_resource::delete(arm, &scope).map(|()| None),
        Place::Stored(id) => {
            let deleted = stored::delete(arm, &id, &Condition::default())?;
            roles::forget_within(arm, &id.to_string())?;
            return Ok(deleted);
        }
        Place::Scope | Place::Group(_) | Place::Deployment(_) => return Ok(None),
    };
    roles::forget_within(arm, &id.to_string())?;
    let deleted = match kind {
        Kind::ContainerGroup => aci::delete(arm, &id).await,
        Kind::Registry => acr::delete(arm, &id).await,
        Kind::UserAssignedIdentity => msi::delete(arm, &id),
    }?;
    resources::remove_within(arm, &id)?;
    Ok(deleted)
}

/// Replaces the tags.
pub(crate) fn retag(arm: &Arm, kind: Kind, id: &ResourceId, tags: Tags) -> Result<Value, ArmError> {
    existing(arm, kind, id)?;
    match kind {
        Kind::ContainerGroup => aci::retag(arm, id, tags),
        Kind::Registry => acr::retag(arm, id, tags),
        Kind::UserAssignedIdentity => msi::retag(arm, id, tags),
    }
}

/// All resources of a kind, in a resource group or in the subscription.
pub(crate) fn list(arm: &Arm, kind: Kind, group: Option<&str>) -> Result<Vec<Value>, ArmError> {
    match kind {
        Kind::ContainerGroup => Ok(aci::list(arm, group)),
        Kind::Registry => acr::list(arm, group),
        Kind::UserAssignedIdentity => msi::list(arm, group),
    }
}

/// The ids of what Complete mode looks at in a resource group: what has no parent, and children that have a location of
/// their own (`azure-docs: deployment-complete-mode-deletion.md`). Children come before their parents.
pub(crate) fn ids_in_group(arm: &Arm, group: &str) -> Result<Vec<ResourceId>, ArmError> {
    let mut ids = Vec::new();
    for kind in Kind::ALL {
        for resource in list(arm, kind, Some(group))? {
            let id = resource["id"].as_str().unwrap_or_default();
            ids.push(id.parse().map_err(ArmError::internal)?);
        }
    }
    let here = |id: &ResourceId| id.resource_group().is_some_and(|own| own.eq_ignore_ascii_case(group));
    let by_itself = |record: &resources::Stored| {
        !record.id.is_extension() && (record.id.is_top_level() || record.body.contains_key("location"))
    };
    let never = |id: &ResourceId| {
        id.namespace().is_some_and(|own| own.eq_ignore_ascii_case("Microsoft.Authorization"))
    };
    let stored = resources::list(arm)?.into_iter();
    ids.extend(stored.filter(|one| here(&one.id) && by_itself(one) && !never(&one.id)).map(|one| one.id));
    ids.sort_by_key(|id: &ResourceId| std::cmp::Reverse(id.depth()));
    Ok(ids)
}

/// The location of a resource, checked and in its short form.
pub(crate) fn checked_location(kind: Kind, location: Option<&str>) -> Result<&'static str, ArmError> {
    let Some(text) = location.filter(|text| !text.is_empty()) else {
        return Err(ArmError::bad_request(
            "LocationRequired",
            "The location property is required for this definition.",
        ));
    };
    location::normalise(text).ok_or_else(|| {
        ArmError::bad_request(
            "LocationNotAvailableForResourceType",
            format!(
                "The provided location '{text}' is not available for resource type '{}'. List of available regions \
                 for the resource type is '{}'.",
                kind.full(),
                location::names()
            ),
        )
    })
}

/// Refuses a PUT that would move a resource.
pub(crate) fn check_not_moved(id: &ResourceId, existing: &str, wanted: &str) -> Result<(), ArmError> {
    if existing == wanted {
        return Ok(());
    }
    let (name, group) = (id.name().unwrap_or_default(), id.resource_group().unwrap_or_default());
    Err(ArmError::conflict(
        "InvalidResourceLocation",
        format!(
            "The resource '{name}' already exists in location '{existing}' in resource group '{group}'. A resource \
             with the same name cannot be created in location '{wanted}'. Please select a new resource name."
        ),
    ))
}
