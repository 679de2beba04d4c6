//! Starting a sandbox: first the network, then Azure DevOps on its gateway, then everything else on localhost.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use acr_registry::{CreateRegistry, Registries, RegistrySettings};
use arm_emulator::{Arm, ArmSettings};
use azdo_mock::PoolRights;
use container_groups::{ConnectError, DockerRuntime, GroupSettings, Groups, NetworkSettings, Quota};
use entra_tokens::Entra;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use service_kit::{
    SharedClock, SharedEntropy, Shutdown, Store, StoreError, StoreKey, SystemClock, SystemEntropy,
    serve_http, serve_https,
};
use tokio::sync::Notify;
use url::Url;

use crate::azdo;
use crate::control::{self, Control};
use crate::directory;
use crate::identity::Identity;
use crate::instance::{Instance, InstanceError};
use crate::probe;
use crate::record::{Record, RecordError};
use crate::whole::Whole;

const LOCATION: &str = "westeurope";
const REGISTRY_GROUP: &str = "mayfly-registry";
/// How long open requests and tasks may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How a sandbox is to behave.
#[derive(Debug, Clone)]
pub struct Options {
    /// Behaviour of Container Instances that Azure does not document.
    pub groups: container_groups::Switches,
    /// Behaviour of Azure DevOps that is not documented.
    pub azdo: azdo_mock::Switches,
    /// Whether agents and commands are given Azure DevOps' HTTPS address. It is served by HTTP and by HTTPS in any case.
    pub azdo_https: bool,
    /// Whether containers reach Entra ID, which they do not on their own: for agents that register with a principal.
    pub entra_in_containers: bool,
    /// Makes the subscription's owner a member of the organization with these rights on pools; `None`: it is nobody
    /// there, as a service principal is until it is added.
    pub service_principal_pools: Option<PoolRights>,
    /// Agent packages that Azure DevOps offers, `vsts-agent-<platform>-<version>.*`.
    pub packages: Vec<PathBuf>,
    /// The static Linux entrypoint, used to look at Azure DevOps from inside a container.
    pub probe: Option<PathBuf>,
    /// What the subscription may use.
    pub quota: Quota,
    /// `DOCKER_HOST`, if set. Only an engine on this host is accepted.
    pub docker_host: Option<String>,
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// There is one already.
    #[error("start the sandbox `{instance}`: it already runs as process {process_id} with {url}")]
    AlreadyRunning {
        /// The instance.
        instance: String,
        /// The process that serves it.
        process_id: u32,
        /// Where it is reached.
        url: Url,
    },
    /// Another process holds its state and does not say more.
    #[error("start the sandbox `{instance}`: another process has its state open")]
    StateInUse {
        /// The instance.
        instance: String,
    },
    /// The name or folder will not do.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The record could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// There is no engine to run containers on.
    #[error("start the sandbox")]
    Docker(#[from] ConnectError),
    /// A step failed.
    #[error("start the sandbox: {step}")]
    Step {
        /// What was attempted.
        step: String,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A sandbox that serves.
#[derive(Debug)]
pub struct Running {
    /// How others find it.
    pub record: Record,
    /// What could not be checked, for the person who started it.
    pub remarks: Vec<String>,
    instance: Instance,
    shutdown: Shutdown,
    stop: Arc<Notify>,
}

impl Running {
    /// Ends when somebody asks for it over the control API.
    pub async fn asked_to_stop(&self) {
        self.stop.notified().await;
    }

    /// Stops serving. Containers go on: [`crate::down`] removes them, another [`up`] takes them over.
    pub async fn stop(self) {
        if !self.shutdown.stop(STOP_LIMIT).await {
            tracing::warn!(instance = %self.instance, "some tasks did not end in time");
        }
        if let Err(error) = fs_err::remove_file(self.instance.record_file()) {
            tracing::warn!(%error, "remove the record");
        }
    }
}

pub(crate) fn at<E: Into<Box<dyn std::error::Error + Send + Sync>>>(step: &str) -> impl FnOnce(E) -> UpError {
    move |source| UpError::Step { step: step.to_owned(), source: source.into() }
}

/// Starts a sandbox, or takes up where one of the same instance was killed: same addresses, same containers, same jobs.
pub async fn up(instance: &Instance, options: Options) -> Result<Running, UpError> {
    instance.make_folder()?;
    let (clock, entropy) = (SystemClock::shared(), SystemEntropy::shared());
    let store = open_store(instance, &entropy)?;
    let runtime = DockerRuntime::connect(options.docker_host.as_deref()).await?;
    let network = runtime
        .ensure_network(&NetworkSettings {
            instance: instance.name().to_owned(),
            // The next generation of a container is made before the old one goes.
            containers: u16::try_from(options.quota.groups).unwrap_or(u16::MAX).saturating_add(8),
            labels: BTreeMap::new(),
        })
        .await
        .map_err(at("make the containers' network"))?;
    let gateway = network.gateway;
    let identity = Identity::load_or_create(&store, gateway, &clock, &entropy)
        .map_err(at("read or make its identity"))?;
    let base = Base {
        instance,
        network: network.name,
        options: &options,
        identity: &identity,
        store,
        clock,
        entropy,
    };
    let shutdown = Shutdown::new();
    match serve(&base, gateway, runtime, &shutdown).await {
        Ok(running) => Ok(running),
        Err(error) => {
            shutdown.stop(STOP_LIMIT).await;
            Err(error)
        }
    }
}

fn open_store(instance: &Instance, entropy: &SharedEntropy) -> Result<Store, UpError> {
    let key = StoreKey::load_or_create(&instance.folder().join("state.key"), entropy)
        .map_err(at("read the state's key"))?;
    match Store::open(&instance.folder().join("state.redb"), &key, entropy) {
        Err(StoreError::InUse { .. }) => Err(match Record::read(instance) {
            Ok(first) => UpError::AlreadyRunning {
                instance: instance.name().to_owned(),
                process_id: first.process_id,
                url: first.azdo_url,
            },
            Err(_) => UpError::StateInUse { instance: instance.name().to_owned() },
        }),
        opened => opened.map_err(at("open its state")),
    }
}

/// What every service is made from.
pub(crate) struct Base<'a> {
    pub(crate) instance: &'a Instance,
    network: String,
    pub(crate) options: &'a Options,
    pub(crate) identity: &'a Identity,
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
}

async fn serve(
    base: &Base<'_>,
    gateway: IpAddr,
    runtime: DockerRuntime,
    shutdown: &Shutdown,
) -> Result<Running, UpError> {
    let (identity, folder) = (base.identity, base.instance.folder());
    let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let localhost = |port| format!("https://localhost:{port}/").parse::<Url>().map_err(at("make an address"));
    let tls = identity
        .authority
        .issue(&["localhost".into(), "127.0.0.1".into()])
        .map_err(at("issue a certificate"))?;
    let (arm_url, entra_url) = (localhost(identity.ports.arm)?, localhost(identity.ports.entra)?);

    let entra = directory::entra(base, &entra_url, &arm_url)?;
    let azdo = azdo::start(base, gateway, &entra, shutdown).await?;
    serve_https(local(identity.ports.entra), entra.router(), &tls, shutdown)
        .await
        .map_err(at("serve Entra ID"))?;
    let container_authority_host = directory::serve_inside(base, gateway, &entra, shutdown).await?;

    let registries = Registries::new(RegistrySettings {
        blobs_dir: folder.join("registry"),
        tls: tls.clone(),
        shutdown: shutdown.clone(),
        store: base.store.clone(),
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
            store: base.store.clone(),
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
        store: base.store.clone(),
        clock: base.clock.clone(),
        entropy: base.entropy.clone(),
        shutdown: shutdown.clone(),
        entra: entra.clone(),
        registries: registries.clone(),
        groups: groups.clone(),
    });
    // Before the groups: a deployment that is taken over may pull as an identity.
    registries.restore().await.map_err(at("open the registry again"))?;
    groups.adopt().await.map_err(at("take over the containers that are there"))?;
    arm.restore().map_err(at("read the resources that are there"))?;
    directory::serve_identities(base, gateway, &arm, shutdown).await?;
    serve_https(local(identity.ports.arm), arm.router(), &tls, shutdown)
        .await
        .map_err(at("serve Azure Resource Manager"))?;
    let services = Services { registries, entra: entra.clone(), arm_url: arm_url.clone() };
    let login = registry(base, &arm, &services).await?;

    let stop = Arc::new(Notify::new());
    let control = Control {
        token: identity.control_token.clone(),
        port: identity.ports.control,
        instance: base.instance.name().to_owned(),
        groups,
        whole: Whole {
            azdo: azdo.service.clone(),
            entra: entra.clone(),
            arm: arm.clone(),
            store: base.store.clone(),
            registry_group: REGISTRY_GROUP.to_owned(),
            registry: identity.registry_name.clone(),
        },
        stop: stop.clone(),
    };
    serve_http(
        local(identity.ports.control),
        control::router(control, azdo.service.control_router(), entra.control_router()),
        shutdown,
    )
    .await
    .map_err(at("serve the control API"))?;

    let mut remarks = Vec::new();
    match &base.options.probe {
        Some(binary) => probe::reaches(&docker, base.instance, &base.network, binary, &azdo.url)
            .await
            .map_err(at("look at Azure DevOps from inside a container"))?,
        None => {
            remarks.push("not checked from inside a container: no entrypoint binary is at hand".to_owned());
        }
    }

    let (ca_file, ca_bundle_file) = trust(base)?;
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
        registry_group: REGISTRY_GROUP.to_owned(),
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
    Ok(Running { record, remarks, instance: base.instance.clone(), shutdown: shutdown.clone(), stop })
}

struct Login {
    server: String,
    username: String,
    password: SecretString,
}

/// The registry that images are pushed to: a resource like any other, in a group of its own, made the way a client
/// would make it.
async fn registry(base: &Base<'_>, arm: &Arm, services: &Services) -> Result<Login, UpError> {
    arm.ensure_resource_group(REGISTRY_GROUP, LOCATION).map_err(at("make the registry's resource group"))?;
    let name = &base.identity.registry_name;
    let create = CreateRegistry {
        admin_enabled: true,
        anonymous_pull: false,
        port: Some(base.identity.ports.registry),
    };
    let info = services.registries.create(name, create).await.map_err(at("make the registry"))?;
    let path = format!(
        "subscriptions/{}/resourceGroups/{REGISTRY_GROUP}/providers/Microsoft.ContainerRegistry/registries/{name}?api-version=2023-07-01",
        base.identity.subscription_id
    );
    let url = services.arm_url.join(&path).map_err(at("make an address"))?;
    let audience = services.arm_url.as_str().trim_end_matches('/');
    let token = services.entra.issue(audience).map_err(at("issue a token"))?;
    let root = reqwest::Certificate::from_pem(base.identity.authority.cert_pem().as_bytes())
        .map_err(at("read its certificate"))?;
    let client =
        reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().map_err(at("make a client"))?;
    let body = json!({
        "location": LOCATION, "sku": { "name": "Basic" }, "properties": { "adminUserEnabled": true },
    });
    let request = client.put(url).bearer_auth(token.expose_secret()).json(&body);
    let answer = request.send().await.map_err(at("make the registry"))?;
    if !answer.status().is_success() {
        let text = answer.text().await.unwrap_or_default();
        return Err(at("make the registry")(text));
    }
    let (username, [password, _]) =
        services.registries.credentials(name).map_err(at("read the registry's credentials"))?;
    Ok(Login { server: info.login_server, username, password })
}

/// What the registry is made with.
struct Services {
    registries: Registries,
    entra: Entra,
    arm_url: Url,
}

/// Writes the authority's certificate, alone and joined with what the system trusts.
fn trust(base: &Base<'_>) -> Result<(PathBuf, PathBuf), UpError> {
    let (alone, joined) =
        (base.instance.folder().join("ca.pem"), base.instance.folder().join("ca-bundle.pem"));
    let own = base.identity.authority.cert_pem();
    fs_err::write(&alone, own).map_err(at("write its certificate"))?;
    let system =
        ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"]
            .into_iter()
            .find_map(|file| fs_err::read_to_string(file).ok())
            .unwrap_or_default();
    fs_err::write(&joined, format!("{own}\n{system}")).map_err(at("write its certificate bundle"))?;
    Ok((alone, joined))
}
