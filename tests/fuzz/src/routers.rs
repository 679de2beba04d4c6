//! Whole services behind their routers: a short conversation of any bytes ends without a panic, and nothing that a client
//! sends makes a service speak of a fault of its own.
//!
//! An input is a list of requests with lines `%%` between them, each as in HTTP/1.1: a line with method and path, headers,
//! an empty line, a body. What an answer says at its top level can be named by what follows: `{sessionId}` stands for the
//! `sessionId` of the last answer that had one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use acr_registry::{CreateRegistry, Registries, RegistrySettings};
use arm_emulator::{Arm, ArmSettings};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Uri, header};
use azdo_mock::{AzureDevOps, Settings, Switches};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use container_groups::{FakeRuntime, GroupSettings, Groups, Quota, RestartBackoff};
use entra_tokens::{AZURE_DEVOPS, Entra, EntraSettings, SigningKey};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use service_kit::{Authority, ManualClock, SeededEntropy, ServerTls, Shutdown, Store, SystemClock};
use tower::ServiceExt as _;
use url::Url;
use uuid::Uuid;

const SUBSCRIPTION: Uuid = Uuid::from_u128(1);
const TENANT: Uuid = Uuid::from_u128(2);
const CLIENT: Uuid = Uuid::from_u128(3);
const SECRET: &str = "client-secret-of-the-fuzz-targets";
const PAT: &str = "personal-access-token-of-the-fuzz-targets";
pub(crate) const AUDIENCE: &str = "https://management.azure.com";
/// No more requests than this are made of one input.
const LONGEST: usize = 12;
/// Whoever is not answered after this time waits for something that never comes: that is no finding, a poll does so.
const PATIENCE: Duration = Duration::from_millis(300);
/// No answer to so little is longer than this.
const LARGEST: usize = 16 << 20;

/// A conversation with Azure DevOps; what begins with `/control` goes to the control API.
pub fn azdo_router(data: &[u8]) {
    converse(data, |scene| {
        let service = AzureDevOps::new(Settings {
            base: url("http://azdo.invalid/acme"),
            organization: "acme".to_owned(),
            pools: vec!["Default".to_owned()],
            personal_access_tokens: vec![PAT.into()],
            entra: Some(scene.entra.clone()),
            members: Vec::new(),
            packages: Vec::new(),
            switches: Switches { poll_hold: Duration::ZERO, ..Switches::default() },
            store: Store::in_memory(),
            logs_dir: scene.folder.join("logs"),
            clock: scene.clock.shared(),
            entropy: SeededEntropy::shared(1),
            shutdown: scene.shutdown.clone(),
        })
        .expect("a service");
        let router =
            Router::new().nest("/control", service.control_router()).fallback_service(service.router());
        (router, basic("", PAT))
    });
}

/// A conversation with Resource Manager.
pub fn arm_router(data: &[u8]) {
    converse(data, |scene| {
        let registries = scene.registries();
        let groups = Groups::new(
            GroupSettings {
                instance: "fuzz".to_owned(),
                network: "fuzz".to_owned(),
                identity_endpoint: None,
                switches: container_groups::Switches {
                    restart_backoff: RestartBackoff::Off,
                    ..container_groups::Switches::default()
                },
                quota: Quota::default(),
                store: Store::in_memory(),
                logs_dir: scene.folder.join("container-logs"),
                clock: scene.clock.shared(),
                entropy: SeededEntropy::shared(2),
                shutdown: scene.shutdown.clone(),
            },
            Arc::new(FakeRuntime::new(scene.clock.shared())),
        );
        let arm = Arm::new(ArmSettings {
            subscription_id: SUBSCRIPTION,
            tenant_id: TENANT,
            endpoint: url("https://arm.invalid"),
            login_endpoint: url("https://login.invalid"),
            location: "westeurope".to_owned(),
            store: Store::in_memory(),
            clock: scene.clock.shared(),
            entropy: SeededEntropy::shared(3),
            shutdown: scene.shutdown.clone(),
            entra: scene.entra.clone(),
            registries,
            groups,
            own_registry: None,
        });
        arm.ensure_resource_group("fleet", "westeurope").expect("a resource group");
        let token = scene.entra.issue(AUDIENCE).expect("a token");
        (arm.router(), format!("Bearer {}", token.expose_secret()))
    });
}

/// A conversation with a registry, whose admin user asks.
pub fn registry_router(data: &[u8]) {
    converse(data, |scene| {
        let registries = scene.registries();
        let wanted = CreateRegistry { admin_enabled: true, ..CreateRegistry::USUAL };
        let made = registries.create("fuzz", wanted);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(made)).expect("a registry");
        let (user, passwords) = registries.credentials("fuzz").expect("credentials");
        let router = acr_registry::fuzzing::router(&registries, "fuzz").expect("a router");
        (router, basic(&user, passwords[0].expose_secret()))
    });
}

