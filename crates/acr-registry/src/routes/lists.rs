//! Lists: repositories, tags, and what refers to a manifest.

use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::digest::Digest;
use crate::error::OciError;
use crate::manifest::{LARGEST_MANIFEST, OCI_INDEX};
use crate::name::RepositoryName;
use crate::registry::Registry;
use crate::repository::{Details, ManifestRecord};
use crate::routes::page::Wanted;
use crate::routes::{FILTERS_APPLIED, gate, manifests};

/// The repositories that have manifests and let themselves be listed. Also ACR's own catalog, under another path.
pub(super) fn catalog(registry: &Registry, parts: &Parts) -> Result<Response, OciError> {
    let wanted = Wanted::read(parts)?;
    let all =
        registry.catalogue.list().map_err(|error| OciError::internal("list the repositories", &error))?;
    let listed = all.into_iter().filter(|(_, one)| !one.manifests.is_empty() && one.attributes.list_enabled);
    let page = wanted.of_sorted(listed.map(|(name, _)| (name, ())));
    Ok(page.answer(parts.uri.path(), |names| json!({ "repositories": keys(names) })))
}

pub(super) fn tags(registry: &Registry, name: &RepositoryName, parts: &Parts) -> Result<Response, OciError> {
    let wanted = Wanted::read(parts)?;
    let repository = manifests::repository(registry, name)?;
    let listed = repository.tags.into_iter().filter(|(_, tag)| tag.attributes.list_enabled);
    let page = wanted.of_sorted(listed.map(|(tag, _)| (tag, ())));
    let path = format!("/v2/{name}/tags/list");
    Ok(page.answer(&path, |tags| json!({ "name": name.as_str(), "tags": keys(tags) })))
}

fn keys(entries: Vec<(String, ())>) -> Vec<String> {
    entries.into_iter().map(|(name, ())| name).collect()
}

/// An index of all manifests whose subject is this digest; empty where there are none, and never "not found", which
/// would tell clients that the API is not there.
pub(super) fn referrers(
    registry: &Registry,
    name: &RepositoryName,
    subject: &Digest,
    parts: &Parts,
) -> Result<Response, OciError> {
    let wanted = Wanted::read(parts)?;
    let repository =
        registry.catalogue.get(name).map_err(|error| OciError::internal("read a repository", &error))?;
    let repository = repository.unwrap_or_default();
    let query = gate::query(&parts.uri);
    let filter = query.iter().find(|(key, value)| key == "artifactType" && !value.is_empty());
    let filter = filter.map(|(_, value)| value.as_str());
    let matching = repository.referrers(subject).filter_map(|(digest, record)| {
        let details = record.details.as_ref()?;
        let fits = filter.is_none_or(|wanted| details.manifest.artifact_type.as_deref() == Some(wanted));
        fits.then(|| (digest.to_string(), descriptor(digest, record, details)))
    });
    let page = wanted.of_sorted(matching);
    // An index is a manifest, and no client need take one that is larger than any manifest.
    let page = page.within(LARGEST_MANIFEST - 1024, |descriptor| descriptor.to_string().len() + 1);
    let path = format!("/v2/{name}/referrers/{subject}{}", filter.map(filter_query).unwrap_or_default());
    let mut response = page.answer(&path, |entries| {
        let manifests: Vec<_> = entries.into_iter().map(|(_, descriptor)| descriptor).collect();
        json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests })
    });
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(OCI_INDEX));
    if filter.is_some() {
        headers.insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    Ok(response)
}

fn filter_query(artifact_type: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(artifact_type.as_bytes()).collect();
    format!("?artifactType={encoded}")
}

fn descriptor(digest: &Digest, record: &ManifestRecord, details: &Details) -> Value {
    let mut descriptor = Map::new();
    descriptor.insert("mediaType".into(), record.media_type.as_str().into());
    descriptor.insert("digest".into(), digest.to_string().into());
    descriptor.insert("size".into(), details.length.into());
    if let Some(artifact_type) = &details.manifest.artifact_type {
        descriptor.insert("artifactType".into(), artifact_type.as_str().into());
    }
    if !details.manifest.annotations.is_empty() {
        descriptor.insert("annotations".into(), json!(details.manifest.annotations));
    }
    Value::Object(descriptor)
}
