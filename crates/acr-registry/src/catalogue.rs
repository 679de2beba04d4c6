//! Where the repositories and uploads of a registry are kept.
//!
//! One document for each repository. All changes go through [`Catalogue::change`], one at a time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_kit::{Batch, Store, StoreError};
use uuid::Uuid;

use crate::digest::Digest;
use crate::name::RepositoryName;
use crate::repository::Repository;

/// An upload that has begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UploadRecord {
    pub(crate) repository: String,
    pub(crate) begun: Timestamp,
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

    /// Changes a repository, makes it if it is not there, and removes it when nothing is left of it. A change that is
    /// refused leaves everything as it was.
    pub(crate) fn change<T, E>(
        &self,
        name: &RepositoryName,
        change: impl FnOnce(&mut Repository) -> Result<T, E>,
    ) -> Result<Result<T, E>, StoreError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut repository = self.get(name)?.unwrap_or_default();
        let result = change(&mut repository);
        if result.is_ok() && repository.is_empty() {
            self.store.delete(&self.repositories, name.as_str())?;
        } else if result.is_ok() {
            self.store.put(&self.repositories, name.as_str(), &repository)?;
        }
        Ok(result)
    }

    /// Everything that any repository has: the files that must stay.
    pub(crate) fn used(&self) -> Result<BTreeSet<Digest>, StoreError> {
        let all = self.list()?;
        Ok(all
            .into_iter()
            .flat_map(|(_, one)| one.blobs.into_iter().chain(one.manifests.into_keys()))
            .collect())
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
