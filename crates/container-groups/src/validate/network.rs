//! Ports, the address, its name.
//!
//! `MissingIpAddressPorts`, `InvalidIpAddressTypeForNetworkProfile`, `DnsNameLabelNotAvailable` and the words of both
//! label errors are seen in public logs (hashicorp/terraform-provider-azurerm#1697, derekbekoe/vscode-spot#38,
//! shahiddev/docker-k8s-workshop#2); the other codes are assumed.

use std::collections::BTreeMap;

use super::bad;
use crate::error::GroupError;
use crate::group::{ContainerPort, GroupSpec, IpAddress, IpAddressKind, LabelScope};

/// Ports of an address at most.
const MOST_PORTS: usize = 5;

pub(super) fn check(spec: &GroupSpec) -> Result<(), GroupError> {
    let group = &spec.name;
    let mut owners: BTreeMap<(u16, &str), &str> = BTreeMap::new();
    for container in &spec.containers {
        for port in &container.ports {
            let name = container.name.as_str();
            if let Some(other) = owners.insert(key(*port), name) {
                return Err(bad(
                    "DuplicateContainerPorts",
                    format!(
                        "The port '{}' of protocol '{}' in container group '{group}' is used by the containers '{other}' and '{name}'. Containers of a group share their ports.",
                        port.port,
                        port.protocol.as_str()
                    ),
                ));
            }
        }
    }
    let Some(address) = &spec.ip_address else { return Ok(()) };
    if address.kind == IpAddressKind::Public && !spec.placement.subnets.is_empty() {
        return Err(bad(
            "InvalidIpAddressTypeForNetworkProfile",
            "IP Address type can't be public when network profile is set.".to_owned(),
        ));
    }
    if address.ports.is_empty() {
        return Err(bad(
            "MissingIpAddressPorts",
            format!("The ports in the 'ipAddress' of container group '{group}' cannot be empty."),
        ));
    }
    check_ports(spec, address, &owners)?;
    check_label(spec, address)
}

fn check_ports(
    spec: &GroupSpec,
    address: &IpAddress,
    owners: &BTreeMap<(u16, &str), &str>,
) -> Result<(), GroupError> {
    let group = &spec.name;
    let invalid = |port: ContainerPort, why: &str| {
        bad(
            "InvalidIpAddressPorts",
            format!(
                "The port '{}' of protocol '{}' in the 'ipAddress' of container group '{group}' is invalid. {why}",
                port.port,
                port.protocol.as_str()
            ),
        )
    };
    if address.ports.len() > MOST_PORTS {
        return Err(bad(
            "IpAddressPortCountLimitExceeded",
            format!(
                "The 'ipAddress' of container group '{group}' has {} ports; {MOST_PORTS} at most.",
                address.ports.len()
            ),
        ));
    }
    for (index, port) in address.ports.iter().enumerate() {
        if address.ports.iter().take(index).any(|other| key(*other) == key(*port)) {
            return Err(invalid(*port, "It is given more than once."));
        }
        if !owners.contains_key(&key(*port)) {
            return Err(invalid(*port, "It is not a port of any container of the group."));
        }
    }
    Ok(())
}

fn check_label(spec: &GroupSpec, address: &IpAddress) -> Result<(), GroupError> {
    let group = &spec.name;
    let Some(label) = &address.dns_name_label else { return Ok(()) };
    if address.kind == IpAddressKind::Private {
        return Err(bad(
            "InvalidIPAddressDnsNameLabel",
            format!(
                "The DNS name label '{label}' in container group '{group}' is invalid. It needs an IP address of type 'Public'."
            ),
        ));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let valid = (5..=63).contains(&label.len())
        && label.bytes().all(plain)
        && label.starts_with(|first: char| first.is_ascii_lowercase())
        && !label.ends_with('-');
    if valid {
        return Ok(());
    }
    Err(bad(
        "InvalidIPAddressDnsNameLabel",
        format!(
            "The DNS name label '{label}' in container group '{group}' is invalid. It can contain only lowercase letters, numbers and hyphens. The first character must be a letter. The last character must be a letter or number. The value must be between 5 and 63 characters long."
        ),
    ))
}

/// What no two groups may have in common; nothing for a group without a name of its own choice.
pub(crate) fn public_name(spec: &GroupSpec) -> Option<String> {
    let address = spec.ip_address.as_ref()?;
    let label = address.dns_name_label.as_ref()?;
    let location = spec.location.replace(' ', "").to_ascii_lowercase();
    let scope = match address.label_scope {
        LabelScope::Unsecure => "",
        // One tenant, one subscription.
        LabelScope::TenantReuse => "tenant",
        LabelScope::SubscriptionReuse => "subscription",
        LabelScope::ResourceGroupReuse => &spec.id.resource_group().to_ascii_lowercase(),
        LabelScope::Noreuse => spec.id.key(),
    };
    Some(format!("{label}.{scope}.{location}"))
}

/// The name is another group's.
pub(crate) fn name_taken(spec: &GroupSpec) -> GroupError {
    let label = spec.ip_address.as_ref().and_then(|address| address.dns_name_label.as_deref());
    bad(
        "DnsNameLabelNotAvailable",
        format!(
            "The DNS name label '{}' in container group '{}' not available. Try using a different label.",
            label.unwrap_or_default(),
            spec.name
        ),
    )
}

fn key(port: ContainerPort) -> (u16, &'static str) {
    (port.port, port.protocol.as_str())
}
