//! Garbage collection: blobs that no manifest has referred to for a day, and files that no repository has.

use crate::manifest::Manifest;
use crate::registry::{Registry, SweepError, stored_name};
use crate::repository::Repository;

impl Registry {
    /// Removes what nothing refers to any more. Returns how many files went.
    pub(crate) async fn collect(&self) -> Result<usize, SweepError> {
        for (name, repository) in self.catalogue.list()? {
            let name = stored_name(&name)?;
            if repository.manifests.values().any(|record| record.details.is_none()) {
                let described = self.describe_all(repository).await?;
                self.catalogue.change(&name, |repository| {
                    for (digest, record) in &mut repository.manifests {
                        if record.details.is_none() {
                            record.details =
                                described.manifests.get(digest).and_then(|one| one.details.clone());
                        }
                    }
                    Ok::<_, SweepError>(())
                })??;
            }
            let now = self.tokens.clock.now();
            self.catalogue.change(&name, |repository| Ok::<_, SweepError>(repository.collect(now)))??;
        }
        // Nobody puts a file in place meanwhile, so what is not written down now is nobody's.
        let _alone = self.files.write().await;
        let used = self.catalogue.used()?;
        let mut removed = 0;
        for digest in self.content.blobs().await?.difference(&used) {
            self.content.remove(digest).await?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Removes these files unless some repository still has them.
    pub(crate) async fn remove_unused(&self, digests: &[crate::digest::Digest]) -> Result<(), SweepError> {
        let _alone = self.files.write().await;
        let used = self.catalogue.used()?;
        for digest in digests.iter().filter(|digest| !used.contains(*digest)) {
            self.content.remove(digest).await?;
        }
        Ok(())
    }

    /// Reads again what manifests of an earlier version say. One that cannot be read keeps its repository from being
    /// collected.
    async fn describe_all(&self, mut repository: Repository) -> Result<Repository, SweepError> {
        for (digest, record) in &mut repository.manifests {
            if record.details.is_some() {
                continue;
            }
            let Some(content) = self.content.read(digest).await? else { continue };
            match Manifest::parse(&record.media_type, &content) {
                Ok((_, manifest)) => record.details = Some(self.describe(manifest, &content).await?),
                Err(error) => tracing::warn!(%digest, error, "read a manifest of an earlier version"),
            }
        }
        Ok(repository)
    }
}

#[cfg(test)]
mod tests;
