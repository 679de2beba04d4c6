//! The little that is to be known of an image reference: which registry it names.

use crate::group::RegistryCredential;

/// The registry's host and port; `None` for Docker Hub.
pub(crate) fn registry(image: &str) -> Option<&str> {
    let (host, _) = image.split_once('/')?;
    let named = host.contains(['.', ':']) || host.eq_ignore_ascii_case("localhost");
    (named && !host.eq_ignore_ascii_case("docker.io") && !host.eq_ignore_ascii_case("index.docker.io"))
        .then_some(host)
}

/// The login that a group brings for the image.
pub(crate) fn login<'a>(image: &str, logins: &'a [RegistryCredential]) -> Option<&'a RegistryCredential> {
    logins.iter().find(|login| is_of(image, &login.server))
}

/// Whether an image is of a registry.
pub(crate) fn is_of(image: &str, server: &str) -> bool {
    let server = server.trim_start_matches("https://").trim_end_matches('/');
    match registry(image) {
        Some(host) => server.eq_ignore_ascii_case(host),
        None => ["docker.io", "index.docker.io", "index.docker.io/v1"].contains(&server),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_what_looks_like_a_host() {
        let table = [
            ("localhost:5000/agent@sha256:ab", Some("localhost:5000")),
            ("localhost/agent", Some("localhost")),
            ("acr.azurecr.io/team/agent:1", Some("acr.azurecr.io")),
            ("library/debian", None),
            ("debian:bookworm", None),
            ("docker.io/library/debian", None),
        ];
        for (image, expected) in table {
            assert_eq!(registry(image), expected, "{image}");
        }
    }

    #[test]
    fn logins_go_to_their_registry_alone() {
        let logins = [RegistryCredential {
            server: "LocalHost:5000".into(),
            username: "u".into(),
            password: "p".to_owned().into(),
        }];
        assert!(login("localhost:5000/agent:1", &logins).is_some());
        assert!(login("localhost:5001/agent:1", &logins).is_none());
        assert!(login("debian", &logins).is_none());
    }
}
