//! One emulator on a free port. Every answer is kept, so that a test can look for a planted secret in all of them.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use acr_registry::{Registries, RegistrySettings};
use arm_emulator::{Arm, ArmSettings, OwnRegistry, Service};
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use container_groups::{FakeRuntime, GroupSettings, Groups, Quota, RestartBackoff, Switches};
use entra_tokens::{AZURE_DEVOPS, Entra, EntraSettings, SigningKey};
use reqwest::Method;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use service_kit::{
    Authority, ManualClock, SNAPSHOT_KEY, SharedClock, SharedEntropy, Shutdown, Store, SystemClock,
    SystemEntropy, serve_http,
};
use tower::ServiceExt;
use url::Url;
use uuid::Uuid;

pub(crate) const SUBSCRIPTION: &str = "11111111-2222-3333-4444-555555555555";
pub(crate) const TENANT: &str = "99999999-8888-7777-6666-555555555555";
pub(crate) const API: &str = "2025-04-01";
pub(crate) const GROUP: &str = "Fleet";
const DEADLINE: Duration = Duration::from_secs(20);

/// What survives a crash of the emulator.
#[derive(Clone)]
struct Kept {
    store: Store,
    runtime: FakeRuntime,
    folder: Arc<tempfile::TempDir>,
    answers: Arc<Mutex<String>>,
    key: Arc<SigningKey>,
    quota: Quota,
    subscription: &'static str,
    own_registry: Option<OwnRegistry>,
}

impl Kept {
    fn new() -> Self {
        Self {
            store: Store::in_memory(),
            runtime: FakeRuntime::new(SystemClock::shared()),
            folder: Arc::new(tempfile::tempdir().unwrap()),
            answers: Arc::default(),
            key: Arc::new(SigningKey::generate().unwrap()),
            quota: Quota::default(),
            subscription: SUBSCRIPTION,
            own_registry: None,
        }
    }
}

pub(crate) struct Stack {
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) runtime: FakeRuntime,
    pub(crate) entra: Entra,
    arm: Arm,
    /// The control API, as the sandbox nests it.
    control: Router,
    /// Entra ID behind journal and faults, as the sandbox serves it.
    login: Router,
    /// Where containers ask for tokens.
    pub(crate) identity: String,
    kept: Kept,
    shutdown: Shutdown,
    client: reqwest::Client,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        self
    }
}

pub(crate) fn entra(key: SigningKey, clock: SharedClock, tenant: &str) -> Entra {
    let settings = EntraSettings {
        tenant_id: tenant.parse().unwrap(),
        client_id: Uuid::from_u128(7),
        client_secret: SecretString::from("unused"),
        authority: Url::parse("https://localhost:1").unwrap(),
        audiences: vec!["https://management.azure.com".into(), AZURE_DEVOPS.into()],
    };
    Entra::new(settings, key, clock, SystemEntropy::shared())
}

impl Stack {
    pub(crate) async fn start() -> Self {
        Self::with_quota(Quota::default()).await
    }

    pub(crate) async fn with_quota(quota: Quota) -> Self {
        Self::with(Kept { quota, ..Kept::new() }).await
    }

    /// Of another subscription.
    pub(crate) async fn start_in(subscription: &'static str) -> Self {
        Self::on(Kept { subscription, ..Kept::new() }).await
    }

    /// With a registry of this name, in the usual resource group, that is the sandbox's own.
    pub(crate) async fn with_own(registry: &str) -> Self {
        let own = OwnRegistry { group: GROUP.to_owned(), name: registry.to_owned() };
        Self::with(Kept { own_registry: Some(own), ..Kept::new() }).await
    }

