//! Folders that are baked into the image: input that every job reads and none can change, such as a package cache.
//!
//! A folder is taken without its owners, times and special modes: everything in the image is root's, and a job can
//! neither write to it nor replace it. What cannot be had that way (a device, a link to somewhere else, a place that
//! belongs to the job) is refused.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::unpack::link_stays_inside;

/// A folder of this machine and the place in the image where its content goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderLayer {
    /// The folder.
    pub folder: PathBuf,
    /// An absolute path in the image.
    pub target: String,
}

/// Why a folder is not baked in.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Not `DIR` or `DIR=/target`.
    #[error("bake `{text}` into the image: {reason}")]
    Text {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something in it could not be read.
    #[error("bake a folder into the image: read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something in it has no place in a layer.
    #[error("bake a folder into the image: `{}` {reason}", path.display())]
    Entry {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What stands at one path of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FolderNode {
    Directory,
    File {
        path: PathBuf,
        length: u64,
        executable: bool,
    },
    /// A relative link that stays inside the folder.
    Symlink {
        target: String,
    },
}

/// Places that belong to the agent, to its jobs or to the kernel, and our own.
const RESERVED: [&str; 11] = [
    "/azp",
    "/dev",
    "/etc/mayfly",
    "/home/agent",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/usr/local/bin/mayfly-entrypoint",
    "/var/lib/mayfly",
    "/var/tmp",
];

/// Files in which tools keep passwords and keys. Every job reads what is in the image.
const CREDENTIALS: [&str; 9] = [
    ".git-credentials",
    ".netrc",
    ".npmrc",
    ".pypirc",
    "credentials",
    "credentials.toml",
    "id_ed25519",
    "id_rsa",
    "settings-security.xml",
];

impl FromStr for FolderLayer {
    type Err = FolderError;

    /// Reads `DIR` or `DIR=/target/path`. Without a target, the content goes to `/opt/mayfly/<name of DIR>`.
    fn from_str(text: &str) -> Result<Self, FolderError> {
        let wrong = |reason| FolderError::Text { text: text.to_owned(), reason };
        let (folder, target) = if let Some(at) = text.rfind("=/") {
            (&text[..at], text[at + 1..].trim_end_matches('/').to_owned())
        } else {
            let name = Path::new(text).file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| wrong("the folder has no name; add `=/target`"))?;
            (text, format!("/opt/mayfly/{name}"))
        };
        if folder.is_empty() {
            return Err(wrong("no folder is named; write `DIR` or `DIR=/target/path`"));
        }
        check_target(&target).map_err(wrong)?;
        Ok(Self { folder: folder.into(), target })
    }
}

fn check_target(target: &str) -> Result<(), &'static str> {
    let Some(rest) = target.strip_prefix('/').filter(|rest| !rest.is_empty()) else {
        return Err("the target must be a folder below the image's root");
    };
    if rest.split('/').any(|name| matches!(name, "" | "." | "..")) || rest.contains(['\\', ':']) {
        return Err("the target must be a plain absolute path of the image, without `.`, `..`, `\\` and `:`");
    }
    if rest.chars().any(char::is_control) {
        return Err("the target has a control character");
    }
    let below = |place: &&str| {
        target == *place || target.strip_prefix(*place).is_some_and(|rest| rest.starts_with('/'))
    };
    if RESERVED.iter().any(below) {
        return Err(
            "the target belongs to the agent, its jobs or the system, so what is there is not read-only",
        );
    }
    Ok(())
}

impl FolderLayer {
    /// Lists the folder, by paths relative to it, parents first. Follows no link. Blocks.
    pub(crate) fn read(&self) -> Result<BTreeMap<String, FolderNode>, FolderError> {
        let mut found = BTreeMap::new();
        let mut open = vec![(self.folder.clone(), String::new())];
        while let Some((folder, prefix)) = open.pop() {
            for entry in fs_err::read_dir(&folder).map_err(|source| read_failed(&folder, source))? {
                let path = entry.map_err(|source| read_failed(&folder, source))?.path();
                let name = path.file_name().and_then(|name| name.to_str());
                let name = name.filter(|name| !name.chars().any(char::is_control));
                let name = name.ok_or_else(|| refused(&path, "has a name that is not plain UTF-8"))?;
                let inside = format!("{prefix}{name}");
                let node = node(&path, &inside, name)?;
                if node == FolderNode::Directory {
                    open.push((path, format!("{inside}/")));
                }
                found.insert(inside, node);
            }
        }
        Ok(found)
    }
}

