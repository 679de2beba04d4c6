//! How a sandbox is to behave.

use std::path::PathBuf;

use azdo_mock::PoolRights;
use container_groups::Quota;

use crate::clock::Time;
use crate::hold::Keep;

/// How a sandbox is to behave.
#[derive(Debug, Clone)]
pub struct Options {
    /// Behaviour of Container Instances that Azure does not document.
    pub groups: container_groups::Switches,
    /// Behaviour of Azure DevOps that is not documented.
    pub azdo: azdo_mock::Switches,
    /// Whether agents and commands are given Azure DevOps' HTTPS address. It is served by HTTP and by HTTPS in any case.
    pub azdo_https: bool,
    /// Whether containers reach Entra ID, which they do not on their own: for agents that register with a principal.
    pub entra_in_containers: bool,
    /// Makes the subscription's owner a member of the organization with these rights on pools; `None`: it is nobody
    /// there, as a service principal is until it is added.
    pub service_principal_pools: Option<PoolRights>,
    /// Agent packages that Azure DevOps offers, `vsts-agent-<platform>-<version>.*`.
    pub packages: Vec<PathBuf>,
    /// The static Linux entrypoint, used to look at Azure DevOps from inside a container.
    pub probe: Option<PathBuf>,
    /// What the subscription may use.
    pub quota: Quota,
    /// Where its state is.
    pub keep: Keep,
    /// Whose time it is.
    pub time: Time,
    /// `DOCKER_HOST`, if set. Only an engine on this host is accepted.
    pub docker_host: Option<String>,
}
