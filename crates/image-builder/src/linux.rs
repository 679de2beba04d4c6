//! The Linux image: base image, then layers of our own in the order in which they change.
//!
//! `system` (the agent's user, its folders, programs without borrowed rights) follows from the base image alone, `agent`
//! from the package, one `folder` layer each from what is baked in, `mayfly` from everything. So a new agent re-uses the
//! base image, and a new entrypoint re-uses the agent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bollard::Docker;
use jiff::Timestamp;
use serde_json::Value;

use crate::accounts;
use crate::assemble::{Image, Words, config, load};
use crate::base::{self, Base};
use crate::build::{Ingredients, blocking};
use crate::build_error::BuildError;
use crate::cache;
use crate::context::ImageFile;
use crate::folder::FolderLayer;
use crate::label;
use crate::layer::{Content, Draft, Layer, LayerError, LayerReport};
use crate::options::{BuildOptions, TargetOs};
use crate::prepare::{self, Recipe};
use crate::report::Reporter;
use crate::rootfs::{Kind, RootFs};
use crate::sbom::{self, Contents, Part};
use crate::unpack::{Limits, Node, Package, unpack};

const ENTRYPOINT: &str = "usr/local/bin/mayfly-entrypoint";
const AGENT_FOLDER: &str = "azp/agent";
const INSTALL: &str = "bin/installdependencies.sh";

/// What a build made.
pub(crate) struct Made {
    pub(crate) image_id: String,
    pub(crate) layers: Vec<LayerReport>,
    pub(crate) sbom: Vec<u8>,
}

/// Puts the image together and hands it to the engine, under all its tags.
pub(crate) async fn build(
    docker: &Docker,
    options: &BuildOptions,
    found: &Ingredients,
    reporter: &dyn Reporter,
) -> Result<Made, BuildError> {
    reporter.step(&format!("unpack {}", found.file.display()));
    let file = found.file.clone();
    let package = blocking(move || {
        let package = unpack(&file, Limits::default())?;
        crate::build::check_agent(TargetOs::Linux, &file, &package)?;
        Ok(package)
    })
    .await?;
    let (name, base) = base_image(docker, options, found, &package, reporter).await?;
    let inspected = docker.inspect_image(&name).await;
    let inspected = inspected.map_err(|source| base::BaseError::Engine { image: name.clone(), source })?;

    reporter.step(&format!("put {} together on {name}", found.tags[0]));
    let size = inspected.size.unwrap_or_default();
    let plan = Plan {
        created: options.created.or_else(|| created(&base.config)).unwrap_or_default(),
        digest: digest_in(&name, inspected.repo_digests.unwrap_or_default()),
        options: options.clone(),
        found: found.clone(),
        name,
        base_bytes: u64::try_from(size).unwrap_or_default(),
    };
    let (image, layers, sbom) = blocking(move || plan.assemble(base, &package)).await?;
    let image_id = load(docker, image).await?;
    Ok(Made { image_id, layers, sbom })
}

/// The base image as it is built on: the given one, or what a Dockerfile made of it.
async fn base_image(
    docker: &Docker,
    options: &BuildOptions,
    found: &Ingredients,
    package: &Package,
    reporter: &dyn Reporter,
) -> Result<(String, Base), BuildError> {
    let mut name = found.base.clone();
    let mut base = base::read(docker, &name, &options.cache_dir, reporter).await?;
    if let Some(dockerfile) = &found.dockerfile {
        reporter.step(&format!("make a base image from {name} with the given Dockerfile"));
        let recipe = Recipe { name: "own", dockerfile, script: None };
        name = prepare::derive(docker, (&name, &base.id), &recipe, &options.push, reporter).await?;
        base = base::read(docker, &name, &options.cache_dir, reporter).await?;
    }
    check_architecture(&name, &base)?;
    let missing = prepare::missing(&base.rootfs);
    if missing.is_empty() {
        return Ok((name, base));
    }
    let lacks = || missing.iter().map(|what| (*what).to_owned()).collect();
    if !base.rootfs.has("usr/bin/apt-get") {
        return Err(BuildError::Unfit { image: name, missing: lacks() });
    }
    reporter.step(&format!(
        "{name} lacks {}; preparing a base image with them (kept; made anew, it would have another digest)",
        missing.join(", ")
    ));
    let script = script(package).map_err(BuildError::Context)?;
    let recipe =
        Recipe { name: "prepared", dockerfile: crate::DOCKERFILE_LINUX, script: Some(script.as_slice()) };
    name = prepare::derive(docker, (&name, &base.id), &recipe, &options.push, reporter).await?;
    base = base::read(docker, &name, &options.cache_dir, reporter).await?;
    let missing = prepare::missing(&base.rootfs);
    if missing.is_empty() {
        return Ok((name, base));
    }
    let missing = missing.iter().map(|what| (*what).to_owned()).collect();
    Err(BuildError::Unfit { image: name, missing })
}

