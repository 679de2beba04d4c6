//! Uploads: in one request, in chunks, as a stream, or by mounting what another repository has.
//!
//! Source: opencontainers/distribution-spec, `spec.md`, "Pushing blobs"; distribution/distribution,
//! `docs/content/spec/api.md`.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use crate::catalogue::UploadRecord;
use crate::content::{AppendError, Chunk, FinishError};
use crate::digest::{Algorithm, Digest};
use crate::error::OciError;
use crate::name::RepositoryName;
use crate::registry::Registry;
use crate::repository::Refusal;
use crate::routes::refusals::refused;
use crate::routes::{CONTENT_DIGEST, UPLOAD_UUID, blobs, gate, not_a_digest};

/// `POST`: mounts a blob, takes a whole one, or begins an upload.
pub(super) async fn begin(
    registry: &Registry,
    name: &RepositoryName,
    parts: &Parts,
    body: Body,
) -> Result<Response, OciError> {
    let query = gate::query(&parts.uri);
    let value = |wanted: &str| query.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
    // All that can be wrong with the query is found before anything is begun.
    let whole = value("digest").map(digest).transpose()?;
    let algorithm = match (&whole, value("digest-algorithm")) {
        (Some(digest), None) => digest.algorithm(),
        (None, None) => Algorithm::Sha256,
        (_, Some(named)) => Algorithm::parse(named).ok_or_else(|| {
            let message = format!("`{named}` is not supported; supported: {}", Algorithm::SUPPORTED);
            OciError::bad_request("DIGEST_INVALID", message)
        })?,
    };
    if let Some(mount) = value("mount")
        && let Some(mounted) = mount_blob(registry, name, mount, value("from")).await?
    {
        return Ok(mounted);
    }
    check_writable(registry, name)?;
    let id = registry.tokens.entropy.uuid();
    let record = UploadRecord { repository: name.to_string(), begun: registry.tokens.clock.now() };
    registry.catalogue.begin_upload(id, &record).map_err(internal_store)?;
    let begun = registry.content.begin(id, algorithm).await;
    begun.map_err(|error| OciError::internal("begin an upload", &error))?;
    match whole {
        Some(digest) => match take(registry, name, id, &digest, parts, body).await {
            Ok(created) => Ok(created),
            // Nobody was told of this upload, so nobody can go on with it.
            Err(error) => forget(registry, id).await.and(Err(error)),
        },
        None => Ok((StatusCode::ACCEPTED, state(name, id, 0)).into_response()),
    }
}

/// `PATCH`: adds to an upload.
pub(super) async fn append(
    registry: &Registry,
    name: &RepositoryName,
    id: Uuid,
    parts: &Parts,
    body: Body,
) -> Result<Response, OciError> {
    check(registry, name, id)?;
    let size = add(registry, name, id, parts, body).await?;
    Ok((StatusCode::ACCEPTED, state(name, id, size)).into_response())
}

/// `PUT`: adds what is left, checks the digest and makes a blob of it.
pub(super) async fn finish(
    registry: &Registry,
    name: &RepositoryName,
    id: Uuid,
    parts: &Parts,
    body: Body,
) -> Result<Response, OciError> {
    check(registry, name, id)?;
    let digest = wanted_digest(&parts.uri)?;
    take(registry, name, id, &digest, parts, body).await
}

/// `GET`: how much is there.
pub(super) async fn status(
    registry: &Registry,
    name: &RepositoryName,
    id: Uuid,
) -> Result<Response, OciError> {
    check(registry, name, id)?;
    let size =
        registry.content.received(id).await.map_err(|error| OciError::internal("read an upload", &error))?;
    let size = size.ok_or_else(|| unknown(id))?;
    Ok((StatusCode::NO_CONTENT, state(name, id, size)).into_response())
}

