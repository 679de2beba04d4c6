use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use super::*;

const SMALL: Limits = Limits { bytes: 10_000, entries: 20 };

/// One entry of a tar archive, written byte for byte: the library itself refuses to write some of these.
struct Entry<'a> {
    path: &'a str,
    kind: EntryType,
    content: &'a [u8],
    link: &'a str,
    mode: u32,
}

fn regular<'a>(path: &'a str, content: &'a str) -> Entry<'a> {
    Entry { path, kind: EntryType::Regular, content: content.as_bytes(), link: "", mode: 0o644 }
}

fn special<'a>(path: &'a str, kind: EntryType, link: &'a str) -> Entry<'a> {
    Entry { path, kind, content: b"", link, mode: 0o777 }
}

fn tar_gz(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for entry in entries {
        let mut header = Header::new_ustar();
        let raw = header.as_mut_bytes();
        raw[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
        raw[157..157 + entry.link.len()].copy_from_slice(entry.link.as_bytes());
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_size(entry.content.len() as u64);
        header.set_cksum();
        archive.append(&header, entry.content).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn read_named(name: &str, bytes: &[u8]) -> (Result<Package, UnpackError>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs_err::write(&file, bytes).unwrap();
    (unpack(&file, SMALL), folder)
}

fn text(package: &Package, path: &str) -> String {
    let Some(Node::File { offset, length, .. }) = package.nodes.get(path) else { panic!("no file `{path}`") };
    let mut text = String::new();
    package.content(*offset, *length).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// The archive is refused for `reason`, and the folder around it is as it was.
fn check_refused(name: &str, bytes: &[u8], reason: &str) {
    let (result, folder) = read_named(name, bytes);
    let error = result.expect_err(reason).to_string();
    assert!(error.contains(reason), "`{error}` does not say `{reason}`");
    let left: Vec<_> =
        fs_err::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [name], "something was left behind");
}

#[test]
fn a_tar_is_read_with_modes_links_and_implied_folders() {
    let archive = tar_gz(&[
        special("./", EntryType::Directory, ""),
        Entry { mode: 0o6755, ..regular("./bin/Agent.Listener", "program") },
        regular("bin/data", "data"),
        special("bin/current", EntryType::Symlink, "../bin/data"),
        special("bin/copy", EntryType::Link, "bin/data"),
    ]);
    let (package, _folder) = read_named("a.tar.gz", &archive);
    let package = package.unwrap();
    assert_eq!(text(&package, "bin/Agent.Listener"), "program");
    assert_eq!(text(&package, "bin/copy"), "data");
    assert_eq!(package.nodes["bin"], Node::Directory);
    assert!(matches!(package.nodes["bin/Agent.Listener"], Node::File { executable: true, .. }));
    assert!(matches!(package.nodes["bin/data"], Node::File { executable: false, .. }));
    assert_eq!(package.nodes["bin/current"], Node::Symlink { target: "../bin/data".into() });
    assert_eq!(package.nodes.len(), 5);
}

#[test]
fn tar_entries_that_no_package_needs_are_refused() {
    let cases: [(&[Entry<'_>], &str); 15] = [
        (&[regular("../escape", "x")], "`..`"),
        (&[regular("bin/../../escape", "x")], "`..`"),
        (&[regular("/etc/cron.d/escape", "x")], "absolute"),
        (&[regular("bin\\escape", "x")], "backslash"),
        (&[special("out", EntryType::Symlink, "/etc")], "outside"),
        (&[special("out", EntryType::Symlink, "../..")], "outside"),
        (&[special("in", EntryType::Symlink, "bin"), regular("in/file", "x")], "symbolic link"),
        (
            &[special("a/up", EntryType::Symlink, ".."), special("out", EntryType::Symlink, "a/up/..")],
            "down and up",
        ),
        (&[special("hard", EntryType::Link, "/etc/passwd")], "hard link"),
        (&[special("hard", EntryType::Link, "../escape")], "hard link"),
        (&[special("pipe", EntryType::Fifo, "")], "device"),
        (&[special("disk", EntryType::Block, "")], "device"),
        (&[regular("twice", "x"), regular("twice", "y")], "twice"),
        (&[regular("file", "x"), regular("file/inside", "y")], "inside of a file"),
        (&[regular(".credentials_rsaparams", "x")], "configured agent"),
    ];
    for (entries, reason) in cases {
        check_refused("a.tar.gz", &tar_gz(entries), reason);
    }
}

#[test]
fn more_than_a_package_holds_is_refused_while_reading() {
    let zeros = "0".repeat(10_001);
    check_refused("a.tar.gz", &tar_gz(&[regular("bomb", &zeros)]), "10000 bytes");
    let names: Vec<_> = (0..30).map(|number| format!("f{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| regular(name, "")).collect();
    check_refused("a.tar.gz", &tar_gz(&many), "20 entries");
    let exactly = "0".repeat(10_000);
    let (fits, _folder) = read_named("a.tar.gz", &tar_gz(&[regular("fits", &exactly)]));
    fits.unwrap();
}

#[test]
fn cut_and_foreign_files_are_refused() {
    let whole = tar_gz(&[regular("a", &"x".repeat(5000)), regular("b", "y")]);
    for cut in [0, 1, 20, whole.len() / 2, whole.len() - 9] {
        let (result, _folder) = read_named("a.tar.gz", &whole[..cut]);
        assert!(result.is_err(), "cut at {cut} of {}", whole.len());
    }
    check_refused("a.7z", b"7z", "`.tar.gz` or `.zip`");
    check_refused("a.zip", b"no zip", "read `");
}

fn zip_of(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        let options = SimpleFileOptions::default();
        if name.ends_with('/') {
            archive.add_directory(*name, options).unwrap();
        } else {
            archive.start_file(*name, options).unwrap();
            archive.write_all(content.as_bytes()).unwrap();
        }
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn a_zip_is_read_and_checked_alike() {
    let (package, _folder) = read_named(
        "a.zip",
        &zip_of(&[("bin/", ""), ("bin/Agent.Listener.exe", "program"), ("config.cmd", "x")]),
    );
    let package = package.unwrap();
    assert_eq!(text(&package, "bin/Agent.Listener.exe"), "program");
    assert_eq!(package.nodes["bin"], Node::Directory);

    let zeros = "0".repeat(20_000);
    for (entries, reason) in [
        (vec![("../escape", "x")], "`..`"),
        (vec![("/escape", "x")], "absolute"),
        (vec![("bin\\escape", "x")], "backslash"),
        (vec![("C:/escape", "x")], "colon"),
        (vec![("bomb", zeros.as_str())], "10000 bytes"),
    ] {
        check_refused("a.zip", &zip_of(&entries), reason);
    }
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.add_symlink("out", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    check_refused("a.zip", &archive.finish().unwrap().into_inner(), "outside");
}
