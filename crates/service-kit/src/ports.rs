//! The only caller of `bind`, and which ports are drawn where one is to stay the same over restarts.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;

use crate::entropy::{Entropy as _, SystemEntropy};

/// Below what systems give to connections that go out and to listeners that name no port (Linux: 32768 to 60999, Windows:
/// 49152 to 65535): one of those could have the port by the time that it is wanted again.
const KEPT: RangeInclusive<u16> = 20_000..=29_999;
const TRIES: u32 = 200;

/// Whether something could be served there now.
///
/// # Errors
/// Why not: somebody else is, or it is not allowed.
pub fn port_is_free(address: SocketAddr) -> io::Result<()> {
    listener(address).map(|_| ())
}

/// A listener on a free port for something that is to have the same port after a restart. The port is drawn from the
/// system's randomness whatever a seed says: who draws alike would get in each other's way.
///
/// # Errors
/// Nobody may listen on `address`, or every port that was tried is taken.
pub fn lasting_port(address: IpAddr) -> io::Result<TcpListener> {
    let mut tries = 1;
    loop {
        match listener(SocketAddr::new(address, drawn())) {
            // Windows forbids ranges that it keeps for its own virtual machines.
            Err(error)
                if tries < TRIES
                    && matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) =>
            {
                tries += 1;
            }
            other => return other,
        }
    }
}

fn drawn() -> u16 {
    let mut bytes = [0; 2];
    SystemEntropy.fill(&mut bytes);
    let ports = KEPT.end() - KEPT.start() + 1;
    KEPT.start() + u16::from_le_bytes(bytes) % ports
}

pub(crate) fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .map_err(|source| io::Error::new(source.kind(), format!("listen on `{address}`: {source}")))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_lasting_port_is_none_that_the_system_gives_away() {
        let given: Vec<_> = (0..50).map(|_| lasting_port(LOCALHOST).unwrap()).collect();
        let ports = || given.iter().map(|one| one.local_addr().unwrap().port());
        assert!(ports().all(|port| KEPT.contains(&port)), "{:?}", ports().collect::<Vec<_>>());
        assert!(ports().any(|port| Some(port) != ports().next()), "they are drawn");
        let any = TcpListener::bind(SocketAddr::new(LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        assert!(!KEPT.contains(&any), "control: the system gives {any}");
    }

    #[test]
    fn an_address_that_is_not_this_machines_is_refused_by_name() {
        let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let error = lasting_port(elsewhere).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        assert!(error.to_string().starts_with("listen on `192.0.2.1:"), "{error}");
    }

    #[test]
    fn a_port_that_is_taken_is_not_free() {
        let listener = lasting_port(LOCALHOST).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(port_is_free(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        port_is_free(address).unwrap();
    }
}
