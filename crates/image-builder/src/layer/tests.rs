use std::io::Read;

use super::*;

fn rootfs() -> RootFs {
    let mut rootfs = RootFs::default();
    let entry = |kind, mode, uid| Entry { kind, mode, uid, gid: 0, length: 0, capable: false, at: (0, 0) };
    for (path, kind, mode, uid) in [
        ("opt", Kind::Directory, 0o755, 0),
        ("srv", Kind::Directory, 0o1777, 0),
        ("data", Kind::Directory, 0o755, 10001),
        ("lib", Kind::Symlink("usr/lib".into()), 0o777, 0),
        ("file", Kind::File, 0o644, 0),
    ] {
        rootfs.entries.insert(path.into(), entry(kind, mode, uid));
    }
    rootfs
}

fn listed(layer: &mut Layer) -> Vec<String> {
    let mut bytes = Vec::new();
    layer.archive.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, layer.report.bytes);
    assert_eq!(layer.report.diff_ids, [format!("sha256:{}", hex::encode(Sha256::digest(&bytes)))]);
    let mut archive = tar::Archive::new(bytes.as_slice());
    let line = |entry: io::Result<tar::Entry<'_, &[u8]>>| {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(header.mtime().unwrap(), MTIME);
        let (mode, uid, gid) = (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
        format!("{mode:o} {uid}:{gid} {}", entry.path().unwrap().display())
    };
    archive.entries().unwrap().map(line).collect()
}

#[test]
fn a_layer_names_what_it_brings_and_the_folders_above_as_they_are() {
    let write = || {
        let mut rootfs = rootfs();
        let mut draft = Draft::new("system", "x".into(), &mut rootfs);
        draft.put("opt/b/c", 0o644, Content::Bytes(b"c".to_vec())).unwrap();
        draft.put_owned("azp/work", 0o1770, (10001, 7), Content::Directory).unwrap();
        draft.put("data/x", 0o644, Content::Bytes(Vec::new())).unwrap();
        draft.put("opt/a", 0o777, Content::Symlink("b".into())).unwrap();
        draft.write(None).unwrap()
    };
    let (mut one, mut other) = (write(), write());
    assert_eq!(one.report, other.report);
    let expected = [
        "755 0:0 azp/",
        "1770 10001:7 azp/work/",
        "755 10001:0 data/",
        "644 0:0 data/x",
        "755 0:0 opt/",
        "777 0:0 opt/a",
        "755 0:0 opt/b/",
        "644 0:0 opt/b/c",
    ];
    assert_eq!(listed(&mut one), expected);
    assert_eq!(listed(&mut other), expected);
}

#[test]
fn nothing_is_written_through_a_link_or_in_place_of_a_folder() {
    let mut rootfs = rootfs();
    let mut draft = Draft::new("system", "x".into(), &mut rootfs);
    let file = || Content::Bytes(Vec::new());
    for (path, content) in [
        ("lib/x", file()),
        ("file/x", file()),
        ("opt", file()),
        ("lib", Content::Directory),
        ("file", Content::Directory),
    ] {
        let error = draft.put(path, 0o644, content).unwrap_err();
        assert!(matches!(error, LayerError::InTheWay { .. }), "{path}: {error}");
    }
    draft.put("file", 0o600, file()).unwrap();
}

#[test]
fn a_baked_folder_is_roots_and_stands_where_nobody_can_replace_it() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("sub")).unwrap();
    fs_err::write(folder.path().join("sub/file"), "content").unwrap();
    let baked = |target: &str| {
        let mut rootfs = rootfs();
        let mut draft = Draft::new("folder", "x".into(), &mut rootfs);
        draft.put_folder(&FolderLayer { folder: folder.path().into(), target: target.into() })?;
        draft.write(None)
    };
    let mut layer = baked("/opt/cache").unwrap();
    assert_eq!(
        listed(&mut layer),
        ["755 0:0 opt/", "755 0:0 opt/cache/", "755 0:0 opt/cache/sub/", "644 0:0 opt/cache/sub/file"]
    );
    for target in ["/srv/cache", "/data/cache", "/data"] {
        let error = baked(target).unwrap_err().to_string();
        assert!(error.contains("writable"), "{target}: {error}");
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_read_ends_the_layer() {
    let mut short = whole(b"abc".as_slice(), 5);
    assert!(io::copy(&mut short, &mut io::sink()).is_err());
    let mut exact = whole(b"abcdef".as_slice(), 3);
    assert_eq!(io::copy(&mut exact, &mut io::sink()).unwrap(), 3);
}
