//! `sandbox clock`: the time of all services of a sandbox.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::control::Control;
use crate::cli::{ClockWords, Common, Format};
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};
use crate::output;

pub(crate) async fn run(words: &ClockWords, common: &Common, environment: &Environment) -> Result<Outcome> {
    let control = Control::find(common, environment)?;
    let shown: Value = match words {
        ClockWords::Show => control.get("/clock").await?,
        ClockWords::Advance { by } => {
            let body = json!({ "seconds": by.as_secs_f64() });
            match control.try_post("/clock/advance", &body).await.context("advance the sandbox's clock")? {
                Ok(shown) => shown,
                Err(refused) => return Err(stands(&refused)),
            }
        }
    };
    if common.output == Format::Json {
        output::document(&shown)?;
        return Ok(Outcome::Done);
    }
    let kind = if shown["virtual"] == true { "virtual: it can be advanced" } else { "the machine's" };
    output::result(&format!("{} ({kind})", shown["now"].as_str().unwrap_or_default()));
    Ok(Outcome::Done)
}

fn stands(refused: &Value) -> anyhow::Error {
    let why = refused["error"].as_str().unwrap_or_default();
    Problem::new(Outcome::Refused, format!("advance the sandbox's clock: {why}"))
        .hint("`mayfly sandbox up --clock virtual` starts one whose clock can be advanced")
        .into()
}
