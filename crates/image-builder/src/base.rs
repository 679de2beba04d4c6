//! What a build has to know of the image it builds on: configuration, file system, and the few files that our own
//! layers change or report. Read from the engine once for each image and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use bollard::Docker;
use bollard::errors::Error;
use flate2::read::GzDecoder;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cache;
use crate::report::Reporter;
use crate::rootfs::RootFs;

/// Files that are read out of the base image beside those that lend rights.
const WANTED: [&str; 7] = [
    "etc/group",
    "etc/gshadow",
    "etc/os-release",
    "etc/passwd",
    "etc/shadow",
    "usr/lib/os-release",
    "var/lib/dpkg/status",
];
const SKELETON: &str = "etc/skel/";

/// Why a base image could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// The engine did not give it out.
    #[error("read the base image `{image}` from the engine")]
    Engine {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: Error,
    },
    /// What it gave out is not an image as documented.
    #[error("read the base image `{image}`")]
    Read {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A base image, read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Base {
    /// The engine's id.
    pub(crate) id: String,
    /// The image's configuration as it is (opencontainers/image-spec, `config.md`).
    pub(crate) config: Value,
    pub(crate) rootfs: RootFs,
    /// Contents in hexadecimal.
    files: BTreeMap<String, String>,
}

impl Base {
    /// The content of a file that was read along.
    pub(crate) fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.files.get(path).and_then(|content| hex::decode(content).ok())
    }

    /// The same as text.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.file(path).map(|content| String::from_utf8_lossy(&content).into_owned())
    }

    /// What `/etc/os-release`, or the file it links to on Debian, says under a name.
    pub(crate) fn release(&self, name: &str) -> Option<String> {
        let text = self.text("etc/os-release").or_else(|| self.text("usr/lib/os-release"))?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches('"').to_owned())
    }

    /// Files that every new home folder begins with.
    pub(crate) fn skeleton(&self) -> impl Iterator<Item = (&str, Vec<u8>)> {
        self.files.keys().filter_map(|path| Some((path.strip_prefix(SKELETON)?, self.file(path)?)))
    }
}

/// Reads the base image, or what an earlier build kept of it.
pub(crate) async fn read(
    docker: &Docker,
    image: &str,
    cache_dir: &Path,
    reporter: &dyn Reporter,
) -> Result<Base, BaseError> {
    let failed = |source| BaseError::Read { image: image.to_owned(), source };
    let engine = |source| BaseError::Engine { image: image.to_owned(), source };
    let id = docker.inspect_image(image).await.map_err(engine)?.id.unwrap_or_default();
    let folder = cache_dir.join("bases");
    let name = id.rsplit(':').next().unwrap_or_default();
    let kept = folder.join(format!("{name}.json"));
    let _lock = cache::lock(&folder.join(format!("{name}.lock")), "this base image", reporter)
        .await
        .map_err(failed)?;
    if let Ok(text) = fs_err::read(&kept)
        && let Ok(base) = serde_json::from_slice::<Base>(&text)
        && base.id == id
    {
        return Ok(base);
    }
    reporter.step(&format!("read the base image {image}"));
    let saved = save(docker, &id).await.map_err(|error| match error {
        SaveError::Engine(source) => engine(source),
        SaveError::File(source) => failed(source),
    })?;
    let write = move || -> io::Result<Base> {
        let base = saved.base(id)?;
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        file.write_all(&serde_json::to_vec(&base)?)?;
        file.persist(&kept)?;
        Ok(base)
    };
    tokio::task::spawn_blocking(write).await.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)
}

pub(crate) enum SaveError {
    Engine(Error),
    File(io::Error),
}

/// An image as the engine saves it: an archive with `manifest.json` and one archive for each layer.
pub(crate) struct Saved {
    archive: File,
    config: (u64, u64),
    layers: Vec<(u64, u64)>,
}

