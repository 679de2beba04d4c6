//! A registry with one image and one login, just enough for an engine to pull from.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use service_kit::{Shutdown, serve_http};
use sha2::{Digest, Sha256};

pub(crate) const USER: &str = "robot";

/// What a running registry is known by.
pub(crate) struct Registry {
    /// `localhost:PORT`.
    pub(crate) server: String,
    /// The digest of the image `agent:1`.
    pub(crate) digest: String,
}

struct Image {
    authorization: String,
    manifest: Vec<u8>,
    blobs: Vec<Vec<u8>>,
}

/// Serves an image that holds one text file, to whoever has the password.
pub(crate) async fn serve(password: &str, shutdown: &Shutdown) -> Registry {
    let mut layer = tar::Builder::new(Vec::new());
    let mut entry = tar::Header::new_gnu();
    entry.set_mode(0o644);
    entry.set_size(3);
    layer.append_data(&mut entry, "text", &b"hi\n"[..]).unwrap();
    let layer = layer.into_inner().unwrap();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        // Its own image id, so that parallel tests do not remove each other's.
        "author": password,
    });
    let config = serde_json::to_vec(&config).unwrap();
    let descriptor = |kind: &str, blob: &[u8]| serde_json::json!({"mediaType": kind, "size": blob.len(), "digest": digest(blob)});
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.docker.container.image.v1+json", &config),
        "layers": [descriptor("application/vnd.docker.image.rootfs.diff.tar", &layer)],
    });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let image = Arc::new(Image {
        authorization: format!("Basic {}", STANDARD.encode(format!("{USER}:{password}"))),
        manifest: manifest.clone(),
        blobs: vec![config, layer],
    });
    let router = Router::new().route("/v2/", get(root)).route("/v2/{*rest}", get(answer)).with_state(image);
    let address = serve_http(([127, 0, 0, 1], 0).into(), router, shutdown).await.unwrap();
    Registry { server: format!("localhost:{}", address.port()), digest: digest(&manifest) }
}

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

async fn root(State(image): State<Arc<Image>>, headers: HeaderMap) -> Response {
    refusal(&image, &headers).unwrap_or_else(|| StatusCode::OK.into_response())
}

async fn answer(State(image): State<Arc<Image>>, Path(rest): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&image, &headers) {
        return refusal;
    }
    let wanted = rest.rsplit('/').next().unwrap_or_default();
    if rest.starts_with("agent/manifests/") && [digest(&image.manifest).as_str(), "1"].contains(&wanted) {
        let headers = [(header::CONTENT_TYPE, MANIFEST.to_owned())];
        let named = [("docker-content-digest", digest(&image.manifest))];
        return (headers, named, image.manifest.clone()).into_response();
    }
    match image.blobs.iter().find(|blob| digest(blob) == wanted) {
        Some(blob) => blob.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn refusal(image: &Image, headers: &HeaderMap) -> Option<Response> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let refused = (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"test\"")]);
    (given != Some(image.authorization.as_str())).then(|| refused.into_response())
}

fn digest(bytes: &[u8]) -> String {
    let hash: String =
        Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    format!("sha256:{hash}")
}
