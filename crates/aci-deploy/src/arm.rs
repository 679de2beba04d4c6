//! Azure Resource Manager: tokens, calls, long-running operations.

mod client;
mod error;
mod model;
mod operation;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use client::ArmClient;
pub use error::ArmError;
pub use model::QuotaUsage;
pub(crate) use model::{ContainerGroup, ContainerState, Deployment, Registry, ResourceGroup};
