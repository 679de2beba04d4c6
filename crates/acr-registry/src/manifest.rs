//! Which manifests are taken, and what they refer to. Pure.
//!
//! Formats: opencontainers/image-spec (`manifest.md`, `image-index.md`); distribution/distribution
//! (`docs/content/spec/manifest-v2-2.md`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

pub(crate) const SUPPORTED: [&str; 4] =
    ["application/vnd.docker.distribution.manifest.v2+json", DOCKER_LIST, OCI_IMAGE, OCI_INDEX];

/// What describes the platform of an image.
const IMAGE_CONFIGS: [&str; 2] =
    ["application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"];

/// Larger manifests are refused, as the distribution specification allows.
pub(crate) const LARGEST_MANIFEST: usize = 4 * 1024 * 1024;

/// A manifest as far as a registry reads it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Blobs that must be in the repository.
    pub(crate) blobs: BTreeSet<Digest>,
    /// Manifests that must be in the repository.
    pub(crate) manifests: BTreeSet<Digest>,
    /// What an index names that is no manifest of a known type: blobs, as build caches have them, or manifests.
    pub(crate) others: BTreeSet<Digest>,
    /// The manifest that this one is about; it need not be there.
    pub(crate) subject: Option<Digest>,
    pub(crate) artifact_type: Option<String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) config: Option<Config>,
    /// The platforms that an index names.
    pub(crate) platforms: Vec<Platform>,
    /// Bytes of all that it refers to, as it says itself.
    pub(crate) size: u64,
}

/// The descriptor of an image's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
}

impl Config {
    /// Whether it tells the platform of an image.
    pub(crate) fn is_image(&self) -> bool {
        IMAGE_CONFIGS.contains(&self.media_type.as_str())
    }
}

/// One entry of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Platform {
    pub(crate) digest: Digest,
    pub(crate) architecture: Option<String>,
    pub(crate) os: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: Digest,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    size: u64,
    /// A layer that is fetched elsewhere: the base layers of Windows images.
    #[serde(default)]
    urls: Vec<String>,
    platform: Option<PlatformName>,
}

#[derive(Deserialize)]
struct PlatformName {
    architecture: Option<String>,
    os: Option<String>,
}

impl Manifest {
    /// Reads a manifest of one of the supported types. The type is the request's; where that names none, the document's.
    pub(crate) fn parse(media_type: &str, content: &[u8]) -> Result<(String, Self), String> {
        let document: Document = if media_type.is_empty() || SUPPORTED.contains(&media_type) {
            serde_json::from_slice(content).map_err(|error| error.to_string())?
        } else {
            return Err(unsupported(media_type));
        };
        if document.schema_version != 2 {
            return Err(format!("schemaVersion {} is not supported; supported: 2", document.schema_version));
        }
        let media_type = match (&document.media_type, media_type) {
            (Some(named), "") if SUPPORTED.contains(&named.as_str()) => named.clone(),
            (named, "") => return Err(unsupported(named.as_deref().unwrap_or_default())),
            (Some(named), asked) if named != asked => {
                return Err(format!("the manifest says it is `{named}`, the request says `{asked}`"));
            }
            (_, asked) => asked.to_owned(),
        };
        let manifest = match media_type.as_str() {
            OCI_INDEX | DOCKER_LIST => index(&media_type, document)?,
            _ => image(&media_type, document)?,
        };
        Ok((media_type, manifest))
    }

    /// Everything that must stay for as long as this manifest does.
    pub(crate) fn references(&self) -> impl Iterator<Item = &Digest> {
        self.blobs.iter().chain(&self.manifests).chain(&self.others)
    }
}

fn unsupported(media_type: &str) -> String {
    format!("manifests of type `{media_type}` are not supported; supported: {}", SUPPORTED.join(", "))
}

