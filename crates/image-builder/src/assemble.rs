//! Puts an image together from its layers and hands it to the engine.
//!
//! The engine's own builder writes the time and its own ids into what it builds, so two builds never are the same image.
//! Here the configuration and the layers depend on their inputs alone, and so do the image's id and digest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::ImportImageOptionsBuilder;
use futures_util::StreamExt;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType};
use tokio_util::io::ReaderStream;

use crate::base::{SaveError, save};
use crate::image_ref::ImageRef;
use crate::layer::{Layer, header};

/// Another build's clean-up may take the image away between its arrival and the look at it.
const ATTEMPTS: usize = 3;

/// Why the engine did not take the image.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The archive could not be written.
    #[error("put the image together")]
    Archive(#[source] io::Error),
    /// The engine refused it.
    #[error("load the image into the Docker engine")]
    Load(#[source] Error),
}

/// An image before the engine has it.
#[derive(Debug)]
pub(crate) struct Image {
    /// Configuration (opencontainers/image-spec, `config.md`).
    pub(crate) config: Vec<u8>,
    /// How many of its layers are those of the base image, and that image's id.
    pub(crate) base: Option<(usize, String)>,
    /// The layers above.
    pub(crate) layers: Vec<Layer>,
    pub(crate) tags: Vec<ImageRef>,
}

/// What the configuration says beside what the base image says.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    pub(crate) created: Timestamp,
    pub(crate) entrypoint: &'a str,
    /// Whole environment of the image.
    pub(crate) environment: &'a BTreeMap<String, String>,
    pub(crate) labels: &'a BTreeMap<String, String>,
}

/// The configuration of an image that is the base image with layers above. Pure.
///
/// From the base image come its environment, working folder and whatever else describes its file system; not its health
/// check (a process beside PID 1 would get the container's first environment), its command, its user (PID 1 is root
/// until it has switched) and the labels that describe the base image itself.
pub(crate) fn config(base: &Value, layers: &[Layer], words: &Words<'_>) -> Vec<u8> {
    let mut inner = base["config"].as_object().cloned().unwrap_or_default();
    for name in ["Healthcheck", "OnBuild", "Cmd", "Image", "Hostname", "Domainname"] {
        inner.shift_remove(name);
    }
    let environment: Vec<_> =
        words.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut labels: BTreeMap<String, Value> =
        inner.get("Labels").and_then(Value::as_object).map_or_else(BTreeMap::new, |labels| {
            labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
        });
    labels.retain(|name, _| {
        name != crate::base_image::KEPT_LABEL && !name.starts_with("org.opencontainers.image.")
    });
    labels.extend(words.labels.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
    inner.insert("User".into(), Value::from(""));
    inner.insert("Entrypoint".into(), json!([words.entrypoint]));
    inner.insert("Env".into(), json!(environment));
    inner.insert("Labels".into(), json!(labels));
    let created = words.created.to_string();
    let mut history = base["history"].as_array().cloned().unwrap_or_default();
    let mut diff_ids = base["rootfs"]["diff_ids"].as_array().cloned().unwrap_or_default();
    for layer in layers {
        let made = format!("mayfly: {}: {}", layer.report.name, layer.report.content);
        history.push(json!({"created": created, "created_by": made}));
        diff_ids.extend(layer.report.diff_ids.iter().map(|id| Value::from(id.as_str())));
    }
    let mut config = Map::new();
    for name in ["architecture", "variant", "os"] {
        if let Some(value) = base.get(name).filter(|value| !value.is_null()) {
            config.insert(name.into(), value.clone());
        }
    }
    config.insert("created".into(), Value::from(created));
    config.insert("config".into(), Value::from(inner));
    config.insert("rootfs".into(), json!({"type": "layers", "diff_ids": diff_ids}));
    config.insert("history".into(), Value::from(history));
    serde_json::to_vec(&config).unwrap_or_default()
}

/// Hands the image to the engine and returns the id that it has there.
pub(crate) async fn load(docker: &Docker, image: Image) -> Result<String, AssembleError> {
    // An engine with layer storage of its own takes an image without the layers that it has; one that keeps images in
    // containerd wants them all.
    let mut whole = None;
    if let Some((_, base)) = &image.base
        && keeps_archives(docker).await?
    {
        whole = Some(save(docker, base).await.map_err(|error| match error {
            SaveError::Engine(source) => AssembleError::Load(source),
            SaveError::File(source) => AssembleError::Archive(source),
        })?);
    }
    let name = image.tags.first().map(ToString::to_string).unwrap_or_default();
    let written = tokio::task::spawn_blocking(move || archive(image, whole.as_ref()))
        .await
        .map_err(|error| AssembleError::Archive(io::Error::other(error)))?
        .map_err(AssembleError::Archive)?;
    let mut attempt = 1;
    loop {
        let mut file = written.try_clone().map_err(AssembleError::Archive)?;
        file.seek(SeekFrom::Start(0)).map_err(AssembleError::Archive)?;
        send(docker, file).await.map_err(AssembleError::Load)?;
        match docker.inspect_image(&name).await {
            Ok(found) => return Ok(found.id.unwrap_or_default()),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) if attempt < ATTEMPTS => {
                attempt += 1;
            }
            Err(source) => return Err(AssembleError::Load(source)),
        }
    }
}

