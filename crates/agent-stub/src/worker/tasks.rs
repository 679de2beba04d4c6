//! Fetching tasks (azure-pipelines-agent: Agent.Worker/TaskManager.cs).

use std::{io::Cursor, path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::{WorkerContext, plan_server::TaskServer, record::Record};
use crate::{clock, wire::TaskReference};

const TRIES: u32 = 3;

/// What a task says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TaskDefinition {
    pub(crate) id: String,
    pub(crate) friendly_name: String,
    pub(crate) description: String,
    pub(crate) author: String,
}

/// Makes sure that a task lies in `_work/_tasks`, and reads it.
pub(crate) async fn fetch(
    context: &WorkerContext,
    server: &TaskServer,
    reference: &TaskReference,
    record: &Record,
) -> anyhow::Result<TaskDefinition> {
    let folder = folder(context, reference);
    let marker = PathBuf::from(format!("{}.completed", folder.display()));
    if !marker.exists() {
        record.line(&format!("Downloading task: {} ({})", reference.name, reference.version));
        let archive = download(context, server, reference).await?;
        // Unpacked beside its place, so that a half-written task is never taken for whole.
        let partial = PathBuf::from(format!("{}.partial", folder.display()));
        for stale in [&folder, &partial] {
            if stale.exists() {
                fs_err::remove_dir_all(stale)?;
            }
        }
        fs_err::create_dir_all(&partial)?;
        zip::ZipArchive::new(Cursor::new(archive))
            .and_then(|mut archive| archive.extract(&partial))
            .with_context(|| format!("unpack the task {}", reference.name))?;
        fs_err::rename(&partial, &folder)?;
        fs_err::write(&marker, clock::round_trip_time())?;
    }
    let file = folder.join("task.json");
    let text = fs_err::read_to_string(&file)
        .with_context(|| format!("the task {} has no task.json", reference.name))?;
    let definition: TaskDefinition = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .with_context(|| format!("the task.json of {} cannot be read", reference.name))?;
    ensure!(
        definition.id.eq_ignore_ascii_case(&reference.id),
        "the task.json of {} names the id {}, not {}",
        reference.name,
        definition.id,
        reference.id
    );
    Ok(definition)
}

fn folder(context: &WorkerContext, reference: &TaskReference) -> PathBuf {
    let safe = |text: &str| text.replace(['/', '\\', ':'], "_").replace("..", "_");
    context
        .layout
        .work(&context.settings.work_folder)
        .join("_tasks")
        .join(format!("{}_{}", safe(&reference.name), safe(&reference.id)))
        .join(safe(&reference.version))
}

async fn download(
    context: &WorkerContext,
    server: &TaskServer,
    reference: &TaskReference,
) -> anyhow::Result<Vec<u8>> {
    let tries = context
        .environment
        .get("VSTS_TASK_DOWNLOAD_RETRY_LIMIT")
        .and_then(|text| text.parse::<u32>().ok())
        .filter(|tries| *tries > 0)
        .unwrap_or(TRIES);
    let patient = !context.environment.is_on("VSTS_TASK_DOWNLOAD_NO_BACKOFF");
    let mut attempt = 0;
    loop {
        attempt += 1;
        match server.download(&reference.id, &reference.version).await {
            Ok(archive) => return Ok(archive),
            Err(error) if attempt >= tries => {
                return Err(error).with_context(|| format!("download the task {}", reference.name));
            }
            Err(error) => context.diagnostics.error(&format!("The task {}: {error}", reference.name)),
        }
        clock::sleep(if patient { clock::random_between(10, 30) } else { Duration::ZERO }).await;
    }
}
