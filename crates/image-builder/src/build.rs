//! From options to an image: plan, package, context, build, tags, push.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::query_parameters::TagImageOptionsBuilder;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::base_image::{self, BaseImageError};
use crate::build_error::BuildError;
use crate::context::{ImageFile, context};
use crate::dockerfile::{EngineBuild, run_build};
use crate::engine;
use crate::image_ref::{ImageRef, ImageRefError};
use crate::label::{self, with_labels};
use crate::layer::LayerReport;
use crate::linux::{self, Made};
use crate::options::{BuildOptions, ExtraTag, Push, TargetOs};
use crate::push::push;
use crate::report::Reporter;
use crate::source::{Found, find, obtain};
use crate::unpack::{Limits, Node, Package, UnpackError, unpack};
use crate::version::AgentVersion;

/// Makes a base image fit for the agent, where it lacks something.
pub const DOCKERFILE_LINUX: &str = include_str!("../../../agent-image/Dockerfile.linux");
/// The Windows image.
pub const DOCKERFILE_WINDOWS: &str = include_str!("../../../agent-image/Dockerfile.windows");

/// What a build made.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuiltImage {
    /// The engine's id of the image.
    pub image_id: String,
    /// All references that now stand for it. The first is `<repository>:<agent version>-<yyyymmdd>`.
    pub tags: Vec<ImageRef>,
    /// `repository@sha256:…`, once pushed: the one name to deploy.
    pub repository_digest: Option<ImageRef>,
    /// The agent in it.
    pub agent_version: AgentVersion,
    /// SHA-256 of the agent package.
    pub package_sha256: String,
    /// The image's layers, lowest first. Empty for Windows, whose layers are the engine's.
    pub layers: Vec<LayerReport>,
    /// What the image is made of, as CycloneDX. Empty for Windows.
    #[serde(skip)]
    pub sbom: Vec<u8>,
}

/// What a build would do. Printed as lines by `Display`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildPlan {
    /// The image's system.
    pub os: TargetOs,
    /// The agent that would be in it.
    pub agent_version: AgentVersion,
    /// The package: a URL or a file.
    pub package: String,
    /// SHA-256 of the package.
    pub package_sha256: String,
    /// What the lock file has to do with it.
    pub lock: Option<String>,
    /// What the image would be built on.
    pub base_image: String,
    /// All references that would be made.
    pub tags: Vec<ImageRef>,
    /// Whether they would be pushed.
    pub push: bool,
}

impl fmt::Display for BuildPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "agent    {} ({})", self.agent_version, self.package)?;
        writeln!(f, "sha256   {}", self.package_sha256)?;
        if let Some(lock) = &self.lock {
            writeln!(f, "lock     {lock}")?;
        }
        writeln!(f, "base     {}", self.base_image)?;
        for tag in &self.tags {
            writeln!(f, "tag      {tag}")?;
        }
        write!(f, "push     {}", if self.push { "yes" } else { "no" })
    }
}

/// Says what [`build_image`] would do, down to the package and the tags. Changes and downloads nothing.
pub async fn plan_build(options: &BuildOptions) -> Result<BuildPlan, BuildError> {
    let found = find(options).await?;
    let (version, sha256, package) = match &found {
        Found::Offered { package, .. } => {
            (package.version, package.sha256.clone(), package.download_url.to_string())
        }
        Found::Local { version, file, sha256 } => (*version, sha256.clone(), file.display().to_string()),
    };
    let lock = match &found {
        Found::Offered { note, .. } => note.clone(),
        Found::Local { .. } => None,
    };
    Ok(BuildPlan {
        lock,
        os: options.os,
        agent_version: version,
        package,
        package_sha256: sha256,
        base_image: base_image::intended(options.os, options.base_image.as_deref()),
        tags: tags(options, version)?,
        push: matches!(options.push, Push::Yes(_)),
    })
}

