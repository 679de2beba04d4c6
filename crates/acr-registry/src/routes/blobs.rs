//! Blobs: read, in whole or in part, and deleted.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;

use crate::digest::Digest;
use crate::error::OciError;
use crate::name::RepositoryName;
use crate::registry::Registry;
use crate::repository::Refusal;
use crate::routes::CONTENT_DIGEST;
use crate::routes::refusals::{refused, unknown_blob};

/// How old an idle blob is before it is written down that somebody asked for it.
const WANTED_AGAIN: SignedDuration = SignedDuration::from_hours(1);

pub(super) async fn get(
    registry: &Registry,
    name: &RepositoryName,
    digest: &Digest,
    parts: &Parts,
) -> Result<Response, OciError> {
    let io = |error: std::io::Error| OciError::internal("read a blob", &error);
    readable(registry, name, digest)?;
    let size = registry.content.size(digest).await.map_err(io)?;
    let size = size.ok_or_else(|| unknown_blob(&digest.to_string()))?;
    let asked = parts.headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, start, length) = match asked.map_or(Part::Whole, |asked| part(asked, size)) {
        Part::Whole => (StatusCode::OK, 0, size),
        Part::Of { start, length } => (StatusCode::PARTIAL_CONTENT, start, length),
        Part::Outside => {
            let message = format!("the blob has {size} bytes, none of them in the range asked for");
            return Err(OciError::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", message)
                .with_header(header::CONTENT_RANGE, &format!("bytes */{size}")));
        }
    };
    let body = match parts.method {
        Method::HEAD => Body::empty(),
        _ => registry.content.stream(digest, start, length).await.map_err(io)?,
    };
    let headers = [
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, format!("\"{digest}\"")),
        (CONTENT_DIGEST, digest.to_string()),
    ];
    let mut response = (status, headers, body).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {start}-{}/{size}", start + length - 1);
        if let Ok(range) = range.parse() {
            response.headers_mut().insert(header::CONTENT_RANGE, range);
        }
    }
    Ok(response)
}

pub(super) async fn delete(
    registry: &Registry,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response, OciError> {
    let now = registry.tokens.clock.now();
    let removed = registry.catalogue.change(name, |repository| repository.unlink(digest, now));
    removed
        .map_err(|error| OciError::internal("delete a blob", &error))?
        .map_err(|refusal| refused(name, digest, refusal))?;
    remove_unused(registry, std::slice::from_ref(digest)).await?;
    Ok((StatusCode::ACCEPTED, [(CONTENT_DIGEST, digest.to_string())]).into_response())
}

/// Removes the files that no repository has any more.
pub(super) async fn remove_unused(registry: &Registry, digests: &[Digest]) -> Result<(), OciError> {
    let removed = registry.remove_unused(digests).await;
    removed.map_err(|error| OciError::internal("delete a file", error.as_ref()))
}

/// A blob of this repository that may be read: another one's are not readable through it. A client that finds a blob
/// here does not upload it, so one that nothing refers to yet is wanted again.
fn readable(registry: &Registry, name: &RepositoryName, digest: &Digest) -> Result<(), OciError> {
    let internal = |error: service_kit::StoreError| OciError::internal("read a repository", &error);
    let repository = registry.catalogue.get(name).map_err(internal)?.unwrap_or_default();
    if !repository.blobs.contains(digest) {
        return Err(unknown_blob(&digest.to_string()));
    }
    if !repository.attributes.read_enabled {
        return Err(refused(name, digest, Refusal::Locked));
    }
    let now = registry.tokens.clock.now();
    if repository.is_idle(digest).is_some_and(|since| now.duration_since(since) > WANTED_AGAIN) {
        let kept = registry.catalogue.change(name, |repository| repository.want(digest, now));
        kept.map_err(internal)?.map_err(|refusal| refused(name, digest, refusal))?;
    }
    Ok(())
}

/// Whether the repository itself has the blob.
pub(super) fn repository_has(
    registry: &Registry,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<bool, OciError> {
    let repository =
        registry.catalogue.get(name).map_err(|error| OciError::internal("read a repository", &error))?;
    Ok(repository.is_some_and(|one| one.blobs.contains(digest)))
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Of { start: u64, length: u64 },
    Outside,
}

/// Reads a `Range` header (RFC 9110, section 14.2). What is not one range of bytes is left unheeded, as the RFC has it.
fn part(asked: &str, size: u64) -> Part {
    let Some((first, last)) = asked.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Part::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match (number(first), number(last)) {
        (Some(start), last_byte) if last_byte.is_some() || last.trim().is_empty() => {
            let end = last_byte.map_or(size, |byte| byte.saturating_add(1).min(size));
            if last_byte.is_some_and(|byte| byte < start) {
                Part::Whole
            } else if start >= size {
                Part::Outside
            } else {
                Part::Of { start, length: end - start }
            }
        }
        (None, Some(count)) if first.trim().is_empty() => {
            if count == 0 || size == 0 {
                return Part::Outside;
            }
            let length = count.min(size);
            Part::Of { start: size - length, length }
        }
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_has_them() {
        let of = |start, length| Part::Of { start, length };
        for (asked, expected) in [
            ("bytes=0-3", of(0, 4)),
            ("bytes=4-", of(4, 6)),
            ("bytes=-3", of(7, 3)),
            ("bytes=-30", of(0, 10)),
            ("bytes=8-99", of(8, 2)),
            ("bytes=9-18446744073709551615", of(9, 1)),
            ("bytes=10-", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=5-4", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=-", Part::Whole),
            ("lines=0-1", Part::Whole),
        ] {
            assert_eq!(part(asked, 10), expected, "{asked}");
        }
    }
}
