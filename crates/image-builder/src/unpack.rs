//! Reads an agent package without ever writing to a path that the package names.
//!
//! The contents of all files go one after the other into a single unnamed spool file; names, modes and links stay in
//! memory until the build context is written. So no name can reach outside, nothing is left behind when a package is
//! refused, and modes survive on a machine whose file system has none.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

mod path;

use path::EntryPath;
pub(crate) use path::link_stays_inside;

/// The archives that Microsoft publishes agents in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArchiveKind {
    TarGz,
    Zip,
}

impl ArchiveKind {
    /// By the name's ending.
    pub(crate) fn of(name: &str) -> Option<Self> {
        if name.strip_suffix(".tar.gz").is_some() {
            Some(Self::TarGz)
        } else {
            name.strip_suffix(".zip").map(|_| Self::Zip)
        }
    }
}

/// What one archive may hold. Microsoft's package has about 500 MB in 20 000 files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    pub(crate) entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 3 * 1024 * 1024 * 1024, entries: 200_000 }
    }
}

/// Why a package is refused.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The file could not be read.
    #[error("read `{}`", file.display())]
    Read {
        /// The archive.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Neither kind of archive.
    #[error("read `{}`: an agent package ends in `.tar.gz` or `.zip`", file.display())]
    Kind {
        /// The file.
        file: PathBuf,
    },
    /// An entry that a package has no need for.
    #[error("refuse `{}`: entry `{entry}` {reason}", file.display())]
    Entry {
        /// The archive.
        file: PathBuf,
        /// The entry, with control characters escaped.
        entry: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More than any package holds.
    #[error("refuse `{}`: it unpacks to more than {what}", file.display())]
    TooLarge {
        /// The archive.
        file: PathBuf,
        /// The limit.
        what: String,
    },
    /// No agent in it.
    #[error("refuse `{}`: it holds no `{missing}`, so it is no agent package for {os}", file.display())]
    NotAnAgent {
        /// The archive.
        file: PathBuf,
        /// What every package has.
        missing: &'static str,
        /// The system of the image.
        os: &'static str,
    },
}

/// What stands at one path of the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Directory,
    /// A piece of the spool file.
    File {
        offset: u64,
        length: u64,
        executable: bool,
    },
    /// A relative link that stays inside the package.
    Symlink {
        target: String,
    },
}

/// A package that was read and found safe.
#[derive(Debug)]
pub(crate) struct Package {
    /// By path, with `/` between components; ordered, so that a parent comes before its children.
    pub(crate) nodes: BTreeMap<String, Node>,
    spool: File,
}

impl Package {
    /// The content of a file of this package.
    pub(crate) fn content(&self, offset: u64, length: u64) -> io::Result<impl Read> {
        let mut spool = &self.spool;
        spool.seek(SeekFrom::Start(offset))?;
        Ok(BufReader::new(spool).take(length))
    }
}

/// Reads a whole package. Blocks.
pub(crate) fn unpack(file: &Path, limits: Limits) -> Result<Package, UnpackError> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let read = |source| UnpackError::Read { file: file.to_owned(), source };
    let opened = BufReader::new(fs_err::File::open(file).map_err(read)?);
    let spool = tempfile::tempfile().map_err(read)?;
    let mut reader = Reading {
        file,
        limits,
        nodes: BTreeMap::new(),
        spool: BufWriter::new(spool),
        written: 0,
        entries: 0,
    };
    match ArchiveKind::of(&name) {
        Some(ArchiveKind::TarGz) => {
            let mut gzip = GzDecoder::new(opened);
            reader.tar(&mut gzip)?;
            // The checksum stands behind the padding that the tar reader has no need to read.
            io::copy(&mut gzip.take(limits.bytes), &mut io::sink()).map_err(read)?;
        }
        Some(ArchiveKind::Zip) => reader.zip(opened)?,
        None => return Err(UnpackError::Kind { file: file.to_owned() }),
    }
    let spool = reader.spool.into_inner().map_err(|error| read(error.into_error()))?;
    Ok(Package { nodes: reader.nodes, spool })
}

struct Reading<'a> {
    file: &'a Path,
    limits: Limits,
    nodes: BTreeMap<String, Node>,
    spool: BufWriter<File>,
    written: u64,
    entries: usize,
}

