//! Entra ID of a sandbox, and what of it containers reach.

use std::net::{IpAddr, SocketAddr};

use arm_emulator::Arm;
use entra_tokens::{AZURE_DEVOPS, CONTAINER_REGISTRY, Entra, EntraSettings};
use service_kit::{Shutdown, serve_http, serve_https};
use url::Url;

use crate::azdo;
use crate::up::{Base, UpError, at};

/// The tenant, with the applications that were registered in it.
pub(crate) fn entra(base: &Base<'_>, authority: &Url, arm: &Url) -> Result<Entra, UpError> {
    let identity = base.identity;
    let entra = Entra::new(
        EntraSettings {
            tenant_id: identity.tenant_id,
            client_id: identity.client_id,
            client_secret: identity.client_secret.clone(),
            authority: authority.clone(),
            audiences: audiences(arm),
        },
        identity.entra_key.clone(),
        base.clock.clone(),
        base.entropy.clone(),
    );
    entra.keep_in(base.place.store.clone()).map_err(at("read the applications of the directory"))?;
    Ok(entra)
}

/// What tokens are issued for: this Resource Manager, the public one's name (SDKs ask for it by default), the registry,
/// Azure DevOps.
fn audiences(arm: &Url) -> Vec<String> {
    let arm = arm.as_str().trim_end_matches('/').to_owned();
    let known = [
        "https://management.azure.com",
        "https://management.core.windows.net",
        CONTAINER_REGISTRY,
        AZURE_DEVOPS,
    ];
    std::iter::once(arm).chain(known.map(ToOwned::to_owned)).collect()
}

/// Where containers find the identity endpoint.
pub(crate) fn identity_endpoint(base: &Base<'_>, gateway: IpAddr) -> String {
    let address = SocketAddr::new(gateway, base.identity.ports.identity);
    format!("http://{address}{}", Arm::identity_path())
}

/// Serves the identity endpoint to the containers.
pub(crate) async fn serve_identities(
    base: &Base<'_>,
    gateway: IpAddr,
    arm: &Arm,
    shutdown: &Shutdown,
) -> Result<(), UpError> {
    let address = SocketAddr::new(gateway, base.identity.ports.identity);
    serve_http(address, arm.identity_router(), shutdown).await.map_err(at("serve the identity endpoint"))?;
    Ok(())
}

/// Serves Entra ID to the containers, where that was asked for: by HTTP or HTTPS, as they reach Azure DevOps. The token
/// that is fetched here goes there, and a container that trusts the one trusts the other.
pub(crate) async fn serve_inside(
    base: &Base<'_>,
    gateway: IpAddr,
    entra: &Entra,
    shutdown: &Shutdown,
) -> Result<Option<Url>, UpError> {
    if !base.options.entra_in_containers {
        return Ok(None);
    }
    let address = SocketAddr::new(gateway, base.identity.ports.entra_inside);
    let scheme = if base.options.azdo_https { "https" } else { "http" };
    let url: Url = format!("{scheme}://{address}/").parse().map_err(at("make an address"))?;
    let router = entra.router_at(url.clone());
    if base.options.azdo_https {
        serve_https(address, router, &azdo::certificate(base, gateway)?, shutdown).await
    } else {
        serve_http(address, router, shutdown).await
    }
    .map_err(at("serve Entra ID to containers"))?;
    Ok(Some(url))
}
