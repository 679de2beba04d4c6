//! An agent as the protocol describes it: its own key, token, session and decryption.

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use service_kit::{Clock, SystemEntropy};

use crate::server::{Answer, Ask, BASE, Server};

pub(crate) const POOL: &str = "/_apis/distributedtask/pools/1";

/// A key pair of an agent.
pub(crate) struct Key(KeyPair);

impl Key {
    pub(crate) fn generate() -> Self {
        Self(KeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub(crate) fn public(&self) -> Value {
        let public = self.0.public_key();
        json!({
            "modulus": STANDARD.encode(public.modulus().big_endian_without_leading_zero()),
            "exponent": STANDARD.encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"RS256"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn unwrap(&self, wrapped: &str) -> Vec<u8> {
        let der = self.0.as_der().unwrap();
        let key = PrivateDecryptingKey::from_pkcs8(der.as_ref()).unwrap();
        let key = OaepPrivateDecryptingKey::new(key).unwrap();
        let mut out = vec![0; key.min_output_size()];
        let wrapped = STANDARD.decode(wrapped).unwrap();
        key.decrypt(&OAEP_SHA1_MGF1SHA1, &wrapped, &mut out, None).unwrap().to_vec()
    }
}

/// A registered agent.
pub(crate) struct Agent {
    pub(crate) key: Key,
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) client_id: String,
    pub(crate) audience: String,
    pub(crate) token: String,
}

/// An open session.
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) key: Vec<u8>,
}

impl Session {
    pub(crate) fn new(agent: &Agent, id: String, wrapped_key: &str) -> Self {
        let key = agent.key.unwrap(wrapped_key);
        assert_eq!(key.len(), 32);
        Self { id, key }
    }

    pub(crate) fn decrypt(&self, iv: &str, body: &str) -> Value {
        let iv: [u8; 16] = STANDARD.decode(iv).unwrap().try_into().unwrap();
        let mut text = STANDARD.decode(body).unwrap();
        let key = UnboundCipherKey::new(&AES_256, &self.key).unwrap();
        let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(key).unwrap();
        let plain = cipher.decrypt(&mut text, DecryptionContext::Iv128(FixedLength::from(&iv))).unwrap();
        serde_json::from_slice(plain).unwrap()
    }
}

/// A message after decryption.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) body: Value,
}

pub(crate) fn body(name: &str, key: &Key) -> Value {
    json!({
        "maxParallelism": 1,
        "createdOn": "0001-01-01T00:00:00",
        "authorization": {"publicKey": key.public()},
        "systemCapabilities": {"Agent.Name": name, "Agent.OS": "Linux", "Agent.Version": "4.270.0"},
        "id": 0,
        "name": name,
        "version": "4.270.0",
        "osDescription": "Linux 6.8",
        "status": 0,
        "provisioningState": "Provisioned",
    })
}

impl Agent {
    /// Registers a new agent and gets its first token.
    pub(crate) async fn register(server: &Server, name: &str) -> Self {
        let key = Key::generate();
        let request = server.as_user(Method::POST, &format!("{POOL}/agents")).json(&body(name, &key));
        let answer = request.answer().await.expect(200);
        Self::from_answer(server, key, &answer).await
    }

    /// Registers again under the same name, as a restarted container does.
    pub(crate) async fn replace(&self, server: &Server) -> Self {
        let key = Key::generate();
        let path = format!("{POOL}/agents/{}", self.id);
        let request = server.as_user(Method::PUT, &path).json(&body(&self.name, &key));
        let answer = request.answer().await.expect(200);
        Self::from_answer(server, key, &answer).await
    }

    pub(crate) async fn from_answer(server: &Server, key: Key, answer: &Value) -> Self {
        let text = |pointer: &str| answer.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let mut agent = Self {
            key,
            id: answer["id"].as_i64().unwrap(),
            name: text("/name"),
            client_id: text("/authorization/clientId"),
            audience: text("/authorization/authorizationUrl"),
            token: String::new(),
        };
        let issued = agent.request_token(server, &agent.claims(server)).await.expect(200);
        issued["access_token"].as_str().unwrap().clone_into(&mut agent.token);
        agent
    }

