//! Azure DevOps of a sandbox, on the containers' network: by HTTP and by HTTPS, on two ports, the same organization.

use std::net::{IpAddr, SocketAddr};

use azdo_mock::{AzureDevOps, Member};
use entra_tokens::Entra;
use service_kit::{ServerTls, Shutdown, serve_http, serve_https};
use url::Url;

use crate::up::{Base, UpError, at};

const ORGANIZATION: &str = "mayfly";
/// The pool that agents register in.
pub(crate) const POOL: &str = "Default";

/// Azure DevOps as it is reached.
pub(crate) struct Azdo {
    pub(crate) service: AzureDevOps,
    /// The organization's address that agents and commands are given: one of the two others.
    pub(crate) url: Url,
    pub(crate) http: Url,
    pub(crate) https: Url,
}

/// Serves it. What is answered names the address by which the question came: who began with HTTPS stays there.
pub(crate) async fn start(
    base: &Base<'_>,
    gateway: IpAddr,
    entra: &Entra,
    shutdown: &Shutdown,
) -> Result<Azdo, UpError> {
    let ports = base.identity.ports;
    let (plain, sealed) = (SocketAddr::new(gateway, ports.azdo), SocketAddr::new(gateway, ports.azdo_https));
    let url = |scheme, address| {
        format!("{scheme}://{address}/{ORGANIZATION}").parse::<Url>().map_err(at("make an address"))
    };
    let (http, https) = (url("http", plain)?, url("https", sealed)?);
    let service =
        AzureDevOps::new(settings(base, http.clone(), entra, shutdown)).map_err(at("make Azure DevOps"))?;
    if base.was_down {
        // Their containers are gone; whoever else polls opens a new one.
        service.end_sessions().map_err(at("end the sessions of before"))?;
    }
    let by_https = service.at(&https).map_err(at("make Azure DevOps"))?;
    let tls = certificate(base, gateway)?;
    serve_http(plain, service.router(), shutdown).await.map_err(at("serve Azure DevOps"))?;
    serve_https(sealed, by_https.router(), &tls, shutdown)
        .await
        .map_err(at("serve Azure DevOps by HTTPS"))?;
    let url = if base.options.azdo_https { https.clone() } else { http.clone() };
    Ok(Azdo { service, url, http, https })
}

/// For what listens on the containers' network: its address there, and this host's own names, by which a forwarded port
/// is reached.
pub(crate) fn certificate(base: &Base<'_>, gateway: IpAddr) -> Result<ServerTls, UpError> {
    let names = [gateway.to_string(), "localhost".to_owned(), "127.0.0.1".to_owned()];
    base.identity.authority.issue(&names).map_err(at("issue a certificate"))
}

fn settings(base: &Base<'_>, url: Url, entra: &Entra, shutdown: &Shutdown) -> azdo_mock::Settings {
    azdo_mock::Settings {
        base: url,
        organization: ORGANIZATION.to_owned(),
        pools: vec![POOL.to_owned()],
        personal_access_tokens: vec![base.identity.azdo_token.clone()],
        entra: Some(entra.clone()),
        members: base.options.service_principal_pools.map_or_else(Vec::new, |pools| {
            let display_name = "owner of the subscription".to_owned();
            vec![Member { object_id: entra.object_id(), display_name, pools }]
        }),
        packages: base.options.packages.clone(),
        switches: base.options.azdo,
        store: base.place.store.clone(),
        logs_dir: base.place.folder.join("job-logs"),
        clock: base.clock.clone(),
        entropy: base.entropy.clone(),
        shutdown: shutdown.clone(),
    }
}
