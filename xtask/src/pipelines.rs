//! The workflow and pipeline files, held against their schemas and read by a security linter. Both tools come from
//! the Python package index into a folder of this checkout.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::workspace::{Workspace, step, succeeds};

const TOOLS: [&str; 2] = ["check-jsonschema==0.39.0", "zizmor==1.32.0"];

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let bin = tools(workspace)?;
    let tool = |name: &str| {
        let mut command = Command::new(bin.join(name));
        command.current_dir(&workspace.root);
        command
    };
    let workflows = yaml(&workspace.root.join(".github/workflows"))?;
    let schema = ["--builtin-schema", "vendor.github-workflows"];
    step("workflow schema", tool("check-jsonschema").args(schema).args(&workflows))?;
    let pipelines = yaml(&workspace.root.join("agent-image/pipelines"))?;
    // The schema's patterns are not valid with Unicode semantics, and expressions are not of the schema's types.
    let schema = ["--regex-variant", "nonunicode", "--data-transform", "azure-pipelines"];
    let named = ["--builtin-schema", "vendor.azure-pipelines"];
    step("pipeline schema", tool("check-jsonschema").args(schema).args(named).args(&pipelines))?;
    step("workflow security", tool("zizmor").args(["--offline", "--quiet", ".github/workflows"]))
}

fn tools(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("lint-tools");
    let bin = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let present = bin.join("zizmor");
    if !succeeds(&present.to_string_lossy(), &["--version"]) {
        step("lint tools", Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        step("lint tools", Command::new(bin.join("pip")).args(["install", "--quiet"]).args(TOOLS))?;
    }
    Ok(bin)
}

fn yaml(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        fs_err::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yml"));
    files.sort();
    Ok(files)
}
