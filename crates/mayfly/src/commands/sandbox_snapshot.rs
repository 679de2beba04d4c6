//! `sandbox snapshot` and `sandbox restore`: the sandbox in a file, or one side of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use futures_util::StreamExt;
use reqwest::header::HeaderValue;
use reqwest::{Body, Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use super::control::{Control, LONG};
use crate::cli::{Common, Format, Side, SnapshotWords};
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};
use crate::output;

const KEY: &str = "mayfly-snapshot-key";

/// Writes the file, in one step: one that is there stays until the new one is whole.
pub(crate) async fn take(
    words: &SnapshotWords,
    common: &Common,
    environment: &Environment,
) -> Result<Outcome> {
    let control = Control::find(common, environment)?;
    let key = words.key_file.as_deref().map(sandbox::make_or_read_key).transpose();
    let key = key.map_err(|error| Problem::from_error(Outcome::Usage, error))?;
    let path = format!("{}/snapshot", words.of.map_or("", Side::prefix));
    let request = with_key(control.request(Method::POST, &path).timeout(LONG), key)?;
    let answer = control.stream(request, &path).await?;
    let partial = partial(&words.file);
    let written = async {
        let mut file = fs_err::tokio::File::create(&partial).await?;
        let (mut bytes, mut parts) = (0_u64, answer.bytes_stream());
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| Problem::from_error(Outcome::Service, error.without_url()))?;
            file.write_all(&part).await?;
            bytes += part.len() as u64;
        }
        file.sync_all().await?;
        drop(file);
        fs_err::tokio::rename(&partial, &words.file).await?;
        Ok::<_, anyhow::Error>(bytes)
    };
    let written = written.await;
    if written.is_err() {
        let _ = fs_err::tokio::remove_file(&partial).await;
    }
    let bytes = written.with_context(|| format!("write the snapshot `{}`", words.file.display()))?;
    if common.output == Format::Json {
        output::document(&json!({ "file": words.file, "bytes": bytes }))?;
    } else {
        output::result(&format!("{} ({bytes} bytes)", words.file.display()));
    }
    output::note(match &words.key_file {
        Some(_) => "sealed with the key in the file that you named: who has both has all of its secrets",
        None => {
            "sealed with this sandbox's own key: no other can read it, nor this one after `sandbox down` without --state"
        }
    });
    Ok(Outcome::Done)
}

/// Takes a file up, all of it or nothing.
pub(crate) async fn restore(
    words: &SnapshotWords,
    common: &Common,
    environment: &Environment,
) -> Result<Outcome> {
    let control = Control::find(common, environment)?;
    let key = words.key_file.as_deref().map(sandbox::read_key).transpose();
    let key = key.map_err(|error| Problem::from_error(Outcome::Usage, error))?;
    let file = fs_err::tokio::File::open(&words.file)
        .await
        .map_err(|error| Problem::from_error(Outcome::Usage, error))?;
    let path = format!("{}/restore", words.of.map_or("", Side::prefix));
    let body = Body::wrap_stream(ReaderStream::new(file));
    let request = with_key(control.request(Method::POST, &path).timeout(LONG), key)?.body(body);
    let restored = match control.try_send(request, &path).await? {
        Ok(restored) => restored,
        Err(refused) => return Err(refusal(&words.file, &refused)),
    };
    if common.output == Format::Json {
        output::document(&restored)?;
        return Ok(Outcome::Done);
    }
    announce(&restored);
    Ok(Outcome::Done)
}

/// Says what came back, and what did not go on.
fn announce(restored: &Value) {
    let many = |key: &str| restored[key].as_array().map_or(0, Vec::len);
    if !restored["agents"].is_null() {
        output::result(&format!(
            "restored: {} agents, {} jobs, {} of them running",
            restored["agents"], restored["jobs"], restored["running"]
        ));
        output::note(
            "all sessions ended; a running job goes on if its agent does, else it is abandoned when its lock ends",
        );
    }
    if !restored["resourceGroups"].is_null() {
        output::result(&format!(
            "restored: {} resource groups, {} registries, {} container groups that run",
            restored["resourceGroups"],
            many("registries"),
            many("containerGroups")
        ));
        output::note("containers are made again; its own registry and its images are as they were");
    }
}

fn refusal(file: &Path, refused: &Value) -> anyhow::Error {
    let why = refused["error"].as_str().unwrap_or_default();
    let shown = format!("restore `{}`: {why}; nothing was changed", file.display());
    let problem = |outcome| Problem::new(outcome, shown.clone());
    let problem = if why.contains("was sealed with the key") {
        problem(Outcome::Refused)
            .hint("give the key file that it was taken with (`--key-file`), or restore it in the sandbox that it is of")
    } else if why.contains("it is of the subscription") {
        problem(Outcome::Refused)
            .hint("its Azure goes back into the sandbox that it is of, also after `sandbox down` with `--state`; `--of azdo` takes up its Azure DevOps alone")
    } else if why.contains("serve registry") {
        problem(Outcome::Failed).hint("a registry keeps its port for life: end what listens there")
    } else {
        problem(Outcome::Failed).hint("take a new one with `mayfly sandbox snapshot FILE`")
    };
    problem.into()
}

fn with_key(request: RequestBuilder, key: Option<SecretString>) -> Result<RequestBuilder> {
    let Some(key) = key else { return Ok(request) };
    let mut value = HeaderValue::from_str(key.expose_secret())?;
    value.set_sensitive(true);
    Ok(request.header(KEY, value))
}

fn partial(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    file.with_file_name(name)
}
