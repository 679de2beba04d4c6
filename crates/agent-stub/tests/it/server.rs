//! A server with just enough of the protocol, every request of which is kept.

use std::{
    collections::VecDeque,
    io::{Cursor, Write as _},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_lc_rs::{
    cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey},
    encoding::{AsDer as _, PublicKeyX509Der},
    iv::FixedLength,
    rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents},
    signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

pub(crate) const PAT: &str = "pat-planted-7d1f0a";
pub(crate) const AGENT_TOKEN: &str = "agent-access-token";
pub(crate) const JOB_TOKEN: &str = "job-token-planted";
pub(crate) const JOB: &str = "3f2a5b1c-0000-4000-8000-0000000000b1";
pub(crate) const TASK: &str = "11111111-2222-4333-8444-555555555555";
const SCOPE: &str = "3f2a5b1c-0000-4000-8000-000000000001";
const PLAN: &str = "3f2a5b1c-0000-4000-8000-0000000000a1";
const SESSION_KEY: [u8; 32] = [42; 32];
const IV: [u8; 16] = [9; 16];

/// How the server behaves, and what it has seen.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) existing_agent: Option<Value>,
    pub(crate) no_pool: bool,
    pub(crate) fail_put: u32,
    pub(crate) session_conflicts: u32,
    pub(crate) encrypt: bool,
    pub(crate) messages: VecDeque<(i64, String, String)>,
    pub(crate) public_key: Option<Value>,
    pub(crate) agent: Option<Value>,
    pub(crate) session_request: Option<Value>,
    pub(crate) deleted_messages: Vec<i64>,
    pub(crate) deleted_sessions: u32,
    pub(crate) records: Vec<Value>,
    pub(crate) logs: Vec<String>,
    pub(crate) feed: Vec<String>,
    pub(crate) completed: Option<Value>,
    pub(crate) requests: Vec<String>,
    /// Method, path and body of what was sent as JSON.
    pub(crate) bodies: Vec<(String, String, Value)>,
    pub(crate) faults: Vec<String>,
    /// Features that are on.
    pub(crate) features: Vec<String>,
    /// A package of the agent: its bytes, and the hash the server names.
    pub(crate) package: Option<(Vec<u8>, String)>,
    pub(crate) updates: Vec<String>,
    /// How long an empty poll is held; 50 seconds where nothing is said.
    pub(crate) hold: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct FakeAzure {
    server: MockServer,
    state: Arc<Mutex<State>>,
}

impl FakeAzure {
    pub(crate) async fn start() -> Self {
        let server = MockServer::start().await;
        let state = Arc::new(Mutex::new(State::default()));
        let url = format!("{}/acme", server.uri());
        Mock::given(any()).respond_with(Answers { state: state.clone(), url }).mount(&server).await;
        Self { server, state }
    }
    pub(crate) fn url(&self) -> String {
        format!("{}/acme", self.server.uri())
    }
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("state")
    }

    /// Puts a job into the queue.
    pub(crate) fn queue_job(&self, steps: Value) -> i64 {
        let mut state = self.state();
        let id = state.messages.len() as i64 + 1;
        state.messages.push_back((
            id,
            "PipelineAgentJobRequest".to_owned(),
            job(&self.url(), &steps).to_string(),
        ));
        id
    }
    pub(crate) fn queue_message(&self, kind: &str, body: Value) {
        let mut state = self.state();
        let id = state.messages.len() as i64 + 1;
        state.messages.push_back((id, kind.to_owned(), body.to_string()));
    }

    /// Ends a test: nothing may have been asked that the protocol does not know.
    pub(crate) fn finish(self) {
        let state = self.state();
        assert!(state.faults.is_empty(), "{:#?}", state.faults);
    }
}

pub(crate) fn step(number: u32, script: &str) -> Value {
    json!({
        "type": "task",
        "id": format!("3f2a5b1c-0000-4000-8000-0000000000d{number}"),
        "name": format!("step{number}"),
        "displayName": format!("Step {number}"),
        "reference": { "id": TASK, "name": "MockScript", "version": "1.0.0" },
        "condition": "succeeded()",
        "enabled": true,
        "inputs": { "script": script },
    })
}