/// A conversation with the token service of Entra.
pub fn entra_router(data: &[u8]) {
    converse(data, |scene| (scene.entra.router(), basic(&CLIENT.to_string(), SECRET)));
}

/// What the services of one conversation are made of.
struct Scene {
    clock: ManualClock,
    entra: Entra,
    shutdown: Shutdown,
    folder: PathBuf,
}

impl Scene {
    fn registries(&self) -> Registries {
        // What costs much to make is made once in a process.
        static TLS: OnceLock<ServerTls> = OnceLock::new();
        let tls = TLS.get_or_init(|| {
            let authority = Authority::create(&SystemClock::shared()).expect("an authority");
            authority.issue(&["localhost".into()]).expect("a certificate")
        });
        Registries::new(RegistrySettings {
            blobs_dir: self.folder.join("blobs"),
            tls: tls.clone(),
            shutdown: self.shutdown.clone(),
            store: acr_registry::fuzzing::store(key()),
            clock: self.clock.shared(),
            entropy: SeededEntropy::shared(4),
            entra: Some(self.entra.clone()),
        })
    }
}

/// The one key of a process, for whatever signs.
fn key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate().expect("a key").to_pkcs8().expect("its form"))
}

/// The directory of every target.
pub(crate) fn entra(clock: &ManualClock) -> Entra {
    let settings = EntraSettings {
        tenant_id: TENANT,
        client_id: CLIENT,
        client_secret: SECRET.into(),
        authority: url("https://login.invalid"),
        audiences: vec![AUDIENCE.to_owned(), AZURE_DEVOPS.to_owned()],
    };
    Entra::new(
        settings,
        SigningKey::from_pkcs8(key()).expect("a key"),
        clock.shared(),
        SeededEntropy::shared(5),
    )
}

/// Holds the conversation. `begin` gives the service and what a request without `Authorization` is sent with.
fn converse(data: &[u8], begin: impl FnOnce(&Scene) -> (Router, String)) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    runtime.block_on(async {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        let entra = entra(&clock);
        let shutdown = Shutdown::new();
        let scene = Scene { clock, entra, shutdown: shutdown.clone(), folder: folder.path().to_owned() };
        let (router, credential) = begin(&scene);
        let mut known = BTreeMap::new();
        for part in text.split("\n%%\n").take(LONGEST) {
            let Some(request) = request(&filled(part, &known), &credential) else { continue };
            let _ = tokio::time::timeout(PATIENCE, ask(router.clone(), request, &mut known)).await;
        }
        shutdown.stop(Duration::from_secs(5)).await;
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

async fn ask(router: Router, request: Request<Body>, known: &mut BTreeMap<String, String>) {
    let asked = format!("{} {}", request.method(), request.uri());
    let answer = router.oneshot(request).await.expect("a router always answers");
    let (head, body) = answer.into_parts();
    let body = to_bytes(body, LARGEST).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&body);
    // A fault that the control API was asked for is none.
    let own = asked.contains("/control") || known.contains_key("faulted");
    assert!(own || head.status != 500, "{asked}: {} {said}", head.status);
    if asked.starts_with("POST /control/faults") && head.status.is_success() {
        known.insert("faulted".to_owned(), String::new());
    }
    let json = head
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !json || asked.starts_with("HEAD") || body.is_empty() || own {
        return;
    }
    let Value::Object(members) =
        serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{asked}: {error}: {said}"))
    else {
        return;
    };
    for (name, value) in members {
        match value {
            Value::String(text) => drop(known.insert(name, text)),
            Value::Number(number) => drop(known.insert(name, number.to_string())),
            _ => {}
        }
    }
}

/// The text with what is known in the place of its names.
fn filled(text: &str, known: &BTreeMap<String, String>) -> String {
    known.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// Reads a request; what no HTTP server would hand to a router is none.
fn request(text: &str, credential: &str) -> Option<Request<Body>> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, path) = lines.next()?.split_once(' ')?;
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let uri: Uri = path.parse().ok().filter(|uri: &Uri| uri.path().starts_with('/'))?;
    let mut request = Request::builder().method(method).uri(uri).body(Body::from(body.to_owned())).ok()?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    // Azure DevOps takes no change without a version.
    headers.insert(header::ACCEPT, header::HeaderValue::from_static("*/*; api-version=7.1"));
    headers.insert(header::AUTHORIZATION, header::HeaderValue::from_str(credential).ok()?);
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let name = header::HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        headers.insert(name, header::HeaderValue::from_str(value.trim()).ok()?);
    }
    Some(request)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn url(text: &str) -> Url {
    Url::parse(text).expect("an address")
}
