//! Addresses that clients name and this service then asks: linked templates, webhooks.
//!
//! The service itself reaches only what the internet does. Here loopback and private addresses are asked too, since what a
//! sandbox's user serves lies on the user's machine, and whoever may deploy owns that machine; link-local ones, where
//! clouds serve their metadata, are refused. A proxy of the environment is not used: no service reads it.

use std::net::{IpAddr, SocketAddr};

use reqwest::{Client, Url, redirect};

/// A client for this one address, which is connected to where its name leads now and nowhere else; it follows no
/// redirects. The reason of a refusal does not repeat the address, which may hold a secret.
pub(crate) async fn client(at: &Url) -> Result<Client, String> {
    if !["http", "https"].contains(&at.scheme()) {
        return Err(format!("the scheme '{}' is not supported; 'http' and 'https' are", at.scheme()));
    }
    let (host, port) = (at.host_str().unwrap_or_default(), at.port_or_known_default().unwrap_or_default());
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((bare, port)).await;
    let found: Vec<SocketAddr> = found.map_err(|_| "the host has no address".to_owned())?.collect();
    if found.iter().any(|address| is_link_local(address.ip())) {
        return Err("link-local addresses are not asked".to_owned());
    }
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none());
    client.resolve_to_addrs(host, &found).build().map_err(|error| error.to_string())
}

/// An error without the address in it.
pub(crate) fn plain(error: &reqwest::Error) -> String {
    if error.is_connect() { "the host cannot be reached".into() } else { "the request failed".into() }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_are_told_from_others() {
        for (text, expected) in [
            ("169.254.169.254", true),
            ("::ffff:169.254.169.254", true),
            ("fe80::1", true),
            ("0.0.0.0", true),
            ("127.0.0.1", false),
            ("10.0.0.1", false),
            ("::1", false),
        ] {
            assert_eq!(is_link_local(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_not_asked_is_refused_before_it_is() {
        for (address, part) in [
            ("http://169.254.169.254/metadata", "link-local"),
            ("http://[fe80::1]:80/", "link-local"),
            ("ftp://127.0.0.1/", "'ftp'"),
            ("http://name.invalid/", "no address"),
        ] {
            let refused = client(&address.parse().unwrap()).await.unwrap_err();
            assert!(refused.contains(part), "{address}: {refused}");
        }
        assert!(client(&"http://127.0.0.1:1/".parse().unwrap()).await.is_ok());
    }
}