    async fn with(kept: Kept) -> Self {
        let stack = Self::on(kept).await;
        stack
            .put(
                &format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}"),
                json!({"location": "westeurope"}),
            )
            .await
            .expect(201);
        stack
    }

    /// The same state in a new process: what ran in the old one is gone without a farewell.
    pub(crate) async fn crash(self) -> Self {
        self.shutdown.stop(Duration::from_secs(5)).await;
        Self::on(self.kept).await
    }

    async fn on(kept: Kept) -> Self {
        let (clock, entropy): (SharedClock, SharedEntropy) = (SystemClock::shared(), SystemEntropy::shared());
        let shutdown = Shutdown::new();
        let late: Arc<OnceLock<Router>> = Arc::default();
        let (base, address) = serve(Arc::clone(&late), &shutdown).await;
        let entra =
            entra(SigningKey::from_pkcs8(&kept.key.to_pkcs8().unwrap()).unwrap(), clock.clone(), TENANT);
        let tls =
            Authority::create(&clock).unwrap().issue(&["localhost".into(), "127.0.0.1".into()]).unwrap();
        let registries = Registries::new(RegistrySettings {
            blobs_dir: kept.folder.path().join("blobs"),
            tls,
            shutdown: shutdown.clone(),
            store: kept.store.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            entra: Some(entra.clone()),
        });
        let groups = Groups::new(
            GroupSettings {
                instance: "test".into(),
                network: "test".into(),
                identity_endpoint: Some("http://identity.invalid/token".into()),
                switches: Switches { restart_backoff: RestartBackoff::Off, ..Switches::default() },
                quota: kept.quota,
                store: kept.store.clone(),
                logs_dir: kept.folder.path().join("logs"),
                clock: clock.clone(),
                entropy: entropy.clone(),
                shutdown: shutdown.clone(),
            },
            Arc::new(kept.runtime.clone()),
        );
        entra.keep_in(kept.store.clone()).unwrap();
        groups.adopt().await.unwrap();
        let arm = Arm::new(ArmSettings {
            subscription_id: kept.subscription.parse().unwrap(),
            tenant_id: TENANT.parse().unwrap(),
            endpoint: Url::parse(&base).unwrap(),
            login_endpoint: Url::parse("https://localhost:1").unwrap(),
            location: "westeurope".into(),
            store: kept.store.clone(),
            clock,
            entropy,
            shutdown: shutdown.clone(),
            entra: entra.clone(),
            registries: registries.clone(),
            groups,
            own_registry: kept.own_registry.clone(),
        });
        let traffic = arm.traffic().clone();
        registries.set_around(move |router| traffic.around(Service::Registry, router));
        registries.restore().await.unwrap();
        arm.restore().unwrap();
        late.set(arm.router()).unwrap();
        let identity = serve_http("127.0.0.1:0".parse().unwrap(), arm.identity_router(), &shutdown).await;
        let identity = format!("http://{}{}", identity.unwrap(), Arm::identity_path());
        let entra_router = entra.router();
        let token = entra.issue(&format!("http://{address}/")).unwrap().expose_secret().to_owned();
        let runtime = kept.runtime.clone();
        Self {
            base,
            token,
            runtime,
            entra,
            control: arm.control_router(),
            login: arm.traffic().around(Service::Entra, entra_router),
            arm,
            identity,
            kept,
            shutdown,
            client: reqwest::Client::new(),
        }
    }

    /// Where files are kept.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.kept.folder.path()
    }

    /// Whether an application logs in with a secret.
    pub(crate) async fn opens(&self, client_id: &str, secret: &str) -> bool {
        let form = format!(
            "grant_type=client_credentials&client_id={client_id}&client_secret={secret}&scope=https://management.azure.com/.default"
        );
        let request = Request::post(format!("/{TENANT}/oauth2/v2.0/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(axum::body::Body::from(form));
        self.entra.router().oneshot(request.unwrap()).await.unwrap().status().is_success()
    }

    /// The control API's own types, for what has no route.
    pub(crate) fn arm(&self) -> &Arm {
        &self.arm
    }

    /// Ends the emulator and sees that every task of it ended.
    pub(crate) async fn finish(self) {
        assert!(self.shutdown.stop(Duration::from_secs(10)).await, "a task did not end");
    }

    /// Everything that was ever answered.
    pub(crate) fn answers(&self) -> String {
        self.kept.answers.lock().unwrap().clone()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.kept.key.to_pkcs8().unwrap()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.kept.store
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn head(&self, path: &str) -> Answer {
        self.send(Method::HEAD, path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body.to_string())).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    /// Sends with the good token; an api-version is added unless the path has a query.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<String>) -> Answer {
        let separator = if path.contains("api-version=") {
            String::new()
        } else if path.contains('?') {
            format!("&api-version={API}")
        } else {
            format!("?api-version={API}")
        };
        let address = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let authorization = format!("Bearer {}", self.token);
        self.raw(method, &format!("{address}{separator}"), Some(&authorization), body).await
    }

    pub(crate) async fn raw(
        &self,
        method: Method,
        address: &str,
        authorization: Option<&str>,
        body: Option<String>,
    ) -> Answer {
        let mut request = self.client.request(method, address);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let kept = format!("{address} {status} {headers:?}\n{text}\n");
        self.kept.answers.lock().unwrap().push_str(&kept);
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, headers, body, text }
    }

    /// A call of the control API, without a socket.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        self.control_text(method, path, if body.is_null() { "{}".to_owned() } else { body.to_string() }).await
    }

    async fn control_text(&self, method: Method, path: &str, text: String) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let answer =
            self.control.clone().oneshot(request.body(axum::body::Body::from(text)).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Applies Azure's part of a seed file.
    pub(crate) async fn seed(&self, text: &str) -> (u16, Value) {
        self.control_text(Method::POST, "/seed", text.to_owned()).await
    }

    /// Azure in a file.
    pub(crate) async fn snapshot(&self) -> Vec<u8> {
        self.snapshot_by(None).await
    }

    pub(crate) async fn snapshot_with(&self, key: &str) -> Vec<u8> {
        self.snapshot_by(Some(key)).await
    }

    async fn snapshot_by(&self, key: Option<&str>) -> Vec<u8> {
        let (status, file) = self.control_bytes("/snapshot", key, Vec::new()).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&file));
        file
    }

    /// Takes a file up.
    pub(crate) async fn restore(&self, file: &[u8]) -> (u16, Value) {
        self.restore_by(file, None).await
    }

    pub(crate) async fn restore_with(&self, file: &[u8], key: &str) -> (u16, Value) {
        self.restore_by(file, Some(key)).await
    }

    async fn restore_by(&self, file: &[u8], key: Option<&str>) -> (u16, Value) {
        let (status, answer) = self.control_bytes("/restore", key, file.to_vec()).await;
        (status, serde_json::from_slice(&answer).unwrap_or(Value::Null))
    }

    async fn control_bytes(&self, path: &str, key: Option<&str>, body: Vec<u8>) -> (u16, Vec<u8>) {
        let request = Request::builder().method(Method::POST).uri(path);
        let request = match key {
            Some(key) => request.header(SNAPSHOT_KEY, key),
            None => request,
        };
        let request = request.body(axum::body::Body::from(body)).unwrap();
        let answer = self.control.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        (status, axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec())
    }

    /// Puts everything back to how it began.
    pub(crate) async fn reset(&self) -> (u16, Value) {
        self.control(Method::POST, "/reset", Value::Null).await
    }

    /// Asks for a token, without a socket; status and body.
    pub(crate) async fn log_in(&self, form: &str) -> (u16, Value) {
        let request = Request::builder().method(Method::POST).uri(format!("/{TENANT}/oauth2/v2.0/token"));
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .header("content-length", form.len())
            .body(axum::body::Body::from(form.to_owned()));
        let answer = self.login.clone().oneshot(request.unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// Makes calls fail.
    pub(crate) async fn fault(&self, fault: Value) {
        let (status, refused) = self.control(Method::POST, "/faults", json!([fault])).await;
        assert_eq!(status, 204, "{refused}");
    }

    /// What a filter finds in the journal.
    pub(crate) async fn journal(&self, query: &str) -> Vec<Value> {
        let (status, found) = self.control(Method::GET, &format!("/journal?{query}"), Value::Null).await;
        assert_eq!(status, 200, "{found}");
        found.as_array().unwrap().clone()
    }

    /// Follows an `Azure-AsyncOperation` to its end.
    pub(crate) async fn ended(&self, started: &Answer) -> Value {
        let address = started.header("azure-asyncoperation").to_owned();
        assert!(!address.is_empty(), "no Azure-AsyncOperation: {}", started.text);
        until("the operation ends", || async {
            let answer = self.get(&address).await.expect(200);
            let status = answer.body["status"].as_str().unwrap().to_owned();
            if ["Succeeded", "Failed", "Canceled"].contains(&status.as_str()) {
                Ok(answer.body)
            } else {
                Err(status)
            }
        })
        .await
    }

    /// Follows a `Location` to its end.
    pub(crate) async fn located(&self, started: &Answer) -> Answer {
        let address = started.header("location").to_owned();
        assert!(!address.is_empty(), "no Location: {}", started.text);
        until("the operation ends", || async {
            let answer = self.get(&address).await;
            if answer.status == 202 { Err(answer.text) } else { Ok(answer) }
        })
        .await
    }

    /// Deploys and waits; gives the deployment as its GET shows it.
    pub(crate) async fn deploy(&self, name: &str, mode: &str, template: &str, parameters: Value) -> Value {
        let started = self.put(&deployment(name), deployment_body(mode, template, parameters)).await;
        assert!([200, 201].contains(&started.status), "{}", started.text);
        self.ended(&started).await;
        self.get(&deployment(name)).await.expect(200).body
    }

    /// The names of all container groups of the resource group.
    pub(crate) async fn group_names(&self) -> Vec<String> {
        let list = self.get(&groups()).await.expect(200).body;
        list["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| group["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

async fn serve(late: Arc<OnceLock<Router>>, shutdown: &Shutdown) -> (String, SocketAddr) {
    // Links are made from the address, and the address is known once the port is bound.
    let router = Router::new().fallback(move |request: Request| {
        let late = Arc::clone(&late);
        async move {
            let Some(router) = late.get() else { return "not ready".into_response() };
            let answer: Response = router.clone().oneshot(request).await.unwrap();
            answer
        }
    });
    let address = serve_http("127.0.0.1:0".parse().unwrap(), router, shutdown).await.unwrap();
    (format!("http://{address}"), address)
}

pub(crate) fn resource_group() -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}")
}

pub(crate) fn deployment(name: &str) -> String {
    format!("{}/providers/Microsoft.Resources/deployments/{name}", resource_group())
}

pub(crate) fn groups() -> String {
    format!("{}/providers/Microsoft.ContainerInstance/containerGroups", resource_group())
}

pub(crate) fn group(name: &str) -> String {
    format!("{}/{name}", groups())
}

pub(crate) fn registry(name: &str) -> String {
    format!("{}/providers/Microsoft.ContainerRegistry/registries/{name}", resource_group())
}

pub(crate) fn deployment_body(mode: &str, template: &str, parameters: Value) -> Value {
    let template: Value = serde_json::from_str(template).unwrap();
    json!({"properties": {"mode": mode, "template": template, "parameters": parameters}})
}

pub(crate) fn group_body(image: &str) -> Value {
    json!({
        "location": "westeurope",
        "tags": {"owner": "test"},
        "properties": {
            "osType": "Linux",
            "restartPolicy": "Always",
            "containers": [{"name": "main", "properties": {
                "image": image,
                "resources": {"requests": {"cpu": 1, "memoryInGB": 1.5}},
            }}],
        },
    })
}

/// A clock far from the present, for tokens that are too old.
pub(crate) fn clock_at(text: &str) -> SharedClock {
    ManualClock::at(text.parse().unwrap()).shared()
}

/// Polls until `probe` gives a value; reports the last refusal at the deadline.
pub(crate) async fn until<T, F, Fut>(what: &str, mut probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let mut last = String::new();
    let polled = tokio::time::timeout(DEADLINE, async {
        let mut pause = tokio::time::interval(Duration::from_millis(10));
        loop {
            match probe().await {
                Ok(value) => return value,
                Err(state) => last = state,
            }
            pause.tick().await;
        }
    })
    .await;
    polled.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}; last seen: {last}"))
}
