//! `logs`: what an agent's container printed.

use aci_deploy::LogsOptions;
use anyhow::Result;

use super::fleet;
use crate::cli::{Common, Format, Logs};
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};
use crate::output;

pub(crate) async fn run(words: &Logs, common: &Common, environment: &Environment) -> Result<Outcome> {
    let context = fleet::context(&words.fleet, common, environment)?;
    let agent = words.agent.parse().map_err(|error: aci_deploy::NameError| {
        Problem::from_error(Outcome::Usage, error).hint("`mayfly status` lists the agents")
    })?;
    let options = LogsOptions { agent, previous: words.previous };
    let report = aci_deploy::logs(&context, options).await.map_err(fleet::explained)?;
    if common.output == Format::Json {
        output::document(&report)?;
    } else {
        output::result(&report.to_string());
    }
    Ok(Outcome::Done)
}