async fn send(docker: &Docker, file: File) -> Result<(), Error> {
    let options = ImportImageOptionsBuilder::default().quiet(true).build();
    let body =
        bollard::body_try_stream(ReaderStream::with_capacity(tokio::fs::File::from_std(file), 1 << 18));
    let mut answers = Box::pin(docker.import_image(options, body, None));
    while let Some(answer) = answers.next().await {
        answer?;
    }
    Ok(())
}

/// Whether the engine keeps images in containerd (moby: daemon/containerd).
async fn keeps_archives(docker: &Docker) -> Result<bool, AssembleError> {
    let status = docker.info().await.map_err(AssembleError::Load)?.driver_status.unwrap_or_default();
    Ok(status.iter().flatten().any(|word| word.starts_with("io.containerd.snapshotter")))
}

/// The archive that `docker load` takes (moby: image/tarexport), in an unnamed file.
fn archive(image: Image, whole: Option<&crate::base::Saved>) -> io::Result<File> {
    let config = format!("{}.json", hex::encode(Sha256::digest(&image.config)));
    let of_base = image.base.as_ref().map_or(0, |(layers, _)| *layers);
    let mut names: Vec<_> = (0..of_base).map(|number| format!("base-{number}.tar")).collect();
    let ours: Vec<_> = (0..image.layers.len()).map(|number| format!("layer-{number}.tar")).collect();
    names.extend(ours.iter().cloned());
    let tags: Vec<_> = image.tags.iter().map(ToString::to_string).collect();
    let manifest = serde_json::to_vec(&json!([{"Config": config, "RepoTags": tags, "Layers": names}]))?;
    let mut archive = Builder::new(BufWriter::new(tempfile::tempfile()?));
    for (name, content) in [("manifest.json", &manifest), (config.as_str(), &image.config)] {
        let mut header = header(EntryType::Regular, content.len() as u64, 0o644);
        archive.append_data(&mut header, name, content.as_slice())?;
    }
    if let Some(saved) = whole {
        for (number, name) in names[..of_base].iter().enumerate() {
            let mut plain = tempfile::tempfile()?;
            let length = io::copy(&mut saved.layer(number)?, &mut plain)?;
            plain.seek(SeekFrom::Start(0))?;
            archive.append_data(&mut header(EntryType::Regular, length, 0o644), name, plain)?;
        }
    }
    for (layer, name) in image.layers.into_iter().zip(ours) {
        let mut header = header(EntryType::Regular, layer.report.bytes, 0o644);
        archive.append_data(&mut header, name, layer.archive)?;
    }
    let mut buffered = archive.into_inner()?;
    buffered.flush()?;
    buffered.into_inner().map_err(io::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Content, Draft};
    use crate::rootfs::RootFs;

    #[test]
    fn what_would_run_or_describe_something_else_is_not_taken_over() {
        let base = json!({
            "architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z", "docker_version": "x",
            "container_config": {"Cmd": ["x"]},
            "config": {
                "Env": ["PATH=/bin"], "Cmd": ["bash"], "User": "nobody", "WorkingDir": "/srv", "OnBuild": ["RUN x"],
                "Healthcheck": {"Test": ["CMD", "true"]},
                "Labels": {"mayfly.kept": "base-image", "org.opencontainers.image.title": "Base", "vendor": "v"},
            },
            "rootfs": {"type": "layers", "diff_ids": ["sha256:aa"]}, "history": [{"created_by": "base"}],
        });
        let mut rootfs = RootFs::default();
        let mut draft = Draft::new("agent", "4.270.0".into(), &mut rootfs);
        draft.put("azp/agent/x", 0o644, Content::Bytes(b"x".to_vec())).unwrap();
        let layers = [draft.write(None).unwrap()];
        let environment = BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]);
        let labels =
            BTreeMap::from([("org.opencontainers.image.title".to_owned(), "Mayfly agent".to_owned())]);
        let words = Words {
            created: "2023-06-10T00:00:00Z".parse().unwrap(),
            entrypoint: "/entry",
            environment: &environment,
            labels: &labels,
        };
        let made = config(&base, &layers, &words);
        assert_eq!(made, config(&base, &layers, &words));
        let made: Value = serde_json::from_slice(&made).unwrap();
        let expected = json!({
            "User": "", "WorkingDir": "/srv", "Entrypoint": ["/entry"], "Env": ["PATH=/bin"],
            "Labels": {"org.opencontainers.image.title": "Mayfly agent", "vendor": "v"},
        });
        assert_eq!(made["config"], expected);
        assert_eq!(made["created"], "2023-06-10T00:00:00Z");
        assert_eq!(made["rootfs"]["diff_ids"], json!(["sha256:aa", layers[0].report.diff_ids[0]]));
        assert_eq!(made["history"].as_array().unwrap().len(), 2);
        assert!(made.get("container_config").is_none() && made.get("docker_version").is_none());
    }
}
