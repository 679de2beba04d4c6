//! Manifests: pushed, read by tag or digest, deleted.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use crate::attributes::Attributes;
use crate::digest::{Algorithm, Digest};
use crate::error::OciError;
use crate::events::Pushed;
use crate::manifest::{LARGEST_MANIFEST, Manifest, accepts};
use crate::name::{Reference, RepositoryName, is_tag};
use crate::registry::Registry;
use crate::repository::{Details, ManifestRecord, Refusal, Repository};
use crate::routes::refusals::{refused, unknown_repository};
use crate::routes::{CONTENT_DIGEST, SUBJECT, TAG, blobs, gate};

pub(super) async fn get(
    registry: &Registry,
    name: &RepositoryName,
    reference: &Reference,
    parts: &Parts,
) -> Result<Response, OciError> {
    let repository = repository(registry, name)?;
    let found = repository.resolve(reference);
    let (digest, record) = found.map_err(|refusal| refused(name, reference, refusal))?;
    let accept = parts.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if !accepts(accept, &record.media_type) {
        let message = format!("the manifest is `{}`, which the request does not accept", record.media_type);
        return Err(OciError::not_found("MANIFEST_UNKNOWN", message));
    }
    let read = registry.content.read(digest).await;
    let content = read.map_err(|error| OciError::internal("read a manifest", &error))?;
    let content = content.ok_or_else(|| refused(name, reference, Refusal::Manifest))?;
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
    parts: &Parts,
    body: Body,
) -> Result<Response, OciError> {
    let tags = tags(reference, parts)?;
    let content = whole(body).await?;
    let (media_type, manifest) = Manifest::parse(&media_type(&parts.headers), &content)
        .map_err(|message| OciError::bad_request("MANIFEST_INVALID", message))?;
    let digest = digest(reference, &content)?;
    let subject = manifest.subject.clone();
    let internal = |error: std::io::Error| OciError::internal("keep a manifest", &error);
    let details = registry.describe(manifest, &content).await.map_err(internal)?;
    let now = registry.tokens.clock.now();
    {
        // A file that is not written down yet must not be taken for one that nobody has.
        let _placing = registry.placing().await.map_err(internal)?;
        let id = registry.tokens.entropy.uuid();
        registry.content.write(id, &digest, &content).await.map_err(internal)?;
        let record = record(media_type.clone(), details, now);
        let kept = registry.catalogue.change(name, |repository| repository.put(&digest, record, &tags, now));
        kept.map_err(|error| OciError::internal("keep a manifest", &error))?
            .map_err(|refusal| refused(name, reference, refusal))?;
    }
    let size = content.len() as u64;
    let pushed = Pushed { digest: &digest, media_type: &media_type, size, tags: &tags };
    registry.tell_pushed(name, &pushed, parts);
    let headers =
        [(header::LOCATION, format!("/v2/{name}/manifests/{digest}")), (CONTENT_DIGEST, digest.to_string())];
    let mut response = (StatusCode::CREATED, headers).into_response();
    if let Some(Ok(subject)) = subject.map(|subject| HeaderValue::from_str(&subject.to_string())) {
        // Tells clients that they need not keep a list of their own under a tag.
        response.headers_mut().insert(SUBJECT, subject);
    }
    if matches!(reference, Reference::Digest(_)) {
        for tag in tags.iter().filter_map(|tag| HeaderValue::from_str(tag).ok()) {
            response.headers_mut().append(TAG, tag);
        }
    }
    Ok(response)
}

fn record(media_type: String, details: Details, now: Timestamp) -> ManifestRecord {
    ManifestRecord {
        media_type,
        pushed: now,
        updated: Some(now),
        attributes: Attributes::default(),
        details: Some(details),
    }
}

/// The tag of the path, or those of the query of a push by digest.
fn tags(reference: &Reference, parts: &Parts) -> Result<Vec<String>, OciError> {
    if let Reference::Tag(tag) = reference {
        return Ok(vec![tag.clone()]);
    }
    let asked = gate::query(&parts.uri).into_iter().filter(|(key, _)| key == "tag").map(|(_, tag)| tag);
    let checked = asked.map(|tag| {
        let wrong = || OciError::bad_request("TAG_INVALID", format!("`{tag}` is not a tag"));
        if is_tag(&tag) { Ok(tag) } else { Err(wrong()) }
    });
    checked.collect()
}

async fn whole(body: Body) -> Result<axum::body::Bytes, OciError> {
    let too_large = || {
        let message = format!("a manifest has at most {LARGEST_MANIFEST} bytes");
        OciError::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", message)
    };
    axum::body::to_bytes(body, LARGEST_MANIFEST).await.map_err(|_| too_large())
}

/// Without parameters; empty where the client names none.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_owned()
}

fn digest(reference: &Reference, content: &[u8]) -> Result<Digest, OciError> {
    let Reference::Digest(named) = reference else { return Ok(Digest::by(Algorithm::Sha256, content)) };
    let actual = Digest::by(named.algorithm(), content);
    if actual == *named {
        return Ok(actual);
    }
    let message = format!("the content has the digest `{actual}`, not `{named}`");
    Err(OciError::bad_request("DIGEST_INVALID", message))
}

/// By digest the manifest goes with all its tags and referrers, by tag the tag alone.
pub(super) async fn delete(
    registry: &Registry,
    name: &RepositoryName,
    reference: &Reference,
    parts: &Parts,
) -> Result<Response, OciError> {
    let now = registry.tokens.clock.now();
    // A repository that is not known is said to be so, rather than its manifest.
    let before = repository(registry, name)?;
    let removed = registry.catalogue.change(name, |repository| match reference {
        Reference::Tag(tag) => repository.untag(tag, now).map(|()| Vec::new()),
        Reference::Digest(digest) => repository.delete(digest, now),
    });
    let gone =
        removed.map_err(|error| OciError::internal("delete a manifest", &error))?.map_err(|refusal| {
            // The distribution API knows no code for tags.
            let refusal = if refusal == Refusal::Tag { Refusal::Manifest } else { refusal };
            refused(name, reference, refusal)
        })?;
    registry.tell_deleted(name, &before, &gone, parts);
    if !gone.is_empty() {
        blobs::remove_unused(registry, &gone).await?;
    }
    Ok(StatusCode::ACCEPTED.into_response())
}

/// The repository, which must be there. Uploads alone do not make one.
pub(super) fn repository(registry: &Registry, name: &RepositoryName) -> Result<Repository, OciError> {
    let found =
        registry.catalogue.get(name).map_err(|error| OciError::internal("read a repository", &error))?;
    found.filter(|repository| !repository.manifests.is_empty()).ok_or_else(|| unknown_repository(name))
}