fn job(url: &str, steps: &Value) -> Value {
    let url = format!("{url}/");
    json!({
        "messageType": "PipelineAgentJobRequest",
        "plan": { "scopeIdentifier": SCOPE, "planType": "Build", "version": 9, "planId": PLAN },
        "timeline": { "id": PLAN, "changeId": 1, "location": null },
        "jobId": JOB, "jobDisplayName": "Job", "jobName": "__default", "requestId": 42,
        "resources": { "endpoints": [{
            "name": "SystemVssConnection", "url": url,
            "authorization": { "scheme": "OAuth", "parameters": { "AccessToken": JOB_TOKEN } }
        }], "repositories": [] },
        "variables": {
            "system.hosttype": { "value": "build", "isReadOnly": true },
            "system.servertype": { "value": "Hosted", "isReadOnly": true },
            "system.teamFoundationCollectionUri": { "value": url, "isReadOnly": true },
            "build.syncSources": { "value": "false" },
            "my.setting": { "value": "from a variable" },
            "my.secret": { "value": "variable-planted", "isSecret": true }
        },
        "mask": [{ "type": "regex", "value": JOB_TOKEN }],
        "steps": steps, "workspace": {}
    })
}

/// id, area, resource, template.
const LOCATIONS: &[(&str, &str, &str, &str)] = &[
    ("a8c47e17-4d56-4a56-92bb-de7ea7dc65be", "distributedtask", "pools", "_apis/{area}/{resource}/{poolId}"),
    (
        "e298ef32-5878-4cab-993c-043836571f42",
        "distributedtask",
        "agents",
        "_apis/{area}/pools/{poolId}/{resource}/{agentId}",
    ),
    (
        "134e239e-2df3-4794-a6f6-24f1f19ec8dc",
        "distributedtask",
        "sessions",
        "_apis/{area}/pools/{poolId}/{resource}/{sessionId}",
    ),
    (
        "c3a054f6-7a8a-49c0-944e-3a8e5d7adfd7",
        "distributedtask",
        "messages",
        "_apis/{area}/pools/{poolId}/{resource}/{messageId}",
    ),
    (
        "fc825784-c92a-4299-9221-998a02d1b54f",
        "distributedtask",
        "jobrequests",
        "_apis/{area}/pools/{poolId}/{resource}/{requestId}",
    ),
    (
        "8ffcd551-079c-493a-9c02-54346299d144",
        "distributedtask",
        "packages",
        "_apis/{area}/{resource}/{packageType}/{platform}/{version}",
    ),
    (
        "8cc1b02b-ae49-4516-b5ad-4f9b29967c30",
        "distributedtask",
        "updates",
        "_apis/{area}/pools/{poolId}/agents/{agentId}/{resource}",
    ),
    (
        "60aac929-f0cd-4bc8-9ce4-6b30e8f1b1bd",
        "distributedtask",
        "tasks",
        "_apis/{area}/{resource}/{taskId}/{versionString}",
    ),
    (
        "557624af-b29e-4c20-8ab0-0399d2204f3f",
        "distributedtask",
        "events",
        "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/{resource}",
    ),
    (
        "83597576-cc2c-453c-bea6-2882ae6a1653",
        "distributedtask",
        "timelines",
        "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/{resource}/{timelineId}",
    ),
    (
        "8893bc5b-35b2-4be7-83cb-99e683551db4",
        "distributedtask",
        "records",
        "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/timelines/{timelineId}/{resource}/{recordId}",
    ),
    (
        "858983e4-19bd-4c5e-864c-507b59b58b12",
        "distributedtask",
        "feed",
        "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/timelines/{timelineId}/records/{recordId}/{resource}",
    ),
    (
        "46f5667d-263a-4684-91b1-dff7fdcf64e2",
        "distributedtask",
        "logs",
        "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}/{resource}/{logId}",
    ),
    (
        "3e2b80f8-9e6f-441e-8393-005610692d9c",
        "FeatureAvailability",
        "FeatureFlags",
        "_apis/{resource}/{name}",
    ),
    ("b5cc35c2-ff2b-491d-a085-24b6e9f396fd", "customerintelligence", "Events", "_apis/{area}/{resource}"),
];

