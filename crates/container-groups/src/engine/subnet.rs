//! Choosing a small subnet that nobody uses.

use std::net::Ipv4Addr;

/// An IPv4 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subnet {
    base: u32,
    prefix: u32,
}

impl Subnet {
    pub(super) fn new(base: Ipv4Addr, prefix: u32) -> Self {
        Self { base: base.to_bits() & mask(prefix), prefix }
    }

    /// The address that the engine gives its side of the network.
    pub(super) fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base + 1)
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        let shared = mask(self.prefix.min(other.prefix));
        self.base & shared == other.base & shared
    }
}

impl std::str::FromStr for Subnet {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (base, prefix) = text.split_once('/').ok_or(())?;
        let (base, prefix) = (base.parse().map_err(drop)?, prefix.parse().map_err(drop)?);
        if (16..=30).contains(&prefix) { Ok(Self::new(base, prefix)) } else { Err(()) }
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.base), self.prefix)
    }
}

fn mask(prefix: u32) -> u32 {
    u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0)
}

/// The prefix of the smallest network, /28 at least, that has an address for so many containers.
pub(super) fn prefix_for(containers: u16) -> u32 {
    // The network's own address, the broadcast address, the gateway.
    let needed = u32::from(containers) + 3;
    (32 - needed.next_power_of_two().ilog2()).clamp(16, 28)
}

/// Subnets to be tried, all different, beginning at a place that depends on the seed. They are in ranges that neither
/// Docker's own pools nor most home and cloud networks use.
pub(super) fn candidates(seed: u64, prefix: u32) -> impl Iterator<Item = Subnet> {
    let ranges = [Ipv4Addr::new(10, 213, 0, 0), Ipv4Addr::new(10, 214, 0, 0), Ipv4Addr::new(172, 30, 0, 0)];
    let per_range = 1_u64 << (prefix - 16);
    let total = per_range * ranges.len() as u64;
    (0..total).map(move |step| {
        let place = seed.wrapping_add(step) % total;
        let range = ranges[(place % ranges.len() as u64) as usize];
        let index = (place / ranges.len() as u64) as u32;
        Subnet::new(Ipv4Addr::from_bits(range.to_bits() + (index << (32 - prefix))), prefix)
    })
}

/// The networks that this host has routes to, but for the default route.
pub(super) fn routes(table: &str) -> Vec<Subnet> {
    let lines = table.lines().skip(1);
    let parsed = lines.filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        // The kernel prints both in its own byte order: little-endian wherever this runs.
        let address = |index: usize| {
            let text = columns.get(index)?;
            u32::from_str_radix(text, 16).ok().map(u32::swap_bytes)
        };
        let (base, mask) = (address(1)?, address(7)?);
        Some(Subnet::new(Ipv4Addr::from_bits(base), mask.leading_ones()))
    });
    parsed.filter(|subnet| subnet.prefix > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_fits_the_containers() {
        assert_eq!([0, 5, 13, 14, 100, 253, 254].map(prefix_for), [28, 28, 28, 27, 25, 24, 23]);
    }

    #[test]
    fn a_subnet_is_read_as_it_is_written() {
        let one = Subnet::new(Ipv4Addr::new(10, 213, 4, 0), 25);
        assert_eq!(one.to_string().parse(), Ok(one));
        for bad in ["", "10.213.4.0", "10.213.4.0/8", "10.213.4.0/31", "x/24"] {
            assert_eq!(bad.parse::<Subnet>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn candidates_do_not_overlap_and_stay_in_their_ranges() {
        let all: Vec<Subnet> = candidates(12345, 24).collect();
        assert_eq!(all.len(), 768);
        for (index, one) in all.iter().enumerate() {
            assert!(all[index + 1..].iter().all(|other| !one.overlaps(*other)), "{one} twice");
        }
        assert!(all.iter().all(|one| one.gateway().is_private()));
    }

    #[test]
    fn routes_of_the_host_are_read() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                     eth0\t00000000\t0101000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                     eth0\t0000D50A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let routes = routes(table);
        assert_eq!(routes, [Subnet::new(Ipv4Addr::new(10, 213, 0, 0), 16)]);
        let free = candidates(0, 28).find(|candidate| !routes[0].overlaps(*candidate)).unwrap();
        assert_ne!(free.gateway().octets()[..2], [10, 213]);
    }
}
