//! The build context for the engine's builder: everything that a Dockerfile copies, as one tar archive that depends on its inputs alone.
//!
//! Entries are sorted, owned by root, with one fixed time and two modes, so that the same inputs give the same bytes
//! and the engine's layer cache works.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use tar::{Builder, EntryType};

use crate::layer::header;
use crate::unpack::{Node, Package};
use crate::version::AgentVersion;

/// What the image says of itself, as `image.json` in it. Everybody in the image can read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageFile<'a> {
    pub(crate) agent_version: AgentVersion,
    pub(crate) package: &'a str,
    pub(crate) package_sha256: &'a str,
    pub(crate) base_image: &'a str,
    pub(crate) created: Timestamp,
    pub(crate) environment: &'a BTreeMap<String, String>,
}

impl ImageFile<'_> {
    /// As it stands in the image.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

/// Writes the context of a Windows image and returns it, positioned at its start, with its length. Blocks.
///
/// Our own files are laid out as in the image, so that one copy brings them all: every step of a build costs the engine a
/// comparison of whole file systems.
pub(crate) fn context(
    dockerfile: &str,
    entrypoint: &Path,
    own: &[(&str, &[u8])],
    package: &Package,
) -> io::Result<(File, u64)> {
    let mut archive = Builder::new(BufWriter::new(tempfile::tempfile()?));
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
                archive.append_link(&mut header(EntryType::Symlink, 0, 0o777), &path, target)?;
            }
        }
    }
    directory(&mut archive, "files")?;
    for (name, content) in own {
        file(&mut archive, &format!("files/{name}"), content.len() as u64, false, *content)?;
    }
    let program = fs_err::File::open(entrypoint)?;
    let length = program.metadata()?.len();
    file(&mut archive, "files/mayfly-entrypoint.exe", length, true, program)?;
    finished(archive)
}

/// A context of a few small files. Blocks.
pub(crate) fn files(named: &[(&str, &[u8])]) -> io::Result<File> {
    let mut archive = Builder::new(BufWriter::new(tempfile::tempfile()?));
    for (name, content) in named {
        file(&mut archive, name, content.len() as u64, false, *content)?;
    }
    finished(archive).map(|(written, _)| written)
}

fn finished(archive: Builder<BufWriter<File>>) -> io::Result<(File, u64)> {
    let mut written = archive.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    let length = written.seek(SeekFrom::End(0))?;
    written.seek(SeekFrom::Start(0))?;
    Ok((written, length))
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