struct Answers {
    state: Arc<Mutex<State>>,
    url: String,
}

fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}
fn list(values: &[Value]) -> ResponseTemplate {
    ok(&json!({ "count": values.len(), "value": values }))
}
fn error(status: u16, type_key: &str, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({
        "message": message,
        "typeName": format!("Microsoft.TeamFoundation.DistributedTask.WebApi.{type_key}, Microsoft.TeamFoundation.DistributedTask.WebApi"),
        "typeKey": type_key,
    }))
}

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.state.lock().expect("state");
        let path = request.url.path().strip_prefix("/acme/").unwrap_or_else(|| request.url.path()).to_owned();
        let authorization =
            request.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let caller = match authorization.split_once(' ') {
            Some(("Basic", text)) if text == STANDARD.encode(format!("VstsAgent:{PAT}")) => "pat",
            Some(("Bearer", AGENT_TOKEN)) => "agent",
            Some(("Bearer", JOB_TOKEN)) => "job",
            Some(_) => "stranger",
            None => "nobody",
        };
        state.requests.push(format!("{caller} {} {path}", request.method));
        if path == "_apis/oauth2/token" {
            return token(&mut state, request);
        }
        if path == "download" {
            let (archive, _) = state.package.clone().expect("a package");
            return ResponseTemplate::new(200).set_body_raw(archive, "application/gzip");
        }
        if caller == "nobody" || caller == "stranger" {
            return ResponseTemplate::new(401)
                .append_header("WWW-Authenticate", "Bearer")
                .append_header("WWW-Authenticate", "Basic realm=\"acme\"");
        }
        let accept = request.headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !path.starts_with("_apis/connectionData") && path != "_apis/" && !accept.contains("; api-version=")
        {
            state.faults.push(format!("{path} was asked without an api-version: {accept}"));
        }
        let query: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        if body.is_object() {
            state.bodies.push((request.method.to_string(), path.clone(), body.clone()));
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["_apis", "connectionData"]) => ok(&json!({
                "instanceId": PLAN, "deploymentId": PLAN, "deploymentType": "hosted",
                "locationServiceData": { "clientCacheFresh": false, "serviceDefinitions": [] }
            })),
            ("OPTIONS", ["_apis"]) => {
                let all: Vec<Value> = LOCATIONS
                    .iter()
                    .map(|(id, area, resource, template)| {
                        json!({ "id": id, "area": area, "resourceName": resource, "routeTemplate": template,
                            "resourceVersion": 1, "minVersion": "1.0", "maxVersion": "7.2", "releasedVersion": "7.1" })
                    })
                    .collect();
                list(&all)
            }
            ("GET", ["_apis", "distributedtask", "pools"]) => {
                if state.no_pool {
                    list(&[])
                } else {
                    list(&[json!({ "id": 3, "name": "linux" })])
                }
            }
            ("GET", [.., "pools", "3", "agents"]) => {
                list(&state.existing_agent.iter().cloned().collect::<Vec<_>>())
            }
            ("POST", [.., "pools", "3", "agents"]) => self.registered(&mut state, body),
            ("PUT", [.., "agents", "7"]) if state.fail_put > 0 => {
                state.fail_put -= 1;
                error(500, "VssServiceException", "the database is away")
            }
            ("PUT", [.., "agents", "7"]) => self.registered(&mut state, body),
            ("DELETE", [.., "agents", "7"]) => ResponseTemplate::new(204),
            ("GET", ["_apis", "FeatureFlags", name]) => {
                let name = (*name).to_owned();
                let state = if state.features.contains(&name) { "On" } else { "Off" };
                ok(&json!({ "name": name, "effectiveState": state, "explicitState": state }))
            }
            ("POST", ["_apis", "customerintelligence", "Events"]) => ResponseTemplate::new(204),
            ("POST", [.., "sessions"]) if state.session_conflicts > 0 => {
                state.session_conflicts -= 1;
                error(
                    409,
                    "TaskAgentSessionConflictException",
                    "The task agent a1 already has an active session for owner x.",
                )
            }
            ("POST", [.., "sessions"]) => {
                state.session_request = Some(body.clone());
                let mut session =
                    json!({ "sessionId": PLAN, "ownerName": body["ownerName"], "agent": body["agent"] });
                if state.encrypt {
                    session["encryptionKey"] = json!({ "encrypted": true, "value": sealed_key(&state) });
                }
                ok(&session)
            }
            ("DELETE", [.., "sessions", _]) => {
                state.deleted_sessions += 1;
                ResponseTemplate::new(204)
            }
            ("GET", [.., "messages"]) => next_message(&state, &query),
            ("DELETE", [.., "messages", id]) => {
                let id = id.parse().expect("a number");
                state.deleted_messages.push(id);
                ResponseTemplate::new(204)
            }
            ("PATCH", [.., "jobrequests", "42"]) => {
                ok(&json!({ "requestId": 42, "lockedUntil": "2126-01-01T00:00:00Z" }))
            }
            ("GET", [.., "timelines", _]) => {
                let job = state.records.iter().find(|record| record["type"] == "Job").cloned();
                ok(&json!({ "id": PLAN, "changeId": 1, "records": job.into_iter().collect::<Vec<_>>() }))
            }
            ("GET", ["_apis", "distributedtask", "packages", "agent", platform, "4.999.0"]) => {
                let (_, hash) = state.package.clone().expect("a package");
                // Another name for this host, so that the hash is looked at.
                let url = self.url.replace("127.0.0.1", "localhost");
                ok(&json!({
                    "type": "agent", "platform": platform, "version": { "major": 4, "minor": 999, "patch": 0 },
                    "downloadUrl": format!("{url}/download"), "hashValue": hash, "filename": "x.tar.gz"
                }))
            }
            ("PUT", [.., "agents", "7", "updates"]) => {
                state.updates.extend(query.into_iter().map(|(_, value)| value));
                ResponseTemplate::new(204)
            }
            ("GET", [.., "tasks", _, _]) => {
                ResponseTemplate::new(200).set_body_raw(task_archive(), "application/zip")
            }
            ("PATCH", [.., "records"]) => {
                let records = body["value"].as_array().cloned().unwrap_or_default();
                state.records.extend(records.clone());
                list(&records)
            }
            ("POST", [.., "feed"]) => {
                let lines = body["value"].as_array().cloned().unwrap_or_default();
                state.feed.extend(lines.iter().filter_map(|line| line.as_str().map(str::to_owned)));
                ResponseTemplate::new(204)
            }
            ("POST", [.., "logs"]) => {
                state.logs.push(String::new());
                ok(&json!({ "id": state.logs.len(), "path": body["path"] }))
            }
            ("POST", [.., "logs", id]) => {
                let index = id.parse::<usize>().expect("a number") - 1;
                state.logs[index].push_str(&String::from_utf8_lossy(&request.body));
                ok(&json!({ "id": index + 1 }))
            }
            ("POST", [.., "events"]) => {
                state.completed = Some(body);
                ResponseTemplate::new(204)
            }
            (method, _) => {
                state.faults.push(format!("{method} {path} is not known"));
                ResponseTemplate::new(404)
            }
        }
    }
}

