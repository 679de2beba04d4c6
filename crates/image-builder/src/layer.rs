//! One layer of the image: what is in it, written as an archive that depends on that alone.
//!
//! Entries are sorted, carry one fixed time, and no attributes beyond mode and owner. The folders above an entry are
//! named again as the image has them: an engine that unpacks each layer by itself would make them root's and let them
//! hide the ones below.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::folder::{FolderError, FolderLayer, FolderNode};
use crate::rootfs::{Entry, Kind, RootFs};
use crate::unpack::{Node, Package};

/// 1980-01-01: the earliest time that every tool can store.
const MTIME: u64 = 315_532_800;

/// What stands at a path of a layer.
#[derive(Debug)]
pub(crate) enum Content {
    Directory,
    Bytes(Vec<u8>),
    File {
        path: PathBuf,
        length: u64,
    },
    /// A piece of the agent package.
    Package {
        offset: u64,
        length: u64,
    },
    Symlink(String),
}

/// Why a layer cannot be laid over the image.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// A link or file of the image stands where the layer needs a folder, or the other way round.
    #[error("put `/{path}` into the image: in the image, `/{at}` is {what}")]
    InTheWay {
        /// What was to be put there.
        path: String,
        /// What is in its way.
        at: String,
        /// What that is.
        what: &'static str,
    },
    /// The base image has an account of the agent's name or number.
    #[error("add the agent's user to `/{file}`: it has `{line}`")]
    Account {
        /// The file.
        file: &'static str,
        /// Its line.
        line: String,
    },
    /// A folder to bake in.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file could not be read or written.
    #[error("write the layer `{layer}`")]
    Write {
        /// The layer's name.
        layer: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A layer that is being put together.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    name: &'static str,
    content: String,
    rootfs: &'a mut RootFs,
    items: BTreeMap<String, (u32, u64, u64, Content)>,
}

/// A written layer, as it is reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerReport {
    /// Its name: `base`, `system`, `agent`, `folder` or `mayfly`.
    pub name: String,
    /// What is in it.
    pub content: String,
    /// Bytes, uncompressed.
    pub bytes: u64,
    /// Digests of its uncompressed archives: one, but for the base image.
    pub diff_ids: Vec<String>,
}

/// A written layer.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) report: LayerReport,
    pub(crate) archive: File,
}

impl<'a> Draft<'a> {
    /// A layer over what is in `rootfs`, which learns what the layer brings.
    pub(crate) fn new(name: &'static str, content: String, rootfs: &'a mut RootFs) -> Self {
        Self { name, content, rootfs, items: BTreeMap::new() }
    }

    /// What the image has so far, this layer included.
    pub(crate) fn rootfs(&self) -> &RootFs {
        self.rootfs
    }

    /// Puts root's own file, folder or link at a path; folders above it that are missing come along.
    pub(crate) fn put(&mut self, path: &str, mode: u32, content: Content) -> Result<(), LayerError> {
        self.put_owned(path, mode, (0, 0), content)
    }

    pub(crate) fn put_owned(
        &mut self,
        path: &str,
        mode: u32,
        owner: (u64, u64),
        content: Content,
    ) -> Result<(), LayerError> {
        for (at, _) in path.match_indices('/') {
            let parent = &path[..at];
            match self.rootfs.entries.get(parent) {
                Some(Entry { kind: Kind::Directory, mode, uid, gid, .. }) => {
                    let same = (*mode, *uid, *gid, Content::Directory);
                    self.items.entry(parent.to_owned()).or_insert(same);
                }
                Some(Entry { kind: Kind::Symlink(_), .. }) => return Err(in_the_way(path, parent, "a link")),
                Some(_) => return Err(in_the_way(path, parent, "no folder")),
                None => self.insert(parent, 0o755, (0, 0), Content::Directory),
            }
        }
        let is_folder = matches!(content, Content::Directory);
        match self.rootfs.entries.get(path).map(|entry| &entry.kind) {
            Some(Kind::Directory) if !is_folder => return Err(in_the_way(path, path, "a folder")),
            Some(Kind::Symlink(_)) if is_folder => return Err(in_the_way(path, path, "a link")),
            Some(kind) if is_folder && *kind != Kind::Directory => {
                return Err(in_the_way(path, path, "no folder"));
            }
            _ => {}
        }
        self.insert(path, mode, owner, content);
        Ok(())
    }

    fn insert(&mut self, path: &str, mode: u32, (uid, gid): (u64, u64), content: Content) {
        let (kind, length) = match &content {
            Content::Directory => (Kind::Directory, 0),
            Content::Bytes(bytes) => (Kind::File, bytes.len() as u64),
            Content::File { length, .. } | Content::Package { length, .. } => (Kind::File, *length),
            Content::Symlink(target) => (Kind::Symlink(target.clone()), 0),
        };
        let entry = Entry { kind, mode, uid, gid, length, capable: false, at: (usize::MAX, 0) };
        self.rootfs.entries.insert(path.to_owned(), entry);
        self.items.insert(path.to_owned(), (mode, uid, gid, content));
    }

