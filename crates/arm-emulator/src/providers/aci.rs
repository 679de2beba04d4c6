//! `Microsoft.ContainerInstance`: ARM's side of container groups. What runs is `container_groups`' business.

pub(crate) mod identity;
pub(crate) mod read;
pub(crate) mod sessions;
pub(crate) mod show;

use axum::http::StatusCode;
use container_groups::{GroupError, GroupId, GroupView, ProvisioningState};
use serde_json::Value;

use crate::app::Arm;
use crate::error::{ArmError, ErrorBody};
use crate::fields::Tags;
use crate::providers::{Provisioning, Put, check_not_moved};
use crate::records::groups;
use crate::resource_id::ResourceId;

pub(crate) async fn put(arm: &Arm, id: &ResourceId, body: &Value) -> Result<Put, ArmError> {
    let read::WantedGroup { mut spec, identity } = read::group(id, body)?;
    let existing = arm.settings().groups.get(&spec.id);
    if let Some(existing) = &existing {
        check_not_moved(id, &existing.location, &spec.location)?;
    }
    spec.identity = identity::resolve(arm, id, identity, existing.as_ref())?;
    let put = arm.settings().groups.put(spec).await.map_err(error)?;
    Ok(Put { created: put.created, body: show::group(arm, &put.view) })
}

pub(crate) fn view(arm: &Arm, id: &ResourceId) -> Result<Option<GroupView>, ArmError> {
    Ok(arm.settings().groups.get(&group_id(id)?))
}

pub(crate) fn get(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    Ok(view(arm, id)?.as_ref().map(|view| show::group(arm, view)))
}

pub(crate) fn list(arm: &Arm, group: Option<&str>) -> Vec<Value> {
    let views = match group {
        Some(group) => arm.settings().groups.list_in(&groups::id(arm, group)),
        None => arm.settings().groups.list(),
    };
    views.iter().map(|view| show::group(arm, view)).collect()
}

pub(crate) async fn delete(arm: &Arm, id: &ResourceId) -> Result<Option<Value>, ArmError> {
    let deleted = arm.settings().groups.delete(&group_id(id)?).await.map_err(error)?;
    Ok(deleted.as_ref().map(|view| show::group(arm, view)))
}

pub(crate) fn retag(arm: &Arm, id: &ResourceId, tags: Tags) -> Result<Value, ArmError> {
    let view = arm.settings().groups.set_tags(&group_id(id)?, tags).map_err(error)?;
    Ok(show::group(arm, &view))
}

pub(crate) async fn settled(arm: &Arm, id: &ResourceId) -> Result<Option<Provisioning>, ArmError> {
    Ok(arm.settings().groups.settled(&group_id(id)?).await.as_ref().map(state))
}

pub(crate) fn provisioning(arm: &Arm, id: &ResourceId) -> Result<Option<Provisioning>, ArmError> {
    Ok(view(arm, id)?.as_ref().map(state))
}

fn state(view: &GroupView) -> Provisioning {
    match view.provisioning_state {
        ProvisioningState::Succeeded => Provisioning::Succeeded,
        ProvisioningState::Failed => Provisioning::Failed(match &view.failure {
            Some(failure) => ErrorBody::new(failure.code.clone(), failure.message.clone()),
            None => {
                ErrorBody::new("ContainerGroupFailed", format!("The container group '{}' failed.", view.name))
            }
        }),
        ProvisioningState::Pending
        | ProvisioningState::Creating
        | ProvisioningState::Updating
        | ProvisioningState::Deleting => Provisioning::Running,
    }
}

pub(crate) fn group_id(id: &ResourceId) -> Result<GroupId, ArmError> {
    GroupId::parse(&id.to_string()).map_err(error)
}

/// The provider's own error in ARM's envelope.
pub(crate) fn error(error: GroupError) -> ArmError {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    ArmError::new(status, error.code, error.message)
}
