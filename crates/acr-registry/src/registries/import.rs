//! Copying an image from one registry of the sandbox into another, or into another repository, without a client.
//!
//! Source: `container-registry-import-images` of ACR's documentation; Azure/azure-rest-api-specs, `Registries_ImportImage`.

use std::collections::BTreeSet;
use std::io;

use secrecy::SecretString;
use service_kit::StoreError;

use crate::access::{Rights, Scope};
use crate::digest::Digest;
use crate::name::{Reference, RepositoryName, is_tag};
use crate::registries::{Registries, RegistryError};
use crate::registry::Registry;
use crate::repository::{ManifestRecord, Refusal, Repository};

/// An image that is copied into a registry.
#[derive(Debug)]
pub struct ImportImage {
    /// The registry it comes from, by name.
    pub from: String,
    /// Who reads it there.
    pub reader: Reader,
    /// Its repository there.
    pub repository: String,
    /// Its tag or digest there.
    pub reference: String,
    /// What it is called in the registry that it is copied into.
    pub targets: Vec<ImportTarget>,
    /// What becomes of tags that are there.
    pub existing: ExistingTags,
}

/// Who reads an image that is copied.
#[derive(Debug)]
pub enum Reader {
    /// Who owns both registries.
    Owner,
    /// Anybody.
    Anonymous,
    /// A user of the registry that it comes from.
    Login {
        /// The name.
        username: String,
        /// The password.
        password: SecretString,
    },
}

/// A place for an image that is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportTarget {
    /// The repository.
    pub repository: String,
    /// The tag; without one it is there by its digest.
    pub tag: Option<String>,
}

