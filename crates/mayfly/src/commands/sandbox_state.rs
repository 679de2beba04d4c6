//! `sandbox seed` and `sandbox reset`: what the sandbox holds as a whole.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::control::{Control, lines};
use crate::cli::{Common, Format};
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};
use crate::output;

/// Applies a seed file. Tokens that were generated for it are printed here and nowhere else.
pub(crate) async fn seed(file: &Path, common: &Common, environment: &Environment) -> Result<Outcome> {
    let text = checked(file)?;
    let seeded = apply(&Control::find(common, environment)?, "/azdo/seed", text, file).await?;
    if common.output == Format::Json {
        output::document(&seeded)?;
    } else {
        announce(&seeded, common);
    }
    Ok(Outcome::Done)
}

/// The text of a seed file whose form is right.
pub(crate) fn checked(file: &Path) -> Result<String> {
    let text = fs_err::read_to_string(file).map_err(|error| Problem::from_error(Outcome::Usage, error))?;
    match sandbox::check_seed(&text) {
        Ok(()) => Ok(text),
        Err(faults) => Err(wrong(file, &json!(faults))),
    }
}

/// Sends a seed. `null` where it was not wanted.
pub(crate) async fn apply(control: &Control, route: &str, text: String, file: &Path) -> Result<Value> {
    match control.try_post_text(route, text).await.context("seed the sandbox")? {
        Ok(seeded) => Ok(seeded),
        Err(refused) => Err(wrong(file, &refused["faults"])),
    }
}

fn wrong(file: &Path, faults: &Value) -> anyhow::Error {
    let shown = file.display();
    Problem::new(Outcome::Usage, format!("seed `{shown}`: the file is wrong; nothing was changed"))
        .details(lines(&shown.to_string(), faults))
        .hint("docs/seed-file.md lists what a seed file may hold")
        .into()
}

/// Says what came of a seed, on stdout the tokens alone, as `name=token`.
pub(crate) fn announce(seeded: &Value, common: &Common) {
    let many = |key: &str| seeded[key].as_array().map_or(0, Vec::len);
    output::note(&format!("seeded: {} agents, {} jobs", many("agents"), many("jobs")));
    for token in seeded["personalAccessTokens"].as_array().into_iter().flatten() {
        let text = |key: &str| token[key].as_str().unwrap_or_default();
        let line = format!("{}={}", text("name"), text("token"));
        // The result is one JSON document there.
        if common.output == Format::Json { output::note(&line) } else { output::result(&line) }
    }
}

/// Puts the sandbox back to how it began.
pub(crate) async fn reset(forget_seeds: bool, common: &Common, environment: &Environment) -> Result<Outcome> {
    let body = json!({ "seeds": if forget_seeds { "forget" } else { "again" } });
    let done: Value = Control::find(common, environment)?.post("/reset", &body).await?;
    if common.output == Format::Json {
        output::document(&done)?;
        return Ok(Outcome::Done);
    }
    let list = |key: &str| {
        let names = done[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        names.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let groups = list("containerGroups");
    output::result("the sandbox is as it was in the beginning");
    if !groups.is_empty() {
        output::note(&format!("removed with their containers: {}", groups.join(", ")));
    }
    output::note("kept: addresses, credentials, and the images in its own registry");
    Ok(Outcome::Done)
}
