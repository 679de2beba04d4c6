//! The words of `sandbox up` as the library takes them.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use sandbox::{Keep, Options, Time};

use crate::cli::{self, Up};
use crate::environment::Environment;
use crate::output;

pub(crate) fn of(words: &Up, environment: &Environment) -> Result<Options> {
    if words.run_windows_groups_as_linux {
        output::note(
            "warning: container groups of osType Windows will run as LINUX containers; Azure would run Windows ones",
        );
    }
    Ok(Options {
        groups: sandbox::GroupSwitches {
            identical_put: match words.identical_put {
                cli::IdenticalPut::Restarts => sandbox::IdenticalPut::Restarts,
                cli::IdenticalPut::NoOp => sandbox::IdenticalPut::NoOp,
            },
            restart_backoff: match words.restart_backoff {
                cli::OnOff::On => sandbox::RestartBackoff::On,
                cli::OnOff::Off => sandbox::RestartBackoff::Off,
            },
            stop_grace: Duration::from_secs(words.stop_grace),
            windows_as_linux: words.run_windows_groups_as_linux,
        },
        azdo: sandbox::AzdoSwitches {
            old_token_after_replace: match words.old_token_after_replace {
                cli::OldToken::Valid => sandbox::OldToken::Valid,
                cli::OldToken::Refused => sandbox::OldToken::Refused,
            },
            session_after_replace: match words.session_after_replace {
                cli::OldSession::Kept => sandbox::SessionAfterReplace::Kept,
                cli::OldSession::Dropped => sandbox::SessionAfterReplace::Dropped,
            },
            ..sandbox::AzdoSwitches::default()
        },
        azdo_https: words.azdo_https,
        entra_in_containers: words.entra_in_containers,
        service_principal_pools: words.service_principal_pools.map(|rights| match rights {
            cli::PoolRights::None => sandbox::PoolRights::None,
            cli::PoolRights::Read => sandbox::PoolRights::Read,
            cli::PoolRights::Manage => sandbox::PoolRights::Manage,
        }),
        packages: words.agent_packages.as_deref().map(packages).transpose()?.unwrap_or_default(),
        keep: match (&words.state, words.ephemeral) {
            (Some(folder), _) => Keep::In(folder.clone()),
            (None, true) => Keep::Nowhere,
            (None, false) => Keep::WithInstance,
        },
        time: match words.clock {
            cli::Clock::Machine => Time::Machine,
            cli::Clock::Virtual => Time::Virtual,
        },
        probe: environment.entrypoint(),
        quota: sandbox::Quota::of(words.quota),
        docker_host: environment.get("DOCKER_HOST").map(ToOwned::to_owned),
    })
}

/// The agent packages in a folder.
fn packages(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ending = path.extension().unwrap_or_default();
        if name.starts_with("vsts-agent-") && (ending == "gz" || ending == "zip") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
