//! `sandbox journal`: what was asked of the sandbox's services.

use anyhow::Result;
use serde_json::{Map, Value};
use url::form_urlencoded::Serializer;

use super::control::Control;
use crate::cli::{Common, Format, JournalWords};
use crate::environment::Environment;
use crate::outcome::Outcome;
use crate::output;

pub(crate) async fn run(words: &JournalWords, common: &Common, environment: &Environment) -> Result<Outcome> {
    let entries: Vec<Map<String, Value>> = Control::find(common, environment)?.get(&route(words)).await?;
    if common.output == Format::Json {
        output::document(&entries)?;
        return Ok(Outcome::Done);
    }
    for entry in &entries {
        output::result(&line(entry));
    }
    Ok(Outcome::Done)
}

fn route(words: &JournalWords) -> String {
    let mut query = Serializer::new(String::new());
    let since = words.since.map(|since| since.to_string());
    let last = words.last.map(|last| last.to_string());
    for (name, value) in [
        ("service", &words.service),
        ("method", &words.method),
        ("path_contains", &words.path),
        ("status", &words.status),
        ("caller", &words.caller),
        ("since", &since),
        ("last", &last),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    format!("{}/journal?{}", words.of.prefix(), query.finish())
}

/// `2026-01-31T12:00:00Z arm 429 PUT /subscriptions/… (4 ms, caller, fault 1)`
fn line(entry: &Map<String, Value>) -> String {
    let text = |name: &str| match entry.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    };
    let status = text("status").unwrap_or_else(|| "---".to_owned());
    let mut about =
        vec![format!("{} ms", text("durationMs").unwrap_or_default()), text("caller").unwrap_or_default()];
    about.extend(text("fault").map(|fault| format!("fault {fault}")));
    let head = [text("time"), text("service"), Some(status), text("method"), text("path")];
    let head: Vec<_> = head.into_iter().flatten().collect();
    format!("{} ({})", head.join(" "), about.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::Side;

    #[test]
    fn a_line_says_what_is_known() {
        let check = |entry: Value| line(entry.as_object().expect("an object"));
        let throttled = json!({
            "time": "2026-01-31T12:00:00Z", "service": "arm", "method": "PUT", "path": "/subscriptions/1", "route": null,
            "status": 429, "caller": "7", "durationMs": 4, "fault": 1,
        });
        assert_eq!(check(throttled), "2026-01-31T12:00:00Z arm 429 PUT /subscriptions/1 (4 ms, 7, fault 1)");
        let cut = json!({
            "time": "2026-01-31T12:00:00Z", "method": "GET", "path": "/mayfly", "status": null, "caller": "agent a",
            "durationMs": 0, "fault": null,
        });
        assert_eq!(check(cut), "2026-01-31T12:00:00Z --- GET /mayfly (0 ms, agent a)");
    }

    #[test]
    fn filters_go_into_the_query() {
        let words = JournalWords {
            of: Side::Arm,
            service: None,
            method: Some("PUT".into()),
            path: Some("a b/&c".into()),
            status: None,
            caller: None,
            since: None,
            last: Some(3),
        };
        assert_eq!(route(&words), "/arm/journal?method=PUT&path_contains=a+b%2F%26c&last=3");
    }
}
