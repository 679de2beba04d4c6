//! Removing all that an instance made, whether its process lives or not.

use std::path::PathBuf;
use std::time::Duration;

use container_groups::{ConnectError, DockerRuntime, RuntimeError};
use secrecy::ExposeSecret;

use crate::hold::{Hold, Holder, Keep};
use crate::instance::Instance;
use crate::record::Record;

/// How long the serving process may take to end, with the containers of one that keeps no state.
const LIMIT: Duration = Duration::from_mins(1);

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Whether a serving process was ended.
    pub process: bool,
    /// Containers, networks, volumes and images, each by kind and name.
    pub objects: Vec<String>,
    /// A state folder of its own, which stays.
    pub kept: Option<PathBuf>,
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
/// image and caches stay, and so does a state in a folder of its own.
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
    let kept = release(instance)
        .and_then(|kept| {
            if instance.folder().exists() {
                fs_err::remove_dir_all(instance.folder())?;
            }
            Ok(kept)
        })
        .map_err(|source| DownError::State { instance: instance.name().to_owned(), source })?;
    Ok(Removed { process: asked, objects, kept })
}

/// Gives up a state folder of its own: nothing on the engine belongs to it any more.
fn release(instance: &Instance) -> std::io::Result<Option<PathBuf>> {
    let Some(Holder { keep: Keep::In(folder), .. }) = Holder::of(instance.folder()) else { return Ok(None) };
    // It may be another's by now.
    if Holder::of(&folder).is_some_and(|holder| holder.instance == instance.name()) {
        Holder::forget(&folder)?;
    }
    Ok(folder.exists().then_some(folder))
}

/// Asks the process over its control API; `false` when nobody answers.
async fn ask(record: &Record) -> bool {
    let Ok(url) = record.control_url.join("stop") else { return false };
    let client = reqwest::Client::new();
    let request =
        client.post(url).bearer_auth(record.control_token.expose_secret()).timeout(Duration::from_secs(5));
    request.send().await.is_ok_and(|answer| answer.status().is_success())
}

/// The instance's lock goes with the process, however it ends.
async fn wait_for_release(instance: &Instance, record: Option<&Record>) -> Result<(), DownError> {
    let wait = async {
        while Hold::is_taken(instance.folder()) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let holder = || Holder::of(instance.folder()).map(|holder| holder.process_id);
    tokio::time::timeout(LIMIT, wait).await.map_err(|_| DownError::StillRunning {
        instance: instance.name().to_owned(),
        process_id: holder().or(record.map(|record| record.process_id)).unwrap_or(0),
    })
}
