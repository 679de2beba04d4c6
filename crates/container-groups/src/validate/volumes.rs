//! Volumes and where containers have them.
//!
//! Names and limits: MicrosoftDocs/azure-docs: container-instances-troubleshooting.md, -volume-*.md. Codes are assumed.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;

use super::{bad, dns_name};
use crate::error::GroupError;
use crate::group::{AzureFile, ContainerSpec, GitRepo, GroupSpec, OsType, VolumeSource, VolumeSpec};

const MOST_VOLUMES: usize = 20;

pub(super) fn check(spec: &GroupSpec) -> Result<(), GroupError> {
    let group = &spec.name;
    if spec.volumes.len() > MOST_VOLUMES {
        return Err(bad(
            "VolumeCountLimitExceeded",
            format!(
                "The container group '{group}' has {} volumes; {MOST_VOLUMES} at most.",
                spec.volumes.len()
            ),
        ));
    }
    if !spec.volumes.is_empty() && spec.os_type == OsType::Windows {
        return Err(bad(
            "InvalidVolume",
            format!("Volumes need osType 'Linux' in container group '{group}'."),
        ));
    }
    for volume in &spec.volumes {
        let name = &volume.name;
        let twice = spec.volumes.iter().filter(|other| other.name == *name).count() > 1;
        if twice || !dns_name(name) || name.len() < 5 || name.contains("--") {
            return Err(bad(
                "InvalidVolume",
                format!(
                    "The volume '{name}' in container group '{group}' is invalid. A name has 5 to 63 lower-case letters, digits and single '-' and is used once."
                ),
            ));
        }
        check_source(spec, volume)?;
    }
    Ok(())
}

fn check_source(spec: &GroupSpec, volume: &VolumeSpec) -> Result<(), GroupError> {
    let (group, name) = (&spec.name, &volume.name);
    let invalid = |why: &str| {
        bad("InvalidVolume", format!("The volume '{name}' in container group '{group}' is invalid. {why}"))
    };
    match &volume.source {
        VolumeSource::EmptyDir => Ok(()),
        VolumeSource::Secret(files) => {
            let valid = files.iter().all(|(name, value)| {
                let plain =
                    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0']);
                plain && STANDARD.decode(value.expose_secret()).is_ok()
            });
            let why = "The files of a secret have plain names and contents in base64.";
            valid.then_some(()).ok_or_else(|| invalid(why))
        }
        VolumeSource::AzureFile(share) => check_share(share).map_err(invalid),
        VolumeSource::GitRepo(repository) => {
            check_repository(repository).map_err(invalid)?;
            Err(invalid(
                "Volumes of kind 'gitRepo' are checked and not run by this emulator. Supported: 'azureFile', 'emptyDir', 'secret'.",
            ))
        }
    }
}

/// Names as Azure Storage has them (azure-docs: storage-account-overview.md, naming-and-referencing-shares).
fn check_share(share: &AzureFile) -> Result<(), &'static str> {
    let account = &share.account_name;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !(3..=24).contains(&account.len()) || !account.bytes().all(plain) {
        return Err("The name of a storage account has 3 to 24 lower-case letters and digits.");
    }
    let name = &share.share_name;
    if name.len() < 3 || !dns_name(name) || name.contains("--") {
        return Err("The name of a share has 3 to 63 lower-case letters, digits and single '-'.");
    }
    match &share.account_key {
        Some(key) if STANDARD.decode(key.expose_secret()).is_err() => {
            Err("The key of a storage account is in base64.")
        }
        Some(key) if key.expose_secret().is_empty() => Err("The key of the storage account is empty."),
        Some(_) => Ok(()),
        None => Err("The key of the storage account is missing."),
    }
}

fn check_repository(repository: &GitRepo) -> Result<(), &'static str> {
    if repository.repository.trim().is_empty() {
        return Err("The address of the repository is empty.");
    }
    let folder = repository.directory.as_deref().unwrap_or_default();
    if folder.starts_with('/') || folder.split('/').any(|part| part == "..") {
        return Err("The directory of a repository must not contain or start with '..'.");
    }
    Ok(())
}

pub(super) fn check_mounts(spec: &GroupSpec, container: &ContainerSpec) -> Result<(), GroupError> {
    let (group, name) = (&spec.name, &container.name);
    let mut paths = BTreeSet::new();
    for mount in &container.volume_mounts {
        let known = spec.volumes.iter().any(|volume| volume.name == mount.name);
        let path = &mount.mount_path;
        let invalid = !known
            || !path.starts_with('/')
            || path.trim_matches('/').is_empty()
            || path.contains(':')
            || path.split('/').any(|part| part == "..");
        if invalid {
            return Err(bad(
                "InvalidVolumeMount",
                format!(
                    "The volume mount '{}' at '{path}' in container '{name}' of container group '{group}' is invalid. It needs a volume of the group and an absolute path without ':'.",
                    mount.name
                ),
            ));
        }
        if !paths.insert(path.trim_end_matches('/')) {
            return Err(bad(
                "InvalidVolumeMount",
                format!(
                    "The mount path '{path}' in container '{name}' of container group '{group}' is used more than once."
                ),
            ));
        }
    }
    Ok(())
}
