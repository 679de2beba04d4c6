//! What is checked and kept: zones, priority, subnet, resolver, workspace, graphics processors.

use std::net::IpAddr;

use secrecy::ExposeSecret;

use super::bad;
use crate::error::GroupError;
use crate::group::{Gpu, GroupSpec, IpAddressKind, OsType, Priority};

const GPUS: [&str; 3] = ["K80", "P100", "V100"];

pub(super) fn check(spec: &GroupSpec) -> Result<(), GroupError> {
    let (group, placement) = (&spec.name, &spec.placement);
    if placement.subnets.len() > 1 {
        return Err(bad(
            "InvalidSubnetIds",
            format!("The container group '{group}' has {} subnets; 1 at most.", placement.subnets.len()),
        ));
    }
    if let Some(subnet) = placement.subnets.iter().find(|subnet| !is_subnet(&subnet.id)) {
        return Err(bad(
            "LinkedInvalidPropertyId",
            format!(
                "Property id '{}' at path 'properties.subnetIds' is invalid. Expect fully qualified resource Id of a subnet.",
                subnet.id
            ),
        ));
    }
    if placement.zones.len() > 1 {
        return Err(bad(
            "InvalidZones",
            format!("The container group '{group}' has {} zones; 1 at most.", placement.zones.len()),
        ));
    }
    if let Some(dns) = &placement.dns
        && (dns.name_servers.is_empty()
            || dns.name_servers.iter().any(|server| server.parse::<IpAddr>().is_err()))
    {
        return Err(bad(
            "InvalidDnsConfig",
            format!(
                "The 'dnsConfig' of container group '{group}' is invalid. It needs the IP addresses of name servers."
            ),
        ));
    }
    if let Some(logs) = &placement.log_analytics
        && (logs.workspace_id.is_empty() || logs.workspace_key.expose_secret().is_empty())
    {
        return Err(bad(
            "InvalidLogAnalyticsWorkspace",
            format!(
                "The log analytics workspace of container group '{group}' is invalid. It needs an id and a key."
            ),
        ));
    }
    check_spot(spec)?;
    for container in &spec.containers {
        let Some(gpu) = &container.gpu else { continue };
        let known = GPUS.contains(&gpu.sku.as_str()) && [1, 2, 4].contains(&gpu.count);
        if !known || spec.os_type == OsType::Windows {
            return Err(bad(
                "InvalidGpuResource",
                format!(
                    "The GPU resource in container '{}' of container group '{group}' is invalid. It needs osType 'Linux', a count of 1, 2 or 4 and one of the skus {}.",
                    container.name,
                    GPUS.join(", ")
                ),
            ));
        }
    }
    Ok(())
}

/// Source: MicrosoftDocs/azure-docs: container-instances-spot-containers-overview.md; the code is assumed.
fn check_spot(spec: &GroupSpec) -> Result<(), GroupError> {
    if spec.placement.priority != Some(Priority::Spot) {
        return Ok(());
    }
    let public = spec.ip_address.as_ref().is_some_and(|address| address.kind == IpAddressKind::Public);
    if !public && spec.placement.subnets.is_empty() && spec.os_type == OsType::Linux {
        return Ok(());
    }
    Err(bad(
        "InvalidSpotContainerGroup",
        format!(
            "The container group '{}' of priority 'Spot' is invalid. It needs osType 'Linux' and can have neither an IP address of type 'Public' nor a virtual network.",
            spec.name
        ),
    ))
}

fn is_subnet(id: &str) -> bool {
    let parts: Vec<&str> = id.split('/').collect();
    let words = [
        (1, "subscriptions"),
        (3, "resourceGroups"),
        (5, "providers"),
        (6, "Microsoft.Network"),
        (7, "virtualNetworks"),
        (9, "subnets"),
    ];
    parts.len() == 11
        && words
            .iter()
            .all(|(index, word)| parts.get(*index).is_some_and(|part| part.eq_ignore_ascii_case(word)))
        && parts.iter().skip(1).all(|part| !part.is_empty())
}

/// No graphics processor is had here: what a subscription without a quota for them is told. Code and words are seen in
/// public logs.
pub(super) fn no_gpu(spec: &GroupSpec, gpu: &Gpu) -> GroupError {
    GroupError::quota(&format!("{}Cores", gpu.sku), &spec.location, 0, 0.0, gpu.count as f64)
}

/// Whether logs go to another workspace: refused like a change of resources (seen in public issues).
pub(super) fn logs_elsewhere(old: &GroupSpec, new: &GroupSpec) -> bool {
    let workspace =
        |spec: &GroupSpec| spec.placement.log_analytics.as_ref().map(|logs| logs.workspace_id.clone());
    workspace(old) != workspace(new)
}
