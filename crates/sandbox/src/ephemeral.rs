//! A sandbox that ends with its process: what it made goes, as with `sandbox down`.

use container_groups::{DockerRuntime, RuntimeError};

use crate::hold::Hold;
use crate::instance::Instance;
use crate::record::Record;

/// What could not be removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error("remove containers and network of the sandbox `{instance}`")]
    Docker {
        instance: String,
        #[source]
        source: RuntimeError,
    },
    #[error("remove files of the sandbox `{instance}`")]
    Files {
        instance: String,
        #[source]
        source: std::io::Error,
    },
}

/// Removes what an instance without a state has on the engine and in its folder, but the log of the process, which says
/// why it ended.
pub(crate) async fn sweep(instance: &Instance, runtime: &DockerRuntime) -> Result<(), SweepError> {
    let name = || instance.name().to_owned();
    let registries: Vec<_> = Record::read(instance).into_iter().map(|record| record.login_server).collect();
    runtime
        .remove_instance(instance.name(), &registries)
        .await
        .map_err(|source| SweepError::Docker { instance: name(), source })?;
    clear(instance).map_err(|source| SweepError::Files { instance: name(), source })
}

fn clear(instance: &Instance) -> std::io::Result<()> {
    let log = instance.log_file();
    for entry in fs_err::read_dir(instance.folder())? {
        let path = entry?.path();
        if path == log || Hold::is_part(&path) {
            continue;
        }
        if path.is_dir() { fs_err::remove_dir_all(path)? } else { fs_err::remove_file(path)? }
    }
    Ok(())
}
