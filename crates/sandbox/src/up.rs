//! Starting a sandbox: first its place and the network, then everything that serves.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use container_groups::{ConnectError, DockerRuntime, InstanceNetwork, NetworkSettings};
use entra_tokens::SigningKey;
use service_kit::{SharedClock, SharedEntropy, Shutdown, Store, SystemClock, SystemEntropy};
use tokio::task::spawn_blocking;

use crate::clock::{self, ClockError};
use crate::ephemeral;
use crate::hold::Keep;
use crate::identity::Identity;
use crate::instance::Instance;
use crate::options::Options;
use crate::place::{Place, PlaceError};
use crate::record::RecordError;
use crate::running::Running;
use crate::serve::serve;

pub(crate) const LOCATION: &str = "westeurope";
/// How long open requests and tasks may take to end.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Where the subnet of the containers' network is kept, so that addresses stay after the network was removed.
const TABLE: &str = "sandbox";
const SUBNET: &str = "subnet";

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// Its state cannot be where it was told to be, or somebody else is there.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Its state is from another time.
    #[error(transparent)]
    Clock(#[from] ClockError),
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

pub(crate) fn at<E: Into<Box<dyn std::error::Error + Send + Sync>>>(step: &str) -> impl FnOnce(E) -> UpError {
    move |source| UpError::Step { step: step.to_owned(), source: source.into() }
}

/// What every service is made from.
pub(crate) struct Base<'a> {
    pub(crate) instance: &'a Instance,
    pub(crate) network: String,
    pub(crate) gateway: IpAddr,
    pub(crate) options: &'a Options,
    pub(crate) identity: &'a Identity,
    pub(crate) place: &'a Place,
    /// The state was there, and `sandbox down` removed all containers since.
    pub(crate) was_down: bool,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
}

/// Starts a sandbox, or takes up where one of the same state was killed or taken down: same addresses, same jobs, and the
/// same containers where they are still there.
pub async fn up(instance: &Instance, options: Options) -> Result<Running, UpError> {
    let (machine, entropy) = (SystemClock::shared(), SystemEntropy::shared());
    // The engine takes a while to say what it is: as long as to open the state.
    let host = options.docker_host.clone();
    let engine = tokio::spawn(async move { DockerRuntime::connect(host.as_deref()).await });
    let place = Place::take(instance, &options.keep, &machine, &entropy).await?;
    let clock = clock::of(options.time, &place.store)?;
    let runtime = engine.await.map_err(at("reach the engine"))??;
    if place.litter {
        ephemeral::sweep(instance, &runtime).await.map_err(at("remove what one without a state left"))?;
    }
    let was_down = claim(instance, &place, &runtime).await?;
    let (network, entra_key) = network_and_keys(instance, &options, &place.store, &runtime).await?;
    // Certificates are looked at by clients, whose clock is the machine's.
    let identity = Identity::load_or_create(&place.store, entra_key, network.gateway, &machine, &entropy)
        .map_err(at("read or make its identity"))?;
    let shutdown = Shutdown::new();
    let base = Base {
        instance,
        network: network.name,
        gateway: network.gateway,
        options: &options,
        identity: &identity,
        place: &place,
        was_down,
        clock,
        entropy,
    };
    match serve(&base, runtime.clone(), &shutdown).await {
        Ok(served) => Ok(Running::new(served, instance, place, runtime, shutdown)),
        Err(error) => {
            shutdown.stop(STOP_LIMIT).await;
            if place.keep == Keep::Nowhere
                && let Err(error) = ephemeral::sweep(instance, &runtime).await
            {
                tracing::warn!(%error, "something of the sandbox is left; `sandbox down` removes it");
            }
            Err(error)
        }
    }
}

/// Makes the state's folder this instance's own. One that was another's is taken where that has nothing on the engine.
async fn claim(instance: &Instance, place: &Place, runtime: &DockerRuntime) -> Result<bool, UpError> {
    if let Some(holder) = &place.left_by {
        let instances = runtime.instances().await.map_err(at("look for other instances"))?;
        if instances.contains_key(&holder.instance) {
            return Err(PlaceError::Foreign {
                instance: instance.name().to_owned(),
                folder: place.folder.clone(),
                holder: Box::new(holder.clone()),
            }
            .into());
        }
    }
    Ok(place.claim()?)
}

/// What a new instance waits for longest, all at once: the engine's network, and two RSA keys. The registry's is kept in
/// the store by the time that this ends, Entra ID's is for the identity to keep.
async fn network_and_keys(
    instance: &Instance,
    options: &Options,
    store: &Store,
    runtime: &DockerRuntime,
) -> Result<(InstanceNetwork, SigningKey), UpError> {
    let (for_entra, for_registry) = (store.clone(), store.clone());
    let entra = spawn_blocking(move || Identity::entra_key(&for_entra));
    let registry = spawn_blocking(move || acr_registry::signing_key(&for_registry).map(drop));
    // All of them are waited for, whatever fails: none may write once the place is given up.
    let (network, entra, registry) =
        tokio::join!(network(instance, options, store, runtime), entra, registry);
    let network = network?;
    registry.map_err(at("draw keys"))?.map_err(at("read or make the registry's key"))?;
    let entra = entra.map_err(at("draw keys"))?.map_err(at("read or make its identity"))?;
    Ok((network, entra))
}

/// The containers' network, with the addresses it had where nobody else has them now.
async fn network(
    instance: &Instance,
    options: &Options,
    store: &Store,
    runtime: &DockerRuntime,
) -> Result<InstanceNetwork, UpError> {
    let kept: Option<String> = store.get(TABLE, SUBNET).map_err(at("read its state"))?;
    let settings = NetworkSettings {
        instance: instance.name().to_owned(),
        // The next generation of a container is made before the old one goes.
        containers: u16::try_from(options.quota.groups).unwrap_or(u16::MAX).saturating_add(8),
        subnet: kept.clone(),
        labels: BTreeMap::new(),
    };
    let network = runtime.ensure_network(&settings).await.map_err(at("make the containers' network"))?;
    if kept.as_ref() != Some(&network.subnet) {
        store.put(TABLE, SUBNET, &network.subnet).map_err(at("write its state"))?;
    }
    Ok(network)
}
