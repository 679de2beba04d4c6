//! All services of a sandbox, each at its address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use acr_registry::{Registries, RegistrySettings};
use arm_emulator::{Arm, ArmSettings, OwnRegistry, Service};
use container_groups::{DockerRuntime, GroupSettings, Groups};
use service_kit::{Shutdown, serve_http, serve_https};
use tokio::sync::Notify;
use url::Url;

use crate::control::{self, Control};
use crate::record::Record;
use crate::registry::{self, Services};
use crate::up::{Base, LOCATION, UpError, at};
use crate::whole::Whole;
use crate::{azdo, directory, probe, trust};

/// What came of it.
pub(crate) struct Served {
    pub(crate) record: Record,
    pub(crate) remarks: Vec<String>,
    pub(crate) stop: Arc<Notify>,
}

/// Serves everything: Azure DevOps on the network's gateway, the rest on localhost.
pub(crate) async fn serve(
    base: &Base<'_>,
    runtime: DockerRuntime,
    shutdown: &Shutdown,
) -> Result<Served, UpError> {
    let (identity, gateway, folder, store) =
        (base.identity, base.gateway, &base.place.folder, &base.place.store);
    let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let localhost = |port| format!("https://localhost:{port}/").parse::<Url>().map_err(at("make an address"));
    let tls = identity
        .authority
        .issue(&["localhost".into(), "127.0.0.1".into()])
        .map_err(at("issue a certificate"))?;
    let (arm_url, entra_url) = (localhost(identity.ports.arm)?, localhost(identity.ports.entra)?);

    let entra = directory::entra(base, &entra_url, &arm_url)?;
    let azdo = azdo::start(base, gateway, &entra, shutdown).await?;
    let container_authority_host = directory::serve_inside(base, gateway, &entra, shutdown).await?;

    let registries = Registries::new(RegistrySettings {
        blobs_dir: folder.join("registry"),
        tls: tls.clone(),
        shutdown: shutdown.clone(),
        store: store.clone(),
        clock: base.clock.clone(),
        entropy: base.entropy.clone(),
        entra: Some(entra.clone()),
    });

    let docker = runtime.client().clone();
    let groups = Groups::new(
        GroupSettings {
            instance: base.instance.name().to_owned(),
            network: base.network.clone(),
            identity_endpoint: Some(directory::identity_endpoint(base, gateway)),
            switches: base.options.groups,
            quota: base.options.quota,
            store: store.clone(),
            logs_dir: folder.join("container-logs"),
            clock: base.clock.clone(),
            entropy: base.entropy.clone(),
            shutdown: shutdown.clone(),
        },
        Arc::new(runtime),
    );
    let arm = Arm::new(ArmSettings {
        subscription_id: identity.subscription_id,
        tenant_id: identity.tenant_id,
        endpoint: arm_url.clone(),
        login_endpoint: entra_url.clone(),
        location: LOCATION.to_owned(),
        store: store.clone(),
        clock: base.clock.clone(),
        entropy: base.entropy.clone(),
        shutdown: shutdown.clone(),
        entra: entra.clone(),
        registries: registries.clone(),
        groups: groups.clone(),
        own_registry: Some(OwnRegistry {
            group: registry::GROUP.to_owned(),
            name: identity.registry_name.clone(),
        }),
    });
    let traffic = arm.traffic().clone();
    let entra_router = traffic.around(Service::Entra, entra.router());
    registries.set_around(move |router| traffic.around(Service::Registry, router));
    serve_https(local(identity.ports.entra), entra_router, &tls, shutdown)
        .await
        .map_err(at("serve Entra ID"))?;
    // Before the groups: a deployment that is taken over may pull as an identity.
    registries.restore().await.map_err(at("open the registry again"))?;
    groups.adopt().await.map_err(at("take over the containers that are there"))?;
    arm.restore().map_err(at("read the resources that are there"))?;
    directory::serve_identities(base, gateway, &arm, shutdown).await?;
    serve_https(local(identity.ports.arm), arm.router(), &tls, shutdown)
        .await
        .map_err(at("serve Azure Resource Manager"))?;
    let services = Services { registries, entra: entra.clone(), arm_url: arm_url.clone() };
    let login = registry::make(base, &arm, &services).await?;

    let stop = Arc::new(Notify::new());
    let control = Control {
        token: identity.control_token.clone(),
        port: identity.ports.control,
        instance: base.instance.name().to_owned(),
        groups,
        whole: Whole {
            azdo: azdo.service.clone(),
            arm: arm.clone(),
            store: store.clone(),
            clock: base.clock.clone(),
            entropy: base.entropy.clone(),
            folder: folder.clone(),
        },
        stop: stop.clone(),
    };
    serve_http(local(identity.ports.control), control::router(control, entra.control_router()), shutdown)
        .await
        .map_err(at("serve the control API"))?;

    let mut remarks = arm.finish_seeds().await.map_err(at("apply the seeds that a crash interrupted"))?;
    match &base.options.probe {
        Some(binary) => probe::reaches(&docker, base.instance, &base.network, binary, &azdo.url)
            .await
            .map_err(at("look at Azure DevOps from inside a container"))?,
        None => {
            remarks.push("not checked from inside a container: no entrypoint binary is at hand".to_owned());
        }
    }

    let (ca_file, ca_bundle_file) = trust::files(base)?;
    let record = Record {
        instance: base.instance.name().to_owned(),
        process_id: std::process::id(),
        started: base.clock.now(),
        azdo_url: azdo.url,
        azdo_http_url: azdo.http,
        azdo_https_url: azdo.https,
        azdo_pool: azdo::POOL.to_owned(),
        azdo_token: identity.azdo_token.clone(),
        tenant_id: identity.tenant_id,
        client_id: identity.client_id,
        client_secret: identity.client_secret.clone(),
        subscription_id: identity.subscription_id,
        authority_host: entra_url,
        container_authority_host,
        identity_endpoint: directory::identity_endpoint(base, gateway),
        arm_endpoint: arm_url,
        registry_group: registry::GROUP.to_owned(),
        registry_name: identity.registry_name.clone(),
        login_server: login.server,
        registry_username: login.username,
        registry_password: login.password,
        control_url: format!("http://127.0.0.1:{}/", identity.ports.control)
            .parse()
            .map_err(at("make an address"))?,
        control_token: identity.control_token.clone(),
        ca_file,
        ca_bundle_file,
    };
    record.write(base.instance)?;
    Ok(Served { record, remarks, stop })
}
