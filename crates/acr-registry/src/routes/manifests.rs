//! Manifests: pushed, read by tag or digest, deleted.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::OciError;
use crate::manifest::{LARGEST_MANIFEST, Manifest, accepts};
use crate::name::{Digest, Reference, RepositoryName};
use crate::registries::Registry;
use crate::repository::{ManifestRecord, Repository, TagRecord};
use crate::routes::{CONTENT_DIGEST, blobs};

pub(super) async fn get(
    registry: &Registry,
    name: &RepositoryName,
    reference: &Reference,
    parts: &Parts,
) -> Result<Response, OciError> {
    let repository = repository(registry, name)?;
    let digest = repository.resolve(reference).ok_or_else(|| unknown(name, reference))?;
    let record = &repository.manifests[digest];
    let accept = parts.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if !accepts(accept, &record.media_type) {
        let message = format!("the manifest is `{}`, which the request does not accept", record.media_type);
        return Err(OciError::not_found("MANIFEST_UNKNOWN", message));
    }
    let read = registry.content.read(digest).await;
    let content = read.map_err(|error| OciError::internal("read a manifest", &error))?;
    let content = content.ok_or_else(|| unknown(name, reference))?;
    let headers = [
        (header::CONTENT_TYPE, record.media_type.clone()),
        (header::CONTENT_LENGTH, content.len().to_string()),
        (header::ETAG, format!("\"{digest}\"")),
        (CONTENT_DIGEST, digest.to_string()),
    ];
    let body = if parts.method == Method::HEAD { Body::empty() } else { Body::from(content) };
    Ok((headers, body).into_response())
}

pub(super) async fn put(
    registry: &Registry,
    name: &RepositoryName,
    reference: &Reference,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, OciError> {
    let invalid = |message: String| OciError::bad_request("MANIFEST_INVALID", message);
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
    let content = axum::body::to_bytes(body, LARGEST_MANIFEST).await;
    let content = content.map_err(|_| {
        let message = format!("a manifest has at most {LARGEST_MANIFEST} bytes");
        OciError::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", message)
    })?;
    let manifest = Manifest::parse(&media_type, &content).map_err(invalid)?;
    let digest = Digest::of(&content);
    if let Reference::Digest(named) = reference
        && *named != digest
    {
        let message = format!("the content has the digest `{digest}`, not `{named}`");
        return Err(OciError::bad_request("DIGEST_INVALID", message));
    }
    check_references(registry, name, &manifest)?;
    let id = registry.tokens.entropy.uuid();
    let written = registry.content.write(id, &digest, &content).await;
    written.map_err(|error| OciError::internal("keep a manifest", &error))?;
    let now = registry.tokens.clock.now();
    let kept = registry.catalogue.change(name, |repository| {
        repository.manifests.entry(digest.clone()).or_insert(ManifestRecord { media_type, pushed: now });
        if let Reference::Tag(tag) = reference {
            repository.tags.insert(tag.clone(), TagRecord { digest: digest.clone(), moved: now });
        }
    });
    kept.map_err(|error| OciError::internal("keep a manifest", &error))?;
    let headers =
        [(header::LOCATION, format!("/v2/{name}/manifests/{digest}")), (CONTENT_DIGEST, digest.to_string())];
    Ok((StatusCode::CREATED, headers).into_response())
}

/// By digest the manifest goes with all its tags, by tag the tag alone.
pub(super) async fn delete(
    registry: &Registry,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Response, OciError> {
    let removed = registry.catalogue.change(name, |repository| match reference {
        Reference::Tag(tag) => repository.tags.remove(tag).map(|_| None),
        Reference::Digest(digest) => {
            repository.tags.retain(|_, tag| tag.digest != *digest);
            repository.manifests.remove(digest).map(|_| Some(digest.clone()))
        }
    });
    let removed = removed.map_err(|error| OciError::internal("delete a manifest", &error))?;
    let gone = removed.ok_or_else(|| unknown(name, reference))?;
    if let Some(digest) = gone {
        blobs::remove_unused(registry, &digest).await?;
    }
    Ok(StatusCode::ACCEPTED.into_response())
}

fn check_references(registry: &Registry, name: &RepositoryName, manifest: &Manifest) -> Result<(), OciError> {
    let repository =
        registry.catalogue.get(name).map_err(|error| OciError::internal("read a repository", &error))?;
    let repository = repository.unwrap_or_default();
    let blobs = manifest.blobs.iter().filter(|digest| !repository.blobs.contains(*digest));
    let manifests = manifest.manifests.iter().filter(|digest| !repository.manifests.contains_key(*digest));
    let missing: Vec<_> =
        blobs.chain(manifests).map(|digest| json!({ "digest": digest.to_string() })).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("the manifest refers to what repository `{name}` does not have");
    Err(OciError::bad_request("MANIFEST_BLOB_UNKNOWN", message).with_detail(missing.into()))
}

/// The repository, which must be there.
pub(super) fn repository(registry: &Registry, name: &RepositoryName) -> Result<Repository, OciError> {
    let found =
        registry.catalogue.get(name).map_err(|error| OciError::internal("read a repository", &error))?;
    // Uploads alone do not make a repository.
    found.filter(|repository| !repository.manifests.is_empty()).ok_or_else(|| {
        OciError::not_found("NAME_UNKNOWN", format!("repository `{name}` is not known to the registry"))
            .with_detail(json!({ "name": name.as_str() }))
    })
}

fn unknown(name: &RepositoryName, reference: &Reference) -> OciError {
    let message = format!("manifest tagged by \"{reference}\" is not found");
    let detail = json!({ "name": name.as_str(), "reference": reference.to_string() });
    OciError::not_found("MANIFEST_UNKNOWN", message).with_detail(detail)
}
