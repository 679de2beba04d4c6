//! The target guard: a command meant for a sandbox never reaches Azure, and the reverse.

use std::net::IpAddr;

use url::{Host, Url};

use crate::settings::{Settings, Target};

/// The endpoints are not what the target says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The target is the sandbox, but no sandbox was found running.
    #[error("the target is `sandbox`, but no running sandbox says that these endpoints are its own")]
    NoSandbox,
    /// Some endpoints belong to somebody else.
    #[error("the target is `sandbox`, but {} not of the running sandbox: {}", plural(foreign), foreign.join(", "))]
    Foreign {
        /// Variable and value of each.
        foreign: Vec<String>,
    },
    /// The target is Azure, but some endpoints are on this machine or unencrypted.
    #[error("the target is `azure`, but {} not of Azure: {}", plural(local), local.join(", "))]
    Local {
        /// Variable and value of each.
        local: Vec<String>,
    },
}

fn plural(list: &[String]) -> &'static str {
    if list.len() == 1 { "one endpoint is" } else { "some endpoints are" }
}

/// The first line of each changing command.
pub(crate) fn line(settings: &Settings) -> String {
    format!(
        "target: {} org={} pool={} subscription={} group={}",
        settings.target,
        settings.organization,
        settings.pool,
        settings.subscription_id,
        settings.resource_group
    )
}

/// Refuses endpoints that do not fit the target.
pub(crate) fn check(settings: &Settings) -> Result<(), TargetError> {
    let endpoints = [
        (crate::environment::AZDO_URL, &settings.organization),
        (crate::environment::ARM_ENDPOINT, &settings.resource_manager),
        (crate::environment::AZURE_AUTHORITY_HOST, &settings.authority),
    ];
    match settings.target {
        Target::Sandbox => {
            let sandbox = settings.sandbox.as_ref().ok_or(TargetError::NoSandbox)?;
            let own = [&sandbox.organization, &sandbox.resource_manager, &sandbox.authority];
            let foreign: Vec<String> = endpoints
                .iter()
                .zip(own)
                .filter(|((_, given), own)| !same(given, own))
                .map(|((name, given), _)| format!("{name}={given}"))
                .collect();
            if foreign.is_empty() { Ok(()) } else { Err(TargetError::Foreign { foreign }) }
        }
        Target::Azure => {
            let local: Vec<String> = endpoints
                .iter()
                .filter(|(_, given)| given.scheme() != "https" || on_this_machine(given))
                .map(|(name, given)| format!("{name}={given}"))
                .collect();
            if local.is_empty() { Ok(()) } else { Err(TargetError::Local { local }) }
        }
    }
}

fn same(one: &Url, other: &Url) -> bool {
    one.as_str().trim_end_matches('/').eq_ignore_ascii_case(other.as_str().trim_end_matches('/'))
}

/// Loopback, and the private addresses a container network's gateway has. An Azure DevOps Server in a private network has a
/// name and a certificate; a bare private address is a sandbox.
fn on_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => {
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
        }
        Some(Host::Ipv6(address)) => {
            let mapped = address.to_ipv4_mapped().map(IpAddr::V4);
            address.is_loopback() || address.is_unique_local() || mapped.is_some()
        }
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SandboxEndpoints;

    fn settings(target: Target, organization: &str, resource_manager: &str, authority: &str) -> Settings {
        Settings {
            target,
            organization: organization.parse().unwrap(),
            resource_manager: resource_manager.parse().unwrap(),
            authority: authority.parse().unwrap(),
            ..crate::context::tests::settings("http://127.0.0.1:1")
        }
    }

    const AZURE: [&str; 3] = [
        "https://dev.azure.com/contoso",
        "https://management.azure.com",
        "https://login.microsoftonline.com",
    ];
    const SANDBOX: [&str; 3] =
        ["http://172.30.0.1:4000/dev", "https://localhost:4001", "https://localhost:4002"];

    fn with_sandbox(given: [&str; 3]) -> Settings {
        let [organization, resource_manager, authority] = SANDBOX.map(|url| url.parse().unwrap());
        Settings {
            sandbox: Some(SandboxEndpoints { organization, resource_manager, authority }),
            ..settings(Target::Sandbox, given[0], given[1], given[2])
        }
    }

    #[test]
    fn each_target_takes_its_own_endpoints() {
        check(&settings(Target::Azure, AZURE[0], AZURE[1], AZURE[2])).unwrap();
        check(&with_sandbox(SANDBOX)).unwrap();
    }

    #[test]
    fn one_foreign_endpoint_is_enough_to_be_refused() {
        for position in 0..3 {
            let mut mixed = SANDBOX;
            mixed[position] = AZURE[position];
            assert!(
                matches!(check(&with_sandbox(mixed)), Err(TargetError::Foreign { foreign }) if foreign.len() == 1)
            );
            let mut mixed = AZURE;
            mixed[position] = SANDBOX[position];
            let azure = settings(Target::Azure, mixed[0], mixed[1], mixed[2]);
            assert!(matches!(check(&azure), Err(TargetError::Local { local }) if local.len() == 1));
        }
    }

    #[test]
    fn another_instance_is_foreign_and_a_dead_sandbox_is_none() {
        let other = ["http://172.30.0.1:5000/dev", "https://localhost:5001", "https://localhost:5002"];
        assert!(
            matches!(check(&with_sandbox(other)), Err(TargetError::Foreign { foreign }) if foreign.len() == 3)
        );
        let mut dead = with_sandbox(SANDBOX);
        dead.sandbox = None;
        assert_eq!(check(&dead), Err(TargetError::NoSandbox));
    }

    #[test]
    fn the_line_names_everything_that_could_be_mistaken() {
        let settings = settings(Target::Azure, AZURE[0], AZURE[1], AZURE[2]);
        insta::assert_snapshot!(line(&settings), @"target: azure org=https://dev.azure.com/contoso pool=linux subscription=11111111-1111-1111-1111-111111111111 group=agents");
    }
}
