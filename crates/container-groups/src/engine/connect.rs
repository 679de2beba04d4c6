//! Finding the engine, and saying clearly why it cannot be used.

use bollard::{API_DEFAULT_VERSION, Docker};

use super::DockerRuntime;
use crate::group::OsType;

#[cfg(unix)]
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
#[cfg(windows)]
const DEFAULT_HOST: &str = "npipe:////./pipe/docker_engine";

/// Seconds until a request without an answer counts as failed.
const TIMEOUT: u64 = 120;

/// Why the engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The engine is on another host.
    #[error("use the Docker engine at `{host}`: it is not on this host, and a sandbox needs one that is")]
    Remote {
        /// The value of `DOCKER_HOST`.
        host: String,
    },
    /// There is no engine.
    #[error("use the Docker engine at `{host}`: there is none")]
    Absent {
        /// The address.
        host: String,
    },
    /// The engine may not be used by this user.
    #[error("use the Docker engine at `{host}`: this user may not")]
    Denied {
        /// The address.
        host: String,
    },
    /// The engine does not answer.
    #[error("use the Docker engine at `{host}`: it does not answer")]
    Stopped {
        /// The address.
        host: String,
        /// What was seen.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ConnectError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Remote { .. } => {
                "unset DOCKER_HOST, or let it name a local socket (unix:// on Linux and macOS, npipe:// on Windows)"
            }
            Self::Absent { .. } => {
                "install Docker (Debian: `sudo apt-get install docker.io`), or start it (`sudo systemctl start docker`, or `sudo dockerd`)"
            }
            Self::Denied { .. } => {
                "add the user to the group `docker` (`sudo usermod -aG docker $USER`) and log in again, or run as root"
            }
            Self::Stopped { .. } => "start Docker (`sudo systemctl start docker`, or `sudo dockerd`)",
        }
    }
}

impl DockerRuntime {
    /// Connects to the engine that `docker_host` (the value of `DOCKER_HOST`) names, or to this host's default one, and
    /// asks it for what it is.
    pub async fn connect(docker_host: Option<&str>) -> Result<Self, ConnectError> {
        let host = docker_host.filter(|host| !host.is_empty()).unwrap_or(DEFAULT_HOST).to_owned();
        let local = DEFAULT_HOST.split("//").next().unwrap_or_default();
        if !host.starts_with(local) {
            return Err(ConnectError::Remote { host });
        }
        // On Windows a named pipe answers with its own error when it is opened.
        #[cfg(unix)]
        probe_socket(&host)?;
        let stopped = |host: &str, error: bollard::errors::Error| ConnectError::Stopped {
            host: host.to_owned(),
            source: error.into(),
        };
        let docker = Docker::connect_with_local(&host, TIMEOUT, API_DEFAULT_VERSION)
            .map_err(|error| stopped(&host, error))?;
        // No version is agreed on: the client's requests name none, so an engine answers in its newest. To ask for it takes an
        // engine longer than all else that a start asks of it.
        let info = docker.info().await.map_err(|error| stopped(&host, error))?;
        let windows = info.os_type.is_some_and(|os| os.eq_ignore_ascii_case("windows"));
        let os = if windows { OsType::Windows } else { OsType::Linux };
        let processors = info.ncpu.filter(|count| *count > 0).unwrap_or(1) as f64;
        Ok(Self { docker, os, architecture: info.architecture.unwrap_or_default(), processors })
    }
}

/// Tells a missing socket from a forbidden and a dead one, which the client reports alike.
#[cfg(unix)]
fn probe_socket(host: &str) -> Result<(), ConnectError> {
    use std::io::ErrorKind;
    let path = host.trim_start_matches("unix://");
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => ConnectError::Absent { host: host.to_owned() },
            ErrorKind::PermissionDenied => ConnectError::Denied { host: host.to_owned() },
            _ => ConnectError::Stopped { host: host.to_owned(), source: error.into() },
        }),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    async fn refusal(host: &str) -> ConnectError {
        DockerRuntime::connect(Some(host)).await.expect_err("the engine is refused")
    }

    #[tokio::test]
    async fn a_remote_engine_is_refused() {
        for host in
            ["tcp://10.0.0.1:2375", "ssh://me@there", "https://there", "npipe:////./pipe/docker_engine"]
        {
            let error = refusal(host).await;
            assert!(matches!(error, ConnectError::Remote { .. }), "{error}");
            assert!(error.to_string().contains(host));
        }
    }

    #[tokio::test]
    async fn an_absent_and_a_dead_engine_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let host = format!("unix://{}", socket.display());
        let error = refusal(&host).await;
        assert!(matches!(error, ConnectError::Absent { .. }), "{error}");
        assert!(error.hint().contains("install Docker"));
        // A socket whose listener is gone.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let error = refusal(&host).await;
        assert!(matches!(error, ConnectError::Stopped { .. }), "{error}");
        assert!(error.hint().contains("start Docker"));
    }

    /// Were one named, it would have to be agreed on first: an older engine refuses a newer version.
    #[tokio::test]
    async fn an_engine_is_asked_in_no_version_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let info = axum::Json(serde_json::json!({"OSType": "linux", "NCPU": 3, "Architecture": "x86_64"}));
        // Whatever else it is asked for is not found.
        let engine = axum::Router::new().route("/info", axum::routing::get(async || info));
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move { axum::serve(listener, engine).await });
        let runtime = DockerRuntime::connect(Some(&format!("unix://{}", socket.display()))).await.unwrap();
        assert_eq!(runtime.architecture, "x86_64");
    }
}
