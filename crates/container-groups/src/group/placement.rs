//! Where a group is placed and who watches it: checked, kept and shown, without effect on what runs here.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// What of a group is kept and shown, and changes nothing of what runs.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    /// Availability zones, one at most.
    pub zones: Vec<String>,
    /// The price and with it the guarantee.
    pub priority: Option<Priority>,
    /// The subnet, one at most.
    pub subnets: Vec<Subnet>,
    /// Name servers of the containers.
    pub dns: Option<DnsConfig>,
    /// Where logs go.
    pub log_analytics: Option<LogAnalytics>,
}

/// How surely a group keeps its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Priority {
    /// For as long as it is wanted.
    Regular,
    /// Until the machine is needed otherwise. Here nothing takes it away.
    Spot,
}

impl Priority {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "Regular",
            Self::Spot => "Spot",
        }
    }
}

/// A subnet of a virtual network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its resource id.
    pub id: String,
    /// A name for it.
    pub name: Option<String>,
}

/// The resolver of a group's containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsConfig {
    /// Addresses of name servers, one at least.
    pub name_servers: Vec<String>,
    /// Domains to be searched, apart by blanks.
    pub search_domains: Option<String>,
    /// Options, apart by blanks.
    pub options: Option<String>,
}

/// A workspace that would receive the logs.
#[derive(Debug, Clone)]
pub struct LogAnalytics {
    /// The workspace's id.
    pub workspace_id: String,
    /// Its key; never shown again.
    pub workspace_key: SecretString,
    /// `ContainerInsights` or `ContainerInstanceLogs`.
    pub log_type: Option<String>,
    /// Further fields of each entry.
    pub metadata: Vec<(String, String)>,
    /// The workspace's resource id.
    pub workspace_resource_id: Option<String>,
}
