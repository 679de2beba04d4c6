use super::*;
use crate::unpack::{Limits, unpack};

fn package_file(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("vsts-agent-linux-x64-4.270.0.tar.gz");
    let gzip =
        flate2::write::GzEncoder::new(fs_err::File::create(&file).unwrap(), flate2::Compression::fast());
    let mut archive = Builder::new(gzip);
    for (path, mode) in [("z.sh", 0o777), ("bin/Agent.Listener", 0o6755), ("bin/a", 0o600)] {
        let mut header = header(EntryType::Regular, 1, mode);
        header.set_uid(1234);
        header.set_mtime(99);
        archive.append_data(&mut header, path, b"x".as_slice()).unwrap();
    }
    archive.append_link(&mut header(EntryType::Symlink, 0, 0o777), "link", "bin/a").unwrap();
    archive.into_inner().unwrap().finish().unwrap();
    file
}

fn made(folder: &Path) -> Vec<u8> {
    let package = unpack(&package_file(folder), Limits::default()).unwrap();
    let entrypoint = folder.join("entrypoint");
    fs_err::write(&entrypoint, "program").unwrap();
    let (mut archive, length) = context("FROM x\n", &entrypoint, &[("image.json", b"{}")], &package).unwrap();
    let mut bytes = Vec::new();
    archive.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, length);
    bytes
}

#[test]
fn the_context_depends_on_its_inputs_alone() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = made(one.path());
    assert_eq!(bytes, made(other.path()));
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut listed = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(
            (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()),
            (0, 0, 315_532_800)
        );
        listed.push(format!("{:o} {}", header.mode().unwrap(), entry.path().unwrap().display()));
    }
    assert_eq!(
        listed,
        [
            "644 Dockerfile",
            "755 agent/",
            "755 agent/bin/",
            "755 agent/bin/Agent.Listener",
            "644 agent/bin/a",
            "777 agent/link",
            "755 agent/z.sh",
            "755 files/",
            "644 files/image.json",
            "755 files/mayfly-entrypoint.exe",
        ]
    );
}

#[test]
fn long_names_survive() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.tar.gz");
    let long = format!("externals/{}/file", "deep/".repeat(60).trim_end_matches('/'));
    let gzip =
        flate2::write::GzEncoder::new(fs_err::File::create(&file).unwrap(), flate2::Compression::fast());
    let mut archive = Builder::new(gzip);
    archive.append_data(&mut header(EntryType::Regular, 1, 0o644), &long, b"x".as_slice()).unwrap();
    archive.into_inner().unwrap().finish().unwrap();
    let package = unpack(&file, Limits::default()).unwrap();
    let (written, _) = context("FROM x\n", &file, &[("image.json", b"{}")], &package).unwrap();
    let mut archive = tar::Archive::new(written);
    let names: Vec<_> =
        archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect();
    assert!(names.contains(&format!("agent/{long}")), "{names:?}");
    assert!(names.contains(&"files/mayfly-entrypoint.exe".to_owned()));
}