impl Reading<'_> {
    fn tar(&mut self, archive: impl Read) -> Result<(), UnpackError> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().map_err(|error| self.unreadable(error))?;
        for entry in entries {
            let mut entry = entry.map_err(|error| self.unreadable(error))?;
            let raw = entry.path_bytes().into_owned();
            let kind = entry.header().entry_type();
            let executable = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
            let link = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
            // Attributes of other entries, not entries themselves.
            if kind.is_pax_global_extensions() {
                continue;
            }
            let Some(path) = self.path(&raw)? else { continue };
            match kind {
                tar::EntryType::Directory => self.directory(&path)?,
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    self.regular(&path, &mut entry, executable)?;
                }
                tar::EntryType::Symlink => self.symlink(&path, link.as_deref().unwrap_or_default())?,
                tar::EntryType::Link => self.hard_link(&path, link.as_deref().unwrap_or_default())?,
                _ => {
                    return Err(
                        self.refused(path.text(), "is a device, a pipe or something else that is no file")
                    );
                }
            }
        }
        Ok(())
    }

    fn zip(&mut self, archive: impl Read + Seek) -> Result<(), UnpackError> {
        let mut archive = zip::ZipArchive::new(archive).map_err(|error| self.unreadable(error.into()))?;
        // The directory at the end of the archive may name the same entry twice; readers differ in which one counts.
        if archive.has_duplicate_names() {
            return Err(self.refused("", "stands for two entries of one name"));
        }
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(|error| self.unreadable(error.into()))?;
            let raw = entry.name_raw().to_vec();
            let Some(path) = self.path(&raw)? else { continue };
            let executable = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
            if entry.is_symlink() {
                let mut target = Vec::new();
                let length = (&mut entry).take(4096).read_to_end(&mut target);
                length.map_err(|error| self.unreadable(error))?;
                self.symlink(&path, &target)?;
            } else if entry.is_dir() {
                self.directory(&path)?;
            } else {
                self.regular(&path, &mut entry, executable)?;
            }
        }
        Ok(())
    }

    /// Checks a name. `None` for the archive's own root.
    fn path(&mut self, raw: &[u8]) -> Result<Option<EntryPath>, UnpackError> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(self.too_large(format!("{} entries", self.limits.entries)));
        }
        let path =
            EntryPath::parse(raw).map_err(|reason| self.refused(&String::from_utf8_lossy(raw), reason))?;
        if path.text().is_empty() {
            return Ok(None);
        }
        // What an earlier entry made a link or a file cannot become a folder now.
        for parent in path.parents() {
            match self.nodes.get(parent) {
                None => {
                    self.nodes.insert(parent.to_owned(), Node::Directory);
                }
                Some(Node::Directory) => {}
                Some(Node::Symlink { .. }) => {
                    return Err(self.refused(path.text(), "goes through a symbolic link"));
                }
                Some(Node::File { .. }) => return Err(self.refused(path.text(), "is inside of a file")),
            }
        }
        if path.is_agent_state() {
            return Err(
                self.refused(path.text(), "is the state of a configured agent, which may hold its key")
            );
        }
        Ok(Some(path))
    }

    fn directory(&mut self, path: &EntryPath) -> Result<(), UnpackError> {
        match self.nodes.insert(path.text().to_owned(), Node::Directory) {
            None | Some(Node::Directory) => Ok(()),
            Some(_) => Err(self.refused(path.text(), "is there twice")),
        }
    }

    fn regular(
        &mut self,
        path: &EntryPath,
        content: &mut impl Read,
        executable: bool,
    ) -> Result<(), UnpackError> {
        let offset = self.written;
        let allowed = self.limits.bytes - self.written;
        let length = io::copy(&mut content.take(allowed + 1), &mut self.spool)
            .map_err(|error| self.unreadable(error))?;
        if length > allowed {
            return Err(self.too_large(format!("{} bytes", self.limits.bytes)));
        }
        self.written += length;
        self.add(path, Node::File { offset, length, executable })
    }

    fn symlink(&mut self, path: &EntryPath, target: &[u8]) -> Result<(), UnpackError> {
        let target = std::str::from_utf8(target)
            .map_err(|_| self.refused(path.text(), "is a link to a name that is not UTF-8"))?;
        link_stays_inside(path.text(), target).map_err(|reason| self.refused(path.text(), reason))?;
        self.add(path, Node::Symlink { target: target.to_owned() })
    }

    fn hard_link(&mut self, path: &EntryPath, target: &[u8]) -> Result<(), UnpackError> {
        let parsed = EntryPath::parse(target)
            .map_err(|_| self.refused(path.text(), "is a hard link to something outside of the archive"))?;
        match self.nodes.get(parsed.text()).cloned() {
            Some(node @ Node::File { .. }) => self.add(path, node),
            _ => Err(self.refused(path.text(), "is a hard link to something that is no earlier file")),
        }
    }

    fn add(&mut self, path: &EntryPath, node: Node) -> Result<(), UnpackError> {
        match self.nodes.insert(path.text().to_owned(), node) {
            None => Ok(()),
            Some(_) => Err(self.refused(path.text(), "is there twice")),
        }
    }

    fn refused(&self, entry: &str, reason: &'static str) -> UnpackError {
        UnpackError::Entry { file: self.file.to_owned(), entry: entry.escape_debug().to_string(), reason }
    }

    fn too_large(&self, what: String) -> UnpackError {
        UnpackError::TooLarge { file: self.file.to_owned(), what }
    }

    fn unreadable(&self, source: io::Error) -> UnpackError {
        UnpackError::Read { file: self.file.to_owned(), source }
    }
}

#[cfg(test)]
mod tests;
