//! `sandbox faults`: what goes wrong with calls because a test asked for it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Map, Value};

use super::control::Control;
use crate::cli::{Common, Format, Side};
use crate::environment::Environment;
use crate::input;
use crate::outcome::{Outcome, Problem};
use crate::output;

/// What is to be done.
pub(crate) struct Asked {
    pub(crate) of: Side,
    pub(crate) add: Option<PathBuf>,
    pub(crate) remove: Option<u64>,
    pub(crate) clear: bool,
}

pub(crate) async fn run(asked: Asked, common: &Common, environment: &Environment) -> Result<Outcome> {
    let new = asked.add.as_deref().map(read).transpose()?;
    let control = Control::find(common, environment)?;
    let route = format!("{}/faults", asked.of.prefix());
    if asked.clear {
        control.delete(&route).await?;
    }
    if let Some(number) = asked.remove {
        control.delete(&format!("{route}/{number}")).await?;
    }
    if let Some(new) = new {
        control.tell(&route, &new).await?;
    }
    let present: Vec<Map<String, Value>> = control.get(&route).await?;
    if common.output == Format::Json {
        output::document(&present)?;
    } else {
        for fault in &present {
            output::result(&line(fault));
        }
    }
    Ok(Outcome::Done)
}

fn read(file: &Path) -> Result<Value> {
    let text = input::text(file)?;
    serde_json::from_str(&text).map_err(|error| {
        let message = format!("faults `{}`: the file is no JSON: {error}", file.display());
        Problem::new(Outcome::Usage, message).into()
    })
}

/// `1 hits=2 left=1 {"method":"PUT","status":429}`
fn line(fault: &Map<String, Value>) -> String {
    let of = |name: &str| fault.get(name).filter(|value| !value.is_null());
    let number = |name: &str| of(name).map_or_else(|| "all".to_owned(), Value::to_string);
    let asked = fault.iter().filter(|(name, _)| !["id", "hits", "left"].contains(&name.as_str()));
    let asked = asked.map(|(name, value)| (name.clone(), value.clone())).collect();
    format!("{} hits={} left={} {}", number("id"), number("hits"), number("left"), Value::Object(asked))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::line;

    #[test]
    fn a_line_says_how_often_a_fault_hit() {
        let check = |fault: serde_json::Value| line(fault.as_object().expect("an object"));
        let counted = json!({"id": 1, "hits": 2, "left": 1, "status": 429, "count": 3});
        assert_eq!(check(counted), r#"1 hits=2 left=1 {"status":429,"count":3}"#);
        let endless = json!({"id": 2, "hits": 0, "left": null, "cut": "body"});
        assert_eq!(check(endless), r#"2 hits=0 left=all {"cut":"body"}"#);
    }
}
