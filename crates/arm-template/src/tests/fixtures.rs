//! The cases under `fixtures/arm`.

use super::support::{Registry, describe, plan};
use crate::{Placeholders, jsonc};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/arm")
}

fn read(path: &Path) -> String {
    fs_err::read_to_string(path).expect("a fixture")
}

#[test]
fn every_case_expands_to_what_it_says() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let mut cases = 0;
    for entry in fs_err::read_dir(root()).expect("the fixtures") {
        let case = entry.expect("a fixture").path();
        if !case.join("template.json").exists() {
            continue;
        }
        cases += 1;
        let parameters = jsonc::parse(&read(&case.join("parameters.json"))).expect("parameters").to_value();
        let plan = plan(&read(&case.join("template.json")), parameters["parameters"].clone())
            .unwrap_or_else(|faults| panic!("{}: {faults:#?}", case.display()));
        let found = json!({
            "deployed": describe(&plan, &Registry),
            "expanded": describe(&plan, &Placeholders),
            "named": plan.named_resource_ids(),
        });
        let file = case.join("expected.json");
        if update {
            let text = serde_json::to_string_pretty(&found).expect("JSON") + "\n";
            fs_err::write(&file, text).expect("a written fixture");
        }
        let expected: Value = serde_json::from_str(&read(&file)).expect("expected.json");
        assert_eq!(found, expected, "{}", case.display());
    }
    assert!(cases >= 2, "the fixtures are gone");
}

#[test]
fn every_case_is_explained() {
    let readme = read(&root().join("README.md"));
    for entry in fs_err::read_dir(root()).expect("the fixtures") {
        let case = entry.expect("a fixture").path();
        if case.is_dir() {
            let name = case.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(readme.contains(&format!("| `{name}` |")), "{name} has no line in README.md");
        }
    }
}
