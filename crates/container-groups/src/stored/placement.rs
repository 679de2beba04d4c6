//! Where a group is put, as it is kept.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::group::{DnsConfig, LogAnalytics, Placement, Priority, Subnet};

#[derive(Default, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredPlacement {
    zones: Vec<String>,
    priority: Option<Priority>,
    subnets: Vec<Subnet>,
    dns: Option<DnsConfig>,
    log_analytics: Option<StoredLogAnalytics>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct StoredLogAnalytics {
    workspace_id: String,
    workspace_key: String,
    log_type: Option<String>,
    metadata: Vec<(String, String)>,
    workspace_resource_id: Option<String>,
}

pub(super) fn placement_out(placement: &Placement) -> StoredPlacement {
    StoredPlacement {
        zones: placement.zones.clone(),
        priority: placement.priority,
        subnets: placement.subnets.clone(),
        dns: placement.dns.clone(),
        log_analytics: placement.log_analytics.as_ref().map(|logs| StoredLogAnalytics {
            workspace_id: logs.workspace_id.clone(),
            workspace_key: logs.workspace_key.expose_secret().to_owned(),
            log_type: logs.log_type.clone(),
            metadata: logs.metadata.clone(),
            workspace_resource_id: logs.workspace_resource_id.clone(),
        }),
    }
}

pub(super) fn placement_in(placement: StoredPlacement) -> Placement {
    Placement {
        zones: placement.zones,
        priority: placement.priority,
        subnets: placement.subnets,
        dns: placement.dns,
        log_analytics: placement.log_analytics.map(|logs| LogAnalytics {
            workspace_id: logs.workspace_id,
            workspace_key: logs.workspace_key.into(),
            log_type: logs.log_type,
            metadata: logs.metadata,
            workspace_resource_id: logs.workspace_resource_id,
        }),
    }
}
