//! What a registry knows of its repositories: which manifests, tags and blobs are theirs.
//!
//! One document for each repository. All changes go through [`Catalogue::change`], one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_kit::{Batch, Store, StoreError};
use uuid::Uuid;

use crate::name::{Digest, Reference, RepositoryName};

/// One repository.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Repository {
    pub(crate) manifests: BTreeMap<Digest, ManifestRecord>,
    pub(crate) tags: BTreeMap<String, TagRecord>,
    /// Blobs that were uploaded to or mounted into this repository: those alone can be read from it.
    pub(crate) blobs: BTreeSet<Digest>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ManifestRecord {
    pub(crate) media_type: String,
    pub(crate) pushed: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TagRecord {
    pub(crate) digest: Digest,
    pub(crate) moved: Timestamp,
}

/// An upload that has begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UploadRecord {
    pub(crate) repository: String,
    pub(crate) begun: Timestamp,
}

impl Repository {
    /// The digest that a reference stands for, if there is such a manifest.
    pub(crate) fn resolve(&self, reference: &Reference) -> Option<&Digest> {
        let digest = match reference {
            Reference::Tag(tag) => &self.tags.get(tag)?.digest,
            Reference::Digest(digest) => digest,
        };
        self.manifests.get_key_value(digest).map(|(digest, _)| digest)
    }

    fn is_empty(&self) -> bool {
        self.manifests.is_empty() && self.blobs.is_empty()
    }
}

/// The repositories and uploads of one registry.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    store: Store,
    repositories: String,
    uploads: String,
    changing: Arc<Mutex<()>>,
}

impl Catalogue {
    pub(crate) fn new(store: &Store, registry: &str) -> Self {
        Self {
            store: store.clone(),
            repositories: format!("acr-repositories/{registry}"),
            uploads: format!("acr-uploads/{registry}"),
            changing: Arc::default(),
        }
    }

    pub(crate) fn get(&self, name: &RepositoryName) -> Result<Option<Repository>, StoreError> {
        self.store.get(&self.repositories, name.as_str())
    }

    /// All repositories, by name.
    pub(crate) fn list(&self) -> Result<Vec<(String, Repository)>, StoreError> {
        self.store.list(&self.repositories)
    }

    /// Changes a repository, makes it if it is not there, and removes it when nothing is left of it.
    pub(crate) fn change<T>(
        &self,
        name: &RepositoryName,
        change: impl FnOnce(&mut Repository) -> T,
    ) -> Result<T, StoreError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut repository = self.get(name)?.unwrap_or_default();
        let result = change(&mut repository);
        if repository.is_empty() {
            self.store.delete(&self.repositories, name.as_str())?;
        } else {
            self.store.put(&self.repositories, name.as_str(), &repository)?;
        }
        Ok(result)
    }

    /// Whether any repository still has the blob or manifest.
    pub(crate) fn is_used(&self, digest: &Digest) -> Result<bool, StoreError> {
        let all = self.list()?;
        Ok(all.iter().any(|(_, one)| one.blobs.contains(digest) || one.manifests.contains_key(digest)))
    }

    pub(crate) fn begin_upload(&self, id: Uuid, record: &UploadRecord) -> Result<(), StoreError> {
        self.store.put(&self.uploads, &id.to_string(), record)
    }

    pub(crate) fn upload(&self, id: Uuid) -> Result<Option<UploadRecord>, StoreError> {
        self.store.get(&self.uploads, &id.to_string())
    }

    pub(crate) fn end_upload(&self, id: Uuid) -> Result<(), StoreError> {
        self.store.delete(&self.uploads, &id.to_string())
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        for table in [&self.repositories, &self.uploads] {
            for (key, _) in self.store.list::<serde_json::Value>(table)? {
                batch = batch.delete(table, &key);
            }
        }
        self.store.write(batch)
    }
}