    pub(crate) fn claims(&self, server: &Server) -> Value {
        let now = server.clock.now().as_second();
        json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "jti": SystemEntropy::shared().uuid(),
            "nbf": now,
            "exp": now + 300,
        })
    }

    pub(crate) async fn request_token(&self, server: &Server, claims: &Value) -> Answer {
        let path = self
            .audience
            .strip_prefix(BASE)
            .expect("the token endpoint is below the address of the settings");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &self.key.sign(claims)),
        ];
        server.anonymous(Method::POST, path).form(&form).answer().await
    }

    pub(crate) async fn try_open(&self, server: &Server) -> Answer {
        let body = json!({
            "sessionId": "00000000-0000-0000-0000-000000000000",
            "ownerName": "BUILDHOST",
            "agent": {"id": self.id, "name": self.name, "version": "4.270.0", "osDescription": "Linux 6.8"},
            "systemCapabilities": {"Agent.Name": self.name, "Agent.OS": "Linux", "Agent.Version": "4.270.0", "java": "/usr/bin/java"},
        });
        server.bearer(&self.token, Method::POST, &format!("{POOL}/sessions")).json(&body).answer().await
    }

    pub(crate) async fn open(&self, server: &Server) -> Session {
        let answer = self.try_open(server).await.expect(200);
        assert_eq!(answer["encryptionKey"]["encrypted"], true);
        let id = answer["sessionId"].as_str().unwrap().to_owned();
        Session::new(self, id, answer["encryptionKey"]["value"].as_str().unwrap())
    }

    pub(crate) async fn try_poll(&self, server: &Server, session: &Session, last: Option<i64>) -> Answer {
        let last = last.map(|last| format!("&lastMessageId={last}")).unwrap_or_default();
        let path = format!("{POOL}/messages?sessionId={}{last}", session.id);
        server.bearer(&self.token, Method::GET, &path).answer().await
    }

    pub(crate) async fn poll(
        &self,
        server: &Server,
        session: &Session,
        last: Option<i64>,
    ) -> Option<Message> {
        let answer = self.try_poll(server, session, last).await;
        if answer.status == 204 {
            return None;
        }
        let message = answer.expect(200);
        let part = |name: &str| message[name].as_str().unwrap();
        Some(Message {
            id: message["messageId"].as_i64().unwrap(),
            kind: message["messageType"].as_str().unwrap().to_owned(),
            body: session.decrypt(part("iv"), part("body")),
        })
    }

    /// Takes the job that is there.
    pub(crate) async fn take(&self, server: &Server, session: &Session) -> Message {
        let message = self.poll(server, session, None).await.expect("a job");
        self.delete_message(server, session, message.id).await;
        message
    }

    pub(crate) async fn delete_message(&self, server: &Server, session: &Session, id: i64) {
        let path = format!("{POOL}/messages/{id}?sessionId={}", session.id);
        server.bearer(&self.token, Method::DELETE, &path).answer().await.expect(204);
    }

    pub(crate) async fn close(&self, server: &Server, session: &Session) {
        let path = format!("{POOL}/sessions/{}", session.id);
        server.bearer(&self.token, Method::DELETE, &path).answer().await.expect(204);
    }

    pub(crate) async fn renew(&self, server: &Server, request: &Value) -> Answer {
        let nil = "00000000-0000-0000-0000-000000000000";
        let path = format!("{POOL}/jobrequests/{request}?lockToken={nil}");
        server.bearer(&self.token, Method::PATCH, &path).json(&json!({"requestId": request})).answer().await
    }
}

/// A job that an agent has taken, with the job's own token.
pub(crate) struct Worker {
    pub(crate) job: Value,
    pub(crate) token: String,
}

impl Worker {
    pub(crate) fn new(message: &Message) -> Self {
        assert_eq!(message.kind, "PipelineAgentJobRequest");
        let endpoint = &message.body["resources"]["endpoints"][0];
        assert_eq!(endpoint["name"], "SystemVssConnection");
        assert_eq!(endpoint["url"], format!("{BASE}/"));
        let token = endpoint["authorization"]["parameters"]["AccessToken"].as_str().unwrap();
        Self { job: message.body.clone(), token: token.to_owned() }
    }

    pub(crate) fn plan_path(&self) -> String {
        let plan = &self.job["plan"];
        let text = |name: &str| plan[name].as_str().unwrap();
        format!(
            "/{}/_apis/distributedtask/hubs/{}/plans/{}",
            text("scopeIdentifier"),
            text("planType"),
            text("planId")
        )
    }

    pub(crate) fn timeline_path(&self) -> String {
        format!("{}/timelines/{}", self.plan_path(), self.job["timeline"]["id"].as_str().unwrap())
    }

    pub(crate) async fn patch_records(&self, server: &Server, records: Value) -> Answer {
        let body = json!({"count": records.as_array().map_or(0, Vec::len), "value": records});
        let path = format!("{}/records", self.timeline_path());
        server.bearer(&self.token, Method::PATCH, &path).json(&body).answer().await
    }

    /// What every agent does before the first step: a record of its own, with a log of one line, `ready`.
    pub(crate) async fn initialize(&self, server: &Server) {
        let log = self.add_log(server, "init").await;
        self.append_log(server, &log, "ready\n").await.expect(200);
        let record = json!([{"id": "aaaaaaaa-0000-4000-8000-000000000001", "parentId": self.job["jobId"], "type": "Task",
            "name": "Initialize job", "refName": "JobExtension_Init", "order": 1, "state": "completed",
            "result": "succeeded", "log": {"id": log}}]);
        self.patch_records(server, record).await.expect(200);
    }

    pub(crate) async fn feed(&self, server: &Server, step: &Value, start: u64, lines: &[&str]) {
        let path = format!("{}/records/{}/feed", self.timeline_path(), self.job["jobId"].as_str().unwrap());
        let body = json!({"count": lines.len(), "value": lines, "stepId": step, "startLine": start});
        server.bearer(&self.token, Method::POST, &path).json(&body).answer().await.expect(204);
    }

    pub(crate) async fn add_log(&self, server: &Server, step: &str) -> Value {
        let body = json!({"path": format!("logs\\{step}")});
        let path = format!("{}/logs", self.plan_path());
        server.bearer(&self.token, Method::POST, &path).json(&body).answer().await.expect(200)["id"].clone()
    }

    pub(crate) async fn append_log(&self, server: &Server, log: &Value, text: &str) -> Answer {
        let path = format!("{}/logs/{log}", self.plan_path());
        let request = server.bearer(&self.token, Method::POST, &path);
        request.header("content-type", "application/octet-stream").body(text.to_owned()).answer().await
    }

    pub(crate) async fn complete(&self, server: &Server, result: &str) -> Answer {
        let body = json!({
            "name": "JobCompleted",
            "jobId": self.job["jobId"],
            "requestId": self.job["requestId"],
            "result": result,
            "outputs": {},
        });
        let path = format!("{}/events", self.plan_path());
        server.bearer(&self.token, Method::POST, &path).json(&body).answer().await
    }
}
