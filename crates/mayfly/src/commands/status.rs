//! `status`: fleet, pool and queue.

use anyhow::Result;

use super::fleet;
use crate::cli::{Common, Fleet, Format};
use crate::environment::Environment;
use crate::outcome::Outcome;
use crate::output;

pub(crate) async fn run(words: &Fleet, common: &Common, environment: &Environment) -> Result<Outcome> {
    let context = fleet::context(words, common, environment)?;
    let report = aci_deploy::status(&context).await.map_err(fleet::explained)?;
    if common.output == Format::Json {
        output::document(&report)?;
    } else {
        output::result(&report.to_string());
    }
    Ok(Outcome::Done)
}
