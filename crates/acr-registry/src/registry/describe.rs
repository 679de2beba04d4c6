//! What a manifest says beside what it refers to: the platform stands in the image's configuration.

use std::io;

use serde::Deserialize;

use crate::manifest::{LARGEST_MANIFEST, Manifest};
use crate::registry::Registry;
use crate::repository::Details;

#[derive(Default, Deserialize)]
struct ImageConfig {
    architecture: Option<String>,
    os: Option<String>,
}

impl Registry {
    /// Reads what lists show of a manifest. A configuration that is not there or is none says nothing.
    pub(crate) async fn describe(&self, mut manifest: Manifest, content: &[u8]) -> io::Result<Details> {
        let mut config = ImageConfig::default();
        if let Some(named) = manifest.config.as_ref().filter(|named| named.is_image())
            && let Some(text) = self.content.read_up_to(&named.digest, LARGEST_MANIFEST as u64).await?
        {
            config = serde_json::from_slice(&text).unwrap_or_default();
        }
        if manifest.subject.is_none() {
            // Nobody asks for them but lists of referrers.
            manifest.annotations.clear();
        }
        Ok(Details {
            length: content.len() as u64,
            manifest,
            architecture: config.architecture.filter(|text| !text.is_empty()),
            os: config.os.filter(|text| !text.is_empty()),
        })
    }
}
