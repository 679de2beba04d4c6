//! The tasks that are served: they run the text of a script step. The service compiles `script`, `bash`, `pwsh` and
//! `powershell` into tasks of these names and inputs (azure-pipelines-tasks: CmdLineV2, BashV3, PowerShellV2).
//!
//! Source for the format: azure-pipelines-agent: TaskManager.cs, NodeHandler.cs.

use std::io::{Cursor, Write};

use serde_json::{Value, json};
use uuid::Uuid;
use zip::ZipWriter;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;

/// The only version of each.
pub(crate) const TASK_VERSION: &str = "1.0.0";

/// All of them read their own manifest to know what they are.
const MAIN_JS: &str = include_str!("task/main.js");

/// A task. Its id is not that of Microsoft's of the same name, so that agents never mix the two up.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) id: Uuid,
    pub(crate) name: &'static str,
    friendly_name: &'static str,
    description: &'static str,
    /// Inputs beside `script` and `workingDirectory`, with their defaults.
    inputs: &'static [(&'static str, &'static str)],
}

/// `script:`.
pub(crate) const CMD_LINE: Task = Task {
    id: Uuid::from_u128(0x4d41_5946_4c59_4a4f_8042_5343_5249_5054),
    name: "CmdLine",
    friendly_name: "Command line",
    description: "Run a command line script using Bash on Linux and cmd.exe on Windows",
    inputs: &[],
};

/// `bash:`.
pub(crate) const BASH: Task = Task {
    id: Uuid::from_u128(0x4d41_5946_4c59_4a4f_8042_0000_4241_5348),
    name: "Bash",
    friendly_name: "Bash",
    description: "Run a Bash script",
    inputs: &[("targetType", "inline")],
};

/// `pwsh:` and `powershell:`.
pub(crate) const POWER_SHELL: Task = Task {
    id: Uuid::from_u128(0x4d41_5946_4c59_4a4f_8042_5057_5253_484c),
    name: "PowerShell",
    friendly_name: "PowerShell",
    description: "Run a PowerShell script",
    inputs: &[("targetType", "inline"), ("pwsh", "false")],
};

/// All tasks.
pub(crate) const TASKS: [&Task; 3] = [&CMD_LINE, &BASH, &POWER_SHELL];

/// The task of an id.
pub(crate) fn find(id: Uuid) -> Option<&'static Task> {
    TASKS.into_iter().find(|task| task.id == id)
}

impl Task {
    /// `task.json`.
    pub(crate) fn manifest(&self) -> Value {
        let input = |name: &str, kind: &str, required: bool, default: &str| json!({"name": name, "type": kind, "label": name, "required": required, "defaultValue": default});
        let mut inputs =
            vec![input("script", "multiLine", true, ""), input("workingDirectory", "filePath", false, "")];
        inputs.extend(self.inputs.iter().map(|(name, default)| input(name, "string", false, default)));
        json!({
            "id": self.id,
            "name": self.name,
            "friendlyName": self.friendly_name,
            "description": self.description,
            "author": "Mayfly",
            "category": "Utility",
            "version": {"Major": 1, "Minor": 0, "Patch": 0},
            "instanceNameFormat": self.friendly_name,
            "inputs": inputs,
            "execution": {"Node20_1": {"target": "main.js"}},
        })
    }

    /// The archive that an agent unpacks and runs.
    pub(crate) fn archive(&self) -> Result<Vec<u8>, ZipError> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in [("task.json", self.manifest().to_string()), ("main.js", MAIN_JS.to_owned())] {
            zip.start_file(name, SimpleFileOptions::default())?;
            zip.write_all(text.as_bytes())?;
        }
        Ok(zip.finish()?.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn each_archive_holds_the_manifest_at_its_root_and_the_target_it_names() {
        for task in TASKS {
            let mut zip = zip::ZipArchive::new(Cursor::new(task.archive().unwrap())).unwrap();
            let mut text = String::new();
            zip.by_name("task.json").unwrap().read_to_string(&mut text).unwrap();
            let manifest: Value = serde_json::from_str(&text).unwrap();
            let target = manifest["execution"]["Node20_1"]["target"].as_str().unwrap().to_owned();
            assert_eq!(
                (&manifest["inputs"][0]["name"], &manifest["name"]),
                (&json!("script"), &json!(task.name))
            );
            assert!(zip.by_name(&target).unwrap().size() > 0);
            assert_eq!(find(task.id).map(|found| found.name), Some(task.name), "ids differ");
        }
    }
}
