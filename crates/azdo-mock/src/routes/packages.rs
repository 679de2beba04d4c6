//! Agent packages: the list as the real service gives it, and the archive itself, in ranges.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::extract::{Query, Values};
use crate::app::AzureDevOps;
use crate::error::ApiError;
use crate::files;
use crate::packages::{Facts, Package};
use crate::state::secrets::Caller;
use crate::view;
use crate::wire::time::stamp;

/// `GET packages/{packageType}`, the platform in the query.
pub(crate) async fn list(
    State(service): State<AzureDevOps>,
    _: Caller,
    Values(kind): Values<String>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let platform = query.text(&["platform"]).map(str::to_owned);
    Ok(Json(view::list(found(&service, &kind, platform.as_deref(), &query).await?)))
}

/// `GET packages/{packageType}/{platform}`.
pub(crate) async fn list_platform(
    State(service): State<AzureDevOps>,
    _: Caller,
    Values((kind, platform)): Values<(String, String)>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(view::list(found(&service, &kind, Some(&platform), &query).await?)))
}

/// `GET packages/{packageType}/{platform}/{version}`: one bare object.
pub(crate) async fn one(
    State(service): State<AzureDevOps>,
    _: Caller,
    Values((kind, platform, version)): Values<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    let packages = service.packages();
    let package = packages.iter().find(|package| {
        kind.eq_ignore_ascii_case("agent")
            && package.platform.eq_ignore_ascii_case(&platform)
            && package.version_text() == version
    });
    match package {
        Some(package) => Ok(Json(show(&service, package, package.facts().await?))),
        None => Err(ApiError::not_found(format!("Package {kind} {platform} {version} was not found."))),
    }
}

/// Newest first. An unknown platform is an empty list, so that a script sees no address.
async fn found(
    service: &AzureDevOps,
    kind: &str,
    platform: Option<&str>,
    query: &Query,
) -> Result<Vec<Value>, ApiError> {
    let top: usize = query.parsed(&["$top", "top"])?.unwrap_or(usize::MAX);
    let wanted = |package: &Package| {
        kind.eq_ignore_ascii_case("agent")
            && platform.is_none_or(|platform| package.platform.eq_ignore_ascii_case(platform))
    };
    let mut shown = Vec::new();
    for package in service.packages().iter().filter(|package| wanted(package)).take(top) {
        shown.push(show(service, package, package.facts().await?));
    }
    Ok(shown)
}

fn show(service: &AzureDevOps, package: &Package, facts: &Facts) -> Value {
    let [major, minor, patch] = package.version;
    let path = format!("_packages/agent/{}/{}", package.version_text(), package.file_name);
    json!({
        "type": "agent",
        "platform": package.platform,
        "createdOn": stamp(facts.created_on),
        "version": {"major": major, "minor": minor, "patch": patch},
        "downloadUrl": service.addresses().at(&path),
        "hashValue": facts.hash,
        "infoUrl": "https://go.microsoft.com/fwlink/?LinkId=798199",
        "filename": package.file_name,
    })
}

/// The archive. Needs no credential, as the real download site needs none.
pub(crate) async fn download(
    State(service): State<AzureDevOps>,
    Values((version, file)): Values<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let packages = service.packages();
    let package = packages
        .iter()
        .find(|package| package.file_name == file && package.version_text() == version)
        .ok_or_else(|| ApiError::not_found(format!("Package file {version}/{file} was not found.")))?;
    let facts = package.facts().await?;
    let tag = format!("\"{}\"", facts.hash);
    let same = headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == tag.as_bytes());
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).filter(|_| same);
    let size = facts.size;
    let mut response = match range.and_then(|range| parse_range(range, size)) {
        None => sized(files::stream(&package.path, 0, size).await?, size),
        Some(Ok((first, last))) => {
            let length = last - first + 1;
            let mut part = sized(files::stream(&package.path, first, length).await?, length);
            *part.status_mut() = StatusCode::PARTIAL_CONTENT;
            content_range(&mut part, &format!("bytes {first}-{last}/{size}"));
            part
        }
        Some(Err(Unsatisfiable)) => {
            let mut refusal = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            content_range(&mut refusal, &format!("bytes */{size}"));
            refusal
        }
    };
    let set = response.headers_mut();
    set.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        set.insert(header::ETAG, tag);
    }
    Ok(response)
}

fn sized(body: Body, length: u64) -> Response {
    ([(header::CONTENT_LENGTH, length)], body).into_response()
}

fn content_range(response: &mut Response, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Unsatisfiable;

/// First and last byte. `None` for what is no single byte range: then the whole is sent (RFC 9110, section 14.2).
fn parse_range(text: &str, size: u64) -> Option<Result<(u64, u64), Unsatisfiable>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = if first.is_empty() {
        let length: u64 = last.parse().ok()?;
        (length > 0 && size > 0).then(|| (size.saturating_sub(length), size - 1))
    } else {
        let first: u64 = first.parse().ok()?;
        let last: u64 = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
        if last < first {
            return None;
        }
        (first < size).then(|| (first, last.min(size - 1)))
    };
    Some(range.ok_or(Unsatisfiable))
}

#[cfg(test)]
mod tests {
    use super::{Unsatisfiable, parse_range};

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (text, expected) in [
            ("bytes=0-3", Some(Ok((0, 3)))),
            ("bytes=4-", Some(Ok((4, 9)))),
            ("bytes=-2", Some(Ok((8, 9)))),
            ("bytes=5-99", Some(Ok((5, 9)))),
            ("bytes=-99", Some(Ok((0, 9)))),
            ("bytes=10-", Some(Err(Unsatisfiable))),
            ("bytes=-0", Some(Err(Unsatisfiable))),
            ("bytes=3-2", None),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
        ] {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
    }
}