fn check_architecture(name: &str, base: &Base) -> Result<(), BuildError> {
    let found = base.config["architecture"].as_str().unwrap_or("unknown");
    if found == "amd64" {
        return Ok(());
    }
    Err(BuildError::Architecture { image: name.to_owned(), found: found.to_owned() })
}

/// The agent's own list of what it needs, or a script that needs nothing.
fn script(package: &Package) -> std::io::Result<Vec<u8>> {
    let mut script = Vec::new();
    if let Some(Node::File { offset, length, .. }) = package.nodes.get(INSTALL) {
        std::io::Read::read_to_end(&mut package.content(*offset, *length)?, &mut script)?;
    }
    Ok(script)
}

/// When the base image was made, to the second.
fn created(config: &Value) -> Option<Timestamp> {
    let made: Timestamp = config["created"].as_str()?.parse().ok()?;
    Timestamp::from_second(made.as_second()).ok()
}

/// The digest that the image has in its registry.
fn digest_in(name: &str, digests: Vec<String>) -> Option<String> {
    if let Some((_, digest)) = name.split_once('@') {
        return Some(digest.to_owned());
    }
    let repository = name.rsplit_once(':').map_or(name, |(repository, tag)| {
        // A colon before a slash stands before a port.
        if tag.contains('/') { name } else { repository }
    });
    digests.iter().find_map(|one| Some(one.strip_prefix(repository)?.strip_prefix('@')?.to_owned()))
}

/// All that the image follows from.
struct Plan {
    options: BuildOptions,
    found: Ingredients,
    /// The base image's name.
    name: String,
    digest: Option<String>,
    base_bytes: u64,
    created: Timestamp,
}

type Assembled = (Image, Vec<LayerReport>, Vec<u8>);

impl Plan {
    /// Blocks.
    fn assemble(self, base: Base, package: &Package) -> Result<Assembled, BuildError> {
        let mut rootfs = base.rootfs.clone();
        let environment = self.environment(&base);
        let mut layers = vec![system(&base, &mut rootfs)?];
        let mut draft = Draft::new("agent", self.found.version.to_string(), &mut rootfs);
        draft.put_package(AGENT_FOLDER, package)?;
        layers.push(draft.write(Some(package))?);
        for folder in &self.options.layers {
            layers.push(baked(folder, &mut rootfs)?);
        }
        let sbom = self.sbom(&base)?;
        layers.push(self.own(&environment, &sbom, &mut rootfs)?);

        let labels = label::labels(&label::Described {
            options: &self.options,
            version: self.found.version,
            sha256: &self.found.sha256,
            base: &self.name,
            base_digest: self.digest.as_deref(),
            created: self.created,
        });
        let words = Words {
            created: self.created,
            entrypoint: &format!("/{ENTRYPOINT}"),
            environment: &environment,
            labels: &labels,
        };
        let config = config(&base.config, &layers, &words);
        let mut reports = vec![self.report(&base)];
        reports.extend(layers.iter().map(|layer| layer.report.clone()));
        let of_base = reports[0].diff_ids.len();
        Ok((Image { config, base: Some((of_base, base.id)), layers, tags: self.found.tags }, reports, sbom))
    }

    fn report(&self, base: &Base) -> LayerReport {
        let ids = base.config["rootfs"]["diff_ids"].as_array().cloned().unwrap_or_default();
        let waste: u64 =
            ["var/lib/apt/lists", "var/cache/apt"].iter().map(|folder| base.rootfs.bytes_below(folder)).sum();
        let waste = if waste > 1 << 20 {
            format!(", of that {} MiB of package lists and caches", waste >> 20)
        } else {
            String::new()
        };
        LayerReport {
            name: "base".into(),
            content: format!("{}{waste}", self.name),
            bytes: self.base_bytes,
            diff_ids: ids.iter().filter_map(|id| id.as_str().map(ToOwned::to_owned)).collect(),
        }
    }

