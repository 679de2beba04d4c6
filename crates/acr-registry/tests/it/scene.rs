//! One registry on a port of its own, and a client that knows nothing of how it is made.

use acr_registry::{CreateRegistry, Registries, RegistrySettings};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use service_kit::{Authority, Shutdown, Store, SystemClock, SystemEntropy};
use tempfile::TempDir;

pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const NAME: &str = "conformance";

pub(crate) struct Scene {
    client: Client,
    server: String,
    password: String,
    pub(crate) folder: TempDir,
    _registries: Registries,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let (clock, folder) = (SystemClock::shared(), tempfile::tempdir().unwrap());
        let authority = Authority::create(&clock).unwrap();
        let registries = Registries::new(RegistrySettings {
            blobs_dir: folder.path().to_owned(),
            tls: authority.issue(&["localhost".into(), "127.0.0.1".into()]).unwrap(),
            shutdown: Shutdown::new(),
            store: Store::in_memory(),
            clock,
            entropy: SystemEntropy::shared(),
            entra: None,
        });
        let wanted = CreateRegistry { admin_enabled: true, ..CreateRegistry::USUAL };
        let server = registries.create(NAME, wanted).await.unwrap().login_server;
        let password = registries.credentials(NAME).unwrap().1[0].expose_secret().to_owned();
        let root = Certificate::from_pem(authority.cert_pem().as_bytes()).unwrap();
        let client = Client::builder().tls_certs_only([root]).build().unwrap();
        Self { client, server, password, folder, _registries: registries }
    }

    /// A request to a path, or to an address that the registry gave.
    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let url = match path.strip_prefix('/') {
            Some(_) => format!("https://{}{path}", self.server),
            None => path.to_owned(),
        };
        self.client.request(method, url).basic_auth(NAME, Some(&self.password))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn head(&self, path: &str) -> Response {
        self.ask(Method::HEAD, path).send().await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.ask(Method::DELETE, path).send().await.unwrap()
    }

    /// Begins an upload and returns where it goes on.
    pub(crate) async fn begin(&self, repository: &str) -> String {
        let answer =
            self.ask(Method::POST, &format!("/v2/{repository}/blobs/uploads/")).send().await.unwrap();
        assert_eq!(answer.status(), 202);
        header(&answer, "location")
    }

    pub(crate) async fn blob(&self, repository: &str, content: &[u8]) -> String {
        let digest = sha256(content);
        let location = self.begin(repository).await;
        let put = self.ask(Method::PUT, &format!("{location}?digest={digest}")).body(content.to_vec());
        assert_eq!(put.send().await.unwrap().status(), 201);
        digest
    }

    pub(crate) async fn put(&self, path: &str, media_type: &str, text: &str) -> Response {
        let request = self.ask(Method::PUT, path).header("content-type", media_type);
        request.body(text.to_owned()).send().await.unwrap()
    }

    /// Pushes an image under a tag and returns its text and its digest.
    pub(crate) async fn image(&self, repository: &str, tag: &str) -> (String, String) {
        self.blob(repository, b"{}").await;
        self.blob(repository, b"layer").await;
        let text = image(tag).to_string();
        let answer = self.put(&format!("/v2/{repository}/manifests/{tag}"), IMAGE, &text).await;
        assert_eq!(answer.status(), 201);
        (text.clone(), sha256(text.as_bytes()))
    }

    /// Pushes something about a subject, by digest, and returns its digest and the answer.
    pub(crate) async fn artifact(&self, repository: &str, document: &Value) -> (String, Response) {
        self.blob(repository, b"{}").await;
        let text = document.to_string();
        let digest = sha256(text.as_bytes());
        let kind = document["mediaType"].as_str().unwrap();
        let answer = self.put(&format!("/v2/{repository}/manifests/{digest}"), kind, &text).await;
        (digest, answer)
    }
}

/// An image whose text is another one for each tag.
pub(crate) fn image(tag: &str) -> Value {
    json!({
        "schemaVersion": 2, "mediaType": IMAGE,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": sha256(b"{}") },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "size": 5, "digest": sha256(b"layer") }],
        "annotations": { "tag": tag },
    })
}

/// An artifact of a type, about a subject.
pub(crate) fn artifact(artifact_type: &str, subject: &str) -> Value {
    json!({
        "schemaVersion": 2, "mediaType": IMAGE, "artifactType": artifact_type,
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": sha256(b"{}") },
        "layers": [],
        "subject": { "mediaType": IMAGE, "size": 1, "digest": subject },
        "annotations": { "of": artifact_type },
    })
}

pub(crate) fn sha256(content: &[u8]) -> String {
    format!("sha256:{}", hash(&aws_lc_rs::digest::SHA256, content))
}

pub(crate) fn sha512(content: &[u8]) -> String {
    format!("sha512:{}", hash(&aws_lc_rs::digest::SHA512, content))
}

fn hash(algorithm: &'static aws_lc_rs::digest::Algorithm, content: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(algorithm, content))
}

pub(crate) fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// The code of the first error, of an answer with this status in the specification's envelope.
pub(crate) async fn code(answer: Response, status: u16) -> String {
    let body = body(answer, status).await;
    body["errors"][0]["code"].as_str().unwrap().to_owned()
}

pub(crate) async fn body(answer: Response, status: u16) -> Value {
    let got = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    assert_eq!(got, status, "{text}");
    serde_json::from_str(&text).unwrap()
}
