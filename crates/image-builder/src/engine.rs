//! The Docker engine: found, asked what it is, refused if it is not on this machine.

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};

use crate::options::TargetOs;

/// A build may be silent for as long as its longest step.
const TIMEOUT: u64 = 3600;

/// Why there is no engine to work with.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// `DOCKER_HOST` names another machine.
    #[error("use the Docker engine at `{host}`: only an engine on this machine is supported")]
    Remote {
        /// The value of `DOCKER_HOST`, without credentials.
        host: String,
    },
    /// There is no socket.
    #[error("find a Docker engine: there is no `{socket}`")]
    Absent {
        /// Where it should be.
        socket: String,
    },
    /// There is a socket and nobody behind it, or somebody who does not let us in.
    #[error("talk to the Docker engine")]
    Silent {
        /// Why.
        #[source]
        source: Error,
        /// Whether this user may not open the socket.
        forbidden: bool,
    },
    /// It builds images for another system.
    #[error("build a {wanted} image: this Docker engine runs {found} containers")]
    WrongSystem {
        /// The image's system.
        wanted: TargetOs,
        /// The engine's.
        found: String,
    },
}

impl EngineError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Remote { .. } => {
                "unset DOCKER_HOST, or point it at a socket of this machine (unix:///var/run/docker.sock)"
            }
            Self::Absent { .. } => {
                "install an engine: apt-get install --yes docker.io (Debian), or Docker Desktop; \
                 if it is installed, start it: systemctl start docker, or service docker start"
            }
            Self::Silent { forbidden: true, .. } => {
                "this user may not use Docker: usermod --append --groups docker $USER, then log in again"
            }
            Self::Silent { .. } => "start it: systemctl start docker, or service docker start",
            Self::WrongSystem { wanted: TargetOs::Windows, .. } => {
                "Windows images are built on a Windows machine with Windows containers; here, build with --os linux"
            }
            Self::WrongSystem { .. } => "switch Docker Desktop to Linux containers",
        })
    }
}

/// Connects and checks that the engine answers.
pub(crate) async fn connect(docker_host: Option<&str>) -> Result<Docker, EngineError> {
    let host = docker_host.filter(|host| !host.is_empty());
    let docker = open(host)?;
    // Asks `/version`, which also proves that somebody is there.
    docker.negotiate_version().await.map_err(silent)
}

/// Refuses an engine that cannot run what is to be built.
pub(crate) async fn check_system(docker: &Docker, wanted: TargetOs) -> Result<(), EngineError> {
    let info = docker.info().await.map_err(silent)?;
    let found = info.os_type.unwrap_or_else(|| "unknown".into());
    if found == wanted.name() { Ok(()) } else { Err(EngineError::WrongSystem { wanted, found }) }
}

#[cfg(unix)]
fn open(host: Option<&str>) -> Result<Docker, EngineError> {
    let host = host.unwrap_or("unix:///var/run/docker.sock");
    if !host.starts_with("unix://") {
        return Err(remote(host));
    }
    Docker::connect_with_unix(host, TIMEOUT, API_DEFAULT_VERSION).map_err(not_opened)
}

#[cfg(windows)]
fn open(host: Option<&str>) -> Result<Docker, EngineError> {
    let host = host.unwrap_or("npipe:////./pipe/docker_engine");
    if !host.starts_with("npipe:////./") {
        return Err(remote(host));
    }
    Docker::connect_with_named_pipe(host, TIMEOUT, API_DEFAULT_VERSION).map_err(not_opened)
}

fn remote(host: &str) -> EngineError {
    // `ssh://user:password@host` must not end up in a log.
    let shown = match (host.split_once("://"), host.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => host.to_owned(),
    };
    EngineError::Remote { host: shown }
}

fn not_opened(error: Error) -> EngineError {
    match error {
        Error::SocketNotFoundError(socket) => EngineError::Absent { socket },
        source => silent(source),
    }
}

fn silent(source: Error) -> EngineError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&source);
    let mut forbidden = false;
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            forbidden |= io.kind() == std::io::ErrorKind::PermissionDenied;
        }
        cause = error.source();
    }
    EngineError::Silent { source, forbidden }
}

#[cfg(test)]
mod tests;
