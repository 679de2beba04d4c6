//! Doors for the fuzz targets alone, behind the feature `fuzzing`. They panic where a law is broken.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::options::TargetOs;
use crate::packages;
use crate::unpack::{Limits, Node, unpack};

/// Most that an archive may unpack to here.
const BYTES: u64 = 1024 * 1024;

/// A tar archive, not compressed yet: what is taken of it stays inside.
pub fn tar(archive: &[u8]) {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    let packed = gzip.write_all(archive).and_then(|()| gzip.finish()).expect("memory takes all");
    archive_stays_inside(".tar.gz", &packed);
}

/// A zip archive: what is taken of it stays inside.
pub fn zip(archive: &[u8]) {
    archive_stays_inside(".zip", archive);
}

fn archive_stays_inside(suffix: &str, bytes: &[u8]) {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().expect("a temporary file");
    file.write_all(bytes).expect("write the archive");
    let Ok(package) = unpack(file.path(), Limits { bytes: BYTES, entries: 1000 }) else { return };
    for (path, node) in &package.nodes {
        let parts: Vec<&str> = path.split('/').collect();
        assert!(parts.iter().all(|part| !matches!(*part, "" | "." | "..")), "{path}");
        for end in 1..parts.len() {
            let parent = parts[..end].join("/");
            assert_eq!(package.nodes.get(&parent), Some(&Node::Directory), "the parent of {path}");
        }
        match node {
            Node::Symlink { target } => assert!(lands_inside(&parts, target), "{path} -> {target}"),
            Node::File { offset, length, .. } => assert!(offset + length <= BYTES),
            Node::Directory => {}
        }
    }
}

/// Whether a link leads to somewhere below the root, read without regard to other links.
fn lands_inside(path: &[&str], target: &str) -> bool {
    let mut depth = path.len() - 1;
    !target.starts_with('/')
        && target.split('/').all(|part| match part {
            "" | "." => true,
            ".." => depth.checked_sub(1).map(|up| depth = up).is_some(),
            _ => {
                depth += 1;
                true
            }
        })
}

/// Any text is a list of packages or is refused.
pub fn package_list(text: &str) {
    let organization = url::Url::parse("https://dev.azure.com/acme").expect("an address");
    let _ = packages::read(text, &organization, TargetOs::Linux);
}
