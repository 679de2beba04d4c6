//! `sandbox up`: in the foreground until somebody ends it, or detached.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use sandbox::{Instance, Options, Record, UpError, environment as variables};
use serde_json::{Value, json};
use url::Url;

use super::control::Control;
use super::sandbox_env::instance;
use super::{build_image, deploy, sandbox_state};
use crate::cli::{self, BuildImage, Common, Deploy, Format, Up};
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};
use crate::output;

/// How long a detached sandbox may take until every endpoint answers.
const READY: Duration = Duration::from_secs(90);

pub(crate) async fn run(words: Up, common: &Common, environment: &Environment) -> Result<Outcome> {
    let instance = instance(common, environment)?;
    // A faulty seed is told before anything is started.
    let seed = words.seed.as_deref().map(sandbox_state::checked).transpose()?;
    if words.detach {
        let record = detach(&instance).await?;
        seed_if_new(seed, &words, &record, common).await?;
        populate(&words, &instance, &record, common, environment).await?;
        announce(&instance, &record, common)?;
        return Ok(Outcome::Done);
    }
    let running = sandbox::up(&instance, options(&words, environment)?).await.map_err(problem)?;
    for remark in &running.remarks {
        output::note(&format!("note: {remark}"));
    }
    let record = running.record.clone();
    seed_if_new(seed, &words, &record, common).await?;
    populate(&words, &instance, &record, common, environment).await?;
    announce(&instance, &record, common)?;
    tokio::select! {
        () = running.asked_to_stop() => output::note("stopping: asked over the control API"),
        () = interrupted() => output::note("stopping; agents go on until `mayfly sandbox down` removes them"),
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

fn options(words: &Up, environment: &Environment) -> Result<Options> {
    if words.run_windows_groups_as_linux {
        output::note(
            "warning: container groups of osType Windows will run as LINUX containers; Azure would run Windows ones",
        );
    }
    Ok(Options {
        groups: sandbox::GroupSwitches {
            identical_put: match words.identical_put {
                cli::IdenticalPut::Restarts => sandbox::IdenticalPut::Restarts,
                cli::IdenticalPut::NoOp => sandbox::IdenticalPut::NoOp,
            },
            restart_backoff: match words.restart_backoff {
                cli::OnOff::On => sandbox::RestartBackoff::On,
                cli::OnOff::Off => sandbox::RestartBackoff::Off,
            },
            stop_grace: Duration::from_secs(words.stop_grace),
            windows_as_linux: words.run_windows_groups_as_linux,
        },
        azdo: sandbox::AzdoSwitches {
            old_token_after_replace: match words.old_token_after_replace {
                cli::OldToken::Valid => sandbox::OldToken::Valid,
                cli::OldToken::Refused => sandbox::OldToken::Refused,
            },
            session_after_replace: match words.session_after_replace {
                cli::OldSession::Kept => sandbox::SessionAfterReplace::Kept,
                cli::OldSession::Dropped => sandbox::SessionAfterReplace::Dropped,
            },
            ..sandbox::AzdoSwitches::default()
        },
        azdo_https: words.azdo_https,
        entra_in_containers: words.entra_in_containers,
        service_principal_pools: words.service_principal_pools.map(|rights| match rights {
            cli::PoolRights::None => sandbox::PoolRights::None,
            cli::PoolRights::Read => sandbox::PoolRights::Read,
            cli::PoolRights::Manage => sandbox::PoolRights::Manage,
        }),
        packages: words.agent_packages.as_deref().map(packages).transpose()?.unwrap_or_default(),
        probe: environment.entrypoint(),
        quota: sandbox::Quota::of(words.quota),
        docker_host: environment.get("DOCKER_HOST").map(ToOwned::to_owned),
    })
}

/// The agent packages in a folder.
fn packages(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ending = path.extension().unwrap_or_default();
        if name.starts_with("vsts-agent-") && (ending == "gz" || ending == "zip") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Starts this program again in the background, with the same words but `--detach`, `--agents` and `--seed`, and waits until
/// it serves.
async fn detach(instance: &Instance) -> Result<Record> {
    let program = std::env::current_exe().context("find this program")?;
    fs_err::create_dir_all(instance.folder())?;
    let log = fs_err::OpenOptions::new().create(true).append(true).open(instance.log_file())?.into_file();
    let mut command = Command::new(program);
    command.args(foreground_words(std::env::args().skip(1)));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    apart(&mut command);
    let mut child = command.spawn().context("start the sandbox in the background")?;
    ready(&mut child, instance).await
}

fn foreground_words(words: impl Iterator<Item = String>) -> Vec<String> {
    let (mut kept, mut skip) = (Vec::new(), false);
    for word in words {
        if skip {
            skip = false;
        } else if word == "--agents" || word == "--seed" {
            skip = true;
        } else if word != "--detach" && !word.starts_with("--agents=") && !word.starts_with("--seed=") {
            kept.push(word);
        }
    }
    kept
}

/// `--seed FILE`, over the control API and not by the process that serves: what it prints may go to a log, and tokens that
/// were generated are no matter for one.
async fn seed_if_new(seed: Option<String>, words: &Up, record: &Record, common: &Common) -> Result<()> {
    let (Some(text), Some(file)) = (seed, words.seed.as_deref()) else { return Ok(()) };
    let control = Control::of(record)?;
    match sandbox_state::apply(&control, "/azdo/seed?ifNew=true", text, file).await? {
        Value::Null => output::note(
            "note: the state was there before, so the seed was not applied; `mayfly sandbox seed` adds it",
        ),
        seeded => sandbox_state::announce(&seeded, common),
    }
    Ok(())
}

/// In a process group of its own, so that a Ctrl-C in this terminal does not end it.
fn apart(command: &mut Command) {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt;
        const DETACHED_PROCESS: u32 = 0x0000_0008;
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
        command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
    }
}

async fn ready(child: &mut Child, instance: &Instance) -> Result<Record> {
    let wait = async {
        loop {
            if let Ok(record) = Record::read(instance)
                && record.process_id == child.id()
            {
                return Ok(record);
            }
            if let Some(status) = child.try_wait().context("look after the sandbox")? {
                return Err(start_failed(instance, status.code()).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if let Ok(outcome) = tokio::time::timeout(READY, wait).await {
        return outcome;
    }
    let text = format!("start the sandbox `{instance}`: not ready after {} s", READY.as_secs());
    Err(Problem::new(Outcome::Failed, text).details(log_tail(instance)).into())
}

fn start_failed(instance: &Instance, code: Option<i32>) -> Problem {
    let outcome = match code {
        Some(2) => Outcome::Usage,
        Some(3) => Outcome::Refused,
        Some(4) => Outcome::Service,
        _ => Outcome::Failed,
    };
    // What the other process reported is the report; its own `error:` and `hint:` lines come with it.
    let mut lines = log_tail(instance);
    let start = lines.iter().rposition(|line| line.starts_with("error: ")).unwrap_or(0);
    let mut report = lines.split_off(start).into_iter();
    let first = report.next().unwrap_or_else(|| "the sandbox ended while it started".to_owned());
    let (hints, details): (Vec<_>, Vec<_>) = report.partition(|line| line.starts_with("hint: "));
    let problem = Problem::new(outcome, first.trim_start_matches("error: "))
        .details(details.into_iter().map(|line| line.trim_start().to_owned()).collect());
    hints.into_iter().fold(problem, |problem, hint| problem.hint(hint.trim_start_matches("hint: ")))
}

fn log_tail(instance: &Instance) -> Vec<String> {
    let text = fs_err::read_to_string(instance.log_file()).unwrap_or_default();
    let lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    lines[lines.len().saturating_sub(30)..].to_vec()
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
        UpError::AlreadyRunning { .. } | UpError::StateInUse { .. } => Problem::from_error(Outcome::Refused, error)
            .hint("`mayfly sandbox env` uses it, `mayfly sandbox down` removes it, `--instance NAME` starts another"),
        UpError::Instance(_) => Problem::from_error(Outcome::Usage, error),
        UpError::Docker(ref engine) => {
            let hint = engine.hint();
            Problem::from_error(Outcome::Service, error).hint(hint)
        }
        error => Problem::from_error(Outcome::Failed, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_background_process_gets_the_same_words_but_three() {
        let words = [
            "sandbox",
            "up",
            "--agents",
            "2",
            "--seed",
            "a.yaml",
            "--detach",
            "--agents=3",
            "--seed=b",
            "--stop-grace",
            "5",
        ];
        let kept = foreground_words(words.iter().map(|word| (*word).to_owned()));
        assert_eq!(kept, ["sandbox", "up", "--stop-grace", "5"]);
    }
}
