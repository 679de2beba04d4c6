//! Volumes of a group and where its containers have them.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// A volume mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeMount {
    /// The volume's name.
    pub name: String,
    /// The path in the container.
    pub mount_path: String,
    /// Whether the container may not write to it.
    pub read_only: bool,
}

/// A volume of a group.
#[derive(Debug, Clone)]
pub struct VolumeSpec {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub source: VolumeSource,
}

/// What a volume holds.
#[derive(Debug, Clone)]
pub enum VolumeSource {
    /// Empty at first; survives the restart of a container, not the group.
    EmptyDir,
    /// Files, by name; each value is the file's content in base64, as the API carries it.
    Secret(BTreeMap<String, SecretString>),
    /// A share of files, which outlives the group: here a volume of the engine that all groups of the sandbox share.
    AzureFile(AzureFile),
    /// A copy of a repository. Checked, and then refused: nothing is fetched.
    GitRepo(GitRepo),
}

/// A file share of a storage account.
#[derive(Debug, Clone)]
pub struct AzureFile {
    /// The share.
    pub share_name: String,
    /// The account.
    pub account_name: String,
    /// Its key; never shown again. There is no account behind it that could refuse it.
    pub account_key: Option<SecretString>,
    /// Whether no container may write to it.
    pub read_only: bool,
}

/// A repository that would be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRepo {
    /// Its address.
    pub repository: String,
    /// The folder it would be copied to.
    pub directory: Option<String>,
    /// The commit.
    pub revision: Option<String>,
}
