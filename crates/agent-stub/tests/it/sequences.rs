//! The order of this agent's calls is one that the vendor's sources allow: `fixtures/wire/azdo/sequences/calls.json`.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::{
    agent::{InstalledAgent, finish, text},
    server::{FakeAzure, step},
};

fn recorded() -> Value {
    let file = "../../fixtures/wire/azdo/sequences/calls.json";
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    serde_json::from_str(&fs_err::read_to_string(file).expect("the recording")).expect("JSON")
}

/// `{}` in the place of every id and name.
fn normal(request: &str) -> String {
    let request = request.replacen("pat ", "user ", 1).replacen("nobody ", "none ", 1);
    let (call, path) = request.rsplit_once(' ').expect("a path");
    let mut named = 0;
    let parts = path.split('/').map(|part| {
        let id = part.len() == 36 && part.matches('-').count() == 4;
        let number = !part.is_empty() && part.chars().all(|c| c.is_ascii_digit() || c == '.');
        let name = std::mem::take(&mut named) > 0;
        named = usize::from(part == "FeatureFlags");
        if id || number || name { "{}" } else { part }
    });
    format!("{call} {}", parts.collect::<Vec<_>>().join("/"))
}

fn list(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten();
    texts.map(|text| text.as_str().expect("text").to_owned()).collect()
}

/// What is wrong with the order of the calls, if anything.
fn fault(calls: &[String], recorded: &Value, name: &str) -> Option<String> {
    let allowed: BTreeSet<_> = list(&recorded["allowed"]["calls"]).into_iter().collect();
    // A first call without a credential asks for the challenge, and is no step.
    let stray =
        calls.iter().find(|call| !allowed.contains(call.split_once(' ').map_or("", |(_, call)| call)));
    if let Some(stray) = stray {
        return Some(format!("{stray} is no call of the vendor's agent"));
    }
    let mut rest = calls.iter();
    for step in list(&recorded[name]["order"]) {
        if !rest.any(|call| *call == step) {
            return Some(format!("{step} is not made, or not in its turn"));
        }
    }
    let places = |wanted: &str| {
        calls
            .iter()
            .enumerate()
            .filter(|(_, call)| *call == wanted)
            .map(|(place, _)| place)
            .collect::<Vec<_>>()
    };
    for step in list(&recorded[name]["once"]) {
        if places(&step).len() != 1 {
            return Some(format!("{step} is made {} times, not once", places(&step).len()));
        }
    }
    for pair in recorded[name]["before"].as_array().into_iter().flatten() {
        let (first, last) = (places(pair[0].as_str()?), places(pair[1].as_str()?));
        if first.first() >= last.first() {
            return Some(format!("{} does not come before {}", pair[0], pair[1]));
        }
    }
    let never = list(&recorded[name]["never"]);
    never.iter().find(|call| calls.contains(call)).map(|call| format!("{call} is made"))
}

fn check(server: &FakeAzure, name: &str) -> Vec<String> {
    let calls: Vec<_> = server.state().requests.drain(..).map(|request| normal(&request)).collect();
    assert_eq!(fault(&calls, &recorded(), name), None, "{name}: {calls:#?}");
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_calls_is_the_vendors() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    check(&server, "configure");

    let registered = server.state().agent.clone().expect("it is registered");
    server.state().existing_agent = Some(registered);
    let again = InstalledAgent::new(&server.url());
    let output = again.config().arg("--replace").output().expect("config.sh");
    assert!(output.status.success(), "{}", text(&output));
    check(&server, "configure --replace");
    drop(agent);

    server.queue_job(json!([step(1, "echo hello")]));
    let child = again.script("run.sh").arg("--once").spawn().expect("run.sh");
    let output = finish(child, Duration::from_secs(60));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let calls = check(&server, "run --once");

    // The controls: each rule is broken once.
    let recorded = recorded();
    let broken = |calls: &[String]| fault(calls, &recorded, "run --once");
    let event = calls.iter().position(|call| call.ends_with("/events")).expect("the job's end");
    let mut early = calls.clone();
    let end = early.remove(event);
    assert!(broken(&early).is_some(), "without its end");
    early.insert(0, end.clone());
    assert!(broken(&early).is_some(), "the end first");
    let mut twice = calls.clone();
    twice.insert(event, end);
    assert!(broken(&twice).is_some(), "two ends");
    let mut stray = calls;
    stray.push("agent GET _apis/projects".to_owned());
    assert!(broken(&stray).is_some(), "a call that the agent never makes");
    server.finish();
}
