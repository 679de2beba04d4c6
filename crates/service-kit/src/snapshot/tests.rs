use super::*;
use crate::SystemEntropy;

const ONE: (&str, u32) = ("one", 3);
const OTHER: (&str, u32) = ("other", 1);

fn key() -> StoreKey {
    StoreKey::generate(&SystemEntropy::shared())
}

fn document(table: &str, value: &[u8]) -> StoreDocument {
    StoreDocument { table: table.to_owned(), key: "k".to_owned(), value: value.to_vec() }
}

fn fill(file: &mut SnapshotWriter<Vec<u8>>, of: &str) {
    file.document(&document(&format!("{of}.a"), b"\"a\"")).unwrap();
    file.document(&document(&format!("{of}.b"), b"[\n]")).unwrap();
    let content = of.repeat(100_000);
    file.file("folder", "name.log", content.len() as u64, &mut content.as_bytes()).unwrap();
    file.file("folder", "empty", 0, &mut io::empty()).unwrap();
}

fn single(key: &StoreKey) -> Vec<u8> {
    let mut file = SnapshotWriter::new(Vec::new(), key, ONE, &SystemEntropy::shared()).unwrap();
    fill(&mut file, "one");
    file.end().unwrap()
}

fn whole(key: &StoreKey) -> Vec<u8> {
    let mut file = SnapshotWriter::new(Vec::new(), key, WHOLE, &SystemEntropy::shared()).unwrap();
    for part in [ONE, OTHER] {
        file.part(part).unwrap();
        fill(&mut file, part.0);
    }
    file.end().unwrap()
}

/// What is in a part: tables, then files with their lengths.
type Content = (Vec<String>, Vec<(String, usize)>);

fn read(file: &mut SnapshotReader<&[u8]>) -> Result<Content, SnapshotFileError> {
    let documents = file.documents(|_| true)?.into_iter().map(|document| document.table).collect();
    let mut files = Vec::new();
    while let Some((folder, name)) = file.next_file()? {
        let mut content = Vec::new();
        file.copy_file(&mut content)?;
        files.push((format!("{folder}/{name}"), content.len()));
    }
    Ok((documents, files))
}

#[test]
fn a_service_finds_its_part_in_a_file_of_one_and_in_one_of_several() {
    let key = key();
    let expected = |of: &str| {
        let files = vec![("folder/name.log".to_owned(), 100_000 * of.len()), ("folder/empty".to_owned(), 0)];
        (vec![format!("{of}.a"), format!("{of}.b")], files)
    };
    let (one, both) = (single(&key), whole(&key));
    for (bytes, part) in [(&one, ONE), (&both, ONE), (&both, OTHER)] {
        let mut file = SnapshotReader::open(bytes.as_slice(), &key).unwrap();
        file.expect(part).unwrap();
        assert_eq!(read(&mut file).unwrap(), expected(part.0));
        file.finish().unwrap();
    }
    // One after the other, and what nobody asks for is read over.
    let mut file = SnapshotReader::open(both.as_slice(), &key).unwrap();
    assert!(file.find(ONE).unwrap());
    assert!(file.find(OTHER).unwrap());
    assert_eq!(read(&mut file).unwrap(), expected("other"));
    assert!(!file.find(ONE).unwrap(), "it was before");
    file.finish().unwrap();
}

#[test]
fn a_file_of_something_else_or_of_another_version_is_named() {
    let key = key();
    let bytes = single(&key);
    let refused = |bytes: &[u8], part| {
        let file = SnapshotReader::open(bytes, &key);
        file.and_then(|mut file| file.expect(part)).unwrap_err().to_string()
    };
    assert_eq!(refused(&bytes, OTHER), "it holds `one` in version 3; `other` in version 1 is read");
    assert_eq!(refused(&bytes, ("one", 4)), "it holds `one` in version 3; `one` in version 4 is read");
    let both = whole(&key);
    assert_eq!(refused(&both, ("third", 1)), "it holds `sandbox` in version 1; `third` in version 1 is read");
    assert_eq!(refused(&both, ("other", 2)), "it holds `other` in version 1; `other` in version 2 is read");
    let newer = SnapshotWriter::new(Vec::new(), &key, (WHOLE.0, 2), &SystemEntropy::shared()).unwrap();
    assert_eq!(
        refused(&newer.end().unwrap(), ONE),
        "it holds `sandbox` in version 2; `sandbox` in version 1 is read"
    );
    let foreign = SnapshotReader::open(bytes.as_slice(), &self::key()).unwrap_err();
    assert!(foreign.is_foreign() && !SnapshotFileError::Sealed(SealedError::Damaged).is_foreign());
}

#[test]
fn a_file_that_is_cut_off_or_changed_does_not_come_to_its_end() {
    let key = key();
    let bytes = whole(&key);
    let all = |bytes: &[u8]| {
        let mut file = SnapshotReader::open(bytes, &key)?;
        file.expect(ONE)?;
        read(&mut file)?;
        file.finish()
    };
    for length in (0..bytes.len()).step_by(9973).chain([bytes.len() - 1]) {
        assert!(all(&bytes[..length]).is_err(), "{length}");
    }
    for place in (0..bytes.len()).step_by(9973) {
        let mut changed = bytes.clone();
        changed[place] ^= 4;
        assert!(all(&changed).is_err(), "{place}: also in the part that is not read");
    }
    all(&bytes).unwrap();
}

#[test]
fn no_file_leaves_its_folder() {
    let key = key();
    for (folder, name) in [("..", "a"), ("a", ".."), ("a/b", "c"), ("a", "b\\c"), ("", "a"), ("a", ".b")] {
        let mut file = SnapshotWriter::new(Vec::new(), &key, ONE, &SystemEntropy::shared()).unwrap();
        file.file(folder, name, 0, &mut io::empty()).unwrap();
        let bytes = file.end().unwrap();
        let mut file = SnapshotReader::open(bytes.as_slice(), &key).unwrap();
        file.expect(ONE).unwrap();
        let refused = file.next_file().unwrap_err().to_string();
        assert!(refused.starts_with("it holds a file named"), "{folder} {name}: {refused}");
    }
}
