//! Which agent the suite runs: the stub that was just built, a package from a file, or Microsoft's own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::artifacts::Artifacts;
use crate::workspace::{Workspace, step};

/// What `--agent-package` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AgentPackage {
    /// The newest that an organization's packages API offers.
    Official,
    /// A package that is there.
    File(PathBuf),
}

impl FromStr for AgentPackage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "official" {
            return Ok(Self::Official);
        }
        let file = PathBuf::from(text);
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let family = name.starts_with("vsts-agent-") || name.starts_with("pipelines-agent-");
        if !family || !(name.ends_with(".tar.gz") || name.ends_with(".zip")) {
            return Err(
                "neither `official` nor a file that is named as Microsoft names its packages".to_owned()
            );
        }
        Ok(Self::File(file))
    }
}

/// Puts the package where the suite looks for one, alone: what it offers to agents and builds into images.
pub(crate) fn choose(
    workspace: &Workspace,
    artifacts: &mut Artifacts,
    chosen: &AgentPackage,
    base: &str,
) -> Result<()> {
    let file = match chosen {
        AgentPackage::File(file) => file.clone(),
        AgentPackage::Official => download(workspace, artifacts, base)?,
    };
    let folder = workspace.target.join("agent-package-chosen");
    if folder.exists() {
        fs_err::remove_dir_all(&folder)?;
    }
    fs_err::create_dir_all(&folder)?;
    let name = file.file_name().context("the package has a name")?;
    fs_err::copy(&file, folder.join(name))?;
    artifacts.packages = folder;
    Ok(())
}

/// Has `mayfly build-image` download the package and check its hash, and finds it by the lock file that it writes then.
fn download(workspace: &Workspace, artifacts: &Artifacts, base: &str) -> Result<PathBuf> {
    if std::env::var_os("AZDO_URL").is_none() || std::env::var_os("AZDO_TOKEN").is_none() {
        bail!(
            "download the official agent: the address and the hash of the package come from an organization, and AZDO_URL \
             and AZDO_TOKEN are not both set; set them, or give a package that you have with --agent-package FILE"
        );
    }
    let lock = workspace.target.join("official-agent.lock.json");
    let mut command = Command::new(&artifacts.mayfly);
    command.args(["build-image", "--update", "--base-image", base, "--lock"]).arg(&lock);
    command.envs(artifacts.environment(workspace)).env_remove("ACR_LOGIN_SERVER");
    step("download the official agent", &mut command)?;
    Ok(workspace.target.join("mayfly-cache").join("packages").join(locked(&lock)?))
}

/// The file name in a lock file.
fn locked(lock: &Path) -> Result<String> {
    let text = fs_err::read_to_string(lock)?;
    let system = if cfg!(windows) { "windows" } else { "linux" };
    let whole: Value = serde_json::from_str(&text).with_context(|| format!("read `{}`", lock.display()))?;
    let name = whole[system]["fileName"].as_str();
    Ok(name.with_context(|| format!("`{}` names no package for {system}", lock.display()))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_official_or_named_as_one() {
        assert_eq!("official".parse(), Ok(AgentPackage::Official));
        for name in ["a/vsts-agent-linux-x64-4.270.0.tar.gz", "pipelines-agent-win-x64-4.270.0.zip"] {
            assert_eq!(name.parse(), Ok(AgentPackage::File(name.into())));
        }
        for wrong in ["", "Official", "agent.tar.gz", "vsts-agent-linux-x64-4.270.0"] {
            assert!(wrong.parse::<AgentPackage>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_lock_file_names_the_package() {
        let file = std::env::temp_dir().join(format!("xtask-lock-{}.json", std::process::id()));
        let entry = r#"{"version": "4.270.0", "fileName": "vsts-agent-x.tar.gz", "url": "https://x.invalid/", "sha256": ""}"#;
        fs_err::write(&file, format!(r#"{{"linux": {entry}, "windows": {entry}}}"#)).expect("written");
        assert_eq!(locked(&file).expect("a name"), "vsts-agent-x.tar.gz");
        fs_err::write(&file, "{}").expect("written");
        assert!(locked(&file).is_err());
        fs_err::remove_file(&file).expect("removed");
    }
}