fn image(media_type: &str, document: Document) -> Result<Manifest, String> {
    let (Some(config), None) = (document.config, document.manifests) else {
        return Err("an image manifest has `config` and `layers`, and no `manifests`".into());
    };
    let layers = document.layers.ok_or("an image manifest has `config` and `layers`, and no `manifests`")?;
    let size = layers.iter().map(|layer| layer.size).fold(config.size, u64::saturating_add);
    let here = layers.into_iter().filter(|layer| layer.urls.is_empty());
    let blobs = here.map(|one| one.digest).chain([config.digest.clone()]).collect();
    // What an artifact is of, if it does not say so, is what its configuration is of.
    let named = document.artifact_type.filter(|named| !named.is_empty());
    let artifact_type =
        named.or_else(|| Some(config.media_type.clone()).filter(|media_type| !media_type.is_empty()));
    Ok(Manifest {
        blobs,
        subject: subject(media_type, document.subject),
        artifact_type,
        annotations: document.annotations.unwrap_or_default(),
        config: Some(Config { digest: config.digest, media_type: config.media_type }),
        size,
        ..Manifest::default()
    })
}

fn index(media_type: &str, document: Document) -> Result<Manifest, String> {
    let (Some(entries), None, None) = (document.manifests, document.config, document.layers) else {
        return Err("an index has `manifests`, and neither `config` nor `layers`".into());
    };
    let mut manifest = Manifest {
        subject: subject(media_type, document.subject),
        artifact_type: document.artifact_type.filter(|named| !named.is_empty()),
        annotations: document.annotations.unwrap_or_default(),
        ..Manifest::default()
    };
    for entry in entries {
        manifest.size = manifest.size.saturating_add(entry.size);
        let known = entry.media_type.is_empty() || SUPPORTED.contains(&entry.media_type.as_str());
        if known {
            let platform = entry.platform.unwrap_or(PlatformName { architecture: None, os: None });
            manifest.platforms.push(Platform {
                digest: entry.digest.clone(),
                architecture: platform.architecture,
                os: platform.os,
            });
            manifest.manifests.insert(entry.digest);
        } else {
            manifest.others.insert(entry.digest);
        }
    }
    Ok(manifest)
}

/// Docker's own types have no subject.
fn subject(media_type: &str, descriptor: Option<Descriptor>) -> Option<Digest> {
    let oci = matches!(media_type, OCI_IMAGE | OCI_INDEX);
    descriptor.filter(|_| oci).map(|one| one.digest)
}

