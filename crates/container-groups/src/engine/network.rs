//! The network of an instance: its gateway is the one address that host and containers share.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use bollard::errors::Error;
use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest, NetworkInspect};
use sha2::{Digest, Sha256};

use super::failure::failed;
use super::subnet::{Subnet, candidates, prefix_for, routes};
use super::{DockerRuntime, INSTANCE_LABEL};
use crate::group::OsType;
use crate::runtime::RuntimeError;

/// Networks that are tried before giving up.
const TRIES: usize = 200;

/// What a network is made from.
#[derive(Debug, Clone)]
pub struct NetworkSettings {
    /// The sandbox instance.
    pub instance: String,
    /// How many containers must find an address; 13 fit into the smallest network.
    pub containers: u16,
    /// The subnet that it should have, in CIDR notation, such as the one it had before; another where that is taken.
    pub subnet: Option<String>,
    /// Further labels, for example of who to ask whether the instance is alive.
    pub labels: BTreeMap<String, String>,
}

/// The network of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceNetwork {
    /// The engine's id.
    pub id: String,
    /// The name, which containers are attached by.
    pub name: String,
    /// The address that answers from the host and from containers alike.
    pub gateway: IpAddr,
    /// The subnet, in CIDR notation.
    pub subnet: String,
}

impl DockerRuntime {
    /// The network of an instance, made if there is none. Containers in it do not reach each other.
    pub async fn ensure_network(&self, settings: &NetworkSettings) -> Result<InstanceNetwork, RuntimeError> {
        if let Some(network) = self.network(&settings.instance).await? {
            return Ok(network);
        }
        let used = used_subnets();
        let seed = Sha256::digest(&settings.instance);
        let seed = u64::from_be_bytes(seed[..8].try_into().unwrap_or_default());
        let wanted = settings.subnet.as_deref().and_then(|text| text.parse().ok());
        let free = wanted
            .into_iter()
            .chain(candidates(seed, prefix_for(settings.containers)))
            .filter(|one| !used.iter().any(|u| u.overlaps(*one)));
        let action = format!("create network `{}`", network_name(&settings.instance));
        for subnet in free.take(TRIES) {
            match self.docker.create_network(self.network_request(settings, subnet)).await {
                Ok(_) => {}
                // Another network has it, or was quicker.
                Err(Error::DockerResponseServerError { message, .. })
                    if message.contains("overlaps") || message.contains("conflicts") =>
                {
                    continue;
                }
                Err(error) => return Err(failed(&action, error)),
            }
            return self.network(&settings.instance).await?.ok_or_else(|| RuntimeError::Refused {
                action: action.clone(),
                reason: "it is gone again".to_owned(),
            });
        }
        Err(RuntimeError::Refused {
            action,
            reason: "no free subnet was found; remove unused networks with `docker network prune`".to_owned(),
        })
    }

    /// The network of an instance.
    pub async fn network(&self, instance: &str) -> Result<Option<InstanceNetwork>, RuntimeError> {
        let name = network_name(instance);
        match self.docker.inspect_network(&name, None).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(failed(&format!("inspect network `{name}`"), error)),
            Ok(network) => read_network(network).map(Some).ok_or_else(|| RuntimeError::Refused {
                action: format!("inspect network `{name}`"),
                reason: "it has no gateway; remove it with `docker network rm`".to_owned(),
            }),
        }
    }

    fn network_request(&self, settings: &NetworkSettings, subnet: Subnet) -> NetworkCreateRequest {
        let linux = self.os == OsType::Linux;
        let mut labels: HashMap<String, String> = settings.labels.clone().into_iter().collect();
        labels.insert(INSTANCE_LABEL.to_owned(), settings.instance.clone());
        let isolated = [("com.docker.network.bridge.enable_icc".to_owned(), "false".to_owned())];
        NetworkCreateRequest {
            name: network_name(&settings.instance),
            driver: Some(if linux { "bridge" } else { "nat" }.to_owned()),
            options: linux.then(|| HashMap::from(isolated)),
            labels: Some(labels),
            ipam: Some(Ipam {
                config: Some(vec![IpamConfig {
                    subnet: Some(subnet.to_string()),
                    gateway: Some(subnet.gateway().to_string()),
                    ..IpamConfig::default()
                }]),
                ..Ipam::default()
            }),
            ..NetworkCreateRequest::default()
        }
    }
}

/// What this host has routes to: the engine does not look.
fn used_subnets() -> Vec<Subnet> {
    // Without the table, and there is one on Linux alone, the engine's own check for overlaps is all there is.
    let table = if cfg!(target_os = "linux") { fs_err::read_to_string("/proc/net/route").ok() } else { None };
    routes(&table.unwrap_or_default())
}

/// The name of an instance's network.
pub(super) fn network_name(instance: &str) -> String {
    format!("mayfly-{instance}")
}

fn read_network(network: NetworkInspect) -> Option<InstanceNetwork> {
    let config = network.ipam?.config?.into_iter().next()?;
    // Docker appends the prefix to the gateway of some drivers.
    let gateway = config.gateway?.split('/').next()?.parse().ok()?;
    Some(InstanceNetwork { id: network.id?, name: network.name?, gateway, subnet: config.subnet? })
}
