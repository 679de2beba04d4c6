//! The files under `fixtures/pipelines`: those in `supported` are read, those in `refused` are refused as they say.

use std::path::PathBuf;

use crate::Plan;

fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/pipelines").join(folder);
    let mut files: Vec<_> = fs_err::read_dir(&folder)
        .expect("the folder of fixtures")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), fs_err::read_to_string(&path).expect("a fixture")))
        .collect();
    files.sort();
    assert!(files.len() > 2, "there are fixtures in {}", folder.display());
    files
}

#[test]
fn what_is_supported_is_read() {
    for (path, text) in files("supported") {
        if let Err(faults) = Plan::parse(&text) {
            panic!("{}:\n{faults}", path.display());
        }
    }
}

/// The first lines of each are comments with the faults: `# 7:3: …`.
#[test]
fn what_is_refused_is_refused_as_the_file_says() {
    for (path, text) in files("refused") {
        let expected: Vec<_> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
        let Err(faults) = Plan::parse(&text) else { panic!("{} is read", path.display()) };
        let found = faults.to_string();
        let found: Vec<_> = found.lines().collect();
        assert_eq!(found.len(), expected.len(), "{}: {found:#?}", path.display());
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{}:\n{found}\nis not\n{expected}", path.display());
        }
    }
}
