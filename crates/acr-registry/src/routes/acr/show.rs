//! The shapes of ACR's API: Azure/azure-rest-api-specs, `Azure.ContainerRegistry/models.tsp`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::digest::Digest;
use crate::repository::{ManifestRecord, Repository, TagRecord};

/// Seven digits of a second, as the service has them.
fn time(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S%.7fZ").to_string()
}

pub(super) fn repository(service: &str, name: &str, repository: &Repository) -> Value {
    // Records of an earlier version have no times of their own.
    let pushed = repository.manifests.values().map(|record| record.pushed);
    let created = repository.times.map(|times| times.created).or_else(|| pushed.clone().min());
    let updated = repository.times.map(|times| times.updated).or_else(|| pushed.max());
    let mut attributes = json!(repository.attributes);
    if let Some(attributes) = attributes.as_object_mut() {
        attributes.insert("teleportEnabled".into(), false.into());
    }
    json!({
        "registry": service,
        "imageName": name,
        "createdTime": created.map(time),
        "lastUpdateTime": updated.map(time),
        "manifestCount": repository.manifests.len(),
        "tagCount": repository.tags.len(),
        "changeableAttributes": attributes,
    })
}

pub(super) fn tag(name: &str, record: &TagRecord) -> Value {
    json!({
        "name": name,
        "digest": record.digest.to_string(),
        "createdTime": time(record.created.unwrap_or(record.moved)),
        "lastUpdateTime": time(record.moved),
        "signed": false,
        "changeableAttributes": record.attributes,
    })
}

/// What is not known of a manifest is left away.
pub(super) fn manifest(repository: &Repository, digest: &Digest, record: &ManifestRecord) -> Value {
    let tags = repository.tags.iter().filter(|(_, tag)| tag.digest == *digest);
    let tags: Vec<_> = tags.map(|(tag, _)| tag.as_str()).collect();
    let mut shown = Map::new();
    let mut set = |name: &str, value: Value| {
        if !value.is_null() {
            shown.insert(name.to_owned(), value);
        }
    };
    set("digest", digest.to_string().into());
    set("createdTime", time(record.pushed).into());
    set("lastUpdateTime", time(record.updated.unwrap_or(record.pushed)).into());
    set("mediaType", record.media_type.as_str().into());
    set("tags", tags.into());
    set("changeableAttributes", json!(record.attributes));
    if let Some(details) = &record.details {
        let said = &details.manifest;
        set("imageSize", said.size.into());
        set("architecture", json!(details.architecture));
        set("os", json!(details.os));
        set("configMediaType", json!(said.config.as_ref().map(|config| &config.media_type)));
        set("artifactType", json!(said.artifact_type.as_ref().filter(|_| said.subject.is_some())));
        let platforms = said.platforms.iter().map(
            |one| json!({ "digest": one.digest.to_string(), "architecture": one.architecture, "os": one.os }),
        );
        let platforms: Vec<_> = platforms.collect();
        if !platforms.is_empty() {
            set("references", platforms.into());
        }
    }
    Value::Object(shown)
}
