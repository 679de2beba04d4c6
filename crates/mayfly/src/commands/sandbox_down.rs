//! `sandbox down`.

use anyhow::Result;
use sandbox::DownError;
use serde_json::json;

use super::sandbox_env::instance;
use crate::cli::{Common, Format};
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};
use crate::output;

pub(crate) async fn run(common: &Common, environment: &Environment) -> Result<Outcome> {
    let instance = instance(common, environment)?;
    let removed = sandbox::down(&instance, environment.get("DOCKER_HOST")).await.map_err(|error| {
        let (outcome, hint) = match &error {
            DownError::StillRunning { .. } => (Outcome::Refused, None),
            DownError::Engine(engine) => (Outcome::Service, Some(engine.hint())),
            DownError::Docker { .. } => (Outcome::Service, None),
            DownError::State { .. } => (Outcome::Failed, None),
        };
        hint.into_iter().fold(Problem::from_error(outcome, error), Problem::hint)
    })?;
    if common.output == Format::Json {
        output::document(&json!({
            "instance": instance.name(), "process": removed.process, "removed": removed.objects,
            "kept": { "state": removed.kept, "cache": environment.cache(), "baseImage": "mayfly-base" },
        }))?;
        return Ok(Outcome::Done);
    }
    if removed.objects.is_empty() && !removed.process {
        output::result(&format!("sandbox `{instance}`: nothing was there"));
    } else {
        output::result(&format!(
            "sandbox `{instance}` is gone: {} Docker objects removed",
            removed.objects.len()
        ));
    }
    if let Some(state) = &removed.kept {
        let state = state.display();
        output::note(&format!(
            "kept: its state in `{state}`; `mayfly sandbox up --state {state}` goes on with it"
        ));
    }
    output::note(&format!(
        "kept for the next time: the base image `mayfly-base` and the cache `{}`",
        environment.cache().display()
    ));
    Ok(Outcome::Done)
}