/// What a build knows before it begins to build.
#[derive(Debug, Clone)]
pub(crate) struct Ingredients {
    pub(crate) version: AgentVersion,
    /// The agent package.
    pub(crate) file: PathBuf,
    pub(crate) sha256: String,
    pub(crate) tags: Vec<ImageRef>,
    /// Name of the image to build on.
    pub(crate) base: String,
    /// The caller's own Dockerfile.
    pub(crate) dockerfile: Option<String>,
}

/// Builds the image, tags it, and pushes it where that is asked for.
pub async fn build_image(options: &BuildOptions, reporter: &dyn Reporter) -> Result<BuiltImage, BuildError> {
    let dockerfile = dockerfile(options)?;
    input("the entrypoint", &options.entrypoint)?;
    // The engine first: without one, no download is worth its time.
    let docker = engine::connect(options.docker_host.as_deref()).await?;
    engine::check_system(&docker, options.os).await?;

    let found = find(options).await?;
    let (version, file, sha256) = obtain(found, options, reporter).await?;
    let tags = tags(options, version)?;
    let base = ensure_base(&docker, options, reporter).await?;
    let found = Ingredients { version, file, sha256, tags, base, dockerfile };
    let made = match options.os {
        TargetOs::Linux => linux::build(&docker, options, &found, reporter).await?,
        TargetOs::Windows => windows(&docker, options, &found, reporter).await?,
    };
    for layer in &made.layers {
        reporter.step(&format!("layer {:<7} {:>9}  {}", layer.name, mebibytes(layer.bytes), layer.content));
    }
    if !made.layers.is_empty() {
        let all = made.layers.iter().map(|layer| layer.bytes).sum();
        reporter.step(&format!("image         {:>9}  {}", mebibytes(all), made.image_id));
    }
    let mut repository_digest = None;
    if let Push::Yes(_) = &options.push {
        for reference in &found.tags {
            let credentials = options.push.credentials_for(reference.registry());
            let pushed = push(&docker, reference, credentials, reporter).await?;
            repository_digest.get_or_insert(pushed);
        }
    }
    Ok(BuiltImage {
        image_id: made.image_id,
        tags: found.tags,
        repository_digest,
        agent_version: version,
        package_sha256: found.sha256,
        layers: made.layers,
        sbom: made.sbom,
    })
}

/// Bytes for people.
fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// The Windows image, by the engine's own builder.
async fn windows(
    docker: &Docker,
    options: &BuildOptions,
    found: &Ingredients,
    reporter: &dyn Reporter,
) -> Result<Made, BuildError> {
    reporter.step(&format!("unpack {}", found.file.display()));
    let created = options.created.unwrap_or(options.now);
    let labels = label::labels(&label::Described {
        options,
        version: found.version,
        sha256: &found.sha256,
        base: &found.base,
        base_digest: None,
        created,
    });
    let dockerfile = found.dockerfile.as_deref().unwrap_or(DOCKERFILE_WINDOWS);
    let dockerfile = with_labels(dockerfile, &labels).map_err(|name| BuildError::Label { name })?;
    let described = ImageFile {
        agent_version: found.version,
        package: &found.file.file_name().unwrap_or_default().to_string_lossy(),
        package_sha256: &found.sha256,
        base_image: &found.base,
        created,
        environment: &options.environment,
    };
    let described = described.text();
    let (file, entrypoint) = (found.file.clone(), options.entrypoint.clone());
    let (archive, length) = blocking(move || {
        let package = unpack(&file, Limits::default())?;
        check_agent(TargetOs::Windows, &file, &package)?;
        context(&dockerfile, &entrypoint, &[("image.json", &described)], &package)
            .map_err(BuildError::Context)
    })
    .await?;
    let (base, reference) = (found.base.as_str(), &found.tags[0]);
    reporter.step(&format!("build {reference} on {base} ({} MiB of context)", length >> 20));
    let build = EngineBuild { base, reference, archive, push: &options.push };
    let image_id = run_build(docker, build, reporter).await?;
    for reference in &found.tags[1..] {
        tag(docker, &image_id, reference).await?;
    }
    Ok(Made { image_id, layers: Vec::new(), sbom: Vec::new() })
}

