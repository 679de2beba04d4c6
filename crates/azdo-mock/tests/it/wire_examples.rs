//! The examples in `fixtures/wire/azdo`: what clients send is taken, and what they read is sent, field by field.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Agent, Key, Session};
use crate::server::{Ask, Server, quick};

type Kept = BTreeMap<String, String>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire/azdo")
}

fn read(file: &Path) -> Value {
    serde_json::from_str(&fs_err::read_to_string(file).unwrap()).unwrap()
}

/// Puts kept values in the place of their names.
fn filled(text: &str, kept: &Kept) -> String {
    kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

/// Whether a value is the example's; says where it is not.
fn check(expected: &Value, actual: &Value, at: &str, kept: &mut Kept) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let (left, right): (Vec<_>, Vec<_>) = (expected.keys().collect(), actual.keys().collect());
            assert_eq!(left, right, "fields of {at}");
            for (name, value) in expected {
                check(value, &actual[name], &format!("{at}.{name}"), kept);
            }
        }
        (Value::Array(expected), Value::Array(actual)) => {
            assert_eq!(expected.len(), actual.len(), "length of {at}");
            for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                check(expected, actual, &format!("{at}[{index}]"), kept);
            }
        }
        (Value::String(pattern), Value::Number(_)) if pattern == "<number>" => {}
        (Value::String(pattern), Value::String(text)) if pattern.starts_with('<') => {
            let (form, name) = pattern
                .trim_matches(['<', '>'])
                .split_once(':')
                .unwrap_or((pattern.trim_matches(['<', '>']), ""));
            let fits = match form {
                "guid" => text.parse::<uuid::Uuid>().is_ok() && *text == text.to_lowercase(),
                "time" => text.parse::<jiff::Timestamp>().is_ok() && text.ends_with('Z') && text.len() == 24,
                "base64" => STANDARD.decode(text).is_ok_and(|bytes| !bytes.is_empty()),
                "text" => !text.is_empty(),
                form => panic!("{at}: {form} is no form"),
            };
            assert!(fits, "{at}: {text} is no {form}");
            if !name.is_empty() {
                kept.insert(name.to_owned(), text.clone());
            }
        }
        _ => assert_eq!(expected, actual, "{at}"),
    }
}

async fn exchange(server: &Server, example: &Value, kept: &mut Kept, at: &str) {
    let text = |pointer: &str| filled(example.pointer(pointer).unwrap().as_str().unwrap(), kept);
    let (method, path): (Method, _) = (text("/request/method").parse().unwrap(), text("/request/path"));
    let token = |name: &str| kept[name].clone();
    let request = match example["credential"].as_str().unwrap() {
        "none" => server.anonymous(method, &path),
        "user" => server.as_user(method, &path),
        "agent" => server.bearer(&token("agentToken"), method, &path),
        "job" => server.bearer(&token("jobToken"), method, &path),
        other => panic!("{at}: {other} is no credential"),
    };
    let body: Value = serde_json::from_str(&filled(&example["request"]["body"].to_string(), kept)).unwrap();
    let request = match &body {
        Value::Null => request,
        form if path.ends_with("/oauth2/token") => request.form(form),
        body => request.json(body),
    };
    let answer = request.answer().await;
    let status = example["response"]["status"].as_u64().unwrap();
    assert_eq!(u64::from(answer.status.as_u16()), status, "{at}: {}", answer.text);
    check(&example["response"]["body"], &answer.body, at, kept);
}

#[tokio::test]
async fn one_agents_life_is_as_the_examples_say() {
    let server = Server::start_with(quick(), vec![]).await;
    let key = Key::generate();
    let modulus = key.public()["modulus"].as_str().unwrap().to_owned();
    let mut agent = Agent {
        key,
        id: 1,
        name: "web01".into(),
        client_id: String::new(),
        audience: "http://azdo.invalid:4080/acme/_apis/oauth2/token".into(),
        token: String::new(),
    };
    let mut kept = Kept::from([("modulus".to_owned(), modulus)]);
    let mut files: Vec<_> = fs_err::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let exchanges: Vec<_> = files
        .iter()
        .filter(|file| file.file_name().unwrap().to_string_lossy().starts_with(char::is_numeric))
        .collect();
    assert!(exchanges.len() >= 20, "the examples are there");
    for file in exchanges {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        if name.ends_with("-token") {
            agent.client_id.clone_from(&kept["clientId"]);
            kept.insert("assertion".to_owned(), agent.key.sign(&agent.claims(&server)));
        }
        if name.ends_with("-message") {
            let job = json!({
                "pool": "Default", "steps": [{"script": "echo hello"}], "demands": ["Agent.OS -equals Linux"],
            });
            server.control(Method::POST, "/jobs").json(&job).answer().await.expect(201);
        }
        exchange(&server, &read(file), &mut kept, &name).await;
        if name.ends_with("-message") {
            let session = Session::new(&agent, kept["sessionId"].clone(), &kept["sessionKey"]);
            let body = session.decrypt(&kept["iv"], &kept["body"]);
            check(&read(&folder().join("job-message.json"))["body"], &body, "job-message", &mut kept);
        }
    }
}
