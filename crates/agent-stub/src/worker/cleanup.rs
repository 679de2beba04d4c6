//! What is done around a job: the temporary folder is emptied, processes that outlive the job are ended
//! (azure-pipelines-agent: TempDirectoryManager.cs, JobExtension.cs `process.clean`).

use std::path::Path;

/// Every process of a job carries this variable with the job's value.
pub(crate) const LOOKUP: &str = "VSTS_PROCESS_LOOKUP_ID";

/// Empties a folder, making it where it is missing. Files that cannot be removed stay.
pub(crate) fn empty(folder: &Path) -> anyhow::Result<()> {
    fs_err::create_dir_all(folder)?;
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let removed = if path.is_dir() && !path.is_symlink() {
            fs_err::remove_dir_all(&path)
        } else {
            fs_err::remove_file(&path)
        };
        // The next job meets what cannot be removed, as with the vendor's agent.
        drop(removed);
    }
    Ok(())
}

/// Passes over the processes of the machine at most, and the time between two.
#[cfg(unix)]
const PASSES: u32 = 5;
#[cfg(unix)]
const PASS_GAP: std::time::Duration = std::time::Duration::from_millis(50);

/// Ends the processes whose environment carries the job's value; gives their names. It looks again after a
/// while, since a process that is just starting a program shows no environment.
///
/// Only what `/proc` shows is found: on Windows the vendor's agent reads other processes' memory, this one does not.
#[cfg(unix)]
pub(crate) async fn end_survivors(lookup: &str) -> Vec<String> {
    let mut ended = Vec::new();
    let mut quiet = 0;
    for _ in 0..PASSES {
        let found = end_once(lookup);
        quiet = if found.is_empty() { quiet + 1 } else { 0 };
        ended.extend(found);
        if quiet == 2 {
            break;
        }
        tokio::time::sleep(PASS_GAP).await;
    }
    ended
}

#[cfg(unix)]
fn end_once(lookup: &str) -> Vec<String> {
    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };
    let needle = format!("{LOOKUP}={lookup}");
    let Ok(entries) = fs_err::read_dir("/proc") else { return Vec::new() };
    let mut ended = Vec::new();
    for entry in entries.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(environment) = fs_err::read(entry.path().join("environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable == needle.as_bytes()) {
            let name = fs_err::read_to_string(entry.path().join("comm")).unwrap_or_default();
            if kill(Pid::from_raw(id), Signal::SIGKILL).is_ok() {
                ended.push(format!("({id}) {}", name.trim()));
            }
        }
    }
    ended
}

#[cfg(not(unix))]
#[expect(clippy::unused_async, reason = "the same signature as on Unix")]
pub(crate) async fn end_survivors(_lookup: &str) -> Vec<String> {
    Vec::new()
}