/// Finds, pulls or makes the image to build on and returns its name.
pub async fn ensure_base_image(
    docker_host: Option<&str>,
    cache_dir: &Path,
    reporter: &dyn Reporter,
) -> Result<String, BuildError> {
    let docker = engine::connect(docker_host).await?;
    engine::check_system(&docker, TargetOs::Linux).await?;
    Ok(base_image::ensure(&docker, TargetOs::Linux, None, None, cache_dir, reporter).await?)
}

/// `<agent version>-<yyyymmdd>` in the build's own repository, then whatever else was asked for. `latest` is never
/// alone.
fn tags(options: &BuildOptions, version: AgentVersion) -> Result<Vec<ImageRef>, ImageRefError> {
    let day = options.now.to_zoned_datetime(TimeZone::UTC).strftime("%Y%m%d").to_string();
    let mut tags = vec![options.repository.with_tag(&format!("{version}-{day}"))?];
    for extra in &options.tags {
        let reference = match extra {
            ExtraTag::Tag(tag) => options.repository.with_tag(tag)?,
            ExtraTag::Reference(reference) => reference.with_tag(reference.tag().unwrap_or("latest"))?,
        };
        if !tags.contains(&reference) {
            tags.push(reference);
        }
    }
    Ok(tags)
}

async fn ensure_base(
    docker: &Docker,
    options: &BuildOptions,
    reporter: &dyn Reporter,
) -> Result<String, BaseImageError> {
    let given = options.base_image.as_deref();
    let registry = given.and_then(|image| image.parse::<ImageRef>().ok());
    let credentials = options.push.credentials_for(registry.as_ref().and_then(ImageRef::registry));
    base_image::ensure(docker, options.os, given, credentials, &options.cache_dir, reporter).await
}

fn dockerfile(options: &BuildOptions) -> Result<Option<String>, BuildError> {
    let read = |file: &PathBuf| {
        let failed = |source| BuildError::Input { what: "the Dockerfile", file: file.clone(), source };
        fs_err::read_to_string(file).map_err(failed)
    };
    options.dockerfile.as_ref().map(read).transpose()
}

fn input(what: &'static str, file: &Path) -> Result<(), BuildError> {
    let failed = |source| BuildError::Input { what, file: file.to_owned(), source };
    let metadata = fs_err::metadata(file).map_err(failed)?;
    if metadata.is_file() { Ok(()) } else { Err(failed(io::Error::other("it is no file"))) }
}

pub(crate) fn check_agent(os: TargetOs, file: &Path, package: &Package) -> Result<(), UnpackError> {
    let missing = match os {
        TargetOs::Linux => "bin/Agent.Listener",
        TargetOs::Windows => "bin/Agent.Listener.exe",
    };
    match package.nodes.get(missing) {
        Some(Node::File { .. }) => Ok(()),
        _ => Err(UnpackError::NotAnAgent { file: file.to_owned(), missing, os: os.name() }),
    }
}

async fn tag(docker: &Docker, image: &str, reference: &ImageRef) -> Result<(), BuildError> {
    let options = TagImageOptionsBuilder::default()
        .repo(&reference.name())
        .tag(reference.tag().unwrap_or("latest"))
        .build();
    let tagged = docker.tag_image(image, Some(options)).await;
    tagged.map_err(|source| BuildError::Tag { reference: reference.to_string(), source })
}

pub(crate) async fn blocking<T, F>(work: F) -> Result<T, BuildError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, BuildError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(BuildError::Context(io::Error::other(error))),
    }
}

#[cfg(test)]
pub(crate) mod tests;