/// Whether a client that sends these `Accept` headers takes the type. None at all takes everything.
pub(crate) fn accepts<'a>(accept: impl Iterator<Item = &'a str>, media_type: &str) -> bool {
    let mut said = false;
    for one in accept.flat_map(|line| line.split(',')) {
        let wanted = one.split(';').next().unwrap_or_default().trim();
        said |= !wanted.is_empty();
        if wanted == "*/*" || wanted == "application/*" || wanted.eq_ignore_ascii_case(media_type) {
            return true;
        }
    }
    !said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(content: &[u8]) -> serde_json::Value {
        serde_json::json!({ "mediaType": "x", "size": content.len(), "digest": Digest::of(content) })
    }

    fn parse(media_type: &str, document: &serde_json::Value) -> Result<Manifest, String> {
        Manifest::parse(media_type, document.to_string().as_bytes()).map(|(_, manifest)| manifest)
    }

    #[test]
    fn references_are_collected_and_foreign_layers_left_out() {
        let mut foreign = descriptor(b"foreign");
        foreign["urls"] = serde_json::json!(["https://example.org/layer"]);
        let layers = [descriptor(b"layer"), foreign];
        let document =
            serde_json::json!({ "schemaVersion": 2, "config": descriptor(b"config"), "layers": layers });
        for media_type in [SUPPORTED[0], SUPPORTED[2]] {
            let manifest = parse(media_type, &document).unwrap();
            assert_eq!(manifest.blobs, BTreeSet::from([Digest::of(b"layer"), Digest::of(b"config")]));
        }
        let mut entry = descriptor(b"m");
        entry["mediaType"] = SUPPORTED[2].into();
        let index = serde_json::json!({ "schemaVersion": 2, "manifests": [entry] });
        for media_type in [SUPPORTED[1], SUPPORTED[3]] {
            assert_eq!(parse(media_type, &index).unwrap().manifests, BTreeSet::from([Digest::of(b"m")]));
            assert!(parse(media_type, &document).is_err());
        }
        assert!(parse(SUPPORTED[0], &index).is_err());
    }

    #[test]
    fn other_documents_are_refused() {
        let good = serde_json::json!({ "schemaVersion": 2, "config": descriptor(b"c"), "layers": [] });
        assert!(parse("application/vnd.docker.distribution.manifest.v1+prettyjws", &good).is_err());
        for (name, value) in [
            ("schemaVersion", serde_json::json!(1)),
            ("mediaType", SUPPORTED[2].into()),
            ("layers", serde_json::json!([{ "digest": "sha256:12" }])),
            ("config", serde_json::Value::Null),
        ] {
            let mut document = good.clone();
            document[name] = value;
            assert!(parse(SUPPORTED[0], &document).is_err(), "{name}");
        }
        assert!(Manifest::parse(SUPPORTED[0], b"{").is_err());
    }

    #[test]
    fn what_an_artifact_is_of_and_about_is_read() {
        let mut document = serde_json::json!({
            "schemaVersion": 2, "config": descriptor(b"c"), "layers": [],
            "subject": descriptor(b"subject"), "annotations": { "a": "1" },
        });
        let manifest = parse(SUPPORTED[2], &document).unwrap();
        assert_eq!(manifest.subject, Some(Digest::of(b"subject")));
        assert_eq!(manifest.artifact_type.as_deref(), Some("x"), "the configuration's type");
        assert_eq!(manifest.annotations["a"], "1");
        assert_eq!(parse(SUPPORTED[0], &document).unwrap().subject, None, "Docker's manifests have none");
        document["artifactType"] = "".into();
        assert_eq!(parse(SUPPORTED[2], &document).unwrap().artifact_type.as_deref(), Some("x"));
        document["artifactType"] = "y".into();
        assert_eq!(parse(SUPPORTED[2], &document).unwrap().artifact_type.as_deref(), Some("y"));
        let index =
            serde_json::json!({ "schemaVersion": 2, "manifests": [], "subject": descriptor(b"subject") });
        let index = parse(SUPPORTED[3], &index).unwrap();
        assert_eq!((index.artifact_type, index.subject), (None, Some(Digest::of(b"subject"))));
    }

    #[test]
    fn an_index_may_hold_what_is_no_manifest() {
        let mut manifest = descriptor(b"m");
        manifest["mediaType"] = SUPPORTED[2].into();
        manifest["platform"] = serde_json::json!({ "os": "linux", "architecture": "arm64" });
        let entries = [manifest, descriptor(b"cache")];
        let index = serde_json::json!({ "schemaVersion": 2, "manifests": entries });
        let index = parse(SUPPORTED[3], &index).unwrap();
        assert_eq!(index.manifests, BTreeSet::from([Digest::of(b"m")]));
        assert_eq!(index.others, BTreeSet::from([Digest::of(b"cache")]));
        assert_eq!(index.platforms[0].architecture.as_deref(), Some("arm64"));
        assert_eq!(index.references().count(), 2);
    }

    #[test]
    fn the_document_names_its_type_where_the_request_does_not() {
        let mut document =
            serde_json::json!({ "schemaVersion": 2, "config": descriptor(b"c"), "layers": [] });
        assert!(parse("", &document).is_err());
        document["mediaType"] = SUPPORTED[2].into();
        let (media_type, _) = Manifest::parse("", document.to_string().as_bytes()).unwrap();
        assert_eq!(media_type, SUPPORTED[2]);
        document["mediaType"] = "text/plain".into();
        assert!(parse("", &document).is_err());
    }

    #[test]
    fn accept_is_honoured() {
        let takes = |accept: &[&str]| accepts(accept.iter().copied(), SUPPORTED[2]);
        assert!(takes(&[]) && takes(&["*/*"]) && takes(&["text/html, application/*;q=0.5"]));
        assert!(takes(&[SUPPORTED[0], SUPPORTED[2]]));
        assert!(!takes(&[SUPPORTED[0]]) && !takes(&["text/html"]));
    }
}
