//! What an agent does: it registers, gets a token, opens a session, polls, and ends each job at once.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use service_kit::{Clock as _, SystemClock, SystemEntropy};
use tokio::sync::mpsc;

use crate::wire::Connection;

pub(crate) const POOL: &str = "/acme/_apis/distributedtask/pools/1";

/// Few keys for many agents: making one costs more than all the rest.
pub(crate) struct Keys(pub(crate) Vec<KeyPair>);

impl Keys {
    pub(crate) fn of(&self, agent: usize) -> &KeyPair {
        &self.0[agent % self.0.len()]
    }
}

pub(crate) struct Agent {
    pub(crate) token: String,
    pub(crate) session: String,
    pub(crate) key: Vec<u8>,
}

/// When a job was queued, and who wants to know that it was delivered and ended.
pub(crate) type Waiting = Arc<Mutex<HashMap<String, Instant>>>;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) fn registration(number: usize, key: &KeyPair) -> Value {
    let public = key.public_key();
    let mut capabilities: HashMap<String, String> =
        (0..30).map(|n| (format!("Capability.{n}"), format!("/usr/bin/tool-{n}"))).collect();
    capabilities.insert("Agent.Version".to_owned(), "4.270.0".to_owned());
    json!({
        "name": format!("agent-{number}"), "version": "4.270.0", "osDescription": "Linux", "maxParallelism": 1,
        "systemCapabilities": capabilities,
        "authorization": {"publicKey": {
            "modulus": STANDARD.encode(public.modulus().big_endian_without_leading_zero()),
            "exponent": STANDARD.encode(public.exponent().big_endian_without_leading_zero()),
        }},
    })
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(crate) fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// Token and session of an agent.
pub(crate) async fn listen(connection: &mut Connection, key: &KeyPair, agent: &Value) -> io::Result<Agent> {
    let (client, audience) =
        (&agent["authorization"]["clientId"], &agent["authorization"]["authorizationUrl"]);
    let now = SystemClock.now().as_second();
    let claims = json!({"iss": client, "sub": client, "aud": audience, "nbf": now, "exp": now + 300,
        "jti": SystemEntropy::shared().uuid()});
    let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"RS256"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).map_err(failed)?;
    let form = format!(
        "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3A\
         jwt-bearer&client_assertion={signed}.{}",
        URL_SAFE_NO_PAD.encode(signature)
    );
    let kind = "application/x-www-form-urlencoded";
    let path = "/acme/_apis/oauth2/token";
    let (_, answer) = connection.call(("POST", path), "none", (kind, form.as_bytes())).await?;
    let issued: Value = serde_json::from_slice(&answer)?;
    let token = format!("Bearer {}", text(&issued["access_token"]));
    let body = json!({"ownerName": "host", "agent": {"id": agent["id"], "name": agent["name"]}});
    let opened = connection.json(("POST", &format!("{POOL}/sessions")), &token, &body).await?;
    let wrapped = STANDARD.decode(text(&opened["encryptionKey"]["value"])).map_err(failed)?;
    let der = key.as_der().map_err(failed)?;
    let private = PrivateDecryptingKey::from_pkcs8(der.as_ref()).map_err(failed)?;
    let private = OaepPrivateDecryptingKey::new(private).map_err(failed)?;
    let mut out = vec![0; private.min_output_size()];
    let plain = private.decrypt(&OAEP_SHA1_MGF1SHA1, &wrapped, &mut out, None).map_err(failed)?.to_vec();
    Ok(Agent { token, session: text(&opened["sessionId"]).to_owned(), key: plain })
}

/// Polls, takes jobs and ends them at once.
pub(crate) async fn work(
    host: &str,
    agent: &Agent,
    (waiting, empty): (&Waiting, &AtomicUsize),
    told: &mpsc::UnboundedSender<Duration>,
) -> io::Result<()> {
    let mut connection = Connection::open(host).await?;
    let poll = format!("{POOL}/messages?sessionId={}", agent.session);
    loop {
        let (status, answer) = connection.call(("GET", &poll), &agent.token, ("text/plain", b"")).await?;
        if status != 200 {
            empty.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let here = Instant::now();
        let message: Value = serde_json::from_slice(&answer)?;
        let job = decrypt(&agent.key, &message)?;
        if let Some(queued) = lock(waiting).remove(text(&job["jobDisplayName"])) {
            let _ = told.send(here - queued);
        }
        let taken = format!("{POOL}/messages/{}?sessionId={}", message["messageId"], agent.session);
        connection.call(("DELETE", &taken), &agent.token, ("text/plain", b"")).await?;
        let token = &job["resources"]["endpoints"][0]["authorization"]["parameters"]["AccessToken"];
        let end = json!({"name": "JobCompleted", "jobId": job["jobId"], "requestId": job["requestId"],
            "result": "succeeded", "outputs": {}, "agentShuttingDown": false});
        let path = format!("{}/events", plan_path(&job));
        connection.json(("POST", &path), &format!("Bearer {}", text(token)), &end).await?;
    }
}

pub(crate) fn plan_path(job: &Value) -> String {
    let plan = &job["plan"];
    let (scope, hub, id) = (text(&plan["scopeIdentifier"]), text(&plan["planType"]), text(&plan["planId"]));
    format!("/acme/{scope}/_apis/distributedtask/hubs/{hub}/plans/{id}")
}

pub(crate) fn decrypt(key: &[u8], message: &Value) -> io::Result<Value> {
    let iv = STANDARD.decode(text(&message["iv"])).map_err(failed)?;
    let iv: [u8; 16] = iv.try_into().map_err(|_| failed("the IV has 16 bytes"))?;
    let mut body = STANDARD.decode(text(&message["body"])).map_err(failed)?;
    let cipher = UnboundCipherKey::new(&AES_256, key).and_then(PaddedBlockDecryptingKey::cbc_pkcs7);
    let cipher = cipher.map_err(failed)?;
    let iv = DecryptionContext::Iv128(FixedLength::from(&iv));
    Ok(serde_json::from_slice(cipher.decrypt(&mut body, iv).map_err(failed)?)?)
}
