//! Azure DevOps: the pool, its agents, its queue.

mod client;
mod error;
mod model;
#[cfg(test)]
mod tests;

pub(crate) use client::AzdoClient;
pub use error::AzdoError;
pub use model::JobSummary;
pub(crate) use model::{Agent, AgentId, DRAIN_MARK, OWNER_MARK, PoolId};
