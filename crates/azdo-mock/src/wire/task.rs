//! The one task that is served: it runs the text of a `script:` or `bash:` step.
//!
//! Source for the format: azure-pipelines-agent: TaskManager.cs, NodeHandler.cs.

use std::io::{Cursor, Write};

use serde_json::{Value, json};
use uuid::Uuid;
use zip::ZipWriter;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;

/// The task's id; not that of a task of Microsoft's, so that agents never mix the two up.
pub(crate) const TASK_ID: Uuid = Uuid::from_u128(0x4d41_5946_4c59_4a4f_8042_5343_5249_5054);
/// Its name.
pub(crate) const TASK_NAME: &str = "MayflyScript";
/// Its only version.
pub(crate) const TASK_VERSION: &str = "1.0.0";

const MAIN_JS: &str = include_str!("task/main.js");

/// `task.json`.
pub(crate) fn manifest() -> Value {
    json!({
        "id": TASK_ID,
        "name": TASK_NAME,
        "friendlyName": "Script",
        "description": "Runs a script with the shell of the agent's system.",
        "author": "Mayfly",
        "category": "Utility",
        "version": {"Major": 1, "Minor": 0, "Patch": 0},
        "instanceNameFormat": "Script",
        "inputs": [
            {"name": "script", "type": "multiLine", "label": "Script", "required": true, "defaultValue": ""},
            {"name": "shell", "type": "string", "label": "Shell", "required": false, "defaultValue": "default"},
        ],
        "execution": {"Node20_1": {"target": "main.js"}},
    })
}

/// The archive that an agent unpacks and runs.
pub(crate) fn archive() -> Result<Vec<u8>, ZipError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [("task.json", manifest().to_string()), ("main.js", MAIN_JS.to_owned())] {
        zip.start_file(name, SimpleFileOptions::default())?;
        zip.write_all(text.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_archive_holds_the_manifest_at_its_root_and_the_target_it_names() {
        let mut zip = zip::ZipArchive::new(Cursor::new(archive().unwrap())).unwrap();
        let mut text = String::new();
        zip.by_name("task.json").unwrap().read_to_string(&mut text).unwrap();
        let task: Value = serde_json::from_str(&text).unwrap();
        let target = task["execution"]["Node20_1"]["target"].as_str().unwrap().to_owned();
        assert_eq!(task["inputs"][0]["name"], "script");
        assert!(zip.by_name(&target).unwrap().size() > 0);
    }
}
