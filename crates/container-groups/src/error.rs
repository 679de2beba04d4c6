//! The errors of the resource provider.

use std::fmt;

use service_kit::{StoreError, with_causes};

use crate::group::GroupId;
use crate::runtime::RuntimeError;

/// An error as `Microsoft.ContainerInstance` words it; the routes put it into the service's envelope.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GroupError {
    /// The error code, for example `InaccessibleImage`.
    pub code: String,
    /// The message for the caller.
    pub message: String,
    /// The HTTP status it travels with.
    pub status: u16,
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for GroupError {}

impl GroupError {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), status }
    }

    pub(crate) fn not_found(id: &GroupId) -> Self {
        Self::new(
            404,
            "ResourceNotFound",
            format!(
                "The Resource 'Microsoft.ContainerInstance/containerGroups/{}' under resource group '{}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
                id.name(),
                id.resource_group()
            ),
        )
    }

    pub(crate) fn container_not_found(id: &GroupId, container: &str) -> Self {
        Self::new(
            404,
            "ContainerNotFound",
            format!("The container '{container}' was not found in container group '{}'.", id.name()),
        )
    }

    /// The group is stopped or has ended. Code and text are seen (`Azure/azure-cli#8136`), the status is assumed.
    pub(crate) fn stopped(id: &GroupId) -> Self {
        let (name, group) = (id.name(), id.resource_group());
        Self::new(
            409,
            "ContainerGroupStopped",
            format!("Container Group '{name}' in resource group '{group}' is stopped"),
        )
    }

    pub(crate) fn transitioning(name: &str) -> Self {
        Self::new(
            409,
            "ContainerGroupTransitioning",
            format!("The container group '{name}' is still transitioning, please retry later."),
        )
    }

    pub(crate) fn quota(what: &str, location: &str, limit: u32, usage: f64, requested: f64) -> Self {
        Self::new(
            409,
            "ContainerGroupQuotaReached",
            format!(
                "Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota '{what}' exceeded in region '{location}'. Limit: '{limit}', Usage: '{usage}' Requested: '{requested}'."
            ),
        )
    }

    /// An error of the image, worded as the service does; the engine's own words go to the log.
    pub(crate) fn image(image: &str, group: &str) -> Self {
        Self::new(
            400,
            "InaccessibleImage",
            format!(
                "The image '{image}' in container group '{group}' is not accessible. Please check the image and registry credential."
            ),
        )
    }

    /// What a registry's refusal is to a caller: one that is only busy or broken is told from one that refuses.
    pub(crate) fn registry(image: &str, group: &str, reason: &str) -> Self {
        let busy =
            ["toomanyrequests", "unexpected http status: 5", "502 bad gateway", "503 service unavailable"];
        let reason = reason.to_ascii_lowercase();
        if !busy.iter().any(|word| reason.contains(word)) {
            return Self::image(image, group);
        }
        let registry = crate::image::registry(image).unwrap_or("index.docker.io");
        Self::new(
            409,
            "RegistryErrorResponse",
            format!(
                "An error response is received from the docker registry '{registry}'. Please retry later."
            ),
        )
    }

    pub(crate) fn runtime(error: &RuntimeError) -> Self {
        match error {
            RuntimeError::Unavailable { .. } => Self::new(503, "ServiceUnavailable", error.to_string()),
            _ => Self::new(500, "InternalServerError", error.to_string()),
        }
    }

    pub(crate) fn store(error: &StoreError) -> Self {
        let why = with_causes(error);
        tracing::error!(error = %why, "container group state could not be kept");
        Self::new(500, "InternalServerError", why)
    }
}
