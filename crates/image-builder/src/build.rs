//! From options to an image: plan, package, context, build, tags, push.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::query_parameters::{BuildImageOptionsBuilder, TagImageOptionsBuilder};
use futures_util::StreamExt;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use serde::Serialize;
use tokio_util::io::ReaderStream;

use crate::base_image::{self, BaseImageError};
use crate::build_error::BuildError;
use crate::context::{ImageFile, context};
use crate::download::{self, Patience};
use crate::engine;
use crate::folder::FolderLayer;
use crate::image_ref::{ImageRef, ImageRefError};
use crate::label::with_labels;
use crate::options::{BuildOptions, ExtraTag, PackageSource, Push, TargetOs};
use crate::packages::{self, AgentPackage};
use crate::push::push;
use crate::report::Reporter;
use crate::unpack::{Limits, Node, Package, UnpackError, unpack};
use crate::version::AgentVersion;
use crate::{cache, packages::is_sha256};

/// The built-in Dockerfile for Linux.
pub const DOCKERFILE_LINUX: &str = include_str!("../../../agent-image/Dockerfile.linux");
/// The built-in Dockerfile for Windows.
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
        Found::Offered(package) => {
            (package.version, package.sha256.clone(), package.download_url.to_string())
        }
        Found::Local { version, file, sha256 } => (*version, sha256.clone(), file.display().to_string()),
    };
    Ok(BuildPlan {
        os: options.os,
        agent_version: version,
        package,
        package_sha256: sha256,
        base_image: base_image::intended(options.os, options.base_image.as_deref()),
        tags: tags(options, version)?,
        push: matches!(options.push, Push::Yes(_)),
    })
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

    reporter.step(&format!("unpack {}", file.display()));
    let dockerfile = with_labels(&dockerfile, &labels(options, version, &sha256, &base))
        .map_err(|name| BuildError::Label { name })?;
    let image_file = image_file(options, version, &file, &sha256, &base, &tags);
    let (os, entrypoint, layers) = (options.os, options.entrypoint.clone(), options.layers.clone());
    let (archive, length) =
        blocking(move || prepare(os, &file, &dockerfile, &entrypoint, &image_file, &layers)).await?;

    reporter.step(&format!("build {} on {base} ({} MiB of context)", tags[0], length >> 20));
    let image_id = run_build(&docker, options, &base, &tags[0], archive, reporter).await?;
    for reference in &tags[1..] {
        tag(&docker, &image_id, reference).await?;
    }
    let mut repository_digest = None;
    if let Push::Yes(_) = &options.push {
        for reference in &tags {
            let credentials = options.push.credentials_for(reference.registry());
            let pushed = push(&docker, reference, credentials, reporter).await?;
            repository_digest.get_or_insert(pushed);
        }
    }
    Ok(BuiltImage { image_id, tags, repository_digest, agent_version: version, package_sha256: sha256 })
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

/// A package that is known and not yet read.
enum Found {
    Offered(AgentPackage),
    Local { version: AgentVersion, file: PathBuf, sha256: String },
}

