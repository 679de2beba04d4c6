//! Removing all that an instance made, whether its process lives or not.

use std::time::Duration;

use container_groups::{ConnectError, DockerRuntime, RuntimeError};
use secrecy::ExposeSecret;
use service_kit::{Store, StoreError, StoreKey, SystemEntropy};

use crate::instance::Instance;
use crate::record::Record;

/// How long the serving process may take to end.
const LIMIT: Duration = Duration::from_secs(20);

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Whether a serving process was ended.
    pub process: bool,
    /// Containers, networks, volumes and images, each by kind and name.
    pub objects: Vec<String>,
}

/// Why something is still there.
#[derive(Debug, thiserror::Error)]
pub enum DownError {
    /// A process holds the state and does not end.
    #[error(
        "stop the sandbox `{instance}`: process {process_id} does not end; end it and run `sandbox down` again"
    )]
    StillRunning {
        /// The instance.
        instance: String,
        /// What `sandbox.json` says; 0 when it says nothing.
        process_id: u32,
    },
    /// There is no engine to ask.
    #[error("remove what the sandbox made")]
    Engine(#[from] ConnectError),
    /// Docker would not remove it.
    #[error("remove what the sandbox `{instance}` made in Docker")]
    Docker {
        /// The instance.
        instance: String,
        /// Why.
        #[source]
        source: RuntimeError,
    },
    /// The state would not go.
    #[error("delete the state of the sandbox `{instance}`")]
    State {
        /// The instance.
        instance: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Stops the instance's process if there is one, removes what carries its label in Docker, deletes its state. Base
/// image and caches stay.
pub async fn down(instance: &Instance, docker_host: Option<&str>) -> Result<Removed, DownError> {
    let record = Record::read(instance).ok();
    let asked = match &record {
        Some(record) => ask(record).await,
        None => false,
    };
    wait_for_release(instance, record.as_ref()).await?;
    let runtime = DockerRuntime::connect(docker_host).await?;
    let registries: Vec<String> = record.iter().map(|record| record.login_server.clone()).collect();
    let removed = runtime
        .remove_instance(instance.name(), &registries)
        .await
        .map_err(|source| DownError::Docker { instance: instance.name().to_owned(), source })?;
    let kinds = [
        ("container", removed.containers),
        ("network", removed.networks),
        ("volume", removed.volumes),
        ("image", removed.images),
    ];
    let objects = kinds
        .into_iter()
        .flat_map(|(kind, names)| names.into_iter().map(move |name| format!("{kind} {name}")))
        .collect();
    if instance.folder().exists() {
        fs_err::remove_dir_all(instance.folder())
            .map_err(|source| DownError::State { instance: instance.name().to_owned(), source })?;
    }
    Ok(Removed { process: asked, objects })
}

/// Asks the process over its control API; `false` when nobody answers.
async fn ask(record: &Record) -> bool {
    let Ok(url) = record.control_url.join("stop") else { return false };
    let client = reqwest::Client::new();
    let request =
        client.post(url).bearer_auth(record.control_token.expose_secret()).timeout(Duration::from_secs(5));
    request.send().await.is_ok_and(|answer| answer.status().is_success())
}

/// The state file's lock goes with the process, however it ends.
async fn wait_for_release(instance: &Instance, record: Option<&Record>) -> Result<(), DownError> {
    let file = instance.folder().join("state.redb");
    let held = || {
        let entropy = SystemEntropy::shared();
        file.exists()
            && matches!(
                Store::open(&file, &StoreKey::generate(&entropy), &entropy),
                Err(StoreError::InUse { .. })
            )
    };
    let wait = async {
        while held() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.map_err(|_| DownError::StillRunning {
        instance: instance.name().to_owned(),
        process_id: record.map_or(0, |record| record.process_id),
    })
}