fn node(path: &Path, inside: &str, name: &str) -> Result<FolderNode, FolderError> {
    let metadata = fs_err::symlink_metadata(path).map_err(|source| read_failed(path, source))?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Ok(FolderNode::Directory);
    }
    if kind.is_symlink() {
        let target = fs_err::read_link(path).map_err(|source| read_failed(path, source))?;
        let target = target.to_str().ok_or_else(|| refused(path, "is a link to a name that is not UTF-8"))?;
        link_stays_inside(inside, target).map_err(|reason| refused(path, reason))?;
        return Ok(FolderNode::Symlink { target: target.to_owned() });
    }
    if !kind.is_file() {
        return Err(refused(path, "is a device, a socket or something else that is no file"));
    }
    if CREDENTIALS.contains(&name) {
        return Err(refused(
            path,
            "is where a tool keeps credentials, and every job could read it: leave it out",
        ));
    }
    let executable = is_executable(path, &metadata).map_err(|source| read_failed(path, source))?;
    Ok(FolderNode::File { path: path.to_owned(), length: metadata.len(), executable })
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "its twin reads the file")]
fn is_executable(_: &Path, metadata: &std::fs::Metadata) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(metadata.permissions().mode() & 0o111 != 0)
}

/// No mode says it here, so the content does: a program for Linux, or a script.
#[cfg(windows)]
fn is_executable(path: &Path, _: &std::fs::Metadata) -> io::Result<bool> {
    use std::io::Read;
    let mut start = Vec::new();
    fs_err::File::open(path)?.take(4).read_to_end(&mut start)?;
    Ok(start.starts_with(b"\x7fELF") || start.starts_with(b"#!"))
}

fn read_failed(path: &Path, source: io::Error) -> FolderError {
    FolderError::Read { path: path.to_owned(), source }
}

fn refused(path: &Path, reason: &'static str) -> FolderError {
    FolderError::Entry { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_where_it_is_told_and_nowhere_a_job_could_write() {
        let read = |text: &str| text.parse::<FolderLayer>().map(|layer| (layer.folder, layer.target));
        assert_eq!(read("caches/nuget").unwrap(), ("caches/nuget".into(), "/opt/mayfly/nuget".into()));
        assert_eq!(read("a=b/c=/opt/c/").unwrap(), ("a=b/c".into(), "/opt/c".into()));
        for text in [
            "",
            "=/opt/x",
            "..",
            "a=/",
            "a=/opt/../etc",
            "a=/opt//x",
            "a=/azp",
            "a=/home/agent/.m2",
            "a=/tmp/x",
            "a=/etc/mayfly",
            "a=/opt/x\ny",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(read("a=/azpx").is_ok(), "a place beside a reserved one is free");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_plain_input_is_refused() {
        use std::os::unix::fs::symlink;
        let check = |make: &dyn Fn(&Path), reason: &str| {
            let folder = tempfile::tempdir().unwrap();
            make(folder.path());
            let layer = FolderLayer { folder: folder.path().to_owned(), target: "/opt/x".into() };
            let error = layer.read().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        };
        check(&|folder| symlink("/etc/passwd", folder.join("link")).unwrap(), "outside");
        check(&|folder| symlink("../other", folder.join("link")).unwrap(), "outside");
        check(&|folder| fs_err::write(folder.join(".netrc"), "x").unwrap(), "credentials");
        check(&|folder| fs_err::write(folder.join("a\nb"), "x").unwrap(), "UTF-8");
        check(&|folder| drop(std::os::unix::net::UnixListener::bind(folder.join("s")).unwrap()), "socket");
        let absent = FolderLayer { folder: "/nowhere".into(), target: "/opt/x".into() };
        assert!(matches!(absent.read().unwrap_err(), FolderError::Read { .. }));
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_listed_parents_first() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(folder.path().join("b/c")).unwrap();
        fs_err::write(folder.path().join("b/c/tool"), "#!/bin/sh\n").unwrap();
        let mode = std::fs::Permissions::from_mode(0o4700);
        fs_err::set_permissions(folder.path().join("b/c/tool"), mode).unwrap();
        std::os::unix::fs::symlink("c/tool", folder.path().join("b/link")).unwrap();
        let layer = FolderLayer { folder: folder.path().to_owned(), target: "/opt/x".into() };
        let found = layer.read().unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["b", "b/c", "b/c/tool", "b/link"]);
        assert!(matches!(found["b/c/tool"], FolderNode::File { length: 10, executable: true, .. }));
        assert_eq!(found["b/link"], FolderNode::Symlink { target: "c/tool".into() });
    }
}