async fn find(options: &BuildOptions) -> Result<Found, BuildError> {
    match &options.package {
        PackageSource::Organization { url, token } => {
            let package =
                packages::newest_package(url, token, options.os, options.ca_file.as_deref()).await?;
            Ok(Found::Offered(package))
        }
        PackageSource::File(file) => {
            let file = file.clone();
            blocking(move || local(file)).await
        }
    }
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

async fn obtain(
    found: Found,
    options: &BuildOptions,
    reporter: &dyn Reporter,
) -> Result<(AgentVersion, PathBuf, String), BuildError> {
    match found {
        Found::Local { version, file, sha256 } => {
            reporter.step(&format!("agent {version} from {} (sha256 {sha256})", file.display()));
            Ok((version, file, sha256))
        }
        Found::Offered(package) => {
            let patience = Patience::default();
            let ca_file = options.ca_file.as_deref();
            let file = download::fetch(&package, &options.cache_dir, ca_file, patience, reporter).await?;
            Ok((package.version, file, package.sha256))
        }
    }
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

fn dockerfile(options: &BuildOptions) -> Result<String, BuildError> {
    match (&options.dockerfile, options.os) {
        (Some(file), _) => fs_err::read_to_string(file).map_err(|source| BuildError::Input {
            what: "the Dockerfile",
            file: file.clone(),
            source,
        }),
        (None, TargetOs::Linux) => Ok(DOCKERFILE_LINUX.to_owned()),
        (None, TargetOs::Windows) => Ok(DOCKERFILE_WINDOWS.to_owned()),
    }
}

fn input(what: &'static str, file: &Path) -> Result<(), BuildError> {
    let failed = |source| BuildError::Input { what, file: file.to_owned(), source };
    let metadata = fs_err::metadata(file).map_err(failed)?;
    if metadata.is_file() { Ok(()) } else { Err(failed(io::Error::other("it is no file"))) }
}

fn image_file(
    options: &BuildOptions,
    agent_version: AgentVersion,
    file: &Path,
    package_sha256: &str,
    base_image: &str,
    tags: &[ImageRef],
) -> Vec<u8> {
    let described = ImageFile {
        agent_version,
        package: &file.file_name().unwrap_or_default().to_string_lossy(),
        package_sha256,
        base_image,
        built_at: options.now,
        tags: tags.iter().map(ToString::to_string).collect(),
        environment: &options.environment,
    };
    let mut text = serde_json::to_vec_pretty(&described).expect("strings and numbers always serialize");
    text.push(b'\n');
    text
}

fn prepare(
    os: TargetOs,
    file: &Path,
    dockerfile: &str,
    entrypoint: &Path,
    image_file: &[u8],
    layers: &[FolderLayer],
) -> Result<(std::fs::File, u64), BuildError> {
    let package = unpack(file, Limits::default())?;
    check_agent(os, file, &package)?;
    context(os, dockerfile, entrypoint, image_file, &package, layers).map_err(BuildError::Context)
}

fn check_agent(os: TargetOs, file: &Path, package: &Package) -> Result<(), UnpackError> {
    let missing = match os {
        TargetOs::Linux => "bin/Agent.Listener",
        TargetOs::Windows => "bin/Agent.Listener.exe",
    };
    match package.nodes.get(missing) {
        Some(Node::File { .. }) => Ok(()),
        _ => Err(UnpackError::NotAnAgent { file: file.to_owned(), missing, os: os.name() }),
    }
}

/// Names: opencontainers/image-spec, `annotations.md`; the base has no name there that is not a full reference.
fn labels(
    options: &BuildOptions,
    version: AgentVersion,
    sha256: &str,
    base: &str,
) -> BTreeMap<String, String> {
    let own = [
        ("org.opencontainers.image.title", "Mayfly agent".to_owned()),
        ("org.opencontainers.image.description", "Azure Pipelines agent that lives for one job".to_owned()),
        ("org.opencontainers.image.version", version.to_string()),
        ("org.opencontainers.image.created", options.now.to_string()),
        ("org.opencontainers.image.base.name", base.to_owned()),
        ("mayfly.agent-version", version.to_string()),
        ("mayfly.package-sha256", sha256.to_owned()),
    ];
    own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(options.labels.clone()).collect()
}

async fn run_build(
    docker: &Docker,
    options: &BuildOptions,
    base: &str,
    reference: &ImageRef,
    archive: std::fs::File,
    reporter: &dyn Reporter,
) -> Result<String, BuildError> {
    let arguments = HashMap::from([("BASE_IMAGE", base)]);
    let request = BuildImageOptionsBuilder::default()
        .dockerfile("Dockerfile")
        .t(&reference.to_string())
        .buildargs(&arguments)
        .rm(true)
        .forcerm(true)
        .build();
    let registry = base.parse::<ImageRef>().ok();
    let credentials =
        options.push.credentials_for(registry.as_ref().and_then(ImageRef::registry)).map(|known| {
            let login = DockerCredentials {
                username: Some(known.username.clone()),
                password: Some(known.password.expose_secret().to_owned()),
                ..DockerCredentials::default()
            };
            HashMap::from([(known.server.clone(), login)])
        });
    let file = tokio::fs::File::from_std(archive);
    let body = bollard::body_try_stream(ReaderStream::with_capacity(file, 1 << 16));
    let mut answers = docker.build_image(request, credentials, Some(body));
    let (mut image_id, mut last) = (None, "the engine refused the request".to_owned());
    while let Some(answer) = answers.next().await {
        let answer = answer.map_err(|source| BuildError::Docker { last: last.clone(), source })?;
        for line in answer.stream.iter().flat_map(|text| text.lines()).map(str::trim_end) {
            if line.starts_with("Step ") {
                line.clone_into(&mut last);
            }
            // The answer's own field for the id has another type when BuildKit support is compiled in.
            if let Some(id) = line.strip_prefix("Successfully built ") {
                image_id = Some(id.trim().to_owned());
            }
            if !line.is_empty() {
                reporter.log(line);
            }
        }
    }
    let short = image_id.ok_or(BuildError::NoImage)?;
    let image = docker.inspect_image(&short).await.map_err(|source| BuildError::Docker { last, source })?;
    image.id.ok_or(BuildError::NoImage)
}

async fn tag(docker: &Docker, image: &str, reference: &ImageRef) -> Result<(), BuildError> {
    let options = TagImageOptionsBuilder::default()
        .repo(&reference.name())
        .tag(reference.tag().unwrap_or("latest"))
        .build();
    let tagged = docker.tag_image(image, Some(options)).await;
    tagged.map_err(|source| BuildError::Tag { reference: reference.to_string(), source })
}

async fn blocking<T, F>(work: F) -> Result<T, BuildError>
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
mod tests;
