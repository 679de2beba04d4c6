//! The image to build on: one that is given, Debian's own, or one made from Debian's packages where nothing can be
//! pulled.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use secrecy::ExposeSecret;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::assemble::{AssembleError, Image, load};
use crate::cache;
use crate::image_ref::{ImageRef, ImageRefError};
use crate::layer::{Layer, LayerReport};
use crate::options::{RegistryCredentials, TargetOs};
use crate::report::Reporter;

/// What the built-in Dockerfiles build on when nothing else is said.
const DEBIAN: &str = "debian:bookworm-slim";
const SERVER_CORE: &str = "mcr.microsoft.com/windows/servercore:ltsc2019";

/// How long a registry may take to begin to answer before it counts as out of reach.
const PULL_PATIENCE: Duration = Duration::from_secs(20);

/// Label on everything that outlives the command that made it, so that it can be found and removed.
pub const KEPT_LABEL: &str = "mayfly.kept";

/// What goes into the made image beyond the smallest Debian. `libicu72` and `zlib1g` are what .NET needs, `git` what
/// the agent checks out with; the rest is what job scripts take for granted.
const PACKAGES: [&str; 7] = ["ca-certificates", "curl", "git", "libicu72", "procps", "zlib1g", "tzdata"];
const SUITE: &str = "bookworm";
/// The day of bookworm's release, 2023-06-10: what the made image gives as its time, whenever it is made.
const EPOCH: u64 = 1_686_355_200;
const EPOCH_TEXT: &str = "2023-06-10T00:00:00Z";
const TRIMMED: [&str; 4] =
    ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*"];

/// Why there is nothing to build on.
#[derive(Debug, thiserror::Error)]
pub enum BaseImageError {
    /// Not a reference.
    #[error(transparent)]
    Reference(#[from] ImageRefError),
    /// The engine failed.
    #[error("ask the Docker engine for the base image `{image}`")]
    Engine {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: Error,
    },
    /// It is not here and cannot be fetched.
    #[error("pull the base image `{image}`")]
    Pull {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: Error,
    },
    /// No tool to make one with.
    #[error("make a Debian base image: `{DEBIAN}` cannot be pulled and `mmdebstrap` is not installed")]
    NoTool,
    /// The tool failed.
    #[error("make a Debian base image: mmdebstrap ended with {status}: {last}")]
    Tool {
        /// How it ended.
        status: std::process::ExitStatus,
        /// Its last words.
        last: String,
    },
    /// The engine did not take what was made.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// A file could not be read or written.
    #[error("make a Debian base image in `{}`", folder.display())]
    Files {
        /// The cache.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl BaseImageError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoTool => Some(
                "apt-get install --yes --no-install-recommends mmdebstrap; or name an image that is here or can be \
                 pulled with --base-image",
            ),
            Self::Tool { .. } => Some(
                "it fetches packages from deb.debian.org: check the network and the http_proxy variable, and that it \
                 runs as root or with user namespaces",
            ),
            Self::Pull { .. } => {
                Some("check the name and the network, or log in to its registry with docker login")
            }
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Pull { .. } | Self::Tool { .. })
    }
}

/// The base image that would be used, without fetching or making anything.
pub(crate) fn intended(os: TargetOs, given: Option<&str>) -> String {
    match (given, os) {
        (Some(given), _) => given.to_owned(),
        (None, TargetOs::Linux) => format!("{DEBIAN}, or {} where it cannot be pulled", made_name()),
        (None, TargetOs::Windows) => SERVER_CORE.to_owned(),
    }
}

/// Finds, pulls or makes the base image.
pub(crate) async fn ensure(
    docker: &Docker,
    os: TargetOs,
    given: Option<&str>,
    credentials: Option<&RegistryCredentials>,
    cache_dir: &Path,
    reporter: &dyn Reporter,
) -> Result<String, BaseImageError> {
    let image = match (given, os) {
        (Some(given), _) => given,
        (None, TargetOs::Windows) => SERVER_CORE,
        (None, TargetOs::Linux) => return debian(docker, cache_dir, reporter).await,
    };
    if !is_here(docker, image).await? {
        reporter.step(&format!("pull the base image {image}"));
        pull(docker, image, credentials, reporter).await?;
    }
    Ok(image.to_owned())
}

async fn debian(
    docker: &Docker,
    cache_dir: &Path,
    reporter: &dyn Reporter,
) -> Result<String, BaseImageError> {
    let made = made_name();
    // The made one first: it is only there because Debian's own was out of reach, and asking again takes time.
    for image in [made.as_str(), DEBIAN] {
        if is_here(docker, image).await? {
            return Ok(image.to_owned());
        }
    }
    reporter.step(&format!("pull the base image {DEBIAN}"));
    let Err(refused) = pull(docker, DEBIAN, None, reporter).await else { return Ok(DEBIAN.to_owned()) };
    reporter.step(&format!(
        "{DEBIAN} cannot be pulled ({}); making one from Debian's packages",
        innermost(&refused)
    ));
    let files = |source| BaseImageError::Files { folder: cache_dir.to_owned(), source };
    let _lock =
        cache::lock(&cache_dir.join("base-image.lock"), "the base image", reporter).await.map_err(files)?;
    if !is_here(docker, &made).await? {
        make(docker, &made, cache_dir, reporter).await?;
    }
    Ok(made)
}

pub(crate) async fn is_here(docker: &Docker, image: &str) -> Result<bool, BaseImageError> {
    match docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
        Err(source) => Err(BaseImageError::Engine { image: image.to_owned(), source }),
    }
}

