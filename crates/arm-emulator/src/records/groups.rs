//! Resource groups.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_kit::{Store, StoreError};

use crate::app::Arm;
use crate::control::events::EventKind;
use crate::error::ArmError;
use crate::fields::Tags;
use crate::location;
use crate::records::{resources, roles};

const TABLE: &str = "arm.resource-groups";

/// A resource group as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ResourceGroup {
    pub(crate) name: String,
    pub(crate) location: String,
    #[serde(default)]
    pub(crate) tags: Tags,
    #[serde(default)]
    pub(crate) managed_by: Option<String>,
    pub(crate) state: State,
    /// The operation that deletes it.
    #[serde(default)]
    pub(crate) deletion: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) changed: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    Succeeded,
    Deleting,
}

/// What a caller of PUT wants.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) location: &'a str,
    pub(crate) tags: Tags,
    pub(crate) managed_by: Option<String>,
}

impl ResourceGroup {
    /// The shape that ARM shows.
    pub(crate) fn view(&self, arm: &Arm) -> Value {
        let mut view = json!({
            "id": id(arm, &self.name),
            "name": self.name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": self.location,
            "tags": self.tags,
            "properties": { "provisioningState": format!("{:?}", self.state) },
        });
        if let Some(managed_by) = &self.managed_by {
            view["managedBy"] = json!(managed_by);
        }
        view
    }
}

pub(crate) fn id(arm: &Arm, name: &str) -> String {
    format!("/subscriptions/{}/resourceGroups/{name}", arm.subscription())
}

/// The group, whatever its state.
pub(crate) fn find(arm: &Arm, name: &str) -> Result<Option<ResourceGroup>, ArmError> {
    Ok(arm.store().get(TABLE, &name.to_lowercase())?)
}

/// The group, for reading.
pub(crate) fn get(arm: &Arm, name: &str) -> Result<ResourceGroup, ArmError> {
    find(arm, name)?.ok_or_else(|| ArmError::resource_group_not_found(name))
}

/// The group, for writing into it: one that is being deleted refuses.
pub(crate) fn writable(arm: &Arm, name: &str) -> Result<ResourceGroup, ArmError> {
    let group = get(arm, name)?;
    if group.state == State::Deleting {
        return Err(being_deleted(&group.name));
    }
    Ok(group)
}

pub(crate) fn list(arm: &Arm) -> Result<Vec<ResourceGroup>, ArmError> {
    Ok(arm.store().list(TABLE)?.into_iter().map(|(_, group)| group).collect())
}

/// Creates or updates; tells whether it was created.
pub(crate) fn put(arm: &Arm, name: &str, wanted: Wanted<'_>) -> Result<(ResourceGroup, bool), ArmError> {
    check_name(name)?;
    let location = location::normalise(wanted.location).ok_or_else(|| {
        ArmError::bad_request(
            "LocationNotAvailableForResourceGroup",
            format!(
                "The provided location '{}' is not available for resource group. List of available regions is '{}'.",
                wanted.location,
                location::names()
            ),
        )
    })?;
    let _guard = arm.lock();
    let now = arm.now();
    let (group, created) = match find(arm, name)? {
        None => {
            let (name, location) = (name.to_owned(), location.to_owned());
            let (tags, managed_by) = (wanted.tags, wanted.managed_by);
            let state = State::Succeeded;
            (
                ResourceGroup {
                    name,
                    location,
                    tags,
                    managed_by,
                    state,
                    deletion: None,
                    created: now,
                    changed: now,
                },
                true,
            )
        }
        Some(group) if group.state == State::Deleting => return Err(being_deleted(&group.name)),
        Some(group) if group.location != location => {
            return Err(ArmError::conflict(
                "InvalidResourceGroupLocation",
                format!(
                    "Invalid resource group location '{location}'. The Resource group already exists in location \
                     '{}'.",
                    group.location
                ),
            ));
        }
        Some(group) => {
            let (tags, managed_by) = (wanted.tags, wanted.managed_by);
            (ResourceGroup { tags, managed_by, changed: now, ..group }, false)
        }
    };
    arm.store().put(TABLE, &name.to_lowercase(), &group)?;
    if created {
        arm.tell(EventKind::ResourceGroupCreated { id: id(arm, &group.name) });
    }
    Ok((group, created))
}

