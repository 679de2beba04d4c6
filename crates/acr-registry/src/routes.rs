//! The routes of one registry: the distribution API and the token service.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::json;

use crate::access::Scope;
use crate::digest::Algorithm;
use crate::error::OciError;
use crate::path::{PathError, Target};
use crate::registries::PublicAccess;
use crate::registry::Registry;

mod acr;
mod blobs;
mod gate;
mod lists;
mod manifests;
mod oauth;
mod page;
mod refusals;
mod uploads;

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const TAG: HeaderName = HeaderName::from_static("oci-tag");
const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// Stands between a listener, which must be bound before its port is known, and the registry, which is named after
/// that port.
#[derive(Debug, Clone, Default)]
pub(crate) struct Door(Arc<OnceLock<Registry>>);

impl Door {
    pub(crate) fn open(&self, registry: Registry) {
        // A listener serves one registry for all its life.
        let _ = self.0.set(registry);
    }

    fn registry(&self) -> Result<&Registry, OciError> {
        let early =
            || OciError::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "the registry is starting");
        self.0.get().ok_or_else(early)
    }
}

pub(crate) fn router(door: Door) -> Router {
    Router::new()
        .route("/v2", any(root))
        .route("/v2/", any(root))
        .route("/v2/{*rest}", any(resource))
        .route("/acr/v1/{*rest}", any(acr::resource))
        .route("/oauth2/token", get(oauth::token_get).post(oauth::token_post))
        .route("/oauth2/exchange", post(oauth::exchange))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn_with_state(door.clone(), reachable))
        .with_state(door)
        .layer(middleware::map_response(with_version))
}

/// Lets through who may reach the registry at all; the words are the service's (`Azure/acr#633`).
async fn reachable(State(door): State<Door>, request: Request, next: Next) -> Response {
    match door.registry() {
        Ok(registry) if registry.public_access() == PublicAccess::Disabled => {
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
            let client = peer.map_or(IpAddr::from(Ipv4Addr::LOCALHOST), |ConnectInfo(peer)| peer.ip());
            let why = format!(
                "client with IP '{client}' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."
            );
            OciError::new(StatusCode::FORBIDDEN, "DENIED", why).into_response()
        }
        _ => next.run(request).await,
    }
}

async fn with_version(mut response: Response) -> Response {
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    response
}

async fn unknown(request: Request) -> OciError {
    no_route(request.uri().path())
}

async fn not_allowed(request: Request) -> OciError {
    unsupported(request.method(), request.uri().path(), "another method")
}

/// Whether one may be here at all: what clients ask first.
async fn root(State(door): State<Door>, request: Request) -> Response {
    let answer = || {
        let registry = door.registry()?;
        gate::admit(registry, request.headers(), &[])?;
        match *request.method() {
            Method::GET | Method::HEAD => Ok(axum::Json(json!({})).into_response()),
            _ => Err(unsupported(request.method(), "/v2/", "GET")),
        }
    };
    flat(answer())
}

async fn resource(State(door): State<Door>, Path(rest): Path<String>, request: Request) -> Response {
    // A body cannot be shared between threads, which a future that is awaited must be able to; the rest can.
    let (parts, body) = request.into_parts();
    let answer = async {
        let registry = door.registry()?;
        let target = match Target::parse(&rest) {
            Ok(target) => target,
            Err(error) => {
                // A stranger learns nothing, not even what is wrong.
                gate::admit(registry, &parts.headers, &[])?;
                return Err(refused_path(&format!("/v2/{rest}"), error));
            }
        };
        gate::admit(registry, &parts.headers, &wanted(&target, &parts))?;
        dispatch(registry, target, &parts, body).await
    };
    flat(answer.await)
}

