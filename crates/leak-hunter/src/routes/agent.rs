//! The agent's own settings and key, and the token that every job has.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Scene;
use crate::http;
use crate::look::Look;
use crate::needles::Needle;
use crate::plant::Places;

/// The variable through which the script hands the job's token over.
const JOB_TOKEN: &str = "LEAK_HUNTER_JOB_TOKEN";
/// Files in which the agent keeps settings and key (azure-pipelines-agent: WellKnownConfigFile).
const SETTINGS: [&str; 9] = [
    ".agent",
    ".credentials",
    ".credentials_rsaparams",
    ".credentials_migrated",
    ".credential_store",
    ".env",
    ".path",
    ".proxy",
    ".service",
];

/// What to look for to find the agent's key again: two of its secret numbers, as text and as bytes.
pub(super) fn own_keys(places: &Places) -> Vec<Needle> {
    let Ok(text) = fs_err::read(places.agent.join(".credentials_rsaparams")) else { return Vec::new() };
    let Ok(key) = serde_json::from_slice::<Value>(&text) else { return Vec::new() };
    let mut needles = Vec::new();
    for name in ["d", "p"] {
        let Some(value) = key[name].as_str() else { continue };
        let text = &value.as_bytes()[..value.len().min(40)];
        needles.extend(Needle::learned("the agent's key", "own-agent-key", text));
        if let Ok(bytes) = STANDARD.decode(value) {
            needles.extend(Needle::learned(
                "the agent's key",
                "own-agent-key",
                &bytes[..bytes.len().min(32)],
            ));
        }
    }
    needles
}

pub(super) fn settings(scene: &Scene, look: &mut Look<'_>) {
    for name in SETTINGS {
        look.file(&scene.places.agent.join(name));
    }
    if look.looked > 0 {
        // An agent cannot listen without its settings, so the files that were read are the ones that matter.
        look.held();
    }
}

/// What the token that every job is given may do: read capabilities, register an agent.
pub(super) fn job_token(scene: &Scene, look: &mut Look<'_>) {
    let Ok(token) = std::env::var(JOB_TOKEN) else {
        look.note("the script handed no token over");
        return;
    };
    let Some((host, path)) = scene.brief.azure_devops.as_deref().and_then(http::split) else {
        look.note("no plain HTTP address of Azure DevOps is known");
        return;
    };
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let requests = [
        ("read the connection", "GET", "/_apis/connectiondata".to_owned(), ""),
        ("read the pools", "GET", "/_apis/distributedtask/pools".to_owned(), ""),
        (
            "read agents with capabilities",
            "GET",
            "/_apis/distributedtask/pools/1/agents?includeCapabilities=true".to_owned(),
            "",
        ),
        (
            "register an agent",
            "POST",
            "/_apis/distributedtask/pools/1/agents?api-version=6.0-preview".to_owned(),
            REGISTRATION,
        ),
        (
            "open a session",
            "POST",
            "/_apis/distributedtask/pools/1/sessions?api-version=6.0-preview".to_owned(),
            "{}",
        ),
    ];
    for (what, method, target, body) in requests {
        let Ok(answer) = http::ask(&host, method, &format!("{path}{target}"), &headers, body) else {
            continue;
        };
        look.at(what, &answer);
        let status = http::status(&answer).unwrap_or_default();
        look.note(&format!("{what}: {status}"));
        match (what, status) {
            ("read the connection", 200) => look.held(),
            ("register an agent", 200..=299) => look.hit("may register agents", "registration-token", what),
            ("open a session", 200..=299) => look.hit("may listen as an agent", "registration-token", what),
            _ => {}
        }
    }
}

const REGISTRATION: &str = r#"{"name":"leak-hunter","version":"4.270.0","maxParallelism":1,"osDescription":"x","authorization":{"publicKey":{"exponent":"AQAB","modulus":"AQAB"}},"systemCapabilities":{}}"#;

/// Whether a token is the one that the job was given openly.
#[cfg_attr(windows, expect(dead_code, reason = "only the memory routes ask"))]
pub(super) fn is_own_job_token(token: &[u8]) -> bool {
    let hash = |bytes: &[u8]| {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        hasher.finish()
    };
    std::env::var(JOB_TOKEN).is_ok_and(|own| hash(own.as_bytes()) == hash(token))
}