/// What becomes of tags that stand for something already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingTags {
    /// Nothing is copied.
    Refused,
    /// They stand for the image then.
    Moved,
}

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A registry is not there, or its state could not be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Not the name of a repository, a tag or a digest.
    #[error("`{0}` is not the name of a repository, a tag or a digest")]
    Name(String),
    /// The reader may not read it.
    #[error("the image `{0}` may not be read by this user")]
    Denied(String),
    /// There is no such image.
    #[error("there is no image `{0}`")]
    Absent(String),
    /// The tag stands for something.
    #[error("the tag `{tag}` exists in the repository `{repository}`")]
    TagExists {
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// An attribute forbids it.
    #[error("the repository `{0}` or a tag or manifest of it is locked")]
    Locked(String),
    /// A file could not be copied.
    #[error("copy the files of an image")]
    Files(#[source] io::Error),
    /// The state could not be read or written.
    #[error("keep a copied image")]
    Store(#[source] StoreError),
}

/// Everything that belongs to an image: its manifests, those that others refer to first, and its blobs.
struct Whole {
    manifests: Vec<(Digest, ManifestRecord)>,
    blobs: BTreeSet<Digest>,
}

impl Registries {
    /// Copies an image with all that it refers to. Tags are given at the end.
    pub async fn import(&self, into: &str, image: &ImportImage) -> Result<(), ImportError> {
        let registry = |name: &str| self.find(name).ok_or_else(|| RegistryError::Unknown(name.to_owned()));
        let (source, target) = (registry(&image.from)?, registry(into)?);
        let named = format!("{}:{}", image.repository, image.reference);
        let repository = repository_name(&image.repository)?;
        let reference = Reference::parse(&image.reference).ok_or_else(|| ImportError::Name(named.clone()))?;
        if !may_read(&source, &image.reader, &repository) {
            return Err(ImportError::Denied(named));
        }
        let places = image.targets.iter().map(checked).collect::<Result<Vec<_>, _>>()?;
        check_tags(&target, &places, image.existing)?;
        let own = source.service() == target.service();
        // What is copied is not collected meanwhile, on either side. Both in the order of `freeze`: whoever waits to be alone
        // with one of them lets nobody in behind.
        let mut both = if own { vec![&source] } else { vec![&source, &target] };
        both.sort_by_key(|registry| registry.key());
        let mut held = Vec::new();
        for registry in both {
            held.push(registry.placing().await.map_err(ImportError::Files)?);
        }
        let there = source.catalogue.get(&repository).map_err(ImportError::Store)?.unwrap_or_default();
        let digest = match there.resolve(&reference) {
            Ok((digest, _)) => digest.clone(),
            Err(Refusal::Locked) => return Err(ImportError::Denied(named)),
            Err(_) => return Err(ImportError::Absent(named)),
        };
        let whole = whole(&there, &digest).ok_or(ImportError::Absent(named))?;
        if !own {
            let files = whole.blobs.iter().chain(whole.manifests.iter().map(|(digest, _)| digest));
            for file in files {
                let id = target.tokens.entropy.uuid();
                target.content.copy_from(&source.content, id, file).await.map_err(ImportError::Files)?;
            }
        }
        places.iter().try_for_each(|place| keep(&target, place, &digest, &whole, image.existing))
    }
}

type Place = (RepositoryName, Option<String>);

fn repository_name(text: &str) -> Result<RepositoryName, ImportError> {
    RepositoryName::parse(text).ok_or_else(|| ImportError::Name(text.to_owned()))
}

fn checked(target: &ImportTarget) -> Result<Place, ImportError> {
    match target.tag.as_ref().filter(|tag| !is_tag(tag)) {
        Some(tag) => Err(ImportError::Name(tag.clone())),
        None => Ok((repository_name(&target.repository)?, target.tag.clone())),
    }
}

fn may_read(source: &Registry, reader: &Reader, repository: &RepositoryName) -> bool {
    let rights = match reader {
        Reader::Owner => Some(Rights::All),
        Reader::Anonymous => source.anonymous().map(|holder| holder.rights),
        Reader::Login { username, password } => source.login(username, password).map(|holder| holder.rights),
    };
    let pull = Scope::repository(repository.as_str(), &["pull"]);
    rights.is_some_and(|rights| pull.granted(&rights).is_some())
}

fn check_tags(target: &Registry, places: &[Place], existing: ExistingTags) -> Result<(), ImportError> {
    for (name, tag) in places {
        let there = target.catalogue.get(name).map_err(ImportError::Store)?.unwrap_or_default();
        check_tag(&there, name, tag.as_deref(), existing)?;
    }
    Ok(())
}

fn check_tag(
    there: &Repository,
    name: &RepositoryName,
    tag: Option<&str>,
    existing: ExistingTags,
) -> Result<(), ImportError> {
    match tag.filter(|tag| existing == ExistingTags::Refused && there.tags.contains_key(*tag)) {
        Some(tag) => Err(ImportError::TagExists { repository: name.to_string(), tag: tag.to_owned() }),
        None => Ok(()),
    }
}

/// `None`: something of it is not there, or not described yet.
fn whole(there: &Repository, image: &Digest) -> Option<Whole> {
    let mut whole = Whole { manifests: Vec::new(), blobs: BTreeSet::new() };
    let mut seen = BTreeSet::new();
    // Each is met twice: before what it refers to, and after it.
    let mut open = vec![(image.clone(), false)];
    while let Some((digest, after)) = open.pop() {
        let record = there.manifests.get(&digest)?;
        if after {
            whole.manifests.push((digest, record.clone()));
            continue;
        }
        if !seen.insert(digest.clone()) {
            continue;
        }
        let manifest = &record.details.as_ref()?.manifest;
        open.push((digest, true));
        whole.blobs.extend(manifest.blobs.iter().cloned());
        let (others, blobs): (Vec<_>, Vec<_>) =
            manifest.others.iter().cloned().partition(|one| there.manifests.contains_key(one));
        whole.blobs.extend(blobs);
        open.extend(manifest.manifests.iter().cloned().chain(others).map(|one| (one, false)));
    }
    Some(whole)
}

fn keep(
    target: &Registry,
    (name, tag): &Place,
    image: &Digest,
    whole: &Whole,
    existing: ExistingTags,
) -> Result<(), ImportError> {
    let now = target.tokens.clock.now();
    let locked = |_: Refusal| ImportError::Locked(name.to_string());
    let changed = target.catalogue.change(name, |repository| {
        // Somebody may have pushed it since.
        check_tag(repository, name, tag.as_deref(), existing)?;
        for blob in &whole.blobs {
            repository.link(blob, now).map_err(locked)?;
        }
        for (digest, record) in &whole.manifests {
            let tags = if digest == image { tag.as_slice() } else { &[] };
            let record = ManifestRecord {
                pushed: now,
                updated: Some(now),
                attributes: crate::attributes::Attributes::default(),
                ..record.clone()
            };
            repository.put(digest, record, tags, now).map_err(locked)?;
        }
        Ok(())
    });
    changed.map_err(ImportError::Store)?
}

#[cfg(test)]
mod tests;
