//! Containers on a Docker engine of this host.

mod connect;
mod creation;
mod end;
mod failure;
mod holder;
mod images;
mod instance;
mod labels;
mod logs;
mod network;
mod seen;
mod session;
mod subnet;
mod volumes;

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;

use crate::group::{OsType, RegistryCredential};
use crate::runtime::{
    CommandOutput, ContainerId, CreateContainer, CreateHolder, ExitStatus, LogRequest, Runtime, RuntimeError,
    Seen,
};
use crate::session::{ExecCommand, Session};

use failure::failed;

pub use connect::ConnectError;
pub use instance::{InstanceObjects, RunOnce, RunOutput};
pub use labels::INSTANCE_LABEL;
pub use network::{InstanceNetwork, NetworkSettings};

/// A Docker engine of this host. Clones share the connection.
#[derive(Debug, Clone)]
pub struct DockerRuntime {
    docker: Docker,
    os: OsType,
    /// The machine's architecture, in the words of the kernel.
    architecture: String,
    /// Processors of the engine, which no container may exceed.
    processors: f64,
}

impl DockerRuntime {
    /// The engine's own API, for what belongs to no group.
    pub fn client(&self) -> &Docker {
        &self.docker
    }
}

#[async_trait]
impl Runtime for DockerRuntime {
    fn os(&self) -> OsType {
        self.os
    }

    async fn ping(&self) -> Result<(), RuntimeError> {
        self.docker.ping().await.map(|_| ()).map_err(|error| failed("reach the engine", error))
    }

    async fn check_image(&self, image: &str, login: Option<&RegistryCredential>) -> Result<(), RuntimeError> {
        self.look_for_image(image, login).await
    }

    async fn pull(&self, image: &str, login: Option<&RegistryCredential>) -> Result<String, RuntimeError> {
        self.pull_image(image, login).await
    }

    async fn create(&self, request: &CreateContainer) -> Result<ContainerId, RuntimeError> {
        self.make_container(request).await
    }

    async fn create_holder(&self, request: &CreateHolder) -> Result<ContainerId, RuntimeError> {
        self.make_holder(request).await
    }

    async fn start(&self, id: &str) -> Result<(), RuntimeError> {
        self.docker
            .start_container(id, None)
            .await
            .map_err(|error| failed(&format!("start container `{id}`"), error))
    }

    async fn wait(&self, id: &str) -> Result<ExitStatus, RuntimeError> {
        self.wait_for_end(id).await
    }

    async fn kill(&self, id: &str, grace: Duration) -> Result<(), RuntimeError> {
        self.end(id, grace).await
    }

    async fn remove(&self, id: &str) -> Result<(), RuntimeError> {
        self.remove_container(id).await
    }

    async fn list(&self, instance: &str, group: Option<&str>) -> Result<Vec<Seen>, RuntimeError> {
        self.find(instance, group).await
    }

    async fn address(&self, id: &str) -> Result<Option<IpAddr>, RuntimeError> {
        self.find_address(id).await
    }

    async fn logs(&self, id: &str, request: LogRequest) -> Result<Vec<u8>, RuntimeError> {
        self.read_log(id, request).await
    }

    async fn exec(&self, id: &str, command: &ExecCommand) -> Result<Session, RuntimeError> {
        self.open_terminal(id, command).await
    }

    async fn run_in(&self, id: &str, command: &[String]) -> Result<CommandOutput, RuntimeError> {
        self.run_command(id, command).await
    }

    async fn attach(&self, id: &str) -> Result<Session, RuntimeError> {
        self.follow_output(id).await
    }

    async fn create_volume(&self, name: &str, instance: &str, group: &str) -> Result<(), RuntimeError> {
        self.make_volume(name, instance, group).await
    }

    async fn list_volumes(&self, instance: &str) -> Result<Vec<String>, RuntimeError> {
        self.volume_names(instance).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), RuntimeError> {
        self.drop_volume(name).await
    }
}
