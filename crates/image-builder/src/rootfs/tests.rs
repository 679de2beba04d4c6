use super::*;

fn layer(entries: &[(&str, EntryType, u32, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, kind, mode, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_uid(0);
        header.set_gid(0);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_size(0);
            archive.append_link(&mut header, path, content).unwrap();
        } else {
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
    }
    archive.into_inner().unwrap()
}

fn paths(rootfs: &RootFs) -> Vec<&str> {
    rootfs.entries.keys().map(String::as_str).collect()
}

#[test]
fn later_layers_replace_and_remove() {
    use EntryType::{Directory, Regular, Symlink};
    let mut rootfs = RootFs::default();
    let first = layer(&[
        ("./usr/", Directory, 0o755, ""),
        ("./usr/bin/", Directory, 0o755, ""),
        ("./usr/bin/su", Regular, 0o4755, "su"),
        ("./usr/bin/old", Regular, 0o755, "old"),
        ("./etc/", Directory, 0o755, ""),
        ("./etc/a", Regular, 0o644, "a"),
        ("./bin", Symlink, 0o777, "usr/bin"),
    ]);
    rootfs.apply(0, first.as_slice()).unwrap();
    assert!(rootfs.entries["usr/bin/su"].lends_rights() && !rootfs.entries["usr/bin/old"].lends_rights());
    assert_eq!(rootfs.entries["bin"].kind, Kind::Symlink("usr/bin".into()));
    let second = layer(&[
        ("usr/bin/.wh.old", Regular, 0, ""),
        ("etc/b", Regular, 0o644, "bb"),
        ("etc/.wh..wh..opq", Regular, 0, ""),
        ("usr/bin/su", Regular, 0o755, "su"),
    ]);
    rootfs.apply(1, second.as_slice()).unwrap();
    assert_eq!(paths(&rootfs), ["bin", "etc", "etc/b", "usr", "usr/bin", "usr/bin/su"]);
    assert!(!rootfs.entries["usr/bin/su"].lends_rights(), "the later copy counts");
    assert_eq!((rootfs.entries["etc/b"].at, rootfs.bytes_below("etc")), ((1, 1), 2));
}

#[test]
fn a_hard_link_is_the_file_it_leads_to() {
    let mut rootfs = RootFs::default();
    let bytes = layer(&[("a", EntryType::Regular, 0o4711, "x"), ("b", EntryType::Link, 0o644, "a")]);
    rootfs.apply(0, bytes.as_slice()).unwrap();
    assert_eq!(rootfs.entries["a"], rootfs.entries["b"]);
    let broken = layer(&[("b", EntryType::Link, 0o644, "nothing")]);
    assert!(RootFs::default().apply(0, broken.as_slice()).is_err());
}

#[test]
fn a_file_in_place_of_a_folder_ends_what_was_below() {
    let mut rootfs = RootFs::default();
    let bytes = layer(&[("a/", EntryType::Directory, 0o755, ""), ("a/b", EntryType::Regular, 0o644, "x")]);
    rootfs.apply(0, bytes.as_slice()).unwrap();
    rootfs.apply(1, layer(&[("a", EntryType::Symlink, 0o777, "/etc")]).as_slice()).unwrap();
    assert_eq!(paths(&rootfs), ["a"]);
    assert!(!rootfs.is_folder("a"));
}

#[test]
fn capabilities_of_a_file_are_seen() {
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_pax_extensions([(CAPABILITY, b"\x01\x00".as_slice())]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o755);
    header.set_size(0);
    header.set_uid(0);
    header.set_gid(0);
    archive.append_data(&mut header, "bin/ping", io::empty()).unwrap();
    let mut rootfs = RootFs::default();
    rootfs.apply(0, archive.into_inner().unwrap().as_slice()).unwrap();
    assert!(rootfs.entries["bin/ping"].lends_rights());
}
