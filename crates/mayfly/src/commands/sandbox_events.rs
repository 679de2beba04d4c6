//! `sandbox events`: what happened in the sandbox's Azure DevOps or Azure, and what points to a stolen key.

use anyhow::Result;
use serde_json::{Map, Value};

use super::control::Control;
use crate::cli::{Common, Format, Side};
use crate::environment::Environment;
use crate::outcome::Outcome;
use crate::output;

/// Fields that have a place of their own in a line.
const SHOWN: [&str; 4] = ["number", "time", "kind", "alarm"];

pub(crate) async fn run(
    of: Side,
    only_alarms: bool,
    common: &Common,
    environment: &Environment,
) -> Result<Outcome> {
    let route = format!("{}/events", of.prefix());
    let all: Vec<Map<String, Value>> = Control::find(common, environment)?.get(&route).await?;
    let events: Vec<_> = all.into_iter().filter(|event| !only_alarms || is_alarm(event)).collect();
    if common.output == Format::Json {
        output::document(&events)?;
        return Ok(Outcome::Done);
    }
    for event in &events {
        output::result(&line(event));
    }
    let alarms = events.iter().filter(|event| is_alarm(event)).count();
    if alarms > 0 {
        output::note(&format!("{alarms} of them, marked with `!`, point to a stolen agent key"));
    }
    Ok(Outcome::Done)
}

fn is_alarm(event: &Map<String, Value>) -> bool {
    event.get("alarm").and_then(Value::as_bool).unwrap_or(false)
}

/// `! 2026-01-31T12:00:00Z secondSession agent=mayfly-0 …`
fn line(event: &Map<String, Value>) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let of = |name: &str| event.get(name).map(text).unwrap_or_default();
    let mark = if is_alarm(event) { '!' } else { ' ' };
    let rest = event.iter().filter(|(name, value)| !SHOWN.contains(&name.as_str()) && !value.is_null());
    let rest: Vec<_> = rest.map(|(name, value)| format!("{name}={}", text(value))).collect();
    format!("{mark} {} {} {}", of("time"), of("kind"), rest.join(" ")).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::line;

    #[test]
    fn an_alarm_is_marked_and_what_is_not_known_is_left_out() {
        let check = |event: serde_json::Value| line(event.as_object().expect("an object"));
        let alarm = json!({
            "number": 7, "time": "2026-01-31T12:00:00Z", "kind": "deadKeyUsed", "alarm": true,
            "agent": "mayfly-0", "agentId": 1, "from": null,
        });
        assert_eq!(check(alarm), "! 2026-01-31T12:00:00Z deadKeyUsed agent=mayfly-0 agentId=1");
        let event = json!({"number": 8, "time": "2026-01-31T12:00:00Z", "kind": "tokenAdded"});
        assert_eq!(check(event), "  2026-01-31T12:00:00Z tokenAdded");
    }
}
