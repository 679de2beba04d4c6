//! Gives every target the inputs that are kept for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fuzz::TARGETS;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs_err::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_kept_input_is_taken_or_refused() {
    for (name, target) in TARGETS {
        let folder = corpus().join(name);
        for input in names(&folder) {
            println!("{name}/{input}");
            target(&fs_err::read(folder.join(input)).expect("an input"));
        }
    }
}

#[test]
fn every_target_has_a_program_and_inputs_and_nothing_else_has() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&corpus()), targets, "folders of inputs");
    let programs = names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("targets"));
    let programs: BTreeSet<String> =
        programs.into_iter().filter_map(|name| name.strip_suffix(".rs").map(ToOwned::to_owned)).collect();
    assert_eq!(programs, targets, "programs");
    for target in &targets {
        assert!(!names(&corpus().join(target)).is_empty(), "{target} has no input");
    }
}