    /// All of the agent package, below a folder.
    pub(crate) fn put_package(&mut self, folder: &str, package: &Package) -> Result<(), LayerError> {
        for (path, node) in &package.nodes {
            let (mode, content) = match node {
                Node::Directory => (0o755, Content::Directory),
                Node::File { offset, length, executable } => {
                    (mode_of(*executable), Content::Package { offset: *offset, length: *length })
                }
                Node::Symlink { target } => (0o777, Content::Symlink(target.clone())),
            };
            self.put(&format!("{folder}/{path}"), mode, content)?;
        }
        Ok(())
    }

    /// A folder of this machine. A place that others than root may write to is refused: what is there could be
    /// replaced.
    pub(crate) fn put_folder(&mut self, layer: &FolderLayer) -> Result<(), LayerError> {
        let target = layer.target.trim_start_matches('/');
        let places = target.match_indices('/').map(|(at, _)| &target[..at]).chain([target]);
        for place in places {
            if let Some(entry) = self.rootfs.entries.get(place)
                && (entry.uid != 0 || entry.mode & 0o002 != 0)
            {
                return Err(in_the_way(target, place, "writable for others than root"));
            }
        }
        if !self.rootfs.is_folder(target) {
            self.put(target, 0o755, Content::Directory)?;
        }
        for (path, node) in layer.read()? {
            let path = format!("{target}/{path}");
            match node {
                FolderNode::Directory if self.rootfs.is_folder(&path) => {}
                FolderNode::Directory => self.put(&path, 0o755, Content::Directory)?,
                FolderNode::File { path: source, length, executable } => {
                    self.put(&path, mode_of(executable), Content::File { path: source, length })?;
                }
                FolderNode::Symlink { target } => self.put(&path, 0o777, Content::Symlink(target))?,
            }
        }
        Ok(())
    }

    /// Writes the layer to an unnamed file. Blocks.
    pub(crate) fn write(self, package: Option<&Package>) -> Result<Layer, LayerError> {
        let (name, content) = (self.name.to_owned(), self.content);
        let written = write(&self.items, package);
        let (archive, bytes, digest) =
            written.map_err(|source| LayerError::Write { layer: name.clone(), source })?;
        Ok(Layer { report: LayerReport { name, content, bytes, diff_ids: vec![digest] }, archive })
    }
}

fn mode_of(executable: bool) -> u32 {
    if executable { 0o755 } else { 0o644 }
}

fn in_the_way(path: &str, at: &str, what: &'static str) -> LayerError {
    LayerError::InTheWay { path: path.to_owned(), at: at.to_owned(), what }
}

fn write(
    items: &BTreeMap<String, (u32, u64, u64, Content)>,
    package: Option<&Package>,
) -> io::Result<(File, u64, String)> {
    let mut archive =
        Builder::new(Hashing { inner: BufWriter::new(tempfile::tempfile()?), hash: Sha256::new() });
    for (path, (mode, uid, gid, content)) in items {
        let (kind, length) = match content {
            Content::Directory => (EntryType::Directory, 0),
            Content::Symlink(_) => (EntryType::Symlink, 0),
            Content::Bytes(bytes) => (EntryType::Regular, bytes.len() as u64),
            Content::File { length, .. } | Content::Package { length, .. } => (EntryType::Regular, *length),
        };
        let mut header = header(kind, length, *mode);
        header.set_uid(*uid);
        header.set_gid(*gid);
        match content {
            Content::Directory => archive.append_data(&mut header, format!("{path}/"), io::empty())?,
            Content::Symlink(target) => archive.append_link(&mut header, path, target)?,
            Content::Bytes(bytes) => archive.append_data(&mut header, path, bytes.as_slice())?,
            Content::File { path: source, length } => {
                archive.append_data(&mut header, path, whole(fs_err::File::open(source)?, *length))?;
            }
            Content::Package { offset, length } => {
                let package = package.ok_or_else(|| io::Error::other("a layer without its package"))?;
                archive.append_data(&mut header, path, package.content(*offset, *length)?)?;
            }
        }
    }
    let Hashing { inner, hash } = archive.into_inner()?;
    let mut file = inner.into_inner().map_err(io::IntoInnerError::into_error)?;
    let bytes = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    Ok((file, bytes, format!("sha256:{}", hex::encode(hash.finalize()))))
}

/// Exactly `length` bytes: a file that shrinks while it is read would shift all that follows in the archive.
fn whole(file: impl Read, length: u64) -> impl Read {
    struct Whole<R>(R, u64);
    impl<R: Read> Read for Whole<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let wanted = usize::try_from(self.1).unwrap_or(usize::MAX).min(buffer.len());
            let read = self.0.read(&mut buffer[..wanted])?;
            if read == 0 && wanted > 0 {
                return Err(io::Error::other("a file became shorter while it was read"));
            }
            self.1 -= read as u64;
            Ok(read)
        }
    }
    Whole(file, length)
}

pub(crate) fn header(kind: EntryType, size: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(MTIME);
    header.set_uid(0);
    header.set_gid(0);
    header
}

#[derive(Debug)]
struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests;
