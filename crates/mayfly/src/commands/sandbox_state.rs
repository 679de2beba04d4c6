//! `sandbox seed` and `sandbox reset`: what the sandbox holds as a whole.

use std::path::Path;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::control::{Control, LONG, lines};
use crate::cli::{Common, Format, Side};
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};
use crate::output;

/// Applies a seed file. Tokens that were generated for it are printed here and nowhere else.
pub(crate) async fn seed(file: &Path, common: &Common, environment: &Environment) -> Result<Outcome> {
    let text = checked(file)?;
    let seeded = apply(&Control::find(common, environment)?, "/seed", text, file).await?;
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

/// Says what came of a seed, on stdout the credentials alone, as `name=token` and `name=client-id client-secret`.
pub(crate) fn announce(seeded: &Value, common: &Common) {
    let many = |key: &str| seeded[key].as_array().map_or(0, Vec::len);
    output::note(&format!(
        "seeded: {} agents, {} jobs, {} things in Azure",
        many("agents"),
        many("jobs"),
        seeded["made"]
    ));
    let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
    let each = |key: &str| seeded[key].as_array().into_iter().flatten();
    let tokens =
        each("personalAccessTokens").map(|one| format!("{}={}", text(one, "name"), text(one, "token")));
    let applications = each("applications").map(|one| {
        let (name, id, secret) = (text(one, "name"), text(one, "clientId"), text(one, "clientSecret"));
        format!("{name}={id} {secret}")
    });
    for line in tokens.chain(applications) {
        // The result is one JSON document there.
        if common.output == Format::Json { output::note(&line) } else { output::result(&line) }
    }
}

/// Puts the sandbox back to how it began, or one side of it.
pub(crate) async fn reset(
    forget_seeds: bool,
    of: Option<Side>,
    common: &Common,
    environment: &Environment,
) -> Result<Outcome> {
    let body = json!({ "seeds": if forget_seeds { "forget" } else { "again" } });
    let path = format!("{}/reset", of.map_or("", Side::prefix));
    let control = Control::find(common, environment)?;
    let request = control.request(Method::POST, &path).timeout(LONG).json(&body);
    let done = match of {
        Some(Side::Azdo) => control.told(request, &path).await.map(|()| json!({ "containerGroups": [] }))?,
        _ => control.try_send(request, &path).await?.map_err(|refused| not_reset(&refused))?,
    };
    if common.output == Format::Json {
        output::document(&done)?;
        return Ok(Outcome::Done);
    }
    let list = |key: &str| {
        let names = done[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        names.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let groups = list("containerGroups");
    output::result(&format!(
        "{} as it was in the beginning",
        match of {
            None => "the sandbox is",
            Some(Side::Azdo) => "its Azure DevOps is",
            Some(Side::Arm) => "its Azure is",
        }
    ));
    if !groups.is_empty() {
        output::note(&format!("removed with their containers: {}", groups.join(", ")));
    }
    output::note("kept: addresses, credentials, and the images in its own registry");
    Ok(Outcome::Done)
}

/// A reset that was refused, with what is wrong with the seed.
fn not_reset(refused: &Value) -> anyhow::Error {
    let why = refused["error"].as_str().unwrap_or_default();
    Problem::new(Outcome::Failed, format!("reset the sandbox: {why}"))
        .details(lines("seed", &refused["faults"]))
        .hint("`mayfly sandbox reset --forget-seeds` goes back without the seeds")
        .into()
}