impl Answers {
    fn registered(&self, state: &mut State, body: Value) -> ResponseTemplate {
        let url = format!("{}/_apis/oauth2/token", self.url);
        let mut agent = body;
        state.public_key = Some(agent["authorization"]["publicKey"].clone());
        agent["id"] = json!(7);
        agent["authorization"]["clientId"] = json!("client-7");
        agent["authorization"]["authorizationUrl"] = json!(url);
        agent["properties"] =
            json!({ "ServerUrl": { "$type": "System.String", "$value": format!("{}/", self.url) } });
        state.agent = Some(agent.clone());
        ok(&agent)
    }
}

fn token(state: &mut State, request: &Request) -> ResponseTemplate {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let field = |name: &str| {
        form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let assertion = field("client_assertion");
    let parts: Vec<&str> = assertion.split('.').collect();
    let claims = parts.get(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&claims).unwrap_or(Value::Null);
    let key = state.public_key.clone().unwrap_or_default();
    let number = |name: &str| STANDARD.decode(key[name].as_str().unwrap_or_default()).unwrap_or_default();
    let signed = assertion.rsplit_once('.').map(|(signed, _)| signed).unwrap_or_default();
    let signature = parts.get(2).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).unwrap_or_default();
    let genuine = RsaPublicKeyComponents { n: number("modulus"), e: number("exponent") }
        .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
        .is_ok();
    let lasts = claims["exp"].as_i64().unwrap_or(0) - claims["nbf"].as_i64().unwrap_or(0);
    if !genuine || claims["sub"] != "client-7" || claims["iss"] != "client-7" || lasts != 300 {
        state.faults.push(format!("a token was asked for with {claims}, genuine: {genuine}"));
    }
    if field("grant_type") != "client_credentials" {
        state.faults.push(format!("grant type {}", field("grant_type")));
    }
    ok(&json!({ "access_token": AGENT_TOKEN, "token_type": "JWT", "expires_in": 3600 }))
}