async fn pull(
    docker: &Docker,
    image: &str,
    credentials: Option<&RegistryCredentials>,
    reporter: &dyn Reporter,
) -> Result<(), BaseImageError> {
    let parsed: ImageRef = image.parse()?;
    let failed = |source| BaseImageError::Pull { image: image.to_owned(), source };
    let tag = parsed.digest().or(parsed.tag()).unwrap_or("latest");
    let options = CreateImageOptionsBuilder::default().from_image(&parsed.name()).tag(tag).build();
    let credentials = credentials.map(|known| DockerCredentials {
        username: Some(known.username.clone()),
        password: Some(known.password.expose_secret().to_owned()),
        serveraddress: Some(known.server.clone()),
        ..DockerCredentials::default()
    });
    let mut answers = docker.create_image(Some(options), None, credentials);
    let first = tokio::time::timeout(PULL_PATIENCE, answers.next()).await;
    let Ok(first) = first else { return Err(failed(Error::RequestTimeoutError)) };
    let mut next = first;
    while let Some(answer) = next {
        let answer = answer.map_err(failed)?;
        // Progress of single layers would be a line a tick.
        if let (Some(status), None) = (answer.status, answer.progress_detail) {
            reporter.log(&status);
        }
        next = answers.next().await;
    }
    Ok(())
}

/// `mayfly-base:bookworm-<hash of the recipe>`: another recipe is another image.
fn made_name() -> String {
    let recipe = format!("2 {SUITE} {} {}", PACKAGES.join(","), TRIMMED.join(","));
    format!("mayfly-base:{SUITE}-{}", &hex::encode(Sha256::digest(recipe))[..12])
}

async fn make(
    docker: &Docker,
    name: &str,
    cache_dir: &Path,
    reporter: &dyn Reporter,
) -> Result<(), BaseImageError> {
    let files = |source| BaseImageError::Files { folder: cache_dir.to_owned(), source };
    let archive = tempfile::Builder::new()
        .prefix("base-image-")
        .suffix(".tar")
        .tempfile_in(cache_dir)
        .map_err(files)?
        .into_temp_path();
    bootstrap(&archive, cache_dir, reporter).await?;
    reporter.step(&format!("import the base image as {name}"));
    let layer = move || -> std::io::Result<Layer> {
        let (digest, bytes) = cache::sha256_of(&archive)?;
        let report = LayerReport {
            name: "base".to_owned(),
            content: "Debian from packages".to_owned(),
            bytes,
            diff_ids: vec![format!("sha256:{digest}")],
        };
        Ok(Layer { report, archive: fs_err::File::open(&archive)?.into_parts().0 })
    };
    let layer =
        tokio::task::spawn_blocking(layer).await.map_err(|error| files(std::io::Error::other(error)))?;
    let layer = layer.map_err(files)?;
    let image =
        Image { config: made_config(&layer), base: None, layers: vec![layer], tags: vec![name.parse()?] };
    load(docker, image).await?;
    Ok(())
}

/// Like the layer itself, it says nothing of when it was made: the same packages are the same image.
fn made_config(layer: &Layer) -> Vec<u8> {
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": EPOCH_TEXT,
        "config": {"Cmd": ["/bin/bash"], "Labels": {KEPT_LABEL: "base-image"}},
        "rootfs": {"type": "layers", "diff_ids": layer.report.diff_ids},
        "history": [{"created": EPOCH_TEXT, "created_by": "mayfly: Debian from packages"}],
    });
    config.to_string().into_bytes()
}

async fn bootstrap(archive: &Path, cache_dir: &Path, reporter: &dyn Reporter) -> Result<(), BaseImageError> {
    let files = |source| BaseImageError::Files { folder: cache_dir.to_owned(), source };
    let mut command = Command::new("mmdebstrap");
    command.arg("--variant=minbase").arg(format!("--include={}", PACKAGES.join(",")));
    for path in TRIMMED {
        command.arg(format!("--dpkgopt=path-exclude={path}"));
    }
    // Licences stay.
    command.arg("--dpkgopt=path-include=/usr/share/doc/*/copyright");
    command.arg(SUITE).arg(archive);
    // No file is newer than this, and accounts were last changed on that day.
    command.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(BaseImageError::NoTool),
        Err(error) => return Err(files(error)),
    };
    let mut last = String::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Some(line) = lines.next_line().await.map_err(files)? {
            let line = line.trim_end();
            // Its progress bars redraw themselves with a carriage return.
            let line = line.rsplit('\r').next().unwrap_or(line);
            if !line.is_empty() {
                reporter.log(line);
                line.clone_into(&mut last);
            }
        }
    }
    let status = child.wait().await.map_err(files)?;
    if status.success() { Ok(()) } else { Err(BaseImageError::Tool { status, last }) }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_made_images_name_is_a_reference_and_tells_its_recipe() {
        let name = made_name();
        assert!(name.parse::<ImageRef>().is_ok(), "{name}");
        assert!(name.starts_with("mayfly-base:bookworm-"), "{name}");
        assert_eq!(name, made_name());
    }

    #[test]
    fn a_given_image_is_taken_as_it_is() {
        assert_eq!(intended(TargetOs::Linux, Some("x:1")), "x:1");
        assert!(intended(TargetOs::Linux, None).contains(DEBIAN));
        assert_eq!(intended(TargetOs::Windows, None), SERVER_CORE);
    }

    #[test]
    fn the_missing_tool_is_named_with_the_command_that_brings_it() {
        assert!(BaseImageError::NoTool.to_string().contains("mmdebstrap"));
        assert!(BaseImageError::NoTool.hint().unwrap().contains("apt-get install --yes"));
    }
}