/// `DELETE`: gives up.
pub(super) async fn cancel(
    registry: &Registry,
    name: &RepositoryName,
    id: Uuid,
) -> Result<Response, OciError> {
    check(registry, name, id)?;
    forget(registry, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `None` where the blob is not there: it is uploaded then. Without `from`, one's own repository alone is looked at.
async fn mount_blob(
    registry: &Registry,
    name: &RepositoryName,
    mount: &str,
    from: Option<&str>,
) -> Result<Option<Response>, OciError> {
    let digest = digest(mount)?;
    let from = from.unwrap_or(name.as_str());
    let Some(source) = RepositoryName::parse(from) else {
        return Err(OciError::bad_request(
            "NAME_INVALID",
            format!("`{from}` is not the name of a repository"),
        ));
    };
    // The file cannot go between the look and the link.
    let placing = registry.placing().await;
    let _placing = placing.map_err(|error| OciError::internal("mount a blob", &error))?;
    if !blobs::repository_has(registry, &source, &digest)? {
        return Ok(None);
    }
    link(registry, name, &digest)?;
    Ok(Some(created(name, &digest)))
}

/// Takes the request's body as the end of an upload.
async fn take(
    registry: &Registry,
    name: &RepositoryName,
    id: Uuid,
    digest: &Digest,
    parts: &Parts,
    body: Body,
) -> Result<Response, OciError> {
    add(registry, name, id, parts, body).await?;
    let whole = match registry.content.verify(id, digest).await {
        Ok(whole) => whole,
        Err(FinishError::Digest(actual)) => {
            forget(registry, id).await?;
            let message =
                format!("the content has the digest `{actual}`, not `{digest}`; the upload was thrown away");
            return Err(OciError::bad_request("DIGEST_INVALID", message));
        }
        Err(FinishError::Busy) => return Err(busy()),
        Err(FinishError::Io(error)) => return Err(OciError::internal("finish an upload", &error)),
    };
    let placing = registry.placing().await;
    let _placing = placing.map_err(|error| OciError::internal("finish an upload", &error))?;
    // First the file, then whose it is: a crash in between leaves a file that is collected, not a blob without content.
    let placed = registry.content.place(&whole).await;
    placed.map_err(|error| OciError::internal("finish an upload", &error))?;
    link(registry, name, digest)?;
    registry.catalogue.end_upload(id).map_err(internal_store)?;
    Ok(created(name, digest))
}

async fn add(
    registry: &Registry,
    name: &RepositoryName,
    id: Uuid,
    parts: &Parts,
    body: Body,
) -> Result<u64, OciError> {
    let chunk = chunk(&parts.headers)?;
    let added = registry.content.append(id, chunk, body).await;
    added.map_err(|error| match error {
        AppendError::Busy => busy(),
        AppendError::Unknown => unknown(id),
        AppendError::Position { size } => {
            let message = format!("the upload has {size} bytes: the next chunk begins there");
            OciError::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", message)
                .with_header(header::RANGE, &range(size))
                .with_header(header::LOCATION, &location(name, id))
                .with_header(UPLOAD_UUID, &id.to_string())
        }
        AppendError::Length { .. } | AppendError::TooLarge => {
            OciError::bad_request("SIZE_INVALID", error.to_string())
        }
        // Nobody is there to read this answer.
        AppendError::Body(_) => OciError::bad_request("BLOB_UPLOAD_INVALID", error.to_string()),
        AppendError::Io(error) => OciError::internal("write an upload", &error),
    })
}

/// Reads `Content-Range: <start>-<end>`. A chunk without one is a stream that goes on where the upload ends.
fn chunk(headers: &HeaderMap) -> Result<Chunk, OciError> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let Some(range) = headers.get(header::CONTENT_RANGE) else { return Ok(Chunk { start: None, length }) };
    let text = range.to_str().unwrap_or_default();
    let numbers = text.strip_prefix("bytes ").unwrap_or(text).split('/').next().and_then(|range| {
        let (start, end) = range.split_once('-')?;
        Some((start.parse::<u64>().ok()?, end.parse::<u64>().ok()?))
    });
    match numbers {
        Some((start, end)) if start <= end => {
            let announced = (end - start).saturating_add(1);
            if length.is_some_and(|length: u64| length != announced) {
                let message = format!("`Content-Range: {text}` does not fit the length of the body");
                return Err(OciError::bad_request("SIZE_INVALID", message));
            }
            Ok(Chunk { start: Some(start), length: Some(announced) })
        }
        _ => Err(OciError::bad_request(
            "BLOB_UPLOAD_INVALID",
            format!("`{text}` is no `Content-Range` of a chunk"),
        )),
    }
}

fn check(registry: &Registry, name: &RepositoryName, id: Uuid) -> Result<(), OciError> {
    let record = registry.catalogue.upload(id).map_err(internal_store)?;
    let own = record.is_some_and(|record| record.repository == name.as_str());
    if own { Ok(()) } else { Err(unknown(id)) }
}

async fn forget(registry: &Registry, id: Uuid) -> Result<(), OciError> {
    registry.content.cancel(id).await.map_err(|error| OciError::internal("give up an upload", &error))?;
    registry.catalogue.end_upload(id).map_err(internal_store)
}

fn link(registry: &Registry, name: &RepositoryName, digest: &Digest) -> Result<(), OciError> {
    let now = registry.tokens.clock.now();
    let linked = registry.catalogue.change(name, |repository| repository.link(digest, now));
    linked.map_err(internal_store)?.map_err(|refusal| refused(name, digest, refusal))
}

/// Nothing is uploaded to where nothing can be pushed.
fn check_writable(registry: &Registry, name: &RepositoryName) -> Result<(), OciError> {
    let repository = registry.catalogue.get(name).map_err(internal_store)?;
    let locked = repository.is_some_and(|one| !one.attributes.write_enabled);
    if locked { Err(refused(name, name, Refusal::Locked)) } else { Ok(()) }
}

fn wanted_digest(uri: &Uri) -> Result<Digest, OciError> {
    let query = gate::query(uri);
    let text = query.iter().find(|(key, _)| key == "digest").map(|(_, value)| value.as_str());
    digest(text.ok_or_else(|| OciError::bad_request("DIGEST_INVALID", "the query has no `digest`"))?)
}

fn digest(text: &str) -> Result<Digest, OciError> {
    Digest::parse(text).ok_or_else(|| OciError::bad_request("DIGEST_INVALID", not_a_digest(text)))
}

fn created(name: &RepositoryName, digest: &Digest) -> Response {
    let headers = [
        (header::LOCATION, format!("/v2/{name}/blobs/{digest}")),
        (CONTENT_DIGEST, digest.to_string()),
        (header::CONTENT_LENGTH, "0".to_owned()),
    ];
    (StatusCode::CREATED, headers).into_response()
}

fn state(name: &RepositoryName, id: Uuid, size: u64) -> [(header::HeaderName, String); 3] {
    [(header::LOCATION, location(name, id)), (header::RANGE, range(size)), (UPLOAD_UUID, id.to_string())]
}

fn location(name: &RepositoryName, id: Uuid) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

/// Both ends count, so nothing at all looks like one byte; every registry has it so.
fn range(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}

fn unknown(id: Uuid) -> OciError {
    OciError::not_found("BLOB_UPLOAD_UNKNOWN", format!("there is no upload `{id}` in this repository"))
}

fn busy() -> OciError {
    OciError::new(StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID", "another request is writing to this upload")
}

fn internal_store(error: service_kit::StoreError) -> OciError {
    OciError::internal("keep an upload", &error)
}