fn sealed_key(state: &State) -> String {
    let key = state.public_key.clone().unwrap_or_default();
    let number = |name: &str| STANDARD.decode(key[name].as_str().expect("text")).expect("base64");
    let components = PublicKeyComponents { n: number("modulus"), e: number("exponent") };
    let document: PublicKeyX509Der<'_> = components.as_der().expect("document");
    let key = PublicEncryptingKey::from_der(document.as_ref()).expect("key");
    let key = OaepPublicEncryptingKey::new(key).expect("key");
    let mut sealed = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA1_MGF1SHA1, &SESSION_KEY, &mut sealed, None).expect("sealed");
    STANDARD.encode(sealed)
}

fn next_message(state: &State, query: &[(String, String)]) -> ResponseTemplate {
    let last = query
        .iter()
        .find(|(name, _)| name == "lastMessageId")
        .and_then(|(_, value)| value.parse::<i64>().ok());
    let message = state
        .messages
        .iter()
        .find(|(id, _, _)| *id > last.unwrap_or(0) && !state.deleted_messages.contains(id));
    let Some((id, kind, body)) = message else {
        // A held poll.
        return ResponseTemplate::new(204).set_delay(state.hold.unwrap_or(Duration::from_secs(50)));
    };
    if !state.encrypt {
        return ok(&json!({ "messageId": id, "messageType": kind, "body": body }));
    }
    let key = UnboundCipherKey::new(&AES_256, &SESSION_KEY).expect("key");
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).expect("key");
    let mut sealed = body.as_bytes().to_vec();
    key.less_safe_encrypt(&mut sealed, EncryptionContext::Iv128(FixedLength::from(&IV))).expect("sealed");
    ok(&json!({
        "messageId": id, "messageType": kind, "iv": STANDARD.encode(IV), "body": STANDARD.encode(sealed)
    }))
}

fn task_archive() -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("task.json", zip::write::SimpleFileOptions::default()).expect("entry");
    let task = json!({
        "id": TASK, "name": "MockScript", "friendlyName": "Mock script", "author": "mock",
        "version": { "Major": 1, "Minor": 0, "Patch": 0 }, "inputs": [],
        "execution": { "Node20_1": { "target": "main.js" } }
    });
    archive.write_all(task.to_string().as_bytes()).expect("written");
    archive.finish().expect("archive").into_inner()
}
