//! Networks in CIDR notation.

use super::{Arguments, Function, Outcome};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("cidrHost", 2, 2, cidr_host),
    Function::plain("cidrSubnet", 3, 3, cidr_subnet),
    Function::plain("parseCidr", 1, 1, parse_cidr),
];

#[derive(Clone, Copy)]
struct Network {
    first: u128,
    prefix: u32,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let prefix: u32 = prefix.parse().ok()?;
        let (value, bits) = match address.parse().ok()? {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let mut network = Self { first: value, prefix, bits };
        if prefix > bits {
            return None;
        }
        network.first = value & !network.host_mask();
        Some(network)
    }

    fn host_mask(self) -> u128 {
        let host_bits = self.bits - self.prefix;
        if host_bits == 128 { u128::MAX } else { (1 << host_bits) - 1 }
    }

    fn last(self) -> u128 {
        self.first | self.host_mask()
    }

    fn show(self, value: u128) -> String {
        if self.bits == 32 {
            Ipv4Addr::from_bits(value as u32).to_string()
        } else {
            Ipv6Addr::from_bits(value).to_string()
        }
    }

    fn netmask(self) -> u128 {
        let all = if self.bits == 32 { u128::from(u32::MAX) } else { u128::MAX };
        all & !self.host_mask()
    }
}

fn network(arguments: &mut Arguments) -> Result<Network, String> {
    let text = arguments.string(0)?;
    Network::parse(&text)
        .ok_or_else(|| arguments.error(format_args!("'{text}' is not a valid network in CIDR notation")))
}

fn parse_cidr(mut arguments: Arguments) -> Outcome {
    let network = network(&mut arguments)?;
    let (first, last) = (network.first, network.last());
    let wide = network.bits == 32 && network.prefix < 31;
    let mut parsed = json!({
        "network": network.show(first),
        "netmask": network.show(network.netmask()),
        "broadcast": network.show(last),
        "firstUsable": network.show(if wide { first + 1 } else { first }),
        "lastUsable": network.show(if wide { last - 1 } else { last }),
        "cidr": network.prefix,
    });
    if network.bits == 128
        && let Some(map) = parsed.as_object_mut()
    {
        // There is no broadcast in IPv6.
        map.shift_remove("broadcast");
    }
    Ok(parsed)
}

fn cidr_subnet(mut arguments: Arguments) -> Outcome {
    let network = network(&mut arguments)?;
    let (prefix, index) = (arguments.integer(1)?, arguments.integer(2)?);
    let Some(prefix) =
        u32::try_from(prefix).ok().filter(|prefix| (network.prefix..=network.bits).contains(prefix))
    else {
        return Err(arguments.error(format_args!(
            "the new CIDR '{prefix}' must be between '{}' and '{}'",
            network.prefix, network.bits
        )));
    };
    let offset = u128::try_from(index).ok().and_then(|index| {
        let fits = prefix - network.prefix >= 64 || index < 1 << (prefix - network.prefix);
        fits.then(|| if index == 0 { 0 } else { index << (network.bits - prefix) })
    });
    match offset {
        Some(offset) => Ok(format!("{}/{prefix}", network.show(network.first + offset)).into()),
        None => Err(arguments.error(format_args!("the subnet index '{index}' is out of range"))),
    }
}

/// Host 0 is the first usable address.
fn cidr_host(mut arguments: Arguments) -> Outcome {
    let network = network(&mut arguments)?;
    let index = arguments.integer(1)?;
    let start = network.first + u128::from(network.bits == 32 && network.prefix < 31);
    let host = u128::try_from(index).ok().and_then(|index| start.checked_add(index));
    match host.filter(|host| *host <= network.last()) {
        Some(host) => Ok(network.show(host).into()),
        None => Err(arguments.error(format_args!("the host index '{index}' is out of range"))),
    }
}
