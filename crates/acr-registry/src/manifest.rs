//! Which manifests are taken, and what they refer to. Pure.
//!
//! Formats: opencontainers/image-spec (`manifest.md`, `image-index.md`); distribution/distribution
//! (`docs/content/spec/manifest-v2-2.md`).

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::name::Digest;

pub(crate) const SUPPORTED: [&str; 4] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
];

/// Larger manifests are refused, as the distribution specification allows.
pub(crate) const LARGEST_MANIFEST: usize = 4 * 1024 * 1024;

/// A manifest as far as a registry reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Blobs that must be in the repository.
    pub(crate) blobs: BTreeSet<Digest>,
    /// Manifests that must be in the repository.
    pub(crate) manifests: BTreeSet<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: Digest,
    /// A layer that is fetched elsewhere: the base layers of Windows images.
    #[serde(default)]
    urls: Vec<String>,
}

impl Manifest {
    /// Reads a manifest of one of the supported types.
    pub(crate) fn parse(media_type: &str, content: &[u8]) -> Result<Self, String> {
        if !SUPPORTED.contains(&media_type) {
            return Err(format!(
                "manifests of type `{media_type}` are not supported; supported: {}",
                SUPPORTED.join(", ")
            ));
        }
        let document: Document = serde_json::from_slice(content).map_err(|error| error.to_string())?;
        if document.schema_version != 2 {
            return Err(format!("schemaVersion {} is not supported; supported: 2", document.schema_version));
        }
        if let Some(named) = document.media_type.filter(|named| named != media_type) {
            return Err(format!("the manifest says it is `{named}`, the request says `{media_type}`"));
        }
        let is_index = media_type.contains("list") || media_type.contains("index");
        match (is_index, document.config, document.layers, document.manifests) {
            (true, None, None, Some(manifests)) => Ok(Self {
                blobs: BTreeSet::new(),
                manifests: manifests.into_iter().map(|one| one.digest).collect(),
            }),
            (false, Some(config), Some(layers), None) => {
                let here = layers.into_iter().filter(|layer| layer.urls.is_empty());
                Ok(Self {
                    blobs: here.chain([config]).map(|one| one.digest).collect(),
                    manifests: BTreeSet::new(),
                })
            }
            (true, ..) => Err("an index has `manifests`, and neither `config` nor `layers`".into()),
            (false, ..) => Err("an image manifest has `config` and `layers`, and no `manifests`".into()),
        }
    }
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
        Manifest::parse(media_type, document.to_string().as_bytes())
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
        let index = serde_json::json!({ "schemaVersion": 2, "manifests": [descriptor(b"m")] });
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
    fn accept_is_honoured() {
        let takes = |accept: &[&str]| accepts(accept.iter().copied(), SUPPORTED[2]);
        assert!(takes(&[]) && takes(&["*/*"]) && takes(&["text/html, application/*;q=0.5"]));
        assert!(takes(&[SUPPORTED[0], SUPPORTED[2]]));
        assert!(!takes(&[SUPPORTED[0]]) && !takes(&["text/html"]));
    }
}
