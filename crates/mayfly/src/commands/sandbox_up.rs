//! `sandbox up`: in the foreground until somebody ends it, or detached.

use anyhow::Result;
use sandbox::{
    ClockError, Instance, InstanceError, Keep, PlaceError, Record, UpError, environment as variables,
};
use serde_json::{Value, json};
use url::Url;

use super::control::Control;
use super::sandbox_env::instance;
use super::{build_image, deploy, sandbox_detached, sandbox_options, sandbox_state};
use crate::cli::{self, BuildImage, Common, Deploy, Format, Up};
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};
use crate::output;

pub(crate) async fn run(words: Up, common: &Common, environment: &Environment) -> Result<Outcome> {
    let instance = instance(common, environment)?;
    // A faulty seed is told before anything is started.
    let seed = words.seed.as_deref().map(sandbox_state::checked).transpose()?;
    if words.detach {
        let record = sandbox_detached::start(&instance).await?;
        seed_if_new(seed, &words, &record, common).await?;
        populate(&words, &instance, &record, common, environment).await?;
        announce(&instance, &record, common)?;
        return Ok(Outcome::Done);
    }
    let running = sandbox::up(&instance, sandbox_options::of(&words, environment)?).await.map_err(problem)?;
    for remark in &running.remarks {
        output::note(&format!("note: {remark}"));
    }
    let record = running.record.clone();
    let prepared = async {
        seed_if_new(seed, &words, &record, common).await?;
        populate(&words, &instance, &record, common, environment).await?;
        announce(&instance, &record, common)
    };
    match prepared.await {
        // What keeps no state leaves nothing behind, also where it fails.
        Err(error) if words.ephemeral => {
            running.stop().await;
            return Err(error);
        }
        prepared => prepared?,
    }
    let farewell = if words.ephemeral {
        "stopping; nothing of it stays"
    } else {
        "stopping; agents go on until `mayfly sandbox down` removes them"
    };
    tokio::select! {
        () = running.asked_to_stop() => output::note("stopping: asked over the control API"),
        () = interrupted() => output::note(farewell),
    }
    running.stop().await;
    Ok(Outcome::Done)
}

/// Ctrl-C, or what a service manager sends.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// `--seed FILE`, over the control API and not by the process that serves: what it prints may go to a log, and tokens that
/// were generated are no matter for one.
async fn seed_if_new(seed: Option<String>, words: &Up, record: &Record, common: &Common) -> Result<()> {
    let (Some(text), Some(file)) = (seed, words.seed.as_deref()) else { return Ok(()) };
    let control = Control::of(record)?;
    match sandbox_state::apply(&control, "/seed?ifNew=true", text, file).await? {
        Value::Null => output::note(
            "note: the state was there before, so the seed was not applied; `mayfly sandbox seed` adds it",
        ),
        seeded => sandbox_state::announce(&seeded, common),
    }
    Ok(())
}

/// `--agents N`: the image and N agents, by the same commands that a user types.
async fn populate(
    words: &Up,
    instance: &Instance,
    record: &Record,
    common: &Common,
    environment: &Environment,
) -> Result<()> {
    let Some(agents) = words.agents else { return Ok(()) };
    let inside = environment.with(variables(instance, record));
    let build = BuildImage { source: words.image.clone(), push: true, ..BuildImage::default() };
    let image = build_image::pushed(&build, &inside).await?;
    let deploy_words = Deploy {
        agents,
        image: Some(image),
        containers: cli::Containers::default(),
        template: None,
        parameters: None,
        mode: cli::Mode::Incremental,
        keep_failed: false,
        dry_run: false,
        yes: false,
        fleet: cli::Fleet::default(),
    };
    deploy::roll_out(deploy_words, common, &inside).await?;
    Ok(())
}

fn announce(instance: &Instance, record: &Record, common: &Common) -> Result<()> {
    if common.output == Format::Json {
        return output::document(&json!({
            "instance": instance.name(), "processId": record.process_id, "azdoUrl": record.azdo_url,
            "azdoHttpUrl": record.azdo_http_url, "azdoHttpsUrl": record.azdo_https_url,
            "armEndpoint": record.arm_endpoint, "authorityHost": record.authority_host,
            "loginServer": record.login_server, "controlUrl": record.control_url,
        }));
    }
    output::result(&format!("sandbox `{instance}` is ready (process {})", record.process_id));
    for (what, address) in [
        ("Azure DevOps", record.azdo_url.to_string()),
        ("the same, by", other_azdo(record).to_string()),
        ("Resource Manager", record.arm_endpoint.to_string()),
        ("Entra ID", record.authority_host.to_string()),
        ("registry", record.login_server.clone()),
        ("control", record.control_url.to_string()),
    ] {
        output::result(&format!("  {what:<17} {address}"));
    }
    output::note("next: eval \"$(mayfly sandbox env)\"");
    Ok(())
}

/// The address of Azure DevOps that nobody is given unless he asks.
fn other_azdo(record: &Record) -> &Url {
    if record.azdo_url == record.azdo_https_url { &record.azdo_http_url } else { &record.azdo_https_url }
}

fn problem(error: UpError) -> Problem {
    match error {
        UpError::Place(error) => misplaced(error),
        UpError::Clock(error @ ClockError::Ahead { .. }) => Problem::from_error(Outcome::Refused, error)
            .hint("say `--clock virtual` again, or `mayfly sandbox down` and another state"),
        UpError::Docker(ref engine) => {
            let hint = engine.hint();
            Problem::from_error(Outcome::Service, error).hint(hint)
        }
        error => Problem::from_error(Outcome::Failed, error),
    }
}

/// A state that cannot be where it was to be, and what to do about it.
fn misplaced(error: PlaceError) -> Problem {
    let (outcome, hint) = match &error {
        PlaceError::InUse { folder: None, .. } => (
            Outcome::Refused,
            "`mayfly sandbox env` uses it, `mayfly sandbox down` removes it, `--instance NAME` starts another".to_owned(),
        ),
        PlaceError::InUse { holder: Some(holder), .. } => (
            Outcome::Refused,
            format!("`mayfly sandbox down --instance {}` ends that one and keeps the folder; or give another folder", holder.instance),
        ),
        PlaceError::InUse { .. } => (Outcome::Refused, "end that process, or give another folder".to_owned()),
        PlaceError::Foreign { holder, .. } => (
            Outcome::Refused,
            format!("`mayfly sandbox down --instance {0}` removes them and keeps the folder; `--instance {0}` takes it up", holder.instance),
        ),
        PlaceError::Elsewhere { kept, .. } => {
            let again = match kept {
                Keep::In(folder) => format!("say `--state {}` to go on with it", folder.display()),
                Keep::WithInstance | Keep::Nowhere => "leave `--state` and `--ephemeral` away to go on with it".to_owned(),
            };
            (Outcome::Refused, format!("{again}, or run `mayfly sandbox down` first"))
        }
        PlaceError::NotOurs { .. } => (Outcome::Refused, "give a folder that is new or empty".to_owned()),
        PlaceError::Folder(InstanceError::Name(_)) => return Problem::from_error(Outcome::Usage, error),
        PlaceError::Folder(_) | PlaceError::Lock { .. } | PlaceError::Store(_) => {
            return Problem::from_error(Outcome::Failed, error);
        }
    };
    Problem::from_error(outcome, error).hint(hint)
}