/// Has the engine write an image to an unnamed file.
pub(crate) async fn save(docker: &Docker, image: &str) -> Result<Saved, SaveError> {
    let archive = tempfile::tempfile().map_err(SaveError::File)?;
    let mut file = tokio::fs::File::from_std(archive.try_clone().map_err(SaveError::File)?);
    let mut chunks = Box::pin(docker.export_image(image));
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(SaveError::Engine)?;
        tokio::io::AsyncWriteExt::write_all(&mut file, &chunk).await.map_err(SaveError::File)?;
    }
    tokio::io::AsyncWriteExt::flush(&mut file).await.map_err(SaveError::File)?;
    tokio::task::spawn_blocking(move || Saved::open(archive))
        .await
        .map_err(|error| SaveError::File(io::Error::other(error)))?
        .map_err(SaveError::File)
}

/// `manifest.json` of the format that `docker save` and `docker load` share (moby: image/tarexport).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    config: String,
    layers: Vec<String>,
}

impl Saved {
    fn open(mut archive: File) -> io::Result<Self> {
        let (mut files, mut links) = (BTreeMap::new(), BTreeMap::new());
        archive.seek(SeekFrom::Start(0))?;
        for entry in tar::Archive::new(BufReader::new(&archive)).entries_with_seek()? {
            let entry = entry?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            // Older engines link to a layer that an earlier image of the archive has too.
            if let (true, Some(target)) = (entry.header().entry_type().is_symlink(), entry.link_name_bytes())
            {
                links.insert(path, String::from_utf8_lossy(&target).trim_start_matches("../").to_owned());
            } else {
                files.insert(path, (entry.raw_file_position(), entry.size()));
            }
        }
        let missing = |what: &str| io::Error::other(format!("the engine's archive has no `{what}`"));
        let place = |name: &str| {
            let name = links.get(name).map_or(name, String::as_str);
            files.get(name).copied().ok_or_else(|| missing(name))
        };
        let manifest: Vec<Manifest> = serde_json::from_reader(piece(&archive, place("manifest.json")?)?)?;
        let manifest = manifest.into_iter().next().ok_or_else(|| missing("image in manifest.json"))?;
        let layers = manifest.layers.iter().map(|name| place(name)).collect::<io::Result<_>>()?;
        Ok(Self { config: place(&manifest.config)?, layers, archive })
    }

    /// A layer, uncompressed: some engines keep and save layers compressed.
    pub(crate) fn layer(&self, number: usize) -> io::Result<Box<dyn Read + '_>> {
        let place = self.layers[number];
        let mut start = Vec::new();
        piece(&self.archive, place)?.take(4).read_to_end(&mut start)?;
        let layer = piece(&self.archive, place)?;
        match start.as_slice() {
            [0x1f, 0x8b, ..] => Ok(Box::new(GzDecoder::new(layer))),
            [0x28, 0xb5, 0x2f, 0xfd] => Err(io::Error::other(
                "a layer is compressed with zstd, which is not supported: rebuild it with gzip",
            )),
            _ => Ok(Box::new(layer)),
        }
    }

    fn base(&self, id: String) -> io::Result<Base> {
        let config: Value = serde_json::from_reader(piece(&self.archive, self.config)?)?;
        let mut rootfs = RootFs::default();
        for number in 0..self.layers.len() {
            rootfs.apply(number, self.layer(number)?)?;
        }
        let wanted = rootfs
            .entries
            .iter()
            .filter(|(path, entry)| {
                entry.lends_rights() || WANTED.contains(&path.as_str()) || path.starts_with(SKELETON)
            })
            .filter(|(_, entry)| entry.kind == crate::rootfs::Kind::File);
        let mut places: BTreeMap<(usize, usize), Vec<&String>> = BTreeMap::new();
        for (path, entry) in wanted {
            places.entry(entry.at).or_default().push(path);
        }
        let mut files = BTreeMap::new();
        for layer in places.keys().map(|place| place.0).collect::<BTreeSet<_>>() {
            let mut archive = tar::Archive::new(self.layer(layer)?);
            for (number, entry) in archive.entries()?.enumerate() {
                let mut entry = entry?;
                let Some(paths) = places.get(&(layer, number)) else { continue };
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                files.extend(paths.iter().map(|path| ((*path).clone(), hex::encode(&content))));
            }
        }
        Ok(Base { id, config, rootfs, files })
    }
}

fn piece(archive: &File, (offset, length): (u64, u64)) -> io::Result<impl Read> {
    let mut archive = archive;
    archive.seek(SeekFrom::Start(offset))?;
    Ok(BufReader::new(archive).take(length))
}
