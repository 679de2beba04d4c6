//! One look at Azure DevOps from inside a container: a host firewall may drop what comes from a bridge, and then no
//! agent would ever register.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptionsBuilder, RemoveContainerOptions, RemoveImageOptions,
    StartContainerOptions, WaitContainerOptions,
};
use futures_util::{StreamExt, TryStreamExt};
use url::Url;

use crate::instance::Instance;

/// How long the whole probe may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The entrypoint's exit code for a server that cannot be reached.
const NO_ANSWER: i64 = 69;

/// Why the probe failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    /// Docker would not run it.
    #[error("run a probe container in network `{network}`")]
    Docker {
        /// The network.
        network: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The program itself did not run.
    #[error(
        "the entrypoint `{}` does not run in an empty container (exit code {code}); it must be a static Linux program, as \
         `cargo xtask` builds it: MAYFLY_ENTRYPOINT says which one is taken",
        binary.display()
    )]
    NotRunnable {
        /// The program.
        binary: PathBuf,
        /// What the engine said of its end.
        code: i64,
    },
    /// The container got no answer.
    #[error(
        "a container in network `{network}` does not reach `{url}`; does a host firewall drop bridge traffic?"
    )]
    Unreachable {
        /// The network.
        network: String,
        /// What it asked.
        url: Url,
    },
}

/// Asks `url` from a container that holds nothing but `binary` (the static entrypoint, whose `--reach` does this).
pub(crate) async fn reaches(
    docker: &Docker,
    instance: &Instance,
    network: &str,
    binary: &Path,
    url: &Url,
) -> Result<(), ProbeError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| ProbeError::Docker {
        network: network.to_owned(),
        source,
    };
    let outcome = tokio::time::timeout(LIMIT, run(docker, instance, network, binary, url)).await;
    let code = outcome.map_err(|_| failed("no answer within 30 s".into()))?.map_err(failed)?;
    match code {
        0 => Ok(()),
        NO_ANSWER => Err(ProbeError::Unreachable { network: network.to_owned(), url: url.clone() }),
        code => Err(ProbeError::NotRunnable { binary: binary.to_owned(), code }),
    }
}

async fn run(
    docker: &Docker,
    instance: &Instance,
    network: &str,
    binary: &Path,
    url: &Url,
) -> Result<i64, Box<dyn std::error::Error + Send + Sync>> {
    let (image, name) = (format!("mayfly-probe:{instance}"), format!("mayfly-probe-{instance}"));
    let label = format!("mayfly.instance={instance}");
    let changes = vec!["ENTRYPOINT [\"/probe\"]".to_owned(), format!("LABEL {label}")];
    let import = CreateImageOptionsBuilder::default()
        .from_src("-")
        .repo("mayfly-probe")
        .tag(instance.name())
        .changes(changes)
        .build();
    let archive = archive(binary)?;
    let body = bollard::body_full(archive.into());
    docker.create_image(Some(import), Some(body), None).try_collect::<Vec<_>>().await?;
    let code = ask(docker, instance, network, &image, &name, url).await;
    let options = RemoveContainerOptions { force: true, ..Default::default() };
    let _ = docker.remove_container(&name, Some(options)).await;
    let _ = docker.remove_image(&image, Some(RemoveImageOptions::default()), None).await;
    code
}

async fn ask(
    docker: &Docker,
    instance: &Instance,
    network: &str,
    image: &str,
    name: &str,
    url: &Url,
) -> Result<i64, Box<dyn std::error::Error + Send + Sync>> {
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: Some(vec!["--reach".to_owned(), url.to_string()]),
        labels: Some([("mayfly.instance".to_owned(), instance.name().to_owned())].into()),
        host_config: Some(HostConfig { network_mode: Some(network.to_owned()), ..Default::default() }),
        ..Default::default()
    };
    let options = CreateContainerOptions { name: Some(name.to_owned()), ..Default::default() };
    docker.create_container(Some(options), body).await?;
    docker.start_container(name, None::<StartContainerOptions>).await?;
    let mut ended = docker.wait_container(name, None::<WaitContainerOptions>);
    match ended.next().await {
        Some(Ok(ended)) => Ok(ended.status_code),
        // The client library reports an exit code other than 0 as an error.
        Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(error.into()),
        None => Err("the engine did not say how the probe ended".into()),
    }
}

fn archive(binary: &Path) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let content = fs_err::read(binary)?;
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    header.set_cksum();
    archive.append_data(&mut header, "probe", content.as_slice())?;
    archive.into_inner()
}