async fn dispatch(
    registry: &Registry,
    target: Target,
    parts: &Parts,
    body: Body,
) -> Result<Response, OciError> {
    let method = &parts.method;
    let read = matches!(*method, Method::GET | Method::HEAD);
    let path = target.to_string();
    match (&target, method.as_str()) {
        (Target::Catalog, "GET") => lists::catalog(registry, parts),
        (Target::Tags(name), "GET") => lists::tags(registry, name, parts),
        (Target::Manifest(name, reference), _) if read => {
            manifests::get(registry, name, reference, parts).await
        }
        (Target::Manifest(name, reference), "PUT") => {
            manifests::put(registry, name, reference, parts, body).await
        }
        (Target::Manifest(name, reference), "DELETE") => {
            manifests::delete(registry, name, reference, parts).await
        }
        (Target::Blob(name, digest), _) if read => blobs::get(registry, name, digest, parts).await,
        (Target::Blob(name, digest), "DELETE") => blobs::delete(registry, name, digest).await,
        (Target::Referrers(name, digest), "GET") => lists::referrers(registry, name, digest, parts),
        (Target::Uploads(name), "POST") => uploads::begin(registry, name, parts, body).await,
        (Target::Upload(name, id), "PATCH") => uploads::append(registry, name, *id, parts, body).await,
        (Target::Upload(name, id), "PUT") => uploads::finish(registry, name, *id, parts, body).await,
        (Target::Upload(name, id), "GET") => uploads::status(registry, name, *id).await,
        (Target::Upload(name, id), "DELETE") => uploads::cancel(registry, name, *id).await,
        (Target::Catalog | Target::Tags(_) | Target::Referrers(..), _) => {
            Err(unsupported(method, &path, "GET"))
        }
        (Target::Manifest(..), _) => Err(unsupported(method, &path, "GET, HEAD, PUT, DELETE")),
        (Target::Blob(..), _) => Err(unsupported(method, &path, "GET, HEAD, DELETE")),
        (Target::Uploads(_), _) => Err(unsupported(method, &path, "POST")),
        (Target::Upload(..), _) => Err(unsupported(method, &path, "PATCH, PUT, GET, DELETE")),
    }
}

/// What one must be allowed for a request.
fn wanted(target: &Target, parts: &Parts) -> Vec<Scope> {
    let Some(name) = target.repository() else { return vec![Scope::catalog()] };
    let on = |actions: &[&str]| Scope::repository(name.as_str(), actions);
    let own = match parts.method {
        // Reading the state of an upload is part of uploading.
        Method::GET | Method::HEAD if !matches!(target, Target::Upload(..) | Target::Uploads(_)) => {
            on(&["pull"])
        }
        Method::DELETE if !matches!(target, Target::Upload(..)) => on(&["delete"]),
        _ => on(&["pull", "push"]),
    };
    let from = match (target, gate::query(&parts.uri)) {
        (Target::Uploads(_), query) => {
            query.into_iter().find(|(key, _)| key == "from").map(|(_, value)| value)
        }
        _ => None,
    };
    let source = from.filter(|from| from != name.as_str()).map(|from| Scope::repository(&from, &["pull"]));
    std::iter::once(own).chain(source).collect()
}

fn refused_path(path: &str, error: PathError) -> OciError {
    let detail = json!({ "path": path });
    let refused = match error {
        PathError::Unknown => return no_route(path),
        PathError::Name(name) => {
            OciError::bad_request("NAME_INVALID", format!("`{name}` is not the name of a repository"))
        }
        PathError::Tag(tag) => OciError::bad_request("TAG_INVALID", format!("`{tag}` is not a tag")),
        PathError::Digest(digest) => OciError::bad_request("DIGEST_INVALID", not_a_digest(&digest)),
        PathError::Upload(id) => {
            OciError::not_found("BLOB_UPLOAD_UNKNOWN", format!("`{id}` is not the id of an upload"))
        }
    };
    refused.with_detail(detail)
}

fn not_a_digest(text: &str) -> String {
    format!("`{text}` is not a digest; supported: {}", Algorithm::SUPPORTED)
}

fn no_route(path: &str) -> OciError {
    let message = format!(
        "`{path}` is not served; served are /v2/, /v2/_catalog, /v2/<name>/tags/list, /v2/<name>/manifests/<reference>, \
         /v2/<name>/blobs/<digest>, /v2/<name>/blobs/uploads/, /v2/<name>/referrers/<digest>, /acr/v1/_catalog, \
         /acr/v1/<name>, /acr/v1/<name>/_tags, /acr/v1/<name>/_manifests, /oauth2/token and /oauth2/exchange"
    );
    OciError::not_found("UNSUPPORTED", message)
}

fn unsupported(method: &Method, path: &str, supported: &str) -> OciError {
    let message = format!("{method} is not supported for `{path}`; supported: {supported}");
    OciError::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
        .with_header(header::ALLOW, supported)
}

fn flat(answer: Result<Response, OciError>) -> Response {
    answer.unwrap_or_else(IntoResponse::into_response)
}

#[cfg(test)]
mod tests;
