//! Which namespaces the subscription is registered for: all, but those that somebody took away.

use crate::app::Arm;
use crate::error::ArmError;
use crate::resource_id::ResourceId;

const TABLE: &str = "arm.unregistered-namespaces";

pub(crate) fn is_registered(arm: &Arm, namespace: &str) -> Result<bool, ArmError> {
    Ok(arm.store().get::<bool>(TABLE, &namespace.to_lowercase())?.is_none())
}

pub(crate) fn register(arm: &Arm, namespace: &str) -> Result<(), ArmError> {
    Ok(arm.store().delete(TABLE, &namespace.to_lowercase())?)
}

pub(crate) fn unregister(arm: &Arm, namespace: &str) -> Result<(), ArmError> {
    Ok(arm.store().put(TABLE, &namespace.to_lowercase(), &true)?)
}

/// 409 for a change of a resource of a namespace that the subscription is not registered for.
pub(crate) fn check(arm: &Arm, id: &ResourceId) -> Result<(), ArmError> {
    let namespace = id.namespace().unwrap_or_default();
    if id.subscription().is_empty() || is_registered(arm, namespace)? {
        return Ok(());
    }
    Err(ArmError::conflict(
        "MissingSubscriptionRegistration",
        format!(
            "The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how \
             to register subscriptions."
        ),
    ))
}
