//! The agent's version, and the file names that carry it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// A version of the agent, such as `4.270.0`. Ordered as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct AgentVersion {
    major: u32,
    minor: u32,
    patch: u32,
}

/// Why a text or file name holds no agent version.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// Not three numbers.
    #[error("read `{0}` as an agent version: expected three numbers, such as `4.270.0`")]
    Text(String),
    /// Not the name of a package.
    #[error(
        "read the agent version from the file name `{0}`: expected `vsts-agent-<platform>-<version>.tar.gz` or `.zip`"
    )]
    FileName(String),
}

impl AgentVersion {
    /// Reads the version from the name of a package.
    ///
    /// Names: azure-pipelines-agent, `assets.json` (`vsts-agent-linux-x64-4.270.0.tar.gz`, `pipelines-agent-…`).
    pub fn from_file_name(name: &str) -> Result<Self, VersionError> {
        let stem = name.strip_suffix(".tar.gz").or_else(|| name.strip_suffix(".zip"));
        stem.filter(|stem| stem.starts_with("vsts-agent-") || stem.starts_with("pipelines-agent-"))
            .and_then(|stem| stem.rsplit_once('-'))
            .and_then(|(_, version)| version.parse().ok())
            .ok_or_else(|| VersionError::FileName(name.to_owned()))
    }
}

impl FromStr for AgentVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let failed = || VersionError::Text(text.to_owned());
        let number = |part: Option<&str>| -> Option<u32> {
            part.filter(|part| part.bytes().all(|b| b.is_ascii_digit())).and_then(|part| part.parse().ok())
        };
        let mut parts = text.split('.');
        let (major, minor, patch) = (number(parts.next()), number(parts.next()), number(parts.next()));
        match (major, minor, patch, parts.next()) {
            (Some(major), Some(minor), Some(patch), None) => Ok(Self { major, minor, patch }),
            _ => Err(failed()),
        }
    }
}

impl fmt::Display for AgentVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Serialize for AgentVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_of_both_families_and_systems_are_read() {
        for name in [
            "vsts-agent-linux-x64-4.270.0.tar.gz",
            "vsts-agent-win-x64-4.270.0.zip",
            "pipelines-agent-linux-musl-arm64-4.270.0.tar.gz",
        ] {
            assert_eq!(AgentVersion::from_file_name(name).unwrap().to_string(), "4.270.0");
        }
        for name in [
            "agent.tar.gz",
            "vsts-agent-linux-x64.tar.gz",
            "vsts-agent-linux-x64-4.270.tar.gz",
            "vsts-agent-1.2.3",
        ] {
            assert!(AgentVersion::from_file_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn versions_are_ordered_as_numbers() {
        let version = |text: &str| text.parse::<AgentVersion>().unwrap();
        assert!(version("4.270.0") > version("4.99.9"));
        for text in ["", "4", "4.1", "4.1.2.3", "4.-1.0", "+4.1.0", "a.b.c", "4..0"] {
            assert!(text.parse::<AgentVersion>().is_err(), "{text}");
        }
    }
}
