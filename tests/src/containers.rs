//! What the engine says, asked independently of the sandbox.

use std::collections::HashMap;

use anyhow::{Context, Result};
use bollard::Docker;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use futures_util::TryStreamExt;

/// The engine of this host.
#[derive(Debug, Clone)]
pub struct Engine(pub Docker);

/// One container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its full id.
    pub id: String,
    /// The agent: last part of the group id in its label.
    pub agent: String,
    /// `running`, `exited`, …
    pub state: String,
}

impl Engine {
    /// Connects to the local engine.
    pub fn connect() -> Result<Self> {
        Ok(Self(Docker::connect_with_local_defaults().context("connect to Docker")?))
    }

    /// All containers of an instance, running or not.
    pub async fn containers(&self, instance: &str) -> Result<Vec<Container>> {
        let options = ListContainersOptionsBuilder::default().all(true).filters(&label(instance)).build();
        let listed = self.0.list_containers(Some(options)).await?;
        Ok(listed
            .into_iter()
            .map(|one| {
                let labels = one.labels.unwrap_or_default();
                let group = labels.get("mayfly.group").cloned().unwrap_or_default();
                Container {
                    id: one.id.unwrap_or_default(),
                    agent: group.rsplit('/').next().unwrap_or_default().to_owned(),
                    state: one.state.map(|state| state.to_string()).unwrap_or_default(),
                }
            })
            .collect())
    }

    /// Running containers by agent.
    pub async fn by_agent(&self, instance: &str) -> Result<HashMap<String, String>> {
        let all = self.containers(instance).await?;
        Ok(all.into_iter().filter(|one| one.state == "running").map(|one| (one.agent, one.id)).collect())
    }

    /// Names of the instance's networks.
    pub async fn networks(&self, instance: &str) -> Result<Vec<String>> {
        let options = ListNetworksOptionsBuilder::default().filters(&label(instance)).build();
        let listed = self.0.list_networks(Some(options)).await?;
        Ok(listed.into_iter().filter_map(|one| one.name).collect())
    }

    /// All that a container printed.
    pub async fn logs(&self, id: &str) -> Result<String> {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).build();
        let chunks: Vec<_> = self.0.logs(id, Some(options)).try_collect().await?;
        Ok(chunks.iter().map(ToString::to_string).collect())
    }
}

/// Removes what dead test runs left on the engine. A test's instance carries the id of the test's process.
pub(crate) async fn sweep(engine: &Engine) -> Result<()> {
    let all = HashMap::from([("label".to_owned(), vec!["mayfly.instance".to_owned()])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&all).build();
    for one in engine.0.list_containers(Some(options)).await? {
        if is_dead(one.labels.as_ref()) {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            // Another test may be sweeping too.
            let _ = engine.0.remove_container(&one.id.unwrap_or_default(), Some(options)).await;
        }
    }
    let options = ListNetworksOptionsBuilder::default().filters(&all).build();
    for one in engine.0.list_networks(Some(options)).await? {
        if is_dead(one.labels.as_ref()) {
            let _ = engine.0.remove_network(&one.id.unwrap_or_default()).await;
        }
    }
    Ok(())
}

fn is_dead(labels: Option<&HashMap<String, String>>) -> bool {
    let name = labels.and_then(|labels| labels.get("mayfly.instance"));
    let process = name.and_then(|name| name.strip_prefix("e2e-")?.rsplit_once("-p")?.1.parse::<u32>().ok());
    process.is_some_and(|process| !std::path::Path::new("/proc").join(process.to_string()).exists())
}

fn label(instance: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("mayfly.instance={instance}")])])
}
