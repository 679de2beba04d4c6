//! The file system that the layers of an image add up to, read without running anything.
//!
//! Layers: opencontainers/image-spec, `layer.md`: later entries replace earlier ones; `.wh.NAME` removes NAME of the
//! layers below, `.wh..wh..opq` everything that the layers below had in that folder.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use tar::EntryType;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Directory,
    File,
    Symlink(String),
    Other,
}

/// One path of the file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// Permissions with setuid, setgid and sticky bit.
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Bytes of a file.
    pub(crate) length: u64,
    /// Whether the file carries capabilities for whoever runs it.
    pub(crate) capable: bool,
    /// Where the content is: layer, and number of the entry in it.
    pub(crate) at: (usize, usize),
}

impl Entry {
    /// Whether running it gives somebody another's rights.
    pub(crate) fn lends_rights(&self) -> bool {
        self.kind == Kind::File && (self.mode & 0o6000 != 0 || self.capable)
    }
}

/// All paths, relative to the root, without a slash at either end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RootFs {
    pub(crate) entries: BTreeMap<String, Entry>,
}

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";
const CAPABILITY: &str = "SCHILY.xattr.security.capability";

impl RootFs {
    /// Lays one uncompressed layer over what is there.
    pub(crate) fn apply(&mut self, layer: usize, archive: impl Read) -> io::Result<()> {
        let mut archive = tar::Archive::new(archive);
        for (number, entry) in archive.entries()?.enumerate() {
            let mut entry = entry?;
            let path = plain(&String::from_utf8_lossy(&entry.path_bytes()));
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if path.is_empty() {
                continue;
            }
            if name == OPAQUE {
                self.remove_below(folder, layer);
                continue;
            }
            if let Some(gone) = name.strip_prefix(WHITEOUT) {
                let gone = if folder.is_empty() { gone.to_owned() } else { format!("{folder}/{gone}") };
                self.remove_below(&gone, layer);
                self.entries.remove(&gone);
                continue;
            }
            let found = self.found(&mut entry, (layer, number))?;
            if found.kind != Kind::Directory {
                self.remove_below(&path, usize::MAX);
            }
            self.entries.insert(path, found);
        }
        Ok(())
    }

    fn found(&self, entry: &mut tar::Entry<'_, impl Read>, at: (usize, usize)) -> io::Result<Entry> {
        let mut capable = false;
        for extension in entry.pax_extensions()?.into_iter().flatten() {
            capable |= extension?.key().is_ok_and(|key| key == CAPABILITY);
        }
        let link = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
        let header = entry.header();
        let kind = match header.entry_type() {
            EntryType::Directory => Kind::Directory,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
            EntryType::Symlink => Kind::Symlink(link.unwrap_or_default()),
            EntryType::Link => {
                let target = plain(&link.unwrap_or_default());
                let missing = || io::Error::other(format!("a layer links to `{target}`, which is not there"));
                return self.entries.get(&target).cloned().ok_or_else(missing);
            }
            _ => Kind::Other,
        };
        let mode = header.mode()? & 0o7777;
        Ok(Entry { kind, mode, uid: header.uid()?, gid: header.gid()?, length: entry.size(), capable, at })
    }

    fn remove_below(&mut self, folder: &str, layer: usize) {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let gone: Vec<String> = self
            .entries
            .range(prefix.clone()..)
            .take_while(|(path, _)| path.starts_with(&prefix))
            .filter(|(_, entry)| entry.at.0 < layer)
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            self.entries.remove(&path);
        }
    }

    /// Whether any of the paths is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    /// Whether a path is a folder itself, not a link to one.
    pub(crate) fn is_folder(&self, path: &str) -> bool {
        self.entries.get(path).is_some_and(|entry| entry.kind == Kind::Directory)
    }

    /// Bytes of all files below a folder.
    pub(crate) fn bytes_below(&self, folder: &str) -> u64 {
        let prefix = format!("{folder}/");
        let below = self.entries.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        below.map(|(_, entry)| entry.length).sum()
    }
}

/// `./usr/bin/` and `/usr/bin` are `usr/bin`.
fn plain(path: &str) -> String {
    path.split('/').filter(|name| !matches!(*name, "" | ".")).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
