//! A sandbox that serves.

use std::sync::Arc;

use container_groups::DockerRuntime;
use service_kit::Shutdown;
use tokio::sync::Notify;

use crate::ephemeral;
use crate::hold::Keep;
use crate::instance::Instance;
use crate::place::Place;
use crate::record::Record;
use crate::serve::Served;
use crate::up::STOP_LIMIT;

/// A sandbox that serves.
#[derive(Debug)]
pub struct Running {
    /// How others find it.
    pub record: Record,
    /// What could not be checked, for the person who started it.
    pub remarks: Vec<String>,
    instance: Instance,
    place: Place,
    runtime: DockerRuntime,
    shutdown: Shutdown,
    stop: Arc<Notify>,
}

impl Running {
    pub(crate) fn new(
        served: Served,
        instance: &Instance,
        place: Place,
        runtime: DockerRuntime,
        shutdown: Shutdown,
    ) -> Self {
        let Served { record, remarks, stop } = served;
        Self { record, remarks, instance: instance.clone(), place, runtime, shutdown, stop }
    }

    /// Ends when somebody asks for it over the control API.
    pub async fn asked_to_stop(&self) {
        self.stop.notified().await;
    }

    /// Stops serving. Containers go on: [`crate::down`] removes them, another [`crate::up`] takes them over. Of a sandbox
    /// that keeps its state nowhere nothing is left.
    pub async fn stop(self) {
        if !self.shutdown.stop(STOP_LIMIT).await {
            tracing::warn!(instance = %self.instance, "some tasks did not end in time");
        }
        if self.place.keep == Keep::Nowhere {
            return self.vanish().await;
        }
        if let Err(error) = fs_err::remove_file(self.instance.record_file()) {
            tracing::warn!(%error, "remove the record");
        }
    }

    async fn vanish(self) {
        if let Err(error) = ephemeral::sweep(&self.instance, &self.runtime).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "something of the sandbox is left; `sandbox down` removes it");
            return;
        }
        drop(self.place);
        if let Err(error) = fs_err::remove_dir_all(self.instance.folder()) {
            tracing::warn!(%error, "remove the sandbox's folder");
        }
    }
}
