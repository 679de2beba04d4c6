//! The volumes of a group, as they are kept.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::group::{AzureFile, VolumeSource, VolumeSpec};

#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct StoredShare {
    volume: String,
    share: String,
    account: String,
    key: Option<String>,
    read_only: bool,
}

pub(super) fn share_out(volume: &VolumeSpec) -> Option<StoredShare> {
    let VolumeSource::AzureFile(share) = &volume.source else { return None };
    Some(StoredShare {
        volume: volume.name.clone(),
        share: share.share_name.clone(),
        account: share.account_name.clone(),
        key: share.account_key.as_ref().map(|key| key.expose_secret().to_owned()),
        read_only: share.read_only,
    })
}

pub(super) fn share_in(share: StoredShare) -> VolumeSpec {
    VolumeSpec {
        name: share.volume,
        source: VolumeSource::AzureFile(AzureFile {
            share_name: share.share,
            account_name: share.account,
            account_key: share.key.map(SecretString::from),
            read_only: share.read_only,
        }),
    }
}

/// A volume of the kinds that the first version of the store knew.
pub(super) fn volume_out(volume: &VolumeSpec) -> Option<(String, Option<BTreeMap<String, String>>)> {
    let files = match &volume.source {
        // A repository is refused before it could be kept.
        VolumeSource::AzureFile(_) | VolumeSource::GitRepo(_) => return None,
        VolumeSource::EmptyDir => None,
        VolumeSource::Secret(files) => {
            Some(files.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect())
        }
    };
    Some((volume.name.clone(), files))
}

pub(super) fn source_in(files: Option<BTreeMap<String, String>>) -> VolumeSource {
    match files {
        None => VolumeSource::EmptyDir,
        Some(files) => VolumeSource::Secret(
            files.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect(),
        ),
    }
}
