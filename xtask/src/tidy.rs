//! The structure check: what the drawing in `ARCHITECTURE.md` promises is read from `cargo metadata`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::{Workspace, output, say};

/// Which workspace crates each crate may depend on. A crate that is not listed may not exist.
const ALLOWED: &[(&str, &[&str])] = &[
    ("xtask", &[]),
    ("mayfly", &["image-builder", "aci-deploy", "sandbox", "arm-template"]),
    ("e2e", &["sandbox", "testkit"]),
    // Reaches into both columns, and nothing is linked from it.
    (
        "fuzz",
        &[
            "acr-registry",
            "agent-stub",
            "arm-emulator",
            "arm-template",
            "azdo-mock",
            "container-groups",
            "entra-tokens",
            "image-builder",
            "pipeline-yaml",
            "service-kit",
        ],
    ),
    (
        "sandbox",
        &[
            "arm-emulator",
            "azdo-mock",
            "acr-registry",
            "entra-tokens",
            "container-groups",
            "pipeline-yaml",
            "service-kit",
        ],
    ),
    (
        "arm-emulator",
        &["arm-template", "container-groups", "acr-registry", "entra-tokens", "pipeline-yaml", "service-kit"],
    ),
    ("azdo-mock", &["entra-tokens", "pipeline-yaml", "service-kit"]),
    ("acr-registry", &["entra-tokens", "service-kit"]),
    ("entra-tokens", &["service-kit"]),
    ("container-groups", &["service-kit"]),
    ("arm-template", &[]),
    ("pipeline-yaml", &[]),
    ("service-kit", &[]),
    ("testkit", &[]),
    ("agent-stub", &[]),
    ("leak-hunter", &[]),
    ("entrypoint", &[]),
    ("image-builder", &[]),
    ("aci-deploy", &[]),
];

/// `testkit` may be a development dependency of anything but itself.
const TEST_ONLY: &str = "testkit";
/// Longest file of code, in lines; tests aside.
const LONGEST_FILE: usize = 700;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut faults = edges(workspace)?;
    faults.extend(files(workspace)?);
    if faults.is_empty() {
        say("==> tidy: crate edges, file lengths, fixtures and leftovers are in order");
        return Ok(());
    }
    for fault in &faults {
        say(&format!("tidy: {fault}"));
    }
    bail!("{} faults in the structure", faults.len())
}

fn edges(workspace: &Workspace) -> Result<Vec<String>> {
    let text = output(&mut workspace.cargo(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&text).context("read `cargo metadata`")?;
    let packages = metadata["packages"].as_array().context("`cargo metadata` lists packages")?;
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let members: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut faults = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(edges) = allowed.get(name) else {
            faults.push(format!(
                "crate `{name}` is not in the drawing; add it to xtask/src/tidy.rs and ARCHITECTURE.md"
            ));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            let for_tests = dependency["kind"].as_str() == Some("dev");
            if members.contains(&on) && !edges.contains(&on) && !(for_tests && on == TEST_ONLY) {
                faults.push(format!("forbidden edge: `{name}` depends on `{on}`"));
            }
        }
    }
    Ok(faults)
}

fn files(workspace: &Workspace) -> Result<Vec<String>> {
    let listed = output(Command::new("git").args(["ls-files"]).current_dir(&workspace.root))?;
    let mut faults = Vec::new();
    for name in listed.lines() {
        let path = workspace.root.join(name);
        let Ok(text) = fs_err::read_to_string(&path) else { continue };
        if path.extension().is_some_and(|extension| extension == "rs") {
            faults.extend(code(name, &text));
        }
        if name.starts_with("fixtures/")
            && name.chars().any(|c| c.is_ascii_uppercase() || c == ' ')
            && !name.ends_with("README.md")
        {
            faults.push(format!("{name}: names of fixtures are lower-case words with dashes"));
        }
    }
    Ok(faults)
}

fn code(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let is_test = name.contains("/tests/") || name.starts_with("tests/") || name.ends_with("tests.rs");
    let lines = text.lines().count();
    if lines > LONGEST_FILE && !is_test {
        faults.push(format!("{name}: {lines} lines; split it at {LONGEST_FILE}"));
    }
    if Path::new(name).file_name().is_some_and(|file| file == "mod.rs") {
        faults.push(format!("{name}: use `folder.rs` beside `folder/`"));
    }
    // Spelled in two halves, so that this file does not find itself.
    let leftovers =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[ig", "nore"), concat!("#[al", "low(")];
    for (number, line) in text.lines().enumerate() {
        for word in leftovers.iter().filter(|word| line.contains(**word)) {
            faults.push(format!("{name}:{}: `{word}`", number + 1));
        }
    }
    faults
}
