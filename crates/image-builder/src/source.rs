//! Which agent package is built in: a file, the one in the lock file, or the organization's newest.

use std::io;
use std::path::{Path, PathBuf};

use crate::build::blocking;
use crate::build_error::BuildError;
use crate::cache;
use crate::download::{self, Patience};
use crate::lock;
use crate::options::{BuildOptions, Lock, PackageSource};
use crate::packages::{self, AgentPackage, is_sha256};
use crate::report::Reporter;
use crate::version::AgentVersion;

/// A package that is known and not yet read.
pub(crate) enum Found {
    Offered {
        package: AgentPackage,
        /// What the lock file has to do with it.
        note: Option<String>,
        /// Whether the lock file is to be moved to it.
        moves: Option<PathBuf>,
    },
    Local {
        version: AgentVersion,
        file: PathBuf,
        sha256: String,
    },
}

/// Finds the package that the options mean. Downloads nothing.
pub(crate) async fn find(options: &BuildOptions) -> Result<Found, BuildError> {
    match &options.package {
        PackageSource::Organization { url, token } => offered(options, url, token).await,
        PackageSource::File(file) => {
            let file = file.clone();
            blocking(move || local(file)).await
        }
    }
}

/// The organization's package that the lock file names; without one, or where it is to be moved, the newest.
async fn offered(
    options: &BuildOptions,
    url: &url::Url,
    token: &secrecy::SecretString,
) -> Result<Found, BuildError> {
    let ca_file = options.ca_file.as_deref();
    let newest = packages::newest_package(url, token, options.os, ca_file);
    let (file, moves) = match &options.lock {
        Lock::None => return Ok(Found::Offered { package: newest.await?, note: None, moves: None }),
        Lock::Obey(file) => (file, false),
        Lock::Move(file) => (file, true),
    };
    let locked = lock::read(file, options.os)?;
    if moves {
        let package = newest.await?;
        let note = format!("{}: {}", file.display(), lock::change(locked.as_ref(), &package));
        return Ok(Found::Offered { package, note: Some(note), moves: Some(file.clone()) });
    }
    let Some(locked) = locked else {
        let package = newest.await?;
        let note = format!(
            "{} locks no agent for {}: the newest is taken; `build-image --update` locks it",
            file.display(),
            options.os
        );
        return Ok(Found::Offered { package, note: Some(note), moves: None });
    };
    let version = locked.version;
    let package = match packages::offered_package(url, token, options.os, version, ca_file).await? {
        Some(offered) if offered.sha256 != locked.sha256 => {
            return Err(lock::LockError::Conflict {
                file: file.clone(),
                version,
                locked: locked.sha256,
                offered: offered.sha256,
            }
            .into());
        }
        // Where the file is may change; what is in it may not.
        Some(offered) => AgentPackage { download_url: offered.download_url, ..locked },
        None => locked,
    };
    let note = Some(format!("agent {version} by {}", file.display()));
    Ok(Found::Offered { package, note, moves: None })
}

fn local(file: PathBuf) -> Result<Found, BuildError> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let version = AgentVersion::from_file_name(&name)?;
    let read = |file: &Path| {
        let file = file.to_owned();
        move |source| BuildError::Input { what: "the agent package", file, source }
    };
    let (sha256, _) = cache::sha256_of(&file).map_err(read(&file))?;
    let beside = file.with_file_name(format!("{name}.sha256"));
    match fs_err::read_to_string(&beside) {
        Ok(text) => {
            // `sha256sum` writes the name behind the hash.
            let expected = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
            if !is_sha256(&expected) {
                return Err(BuildError::FileHashShape { file: beside });
            }
            if expected != sha256 {
                return Err(BuildError::FileHash { file, expected, actual: sha256 });
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(read(&beside)(error)),
    }
    Ok(Found::Local { version, file, sha256 })
}

/// Downloads the package where it is not a file already, and moves the lock file where that was asked for.
pub(crate) async fn obtain(
    found: Found,
    options: &BuildOptions,
    reporter: &dyn Reporter,
) -> Result<(AgentVersion, PathBuf, String), BuildError> {
    match found {
        Found::Local { version, file, sha256 } => {
            reporter.step(&format!("agent {version} from {} (sha256 {sha256})", file.display()));
            Ok((version, file, sha256))
        }
        Found::Offered { package, note, moves } => {
            if let Some(note) = note {
                reporter.step(&note);
            }
            let patience = Patience::default();
            let ca_file = options.ca_file.as_deref();
            let file = download::fetch(&package, &options.cache_dir, ca_file, patience, reporter).await?;
            // Not before the package arrived and its hash was right.
            if let Some(lock) = moves {
                lock::write(&lock, options.os, &package)?;
            }
            Ok((package.version, file, package.sha256))
        }
    }
}

#[cfg(test)]
mod tests;
