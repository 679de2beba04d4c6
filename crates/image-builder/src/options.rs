//! What a build is given.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;
use url::Url;

use crate::folder::FolderLayer;
use crate::image_ref::{ImageRef, ImageRefError};

/// The operating system that the image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetOs {
    /// A Debian container.
    Linux,
    /// A Windows Server Core container.
    Windows,
}

impl TargetOs {
    /// The platform name in the packages API.
    pub fn platform(self) -> &'static str {
        match self {
            Self::Linux => "linux-x64",
            Self::Windows => "win-x64",
        }
    }

    /// Docker's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Windows => "windows",
        }
    }

    /// The repository to build into when the caller has no wish: one per system, because both use the same tags.
    pub fn default_repository(self) -> &'static str {
        match self {
            Self::Linux => "mayfly-agent",
            Self::Windows => "mayfly-agent-windows",
        }
    }
}

impl fmt::Display for TargetOs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TargetOs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "linux" => Ok(Self::Linux),
            "windows" => Ok(Self::Windows),
            other => Err(format!("`{other}` is no operating system of an image; supported: linux, windows")),
        }
    }
}

/// Where the agent package comes from.
#[derive(Debug, Clone)]
pub enum PackageSource {
    /// A file on this machine, named as Microsoft names it. A file `<name>.sha256` beside it is checked.
    File(PathBuf),
    /// The package that the lock file names, or the newest that the organization offers.
    Organization {
        /// The organization's URL, such as `https://dev.azure.com/example`.
        url: Url,
        /// A token that may read packages.
        token: SecretString,
    },
}

/// Who may push to, and pull from, one registry.
#[derive(Debug, Clone)]
pub struct RegistryCredentials {
    /// The registry's host, with its port if it has one.
    pub server: String,
    /// The user.
    pub username: String,
    /// Its password.
    pub password: SecretString,
}

/// A further tag: a whole reference, or a tag of the build's own repository.
///
/// A text with `/` or `:` is a reference; any other is a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtraTag {
    /// A tag of the build's own repository.
    Tag(String),
    /// Another reference.
    Reference(ImageRef),
}

impl FromStr for ExtraTag {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, ImageRefError> {
        if text.contains(['/', ':']) {
            return text.parse().map(Self::Reference);
        }
        // Any repository will do to check a tag.
        "x".parse::<ImageRef>()?.with_tag(text)?;
        Ok(Self::Tag(text.to_owned()))
    }
}

/// All that a build needs to know.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The operating system of the image.
    pub os: TargetOs,
    /// Where the agent comes from.
    pub package: PackageSource,
    /// The folder for downloads and locks; made if absent.
    pub cache_dir: PathBuf,
    /// The program that becomes PID 1: a static Linux binary, or an `.exe`.
    pub entrypoint: PathBuf,
    /// A Dockerfile of the caller's own. Linux: it makes the base image, from `BASE_IMAGE`, and gets no other files than
    /// itself. Windows: it stands in place of the built-in one.
    pub dockerfile: Option<PathBuf>,
    /// The image to build on, in place of the default.
    pub base_image: Option<String>,
    /// Folders that every job reads and none can change.
    pub layers: Vec<FolderLayer>,
    /// The repository to build into; a tag or digest in it is ignored.
    pub repository: ImageRef,
    /// Tags beyond `<agent version>-<yyyymmdd>`.
    pub tags: Vec<ExtraTag>,
    /// Whether, and as whom, to push.
    pub push: Push,
    /// What the image declares for the agent and its jobs. Readable by every job: no secrets.
    pub environment: BTreeMap<String, String>,
    /// Labels beyond our own.
    pub labels: BTreeMap<String, String>,
    /// `DOCKER_HOST`, if set. Only an engine on this machine is accepted.
    pub docker_host: Option<String>,
    /// A PEM file with the authorities to trust, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Now: part of the tag. No part of a Linux image.
    pub now: Timestamp,
    /// When the image counts as created; without it a Linux image counts as old as its base image.
    pub created: Option<Timestamp>,
    /// The commit that is built.
    pub revision: Option<String>,
    /// Where its source is, without credentials.
    pub source: Option<Url>,
    /// What the lock file is for. Of no meaning for a package from a file.
    pub lock: Lock,
}

/// What is done with the lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lock {
    /// There is none: the newest package is taken.
    None,
    /// The package that it names is taken; if it names none, the newest.
    Obey(PathBuf),
    /// The newest package is taken and written into it.
    Move(PathBuf),
}

/// Whether a build is pushed.
#[derive(Debug, Clone)]
pub enum Push {
    /// The image stays on this machine.
    No,
    /// All tags are pushed; the credentials are used for their own registry alone.
    Yes(Option<RegistryCredentials>),
}

impl Push {
    /// The credentials that belong to `registry`.
    pub(crate) fn credentials_for(&self, registry: Option<&str>) -> Option<&RegistryCredentials> {
        match self {
            Self::Yes(Some(credentials)) if Some(credentials.server.as_str()) == registry => {
                Some(credentials)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_and_a_reference_are_told_apart() {
        assert_eq!("nightly".parse(), Ok(ExtraTag::Tag("nightly".into())));
        assert!(matches!("localhost:5000/a:b".parse(), Ok(ExtraTag::Reference(_))));
        assert!(matches!("a:b".parse(), Ok(ExtraTag::Reference(_))));
        assert!("-x".parse::<ExtraTag>().is_err());
    }

    #[test]
    fn credentials_go_to_their_own_registry_alone() {
        let credentials = RegistryCredentials {
            server: "localhost:5000".into(),
            username: "user".into(),
            password: "planted".into(),
        };
        let push = Push::Yes(Some(credentials));
        assert!(push.credentials_for(Some("localhost:5000")).is_some());
        for other in [None, Some("localhost:5001"), Some("localhost")] {
            assert!(push.credentials_for(other).is_none(), "{other:?}");
        }
        assert!(!format!("{push:?}").contains("planted"));
    }
}
