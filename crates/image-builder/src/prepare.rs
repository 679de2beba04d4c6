//! Base images that a Dockerfile makes: the caller's own, and one that brings what a foreign base image lacks.
//!
//! The engine's builder makes them, so they are not the same twice. Each is kept under a name that follows from what it
//! was made of, so that on one machine the same inputs lead to the same image.

use bollard::Docker;
use sha2::{Digest, Sha256};

use crate::base_image::{KEPT_LABEL, is_here};
use crate::build_error::BuildError;
use crate::context::files;
use crate::dockerfile::{EngineBuild, run_build};
use crate::label::with_labels;
use crate::options::Push;
use crate::report::Reporter;
use crate::rootfs::RootFs;

/// Programs without which the agent or its jobs fail.
const TOOLS: [&str; 4] = ["bash", "curl", "git", "ps"];
const FOLDERS: [&str; 4] = ["bin", "usr/bin", "usr/local/bin", "sbin"];
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";
/// Libraries that .NET loads (azure-pipelines-agent: installdependencies.sh).
const LIBRARIES: [&str; 5] =
    ["libgssapi_krb5.so.", "libicuuc.so.", "libssl.so.", "libstdc++.so.", "libz.so."];

/// What the agent cannot do without and the file system does not have. Pure.
pub(crate) fn missing(rootfs: &RootFs) -> Vec<&'static str> {
    let tool = |name: &&str| FOLDERS.iter().any(|folder| rootfs.has(&format!("{folder}/{name}")));
    let library = |name: &&str| {
        rootfs.entries.keys().any(|path| path.rsplit('/').next().is_some_and(|file| file.starts_with(*name)))
    };
    let mut missing: Vec<_> = TOOLS.into_iter().filter(|name| !tool(name)).collect();
    missing.extend(LIBRARIES.into_iter().filter(|name| !library(name)));
    missing.extend([AUTHORITIES].into_iter().filter(|path| !rootfs.has(path)));
    missing
}

/// A Dockerfile and what it is given.
pub(crate) struct Recipe<'a> {
    /// Part of the made image's name.
    pub(crate) name: &'static str,
    pub(crate) dockerfile: &'a str,
    /// The agent's `installdependencies.sh`, if it is to run.
    pub(crate) script: Option<&'a [u8]>,
}

/// Makes the image, or finds the one made before, and returns its name.
pub(crate) async fn derive(
    docker: &Docker,
    (base, base_id): (&str, &str),
    recipe: &Recipe<'_>,
    push: &Push,
    reporter: &dyn Reporter,
) -> Result<String, BuildError> {
    let mut hash = Sha256::new();
    for part in [base_id.as_bytes(), recipe.dockerfile.as_bytes(), recipe.script.unwrap_or_default()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let tag = format!("{}-{}", recipe.name, &hex::encode(hash.finalize())[..12]);
    let reference = format!("mayfly-base:{tag}").parse()?;
    if is_here(docker, &format!("mayfly-base:{tag}")).await? {
        return Ok(format!("mayfly-base:{tag}"));
    }
    let labels = [(KEPT_LABEL.to_owned(), "base-image".to_owned())].into();
    let dockerfile = with_labels(recipe.dockerfile, &labels).map_err(|name| BuildError::Label { name })?;
    let mut context = vec![("Dockerfile", dockerfile.as_bytes())];
    context.extend(recipe.script.map(|script| ("installdependencies.sh", script)));
    let archive = files(&context).map_err(BuildError::Context)?;
    run_build(docker, EngineBuild { base, reference: &reference, archive, push }, reporter).await?;
    Ok(format!("mayfly-base:{tag}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::{Entry, Kind};

    #[test]
    fn what_is_missing_is_named() {
        let mut rootfs = RootFs::default();
        let entry =
            Entry { kind: Kind::File, mode: 0o755, uid: 0, gid: 0, length: 1, capable: false, at: (0, 0) };
        for path in [
            "usr/bin/bash",
            "usr/bin/curl",
            "bin/ps",
            "usr/lib/x86_64-linux-gnu/libicuuc.so.72",
            "usr/lib/libssl.so.3",
            "lib/libz.so.1",
            "usr/lib/libstdc++.so.6",
        ] {
            rootfs.entries.insert(path.into(), entry.clone());
        }
        assert_eq!(missing(&rootfs), ["git", "libgssapi_krb5.so.", AUTHORITIES]);
    }
}
