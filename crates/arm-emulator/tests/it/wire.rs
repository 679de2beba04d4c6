//! Requests that real clients were seen to send, and the answers that they read, as `fixtures/wire/arm` holds them.
//!
//! In an answer `<any>` stands for any value and `<absent>` for a member that must not be there; members that the
//! example does not name may be there.

use std::path::Path;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::stack::{SUBSCRIPTION, Stack, until};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    origin: String,
    method: String,
    path: String,
    request: Option<Value>,
    request_text: Option<String>,
    status: u16,
    #[serde(default)]
    response_headers: Map<String, Value>,
    response: Option<Value>,
}

#[tokio::test]
async fn recorded_exchanges_are_answered_as_recorded() {
    let stack = Stack::start().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire/arm");
    let mut files: Vec<_> = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 14, "{files:?}");
    for file in files {
        let text = fs_err::read_to_string(&file).unwrap().replace("{subscription}", SUBSCRIPTION);
        let exchange: Exchange = serde_json::from_str(&text).unwrap();
        assert!(!exchange.origin.is_empty());
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let body = exchange.request_text.or_else(|| exchange.request.map(|value| value.to_string()));
        let method: Method = exchange.method.parse().unwrap();
        let answer = stack.send(method, &exchange.path, body).await;
        assert_eq!(answer.status, exchange.status, "{name}: {}", answer.text);
        for (header, expected) in &exchange.response_headers {
            compare(&format!("{name}: header {header}"), expected, &Value::from(answer.header(header)));
            assert!(!answer.header(header).is_empty(), "{name}: header {header} is missing");
        }
        if let Some(expected) = &exchange.response {
            compare(&name, expected, &answer.body);
        }
        assert!(!answer.text.contains("not-to-be-seen"), "{name}: {}", answer.text);
        if !answer.header("azure-asyncoperation").is_empty() {
            stack.ended(&answer).await;
        } else if !answer.header("location").is_empty() {
            stack.located(&answer).await.expect(204);
        } else if exchange.path.contains("/restart") {
            until("the restart is over", || async {
                let running = stack.runtime.running().len();
                if running == 1 { Ok(()) } else { Err(running.to_string()) }
            })
            .await;
        }
    }
    stack.finish().await;
}

fn compare(place: &str, expected: &Value, actual: &Value) {
    match (expected, actual) {
        (Value::String(word), _) if word == "<any>" => {}
        (Value::Object(expected), Value::Object(actual)) => {
            for (name, expected) in expected {
                let place = format!("{place}.{name}");
                match (expected.as_str(), actual.get(name)) {
                    (Some("<absent>"), found) => assert!(found.is_none(), "{place} is there"),
                    (_, None) => panic!("{place} is missing"),
                    (_, Some(actual)) => compare(&place, expected, actual),
                }
            }
        }
        (Value::Array(expected), Value::Array(actual)) => {
            assert_eq!(expected.len(), actual.len(), "{place}: {actual:?}");
            for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                compare(&format!("{place}[{index}]"), expected, actual);
            }
        }
        _ => assert_eq!(expected, actual, "{place}"),
    }
}
