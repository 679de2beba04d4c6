//! One running service and a plain HTTP client for it.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use azdo_mock::{AzureDevOps, Settings, Switches};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_tokens::{AZURE_DEVOPS, Entra, EntraSettings, SigningKey};
use jiff::SignedDuration;
use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde_json::Value;
use service_kit::{
    Authority, ManualClock, SeededEntropy, SharedEntropy, Shutdown, Store, SystemClock, serve_http,
    serve_https,
};
use tempfile::TempDir;

/// The address that the service believes to have. Nothing listens there: what it gives out comes from its settings
/// and not from the `Host` header.
pub(crate) const BASE: &str = "http://azdo.invalid:4080/acme";
pub(crate) const PAT: &str = "planted-personal-access-token-0123456789";

pub(crate) struct Server {
    pub(crate) clock: ManualClock,
    pub(crate) switches: Switches,
    pub(crate) packages: Vec<PathBuf>,
    pub(crate) entra: Entra,
    store: Store,
    entropy: SharedEntropy,
    folder: TempDir,
    running: Option<Running>,
    http: reqwest::Client,
}

struct Running {
    service: AzureDevOps,
    address: SocketAddr,
    shutdown: Shutdown,
}

/// Switches with a poll that ends at once where there is no message, for tests that wait for its end: their clock
/// stands.
pub(crate) fn quick() -> Switches {
    Switches { poll_hold: Duration::ZERO, ..Switches::default() }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Switches::default(), Vec::new()).await
    }

    pub(crate) async fn start_with(switches: Switches, packages: Vec<PathBuf>) -> Self {
        let clock = ManualClock::at("2026-11-24T12:00:00Z".parse().unwrap());
        let mut server = Self {
            entra: directory(&clock),
            clock,
            switches,
            packages,
            store: Store::in_memory(),
            entropy: SeededEntropy::shared(7),
            folder: TempDir::new().unwrap(),
            running: None,
            http: client_at([127, 0, 0, 1].into()),
        };
        server.run().await;
        server
    }

    async fn run(&mut self) {
        let shutdown = Shutdown::new();
        let service = AzureDevOps::new(Settings {
            base: BASE.parse().unwrap(),
            organization: "acme".into(),
            pools: vec!["Default".into(), "Linux".into()],
            personal_access_tokens: vec![PAT.into()],
            entra: Some(self.entra.clone()),
            members: Vec::new(),
            packages: self.packages.clone(),
            switches: self.switches,
            store: self.store.clone(),
            logs_dir: self.folder.path().join("logs"),
            clock: self.clock.shared(),
            entropy: self.entropy.clone(),
            shutdown: shutdown.clone(),
        })
        .unwrap();
        let router =
            Router::new().nest("/control", service.control_router()).fallback_service(service.router());
        let address = serve_http(([127, 0, 0, 1], 0).into(), router, &shutdown).await.unwrap();
        self.running = Some(Running { service, address, shutdown });
    }

    /// Serves the same organization by HTTPS too, at the address that is given out there: a client that trusts its
    /// certificate, and the address.
    pub(crate) async fn serve_sealed(&self) -> (reqwest::Client, String) {
        let running = self.running.as_ref().unwrap();
        // A client looks at its own clock.
        let authority = Authority::create(&SystemClock::shared()).unwrap();
        let tls = authority.issue(&["127.0.0.1".into()]).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let base = format!("https://127.0.0.1:{port}/acme");
        let router = running.service.at(&base.parse().unwrap()).unwrap().router();
        serve_https(([127, 0, 0, 1], port).into(), router, &tls, &running.shutdown).await.unwrap();
        let root = reqwest::Certificate::from_pem(authority.cert_pem().as_bytes()).unwrap();
        (reqwest::Client::builder().tls_certs_only([root]).build().unwrap(), base)
    }

    /// What is asked from now on comes from another address.
    pub(crate) fn speak_from(&mut self, address: IpAddr) {
        self.http = client_at(address);
    }

    /// The events of one kind.
    pub(crate) async fn events(&self, kind: &str) -> Vec<Value> {
        let all = self.control(Method::GET, "/events").answer().await.expect(200);
        all.as_array().unwrap().iter().filter(|event| event["kind"] == kind).cloned().collect()
    }

    /// Ends the service without a word to anybody, and starts another one from what it had stored.
    pub(crate) async fn restart(&mut self) {
        self.restart_after(SignedDuration::ZERO).await;
    }

    /// The same, with the service away for a time.
    pub(crate) async fn restart_after(&mut self, away: SignedDuration) {
        if let Some(running) = self.running.take() {
            running.shutdown.stop(Duration::from_secs(5)).await;
        }
        self.advance(away);
        self.run().await;
    }

    /// What is stored of what a seed may change.
    pub(crate) fn stored(&self) -> Vec<Vec<(String, Value)>> {
        let tables = [
            "meta", "pools", "agents", "requests", "jobs", "plans", "records", "pats", "queues", "seeds",
            "events",
        ];
        tables.iter().map(|table| self.store.list(&format!("azdo.{table}")).unwrap()).collect()
    }

    /// What is stored of variable groups.
    pub(crate) fn stored_groups(&self) -> Vec<(String, Value)> {
        self.store.list("azdo.variablegroups").unwrap()
    }

    /// Notes that logs of a snapshot are not in their place yet.
    pub(crate) fn store_logs_waiting(&self, name: &str) {
        self.store.put("azdo.restored", "logs", &name).unwrap();
    }

    /// How many plans have files.
    pub(crate) fn folders_of_plans(&self) -> usize {
        fs_err::read_dir(self.folder.path().join("logs")).unwrap().count()
    }

    /// Applies a seed file; what the control API answers.
    pub(crate) async fn seed(&self, text: &str) -> Answer {
        self.control(Method::POST, "/seed").body(text.to_owned()).answer().await
    }

    /// Where the text of a log is kept.
    pub(crate) fn log_file(&self, plan: &str, log: &Value) -> PathBuf {
        self.folder.path().join("logs").join(plan).join(format!("{log}.log"))
    }

    pub(crate) fn advance(&self, step: SignedDuration) {
        self.clock.advance(step);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.as_ref().unwrap().address)
    }

    /// A request below the organization with the credential of a user.
    pub(crate) fn as_user(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).header(header::AUTHORIZATION, basic("", PAT))
    }

    /// A request below the organization with a bearer token.
    pub(crate) fn bearer(&self, token: &str, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(token)
    }

    /// A request below the organization without a credential.
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(&format!("/acme{path}")))
    }

    /// A request to the control API.
    pub(crate) fn control(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(&format!("/control{path}")))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.as_user(Method::GET, path).answer().await.expect(200)
    }

    /// Queues a job of one step; its control view.
    pub(crate) async fn queue(&self, script: &str) -> Value {
        let body = serde_json::json!({"pool": "Default", "steps": [{"script": script}]});
        self.control(Method::POST, "/jobs").json(&body).answer().await.expect(201)
    }

    /// A job as the control API shows it.
    pub(crate) async fn job(&self, queued: &Value) -> Value {
        let id = queued["jobId"].as_str().unwrap();
        self.control(Method::GET, &format!("/jobs/{id}")).answer().await.expect(200)
    }

    /// A job's log as the control API shows it.
    pub(crate) async fn log(&self, queued: &Value, from: usize) -> Value {
        let id = queued["jobId"].as_str().unwrap();
        self.control(Method::GET, &format!("/jobs/{id}/log?from={from}")).answer().await.expect(200)
    }
}

