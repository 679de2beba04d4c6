//! Self-update on an `AgentRefresh` message (azure-pipelines-agent: SelfUpdater.cs).
//!
//! The package is downloaded, checked and unpacked; then `bin` is exchanged, where its folder may be written.
//! An agent whose files belong to somebody else reports the failure and goes on listening.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use url::Url;

use crate::{listener::Agent, server::AgentServer, settings::AgentSettings, wire::Package};

/// Whether another version lies in the folder now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Updated {
    Yes,
    No,
}

/// Fetches the wanted version and puts it in place once no job runs.
pub(crate) async fn update(
    agent: &Agent,
    settings: &AgentSettings,
    server: &AgentServer,
    target: Option<&str>,
    idle: watch::Receiver<u32>,
) -> Updated {
    let reporter = Reporter { agent, settings, server };
    match attempt(&reporter, target, idle).await {
        Ok(updated) => updated,
        Err(error) => {
            agent.console.error(&format!("The agent could not be updated: {error:#}"));
            reporter.report("Agent update failed.").await;
            Updated::No
        }
    }
}

/// Tells the server how far an update is.
struct Reporter<'a> {
    agent: &'a Agent,
    settings: &'a AgentSettings,
    server: &'a AgentServer,
}

impl Reporter<'_> {
    async fn report(&self, state: &str) {
        self.agent.diagnostics().info(state);
        if let Err(error) =
            self.server.report_update(self.settings.pool_id, self.settings.agent_id, state).await
        {
            self.agent.diagnostics().error(&format!("The update's state could not be reported: {error}"));
        }
    }
}

async fn attempt(
    reporter: &Reporter<'_>,
    target: Option<&str>,
    mut idle: watch::Receiver<u32>,
) -> anyhow::Result<Updated> {
    let Reporter { agent, settings, server } = *reporter;
    let Some(package) = server.package(target).await? else {
        agent.diagnostics().info("The server has no package for this update.");
        return Ok(Updated::No);
    };
    let version = package.version();
    let current = agent.layout.agent_version();
    if version == current {
        return Ok(Updated::No);
    }
    if is_lower(&version, &current) && agent.environment.is_on("AZP_AGENT_DOWNGRADE_DISABLED") {
        reporter.report("Agent downgrade is disabled.").await;
        return Ok(Updated::No);
    }
    agent.console.line("Agent update in progress, do not shutdown agent.");
    reporter.report(&format!("Downloading {} agent {version}", crate::layout::platform())).await;
    let url: Url = package.download_url.as_deref().context("the package names no download URL")?.parse()?;
    let from_server = url.as_str().starts_with(&settings.server_url);
    let archive = server.http().download(url).await?.body;
    if !from_server {
        check_hash(&archive, package.hash_value.as_deref())?;
    }
    let folder = agent.layout.work(&settings.work_folder).join("_update");
    if folder.exists() {
        fs_err::remove_dir_all(&folder)?;
    }
    fs_err::create_dir_all(&folder)?;
    unpack(&archive, &folder)?;

    reporter.report("Waiting for current job finish running.").await;
    idle.wait_for(|running| *running == 0).await?;
    exchange(agent, &folder, &current)?;
    reporter.report("Agent exiting, to be started again.").await;
    Ok(Updated::Yes)
}

impl Package {
    fn version(&self) -> String {
        format!("{}.{}.{}", self.version.major, self.version.minor, self.version.patch)
    }
}

fn is_lower(one: &str, other: &str) -> bool {
    let numbers =
        |text: &str| text.split('.').map(|part| part.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>();
    numbers(one) < numbers(other)
}

fn check_hash(archive: &[u8], expected: Option<&str>) -> anyhow::Result<()> {
    let Some(expected) = expected.filter(|hash| !hash.is_empty()) else {
        bail!("the package names no hash");
    };
    let found = hex::encode(Sha256::digest(archive));
    if !found.eq_ignore_ascii_case(expected) {
        bail!("the package's SHA-256 is {found}, not {expected}");
    }
    Ok(())
}

fn unpack(archive: &[u8], folder: &Path) -> anyhow::Result<()> {
    if cfg!(windows) {
        zip::ZipArchive::new(std::io::Cursor::new(archive))?.extract(folder)?;
    } else {
        // `unpack` refuses paths that lead out of the folder.
        tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(folder)?;
    }
    Ok(())
}

/// Moves the new `bin` to the old one's place, and takes the old one back where that fails.
fn exchange(agent: &Agent, folder: &Path, current: &str) -> anyhow::Result<()> {
    let (bin, kept): (PathBuf, PathBuf) =
        (agent.layout.bin(), agent.layout.root().join(format!("bin.{current}")));
    let new = folder.join("bin");
    if !new.is_dir() {
        bail!("the package holds no `bin` folder");
    }
    fs_err::rename(&bin, &kept)?;
    if let Err(error) = fs_err::rename(&new, &bin) {
        fs_err::rename(&kept, &bin)?;
        return Err(error.into());
    }
    // `run.sh` waits for this file before it starts the listener once more.
    fs_err::write(agent.layout.root().join("update.finished"), "")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{check_hash, is_lower};

    #[test]
    fn hashes_are_compared_without_case_and_never_skipped() {
        let right = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
        check_hash(b"abc", Some(right)).expect("the hash of abc");
        check_hash(b"abd", Some(right)).expect_err("another text");
        check_hash(b"abc", None).expect_err("no hash");
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(is_lower("4.99.0", "4.270.0"));
        assert!(!is_lower("4.270.0", "4.270.0"));
    }
}