    /// What the base image declares, and over it what this build declares.
    fn environment(&self, base: &Base) -> BTreeMap<String, String> {
        let declared = base.config["config"]["Env"].as_array().cloned().unwrap_or_default();
        let pair = |text: &Value| {
            let (name, value) = text.as_str()?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        declared.iter().filter_map(pair).chain(self.options.environment.clone()).collect()
    }

    fn sbom(&self, base: &Base) -> Result<Vec<u8>, BuildError> {
        let entrypoint = &self.options.entrypoint;
        let read = |source| BuildError::Input { what: "the entrypoint", file: entrypoint.clone(), source };
        let (sha256, _) = cache::sha256_of(entrypoint).map_err(read)?;
        let package = self.found.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let id = base.release("ID").unwrap_or_else(|| "linux".to_owned());
        Ok(sbom::cyclonedx(&Contents {
            created: self.created,
            version: self.found.version.to_string(),
            distribution: (id, base.release("VERSION_CODENAME")),
            packages: sbom::installed(&base.text("var/lib/dpkg/status").unwrap_or_default()),
            parts: vec![
                Part {
                    name: &package,
                    version: Some(self.found.version.to_string()),
                    sha256: &self.found.sha256,
                    crates: Vec::new(),
                },
                Part {
                    name: "mayfly-entrypoint",
                    version: None,
                    sha256: &sha256,
                    crates: crates(entrypoint),
                },
            ],
        }))
    }

    fn own(
        &self,
        environment: &BTreeMap<String, String>,
        sbom: &[u8],
        rootfs: &mut RootFs,
    ) -> Result<Layer, BuildError> {
        let entrypoint = &self.options.entrypoint;
        let read = |source| BuildError::Input { what: "the entrypoint", file: entrypoint.clone(), source };
        let length = fs_err::metadata(entrypoint).map_err(read)?.len();
        let described = ImageFile {
            agent_version: self.found.version,
            package: &self.found.file.file_name().unwrap_or_default().to_string_lossy(),
            package_sha256: &self.found.sha256,
            base_image: &self.name,
            created: self.created,
            environment,
        };
        let mut draft = Draft::new("mayfly", "entrypoint, image.json, sbom.json".to_owned(), rootfs);
        draft.put(ENTRYPOINT, 0o755, Content::File { path: entrypoint.clone(), length })?;
        draft.put("etc/mayfly/image.json", 0o644, Content::Bytes(described.text()))?;
        draft.put("etc/mayfly/sbom.json", 0o644, Content::Bytes(sbom.to_vec()))?;
        Ok(draft.write(None)?)
    }
}

/// A list of its crates that lies beside the entrypoint as `<name>.crates`.
fn crates(entrypoint: &Path) -> Vec<(String, String)> {
    let mut name = entrypoint.as_os_str().to_owned();
    name.push(".crates");
    fs_err::read_to_string(PathBuf::from(name)).map_or_else(|_| Vec::new(), |list| sbom::crates(&list))
}

/// What follows from the base image alone: the agent's user and folders, and copies of its programs that lend nobody
/// another user's rights.
fn system(base: &Base, rootfs: &mut RootFs) -> Result<Layer, LayerError> {
    let mut draft = Draft::new("system", "the agent's user and folders".to_owned(), rootfs);
    for (file, line) in accounts::FILES {
        let (text, mode, owner) = match (base.text(file), draft.rootfs().entries.get(file)) {
            (Some(text), Some(entry)) => (text, entry.mode, (entry.uid, entry.gid)),
            // Without these two there are no names; the others only matter where they are.
            _ if file == "etc/passwd" || file == "etc/group" => (String::new(), 0o644, (0, 0)),
            _ => continue,
        };
        let text = accounts::with_agent(&text, line).map_err(|line| LayerError::Account { file, line })?;
        draft.put_owned(file, mode, owner, Content::Bytes(text.into_bytes()))?;
    }
    let agent = (accounts::AGENT_ID, accounts::AGENT_ID);
    draft.put_owned("home/agent", 0o750, agent, Content::Directory)?;
    for (name, content) in base.skeleton() {
        draft.put_owned(&format!("home/agent/{name}"), 0o644, agent, Content::Bytes(content))?;
    }
    draft.put("azp", 0o755, Content::Directory)?;
    // The sticky bit lets the agent create its own files beside root's (settings, keys, _diag) without being able to
    // replace or remove those.
    draft.put_owned(AGENT_FOLDER, 0o1770, (0, accounts::AGENT_ID), Content::Directory)?;
    draft.put_owned("azp/work", 0o755, agent, Content::Directory)?;
    let lending: Vec<_> = base.rootfs.entries.iter().filter(|(_, entry)| entry.lends_rights()).collect();
    for (path, entry) in lending {
        let content = base.file(path).unwrap_or_default();
        debug_assert_eq!(entry.kind, Kind::File);
        draft.put_owned(path, entry.mode & 0o1777, (entry.uid, entry.gid), Content::Bytes(content))?;
    }
    draft.write(None)
}

fn baked(folder: &FolderLayer, rootfs: &mut RootFs) -> Result<Layer, LayerError> {
    let mut draft = Draft::new("folder", folder.target.clone(), rootfs);
    draft.put_folder(folder)?;
    draft.write(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_images_digest_is_that_of_its_own_repository() {
        let digests = || vec!["localhost:5000/debian@sha256:aa".to_owned(), "debian@sha256:bb".to_owned()];
        assert_eq!(digest_in("debian:bookworm-slim", digests()), Some("sha256:bb".into()));
        assert_eq!(digest_in("localhost:5000/debian", digests()), Some("sha256:aa".into()));
        assert_eq!(digest_in("x@sha256:cc", Vec::new()), Some("sha256:cc".into()));
        assert_eq!(digest_in("mayfly-base:made", digests()), None);
    }

    #[test]
    fn the_time_is_the_base_images_to_the_second() {
        let config = serde_json::json!({"created": "2026-11-24T19:10:18.401127015Z"});
        assert_eq!(created(&config).unwrap().to_string(), "2026-11-24T19:10:18Z");
        assert_eq!(created(&serde_json::json!({})), None);
    }
}