fn client_at(address: IpAddr) -> reqwest::Client {
    // As every client of the service does; a test that says something else of it overrides this.
    let version = (header::ACCEPT, header::HeaderValue::from_static("*/*; api-version=7.1"));
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let builder = builder.default_headers([version].into_iter().collect());
    builder.local_address(address).build().unwrap()
}

/// A tenant that issues tokens for Azure DevOps and for Resource Manager.
pub(crate) fn directory(clock: &ManualClock) -> Entra {
    let settings = EntraSettings {
        tenant_id: uuid::Uuid::from_u128(1),
        client_id: uuid::Uuid::from_u128(2),
        client_secret: "unused".into(),
        authority: "https://login.invalid/".parse().unwrap(),
        audiences: vec![AZURE_DEVOPS.into(), "https://management.azure.com".into()],
    };
    Entra::new(settings, SigningKey::generate().unwrap(), clock.shared(), SeededEntropy::shared(9))
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

pub(crate) trait Ask {
    async fn answer(self) -> Answer;
}

impl Ask for RequestBuilder {
    async fn answer(self) -> Answer {
        let response = self.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, headers, body, text }
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }

    /// Checks status and `typeKey` of an error, and that the envelope is whole.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, type_key: &str) -> Value {
        assert_eq!(
            (self.status.as_u16(), self.body["typeKey"].as_str()),
            (status, Some(type_key)),
            "{}",
            self.text
        );
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/json");
        let type_name = self.body["typeName"].as_str().unwrap();
        assert!(type_name.contains(&format!(".{type_key}, ")), "{type_name}");
        assert!(!self.body["message"].as_str().unwrap().is_empty());
        self.body
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
