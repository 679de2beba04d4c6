//! The lock file: which agent package is built in, until somebody moves it.
//!
//! JSON, one entry for each system: `{"linux": {"version", "fileName", "url", "sha256"}, "windows": …}`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::options::TargetOs;
use crate::packages::{AgentPackage, is_plain_name, is_sha256};
use crate::version::AgentVersion;

/// Why the lock file does not lead to a package.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It could not be read or written.
    #[error("read or write the lock file `{}`", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not say what a lock file says.
    #[error("read the lock file `{}`: {reason}", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The organization offers something else under the locked version.
    #[error("agent {version}: the organization offers a package with SHA-256 {offered}, `{}` has {locked}", file.display())]
    Conflict {
        /// The lock file.
        file: PathBuf,
        /// The locked version.
        version: AgentVersion,
        /// The hash in the lock file.
        locked: String,
        /// The organization's.
        offered: String,
    },
}

impl LockError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => {
                "a published version never changes: find out who changed it; to take the organization's newest anyway, \
                 run with --update"
            }
            _ => "write a new one with `build-image --update`",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Locked {
    version: String,
    file_name: String,
    url: Url,
    sha256: String,
}

/// The locked package of a system; `None` where nothing is locked.
pub(crate) fn read(file: &Path, os: TargetOs) -> Result<Option<AgentPackage>, LockError> {
    let shape = |reason: String| LockError::Shape { file: file.to_owned(), reason };
    let Some(locked) = all(file)?.remove(os.name()) else { return Ok(None) };
    let version =
        locked.version.parse().map_err(|error: crate::version::VersionError| shape(error.to_string()))?;
    if !is_sha256(&locked.sha256) {
        return Err(shape("`sha256` is not 64 lower-case hexadecimal digits".into()));
    }
    if !is_plain_name(&locked.file_name) {
        return Err(shape("`fileName` is not the name of an archive".into()));
    }
    if !matches!(locked.url.scheme(), "http" | "https") {
        return Err(shape("`url` is neither http nor https".into()));
    }
    Ok(Some(AgentPackage {
        version,
        file_name: locked.file_name,
        download_url: locked.url,
        sha256: locked.sha256,
    }))
}

/// Locks a package for a system and leaves the other system's entry as it is.
pub(crate) fn write(file: &Path, os: TargetOs, package: &AgentPackage) -> Result<(), LockError> {
    let mut locked = all(file)?;
    let entry = Locked {
        version: package.version.to_string(),
        file_name: package.file_name.clone(),
        url: package.download_url.clone(),
        sha256: package.sha256.clone(),
    };
    locked.insert(os.name().to_owned(), entry);
    let failed = |source| LockError::File { file: file.to_owned(), source };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut text = serde_json::to_vec_pretty(&locked).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    // A reader never sees half of it.
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    new.write_all(&text).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        new.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(failed)?;
    }
    new.persist(file).map_err(|error| failed(error.error))?;
    Ok(())
}

fn all(file: &Path) -> Result<BTreeMap<String, Locked>, LockError> {
    match fs_err::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|error| LockError::Shape { file: file.to_owned(), reason: error.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(source) => Err(LockError::File { file: file.to_owned(), source }),
    }
}

/// What a move of the lock changes, for people.
pub(crate) fn change(before: Option<&AgentPackage>, after: &AgentPackage) -> String {
    match before {
        Some(before) if before == after => {
            format!("agent {} is the newest and locked already", after.version)
        }
        Some(before) if before.version == after.version && before.sha256 == after.sha256 => {
            format!("agent {} is the newest; its URL is now {}", after.version, after.download_url)
        }
        Some(before) if before.version == after.version => {
            format!("agent {}: sha256 {} becomes {}", after.version, before.sha256, after.sha256)
        }
        Some(before) => {
            format!("agent {} becomes {} (sha256 {})", before.version, after.version, after.sha256)
        }
        None => format!("agent {} is locked (sha256 {})", after.version, after.sha256),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(version: &str, digit: char) -> AgentPackage {
        AgentPackage {
            version: version.parse().unwrap(),
            file_name: format!("vsts-agent-linux-x64-{version}.tar.gz"),
            download_url: "https://example.com/a.tar.gz".parse().unwrap(),
            sha256: digit.to_string().repeat(64),
        }
    }

    #[test]
    fn what_is_locked_is_read_back_for_its_own_system() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("agent.lock.json");
        assert_eq!(read(&file, TargetOs::Linux).unwrap(), None);
        let (linux, windows) = (package("4.270.0", 'a'), package("4.271.0", 'b'));
        write(&file, TargetOs::Linux, &linux).unwrap();
        write(&file, TargetOs::Windows, &windows).unwrap();
        assert_eq!(read(&file, TargetOs::Linux).unwrap(), Some(linux.clone()));
        assert_eq!(read(&file, TargetOs::Windows).unwrap(), Some(windows.clone()));
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(change(Some(&linux), &windows).contains("4.270.0 becomes 4.271.0"));
        assert!(change(Some(&linux), &linux).contains("already"));
    }

    #[test]
    fn a_lock_file_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("agent.lock.json");
        let entry = |name: &str, sha256: &str, url: &str| serde_json::json!({"linux": {"version": "4.270.0", "fileName": name, "url": url, "sha256": sha256}});
        let (good, hash) = ("vsts-agent-linux-x64-4.270.0.tar.gz", "a".repeat(64));
        fs_err::write(&file, entry(good, &hash, "https://example.com/x").to_string()).unwrap();
        assert!(read(&file, TargetOs::Linux).is_ok(), "control");
        for bad in [
            "no json".to_owned(),
            entry("../x.tar.gz", &hash, "https://example.com/x").to_string(),
            entry(good, "abc", "https://example.com/x").to_string(),
            entry(good, &hash, "file:///etc/passwd").to_string(),
        ] {
            fs_err::write(&file, &bad).unwrap();
            assert!(matches!(read(&file, TargetOs::Linux), Err(LockError::Shape { .. })), "{bad}");
        }
    }
}
