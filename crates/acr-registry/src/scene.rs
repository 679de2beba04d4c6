//! What the tests of this crate play on: one tenant, one registry, and a client that trusts it.

use entra_tokens::{Entra, EntraSettings, SigningKey};
use jiff::Timestamp;
use reqwest::{Certificate, Client, Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use service_kit::{Authority, ManualClock, SharedEntropy, Shutdown, Store, SystemEntropy};
use tempfile::TempDir;

use crate::digest::Digest;
use crate::{CreateRegistry, Registries, RegistrySettings};

pub(crate) const NAME: &str = "mayflyTest";
pub(crate) const SECRET: &str = "principal~secret";

pub(crate) struct Scene {
    pub(crate) clock: ManualClock,
    pub(crate) entra: Entra,
    pub(crate) registries: Registries,
    pub(crate) server: String,
    pub(crate) client: Client,
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
    pub(crate) authority: Authority,
    pub(crate) shutdown: Shutdown,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let clock = ManualClock::at(Timestamp::constant(1_800_000_000, 0));
        let entropy = SystemEntropy::shared();
        let entra = tenant(&clock, &entropy);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_memory();
        // Real time: the client checks the certificate's dates.
        let authority = Authority::create(&service_kit::SystemClock::shared()).unwrap();
        let root = Certificate::from_pem(authority.cert_pem().as_bytes()).unwrap();
        let client = Client::builder().tls_certs_only([root]).build().unwrap();
        let shutdown = Shutdown::new();
        let mut scene = Self {
            registries: Registries::new(settings(
                &authority,
                &shutdown,
                &store,
                &folder,
                &clock,
                Some(&entra),
            )),
            server: String::new(),
            clock,
            entra,
            client,
            folder,
            store,
            authority,
            shutdown,
        };
        let wanted = CreateRegistry { admin_enabled: true, ..CreateRegistry::USUAL };
        scene.server = scene.registries.create(NAME, wanted).await.unwrap().login_server;
        scene
    }

    /// The same state in a new process.
    pub(crate) fn again(&self, shutdown: &Shutdown) -> Registries {
        let entra = Some(&self.entra);
        Registries::new(settings(&self.authority, shutdown, &self.store, &self.folder, &self.clock, entra))
    }

    pub(crate) fn password(&self) -> String {
        self.registries.credentials(NAME).unwrap().1[0].expose_secret().to_owned()
    }

    /// A request without credentials.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("https://{}{path}", self.server))
    }

    /// A request of the admin user.
    pub(crate) fn admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).basic_auth(NAME, Some(self.password()))
    }

    /// An access token for these scopes.
    pub(crate) async fn token(&self, scopes: &[&str]) -> String {
        let mut query = vec![("service", self.server.as_str())];
        query.extend(scopes.iter().map(|scope| ("scope", *scope)));
        let answer = self.admin(Method::GET, "/oauth2/token").query(&query).send().await.unwrap();
        json(answer, 200).await["access_token"].as_str().unwrap().to_owned()
    }

    /// Uploads a blob in one request.
    pub(crate) async fn blob(&self, repository: &str, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let answer = self.admin(Method::POST, &path).body(content.to_vec()).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        digest
    }

    /// Pushes an image of one layer and returns the manifest's text.
    pub(crate) async fn image(&self, repository: &str, tag: &str) -> String {
        let (config, layer) = (self.blob(repository, b"{}").await, self.blob(repository, b"layer").await);
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": DOCKER,
            "config": { "mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": config.to_string() },
            "layers": [{ "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 5, "digest": layer.to_string() }],
            "annotations": { "tag": tag },
        })
        .to_string();
        let answer = self.put_manifest(repository, tag, DOCKER, &manifest).await;
        assert_eq!(answer.status(), 201);
        manifest
    }

    pub(crate) async fn put_manifest(&self, repository: &str, tag: &str, kind: &str, text: &str) -> Response {
        let request = self.admin(Method::PUT, &format!("/v2/{repository}/manifests/{tag}"));
        request.header("content-type", kind).body(text.to_owned()).send().await.unwrap()
    }
}

pub(crate) const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn tenant(clock: &ManualClock, entropy: &SharedEntropy) -> Entra {
    let settings = EntraSettings {
        tenant_id: entropy.uuid(),
        client_id: entropy.uuid(),
        client_secret: SecretString::from(SECRET),
        authority: "https://localhost:1/".parse().unwrap(),
        audiences: vec!["https://management.azure.com".into(), "https://containerregistry.azure.net".into()],
    };
    Entra::new(settings, SigningKey::generate().unwrap(), clock.shared(), entropy.clone())
}

fn settings(
    authority: &Authority,
    shutdown: &Shutdown,
    store: &Store,
    folder: &TempDir,
    clock: &ManualClock,
    entra: Option<&Entra>,
) -> RegistrySettings {
    RegistrySettings {
        blobs_dir: folder.path().to_owned(),
        tls: authority.issue(&["localhost".into(), "127.0.0.1".into()]).unwrap(),
        shutdown: shutdown.clone(),
        store: store.clone(),
        clock: clock.shared(),
        entropy: SystemEntropy::shared(),
        entra: entra.cloned(),
    }
}

/// The answer's JSON, which must come with this status.
pub(crate) async fn json(answer: Response, status: u16) -> Value {
    let got = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    assert_eq!(got, status, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The answer is this refusal, in the distribution API's envelope.
pub(crate) async fn check_refused(request: RequestBuilder, status: u16, code: &str) -> Value {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["docker-distribution-api-version"], "registry/2.0");
    let body = json(answer, status).await;
    assert_eq!(body["errors"][0]["code"], code, "{body}");
    body
}
