//! The build context: everything that the Dockerfile copies, as one tar archive that depends on its inputs alone.
//!
//! Entries are sorted, owned by root, with one fixed time and two modes, so that the same inputs give the same bytes
//! and the engine's layer cache works.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use tar::{Builder, EntryType, Header};

use crate::folder::{FolderLayer, FolderNode};
use crate::options::TargetOs;
use crate::unpack::{Node, Package};
use crate::version::AgentVersion;

/// 1980-01-01: the earliest time that every tool can store.
const MTIME: u64 = 315_532_800;

/// What the image says of itself, as `image.json` in it. Everybody in the image can read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageFile<'a> {
    pub(crate) agent_version: AgentVersion,
    pub(crate) package: &'a str,
    pub(crate) package_sha256: &'a str,
    pub(crate) base_image: &'a str,
    pub(crate) built_at: Timestamp,
    pub(crate) tags: Vec<String>,
    pub(crate) environment: &'a BTreeMap<String, String>,
}

/// Where our own files are in the context. They are laid out as in the image, so that one copy brings them all: every
/// step of a build costs the engine a comparison of whole file systems.
struct Places {
    folders: &'static [&'static str],
    image_file: &'static str,
    entrypoint: &'static str,
}

/// Writes the context and returns it, positioned at its start, with its length. Blocks.
pub(crate) fn context(
    os: TargetOs,
    dockerfile: &str,
    entrypoint: &Path,
    image_file: &[u8],
    package: &Package,
    layers: &[FolderLayer],
) -> io::Result<(File, u64)> {
    let mut archive = Builder::new(BufWriter::new(tempfile::tempfile()?));
    archive.mode(tar::HeaderMode::Deterministic);
    file(&mut archive, "Dockerfile", dockerfile.len() as u64, false, dockerfile.as_bytes())?;
    directory(&mut archive, "agent")?;
    for (path, node) in &package.nodes {
        let path = format!("agent/{path}");
        match node {
            Node::Directory => directory(&mut archive, &path)?,
            Node::File { offset, length, executable } => {
                file(&mut archive, &path, *length, *executable, package.content(*offset, *length)?)?;
            }
            Node::Symlink { target } => {
                let mut header = header(EntryType::Symlink, 0, 0o777);
                archive.append_link(&mut header, &path, target)?;
            }
        }
    }
    let places = match os {
        TargetOs::Linux => Places {
            folders: &[
                "files",
                "files/etc",
                "files/etc/mayfly",
                "files/usr",
                "files/usr/local",
                "files/usr/local/bin",
            ],
            image_file: "files/etc/mayfly/image.json",
            entrypoint: "files/usr/local/bin/mayfly-entrypoint",
        },
        TargetOs::Windows => Places {
            folders: &["files"],
            image_file: "files/image.json",
            entrypoint: "files/mayfly-entrypoint.exe",
        },
    };
    for folder in places.folders {
        directory(&mut archive, folder)?;
    }
    for layer in layers {
        baked(&mut archive, layer)?;
    }
    file(&mut archive, places.image_file, image_file.len() as u64, false, image_file)?;
    let program = fs_err::File::open(entrypoint)?;
    let length = program.metadata()?.len();
    file(&mut archive, places.entrypoint, length, true, program)?;
    let mut buffered = archive.into_inner()?;
    buffered.flush()?;
    let mut written = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
    let length = written.seek(SeekFrom::End(0))?;
    written.seek(SeekFrom::Start(0))?;
    Ok((written, length))
}

fn baked(archive: &mut Builder<impl Write>, layer: &FolderLayer) -> io::Result<()> {
    let root = format!("files{}", layer.target);
    directory(archive, &root)?;
    for (path, node) in layer.read().map_err(io::Error::other)? {
        let path = format!("{root}/{path}");
        match node {
            FolderNode::Directory => directory(archive, &path)?,
            FolderNode::File { path: source, length, executable } => {
                file(archive, &path, length, executable, fs_err::File::open(source)?.take(length))?;
            }
            FolderNode::Symlink { target } => {
                archive.append_link(&mut header(EntryType::Symlink, 0, 0o777), &path, target)?;
            }
        }
    }
    Ok(())
}

fn header(kind: EntryType, size: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(MTIME);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn directory(archive: &mut Builder<impl Write>, path: &str) -> io::Result<()> {
    archive.append_data(&mut header(EntryType::Directory, 0, 0o755), format!("{path}/"), io::empty())
}

fn file(
    archive: &mut Builder<impl Write>,
    path: &str,
    length: u64,
    executable: bool,
    content: impl Read,
) -> io::Result<()> {
    let mode = if executable { 0o755 } else { 0o644 };
    archive.append_data(&mut header(EntryType::Regular, length, mode), path, content)
}

#[cfg(test)]
mod tests;
