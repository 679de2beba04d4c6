//! `scale`: the fleet to a number of agents, and no running job killed.

use aci_deploy::{ScaleOptions, scale};
use anyhow::Result;

use super::deploy::show;
use super::fleet::{self, Console};
use crate::cli::{Common, Scale};
use crate::environment::Environment;
use crate::outcome::Outcome;

pub(crate) async fn run(words: Scale, common: &Common, environment: &Environment) -> Result<Outcome> {
    let image = fleet::image(words.image.as_deref())?;
    let context = fleet::context(&words.fleet, common, environment)?;
    let mut options = ScaleOptions::new(words.agents, fleet::deployer(environment));
    options.image = image;
    options.drain_timeout = words.drain_timeout;
    options.force = words.force;
    options.dry_run = words.dry_run;
    let report = scale(&context, options, &Console { yes: words.yes }).await.map_err(fleet::explained)?;
    show(&report, common)
}
