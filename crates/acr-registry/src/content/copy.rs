//! Taking a file over from another registry.

use std::io;

use fs_err::tokio as fs;
use uuid::Uuid;

use super::{Content, SMALL};
use crate::digest::Digest;

impl Content {
    /// Copies a blob or manifest of another registry, unless it is here already.
    pub(crate) async fn copy_from(&self, other: &Self, id: Uuid, digest: &Digest) -> io::Result<()> {
        if self.size(digest).await?.is_some() {
            return Ok(());
        }
        let path = self.root.join("uploads").join(format!("{SMALL}{}", id.simple()));
        fs::copy(other.blob(digest), &path).await?;
        // Windows syncs only what is open for writing.
        fs::OpenOptions::new().write(true).open(&path).await?.sync_all().await?;
        self.put(path, digest).await
    }
}
