//! Agent packages: parsed names, hashes computed once and by streaming.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use tokio::sync::OnceCell;

use crate::error::StartError;
use crate::state::State;
use crate::state::documents::Document;

/// One package file.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) path: PathBuf,
    pub(crate) file_name: String,
    pub(crate) platform: String,
    pub(crate) version: [u32; 3],
    facts: OnceCell<Facts>,
}

/// What has to be read from the file.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// SHA-256 in hex.
    pub(crate) hash: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Last change.
    pub(crate) created_on: jiff::Timestamp,
}

impl Package {
    /// Reads platform and version from the file's name.
    pub(crate) fn named(path: &Path) -> Result<Self, StartError> {
        let refuse = || StartError::Package(path.display().to_string());
        let file_name = path.file_name().and_then(|name| name.to_str()).ok_or_else(refuse)?;
        let (stem, windows) = match (file_name.strip_suffix(".tar.gz"), file_name.strip_suffix(".zip")) {
            (Some(stem), _) => (stem, false),
            (_, Some(stem)) => (stem, true),
            _ => return Err(refuse()),
        };
        let (platform, version) =
            stem.strip_prefix("vsts-agent-").and_then(|rest| rest.rsplit_once('-')).ok_or_else(refuse)?;
        let numbers: Vec<u32> =
            version.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| refuse())?;
        if platform.is_empty() || platform.starts_with("win-") != windows {
            return Err(refuse());
        }
        Ok(Self {
            path: path.to_owned(),
            file_name: file_name.to_owned(),
            platform: platform.to_owned(),
            version: numbers.try_into().map_err(|_| refuse())?,
            facts: OnceCell::new(),
        })
    }

    /// `4.270.0`.
    pub(crate) fn version_text(&self) -> String {
        let [major, minor, patch] = self.version;
        format!("{major}.{minor}.{patch}")
    }

    /// Hash and size; read on first use, since packages are large.
    pub(crate) async fn facts(&self) -> std::io::Result<&Facts> {
        self.facts
            .get_or_try_init(|| async {
                let path = self.path.clone();
                tokio::task::spawn_blocking(move || read_facts(&path)).await.map_err(std::io::Error::other)?
            })
            .await
    }
}

/// What is offered.
#[derive(Debug, Default)]
pub(crate) struct Packages(Mutex<Vec<Arc<Package>>>);

impl Packages {
    /// Those of the settings, and those that were added before a restart as far as their files are still there.
    pub(crate) fn restore(paths: &[PathBuf], state: &mut State) -> Result<Self, StartError> {
        let packages = Self::default();
        for path in paths {
            packages.add(Package::named(path)?);
        }
        state.offers.retain(|file_name, path| {
            let offered = Package::named(path).ok().filter(|package| package.path.is_file());
            if offered.is_none() {
                tracing::warn!(path = %path.display(), "a package that was offered is gone");
                state.dirty.insert(Document::Offer(file_name.clone()));
            }
            offered.map(|package| packages.add(package)).is_some()
        });
        Ok(packages)
    }

    /// Adds a package, in the place of one with the same file name.
    pub(crate) fn add(&self, package: Package) {
        let mut packages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        packages.retain(|known| known.file_name != package.file_name);
        packages.push(Arc::new(package));
        packages.sort_by_key(|package| std::cmp::Reverse(package.version));
    }

    /// Offers what another list offers, and nothing else.
    pub(crate) fn become_as(&self, other: &Self) {
        let others = other.newest_first();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = others;
    }

    /// All of them.
    pub(crate) fn newest_first(&self) -> Vec<Arc<Package>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read_facts(path: &Path) -> std::io::Result<Facts> {
    let mut file = fs_err::File::open(path)?;
    let changed = file.metadata()?.modified()?;
    let (mut hash, mut buffer, mut size) = (Context::new(&SHA256), vec![0; 64 * 1024], 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
    let created_on = jiff::Timestamp::try_from(changed).map_err(std::io::Error::other)?;
    Ok(Facts { hash: hex::encode(hash.finish()), size, created_on })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packages_are_read_and_others_are_refused() {
        let package = Package::named(Path::new("/x/vsts-agent-linux-musl-x64-4.270.0.tar.gz")).unwrap();
        assert_eq!((package.platform.as_str(), package.version), ("linux-musl-x64", [4, 270, 0]));
        let package = Package::named(Path::new("vsts-agent-win-x64-4.270.1.zip")).unwrap();
        assert_eq!((package.platform.as_str(), package.version_text()), ("win-x64", "4.270.1".to_owned()));
        for bad in [
            "agent.zip",
            "vsts-agent-win-x64-4.zip",
            "vsts-agent-linux-x64-4.270.0.zip",
            "vsts-agent-win-x64-4.270.0.tar.gz",
            "vsts-agent-linux-x64-4.270.x.tar.gz",
            "vsts-agent-4.270.0.tar.gz",
        ] {
            assert!(Package::named(Path::new(bad)).is_err(), "{bad}");
        }
    }
}
