//! `deploy`: the first roll-out of a fleet.

use aci_deploy::{DeployOptions, OwnTemplate, RolloutReport, deploy};
use anyhow::Result;

use super::expand;
use super::fleet::{self, Console};
use crate::cli::{Common, Deploy, Format, Mode, Os};
use crate::environment::Environment;
use crate::outcome::Outcome;
use crate::output;

pub(crate) async fn run(words: Deploy, common: &Common, environment: &Environment) -> Result<Outcome> {
    let report = roll_out(words, common, environment).await?;
    show(&report, common)
}

/// Does what the words say.
pub(crate) async fn roll_out(
    words: Deploy,
    common: &Common,
    environment: &Environment,
) -> Result<RolloutReport> {
    let image = fleet::image(words.image.as_deref())?;
    let context = fleet::context(&words.fleet, common, environment)?;
    let mut options = DeployOptions::new(words.agents, image, fleet::deployer(environment));
    options.cpu = words.containers.cpu;
    options.memory_gb = words.containers.memory;
    options.os_type = words.containers.os.map(os_type);
    options.mode = match words.mode {
        Mode::Incremental => aci_deploy::Mode::Incremental,
        Mode::Complete => aci_deploy::Mode::Complete,
    };
    options.keep_failed = words.keep_failed;
    options.dry_run = words.dry_run;
    options.template = own_template(&words)?;
    deploy(&context, options, &Console { yes: words.yes }).await.map_err(fleet::explained)
}

/// Prints what a roll-out did.
pub(crate) fn show(report: &RolloutReport, common: &Common) -> Result<Outcome> {
    if common.output == Format::Json {
        output::document(report)?;
    } else {
        output::result(&report.to_string());
    }
    Ok(Outcome::Done)
}

fn os_type(os: Os) -> aci_deploy::OsType {
    match os {
        Os::Linux => aci_deploy::OsType::Linux,
        Os::Windows => aci_deploy::OsType::Windows,
    }
}

fn own_template(words: &Deploy) -> Result<Option<(String, OwnTemplate)>> {
    let Some(file) = &words.template else { return Ok(None) };
    let name = file.display().to_string();
    let text = fs_err::read_to_string(file)?;
    // A fault in the template itself is told before what it lacks for a fleet, and with its place.
    expand::check(&name, &text)?;
    let parameters = match &words.parameters {
        Some(file) => Some((file.display().to_string(), fs_err::read_to_string(file)?)),
        None => None,
    };
    let given = parameters.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
    let own = OwnTemplate::parse((&name, &text), given).map_err(fleet::explained)?;
    Ok(Some((name, own)))
}