/// Replaces the tags.
pub(crate) fn retag(arm: &Arm, name: &str, tags: Tags) -> Result<ResourceGroup, ArmError> {
    let _guard = arm.lock();
    let group = ResourceGroup { tags, changed: arm.now(), ..writable(arm, name)? };
    arm.store().put(TABLE, &name.to_lowercase(), &group)?;
    Ok(group)
}

/// Marks the group as being deleted by an operation; gives its name and, where it was marked already, the operation
/// that is under way.
pub(crate) fn begin_delete(
    arm: &Arm,
    name: &str,
    operation: &str,
) -> Result<(String, Option<String>), ArmError> {
    let _guard = arm.lock();
    let group = get(arm, name)?;
    if let Some(under_way) = group.deletion {
        return Ok((group.name, Some(under_way)));
    }
    let deletion = Some(operation.to_owned());
    let group = ResourceGroup { state: State::Deleting, deletion, changed: arm.now(), ..group };
    arm.store().put(TABLE, &name.to_lowercase(), &group)?;
    arm.tell(EventKind::ResourceGroupDeletionStarted { id: id(arm, &group.name) });
    Ok((group.name, None))
}

/// Takes the mark of [`begin_delete`] away, where it has one.
pub(crate) fn keep(arm: &Arm, name: &str) -> Result<(), ArmError> {
    let _guard = arm.lock();
    let Some(group) = find(arm, name)?.filter(|group| group.deletion.is_some()) else { return Ok(()) };
    let group = ResourceGroup { state: State::Succeeded, deletion: None, changed: arm.now(), ..group };
    Ok(arm.store().put(TABLE, &name.to_lowercase(), &group)?)
}

/// How many a store holds, of which all can be read.
pub(crate) fn count(store: &Store) -> Result<usize, StoreError> {
    store.list::<ResourceGroup>(TABLE).map(|found| found.len())
}

/// Keeps a group that was there before everything else was forgotten, as it was made.
pub(crate) fn put_back(arm: &Arm, group: ResourceGroup) -> Result<(), ArmError> {
    let group = ResourceGroup { tags: Tags::new(), state: State::Succeeded, deletion: None, ..group };
    Ok(arm.store().put(TABLE, &group.name.to_lowercase(), &group)?)
}

pub(crate) fn remove(arm: &Arm, name: &str) -> Result<(), ArmError> {
    let scope = id(arm, name);
    roles::forget_within(arm, &scope)?;
    resources::remove_within(arm, &scope.parse().map_err(ArmError::internal)?)?;
    arm.store().delete(TABLE, &name.to_lowercase())?;
    arm.tell(EventKind::ResourceGroupDeleted { id: scope });
    Ok(())
}

pub(crate) fn ensure(arm: &Arm, name: &str, location: &str) -> Result<(), ArmError> {
    if find(arm, name)?.is_some_and(|group| group.state == State::Succeeded) {
        return Ok(());
    }
    put(arm, name, Wanted { location, tags: Tags::new(), managed_by: None }).map(|_| ())
}

fn being_deleted(name: &str) -> ArmError {
    ArmError::conflict(
        "ResourceGroupBeingDeleted",
        format!("The resource group '{name}' is in deprovisioning state and cannot perform this operation."),
    )
}

/// 1 to 90 characters of letters, digits, `_ - . ( )`, not ending in `.`.
pub(crate) fn check_name(name: &str) -> Result<(), ArmError> {
    let length = name.chars().count();
    if length > 90 {
        return Err(ArmError::bad_request(
            "ResourceGroupNameInvalidLength",
            format!("The resource group name '{name}' has {length} characters. The maximum length is 90."),
        ));
    }
    let good = |character: char| character.is_alphanumeric() || "_-.()".contains(character);
    if name.is_empty() || !name.chars().all(good) || name.ends_with('.') {
        return Err(ArmError::bad_request(
            "InvalidResourceGroup",
            format!(
                "The provided resource group name '{name}' has characters or an ending that are not allowed. \
                 Allowed are letters, digits, '_', '-', '.', '(', ')', and it must not end with '.'."
            ),
        ));
    }
    Ok(())
}
