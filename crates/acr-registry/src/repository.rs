//! One repository: which manifests, tags and blobs are its own, and what may be done with them. Pure.
//!
//! Two laws hold between any two changes. What a manifest refers to was there when it was pushed and goes only when
//! somebody deletes it by name. What no manifest refers to is `idle`, and may be collected once it has been so for
//! [`IDLE_LIFETIME`]: long enough for a client that pushes blobs first and the manifest last.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::attributes::Attributes;
use crate::digest::Digest;
use crate::manifest::Manifest;
use crate::name::Reference;

/// How long a blob stays that no manifest refers to.
pub(crate) const IDLE_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// One repository.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Repository {
    pub(crate) manifests: BTreeMap<Digest, ManifestRecord>,
    pub(crate) tags: BTreeMap<String, TagRecord>,
    /// Blobs that were uploaded to or mounted into this repository: those alone can be read from it.
    pub(crate) blobs: BTreeSet<Digest>,
    /// The blobs that no manifest refers to, and since when.
    #[serde(default)]
    pub(crate) idle: BTreeMap<Digest, Timestamp>,
    #[serde(default)]
    pub(crate) attributes: Attributes,
    /// When the first manifest came, and when anything changed last.
    #[serde(default)]
    pub(crate) times: Option<Times>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestRecord {
    pub(crate) media_type: String,
    pub(crate) pushed: Timestamp,
    #[serde(default)]
    pub(crate) updated: Option<Timestamp>,
    #[serde(default)]
    pub(crate) attributes: Attributes,
    /// `None` in records of an earlier version, until the first collection fills it in.
    #[serde(default)]
    pub(crate) details: Option<Details>,
}

/// What a manifest says, so that its content need not be read again for every list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Details {
    /// Bytes of the manifest itself.
    pub(crate) length: u64,
    pub(crate) manifest: Manifest,
    /// What the configuration of an image says it runs on.
    pub(crate) architecture: Option<String>,
    pub(crate) os: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TagRecord {
    pub(crate) digest: Digest,
    /// When it last began to stand for another manifest.
    pub(crate) moved: Timestamp,
    #[serde(default)]
    pub(crate) created: Option<Timestamp>,
    #[serde(default)]
    pub(crate) attributes: Attributes,
}

/// Why a repository does not do what it is asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It has no manifests: it is not known.
    Repository,
    Manifest,
    Tag,
    Blob,
    /// An attribute of the repository, the tag or the manifest forbids it.
    Locked,
    /// The manifest refers to what is not there.
    Missing(Vec<Digest>),
}

impl Repository {
    /// The manifest that a reference stands for, for somebody who reads.
    pub(crate) fn resolve(&self, reference: &Reference) -> Result<(&Digest, &ManifestRecord), Refusal> {
        let tag = match reference {
            Reference::Tag(tag) => Some(self.tags.get(tag).ok_or(Refusal::Manifest)?),
            Reference::Digest(_) => None,
        };
        let digest = match (tag, reference) {
            (Some(tag), _) => &tag.digest,
            (None, Reference::Digest(digest)) => digest,
            (None, Reference::Tag(_)) => return Err(Refusal::Manifest),
        };
        let (digest, record) = self.manifests.get_key_value(digest).ok_or(Refusal::Manifest)?;
        let readable = [Some(self.attributes), tag.map(|tag| tag.attributes), Some(record.attributes)];
        if readable.into_iter().flatten().all(|attributes| attributes.read_enabled) {
            Ok((digest, record))
        } else {
            Err(Refusal::Locked)
        }
    }

    /// Takes a blob in, or says again that it is wanted.
    pub(crate) fn link(&mut self, digest: &Digest, now: Timestamp) -> Result<(), Refusal> {
        if !self.attributes.write_enabled {
            return Err(Refusal::Locked);
        }
        self.blobs.insert(digest.clone());
        self.idle.remove(digest);
        self.mark(now);
        Ok(())
    }

    /// Lets an idle blob live on: somebody has seen it and may be about to push what refers to it.
    pub(crate) fn want(&mut self, digest: &Digest, now: Timestamp) -> Result<(), Refusal> {
        if !self.blobs.contains(digest) {
            return Err(Refusal::Blob);
        }
        self.idle.entry(digest.clone()).and_modify(|since| *since = now);
        Ok(())
    }

    /// Keeps a manifest whose references are all there, under all these tags or under none.
    pub(crate) fn put(
        &mut self,
        digest: &Digest,
        record: ManifestRecord,
        tags: &[String],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let locked = |attributes: &Attributes| !attributes.write_enabled;
        let known = self.manifests.get(digest).map(|known| &known.attributes);
        let moving = tags.iter().filter_map(|tag| self.tags.get(tag)).map(|tag| &tag.attributes);
        if locked(&self.attributes) || known.into_iter().chain(moving).any(locked) {
            return Err(Refusal::Locked);
        }
        if let Some(details) = &record.details {
            self.check(&details.manifest)?;
        }
        match self.manifests.get_mut(digest) {
            // The same content under another type: the last word counts, as it does at other registries.
            Some(known) => {
                known.media_type = record.media_type;
                known.details = record.details;
                known.updated = Some(now);
            }
            None => {
                self.manifests.insert(digest.clone(), record);
            }
        }
        for tag in tags {
            let known = self.tags.get(tag);
            let moved = TagRecord {
                digest: digest.clone(),
                moved: now,
                created: known.map_or(Some(now), |known| Some(known.created.unwrap_or(known.moved))),
                attributes: known.map(|known| known.attributes).unwrap_or_default(),
            };
            self.tags.insert(tag.clone(), moved);
        }
        self.touched(now);
        Ok(())
    }

    fn check(&self, manifest: &Manifest) -> Result<(), Refusal> {
        let blobs = manifest.blobs.iter().filter(|digest| !self.blobs.contains(*digest));
        let manifests = manifest.manifests.iter().filter(|digest| !self.manifests.contains_key(*digest));
        let others = manifest
            .others
            .iter()
            .filter(|digest| !self.blobs.contains(*digest) && !self.manifests.contains_key(*digest));
        let missing: Vec<_> = blobs.chain(manifests).chain(others).cloned().collect();
        if missing.is_empty() { Ok(()) } else { Err(Refusal::Missing(missing)) }
    }

    /// Removes a tag; the manifest stays.
    pub(crate) fn untag(&mut self, tag: &str, now: Timestamp) -> Result<(), Refusal> {
        let record = self.tags.get(tag).ok_or(Refusal::Tag)?;
        if !self.attributes.deletable() || !record.attributes.deletable() {
            return Err(Refusal::Locked);
        }
        self.tags.remove(tag);
        self.touched(now);
        Ok(())
    }

    /// Removes a manifest with its tags and with all that refers to it as its subject, as ACR does. Returns all
    /// manifests that went.
    pub(crate) fn delete(&mut self, digest: &Digest, now: Timestamp) -> Result<Vec<Digest>, Refusal> {
        if !self.manifests.contains_key(digest) {
            return Err(Refusal::Manifest);
        }
        let mut going = vec![digest.clone()];
        let mut at = 0;
        while let Some(subject) = going.get(at) {
            let more: Vec<_> = self
                .referrers(subject)
                .map(|(digest, _)| digest)
                .filter(|one| !going.contains(one))
                .cloned()
                .collect();
            going.extend(more);
            at += 1;
        }
        if !self.attributes.deletable() || !going.iter().all(|one| self.deletable(one)) {
            return Err(Refusal::Locked);
        }
        for one in &going {
            self.manifests.remove(one);
        }
        self.tags.retain(|_, tag| !going.contains(&tag.digest));
        self.touched(now);
        Ok(going)
    }

    fn deletable(&self, digest: &Digest) -> bool {
        let own = self.manifests.get(digest).is_none_or(|record| record.attributes.deletable());
        own && self.tags.values().filter(|tag| tag.digest == *digest).all(|tag| tag.attributes.deletable())
    }

    /// Removes all manifests and tags, and says which they were.
    pub(crate) fn clear(&mut self, now: Timestamp) -> Result<(Vec<Digest>, Vec<String>), Refusal> {
        if self.manifests.is_empty() {
            return Err(Refusal::Repository);
        }
        if !self.attributes.deletable() || !self.manifests.keys().all(|digest| self.deletable(digest)) {
            return Err(Refusal::Locked);
        }
        let manifests = std::mem::take(&mut self.manifests).into_keys().collect();
        let tags = std::mem::take(&mut self.tags).into_keys().collect();
        self.touched(now);
        Ok((manifests, tags))
    }

    /// Removes a blob that somebody names.
    pub(crate) fn unlink(&mut self, digest: &Digest, now: Timestamp) -> Result<(), Refusal> {
        if !self.attributes.deletable() {
            return Err(Refusal::Locked);
        }
        if !self.blobs.remove(digest) {
            return Err(Refusal::Blob);
        }
        self.mark(now);
        Ok(())
    }

    /// The manifests whose subject is this one, by digest.
    pub(crate) fn referrers<'a>(
        &'a self,
        subject: &'a Digest,
    ) -> impl Iterator<Item = (&'a Digest, &'a ManifestRecord)> {
        self.manifests.iter().filter(move |(_, record)| {
            record.details.as_ref().is_some_and(|details| details.manifest.subject.as_ref() == Some(subject))
        })
    }

    /// Whether no manifest refers to a blob that is here.
    pub(crate) fn is_idle(&self, digest: &Digest) -> Option<Timestamp> {
        self.idle.get(digest).copied()
    }

    /// Forgets the blobs that have been idle too long, and says which they were. Nothing is forgotten while there is a
    /// manifest of which it is not known what it refers to.
    pub(crate) fn collect(&mut self, now: Timestamp) -> Vec<Digest> {
        self.mark(now);
        let expired = |since: &Timestamp| now.duration_since(*since) > IDLE_LIFETIME;
        let gone: Vec<_> =
            self.idle.iter().filter(|(_, since)| expired(since)).map(|(digest, _)| digest.clone()).collect();
        for digest in &gone {
            self.blobs.remove(digest);
            self.idle.remove(digest);
        }
        gone
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.manifests.is_empty() && self.blobs.is_empty()
    }

    fn touched(&mut self, now: Timestamp) {
        self.mark(now);
        if self.manifests.is_empty() {
            // What comes under this name later is another repository.
            self.times = None;
            self.attributes = Attributes::default();
        } else {
            let created = self.times.map_or(now, |times| times.created);
            self.times = Some(Times { created, updated: now });
        }
    }

    /// Brings `idle` in line with what the manifests refer to.
    fn mark(&mut self, now: Timestamp) {
        if self.manifests.values().any(|record| record.details.is_none()) {
            self.idle.clear();
            return;
        }
        let manifests = self.manifests.values().filter_map(|record| record.details.as_ref());
        let used: BTreeSet<&Digest> = manifests.flat_map(|details| details.manifest.references()).collect();
        let since = std::mem::take(&mut self.idle);
        self.idle = self
            .blobs
            .iter()
            .filter(|digest| !used.contains(digest))
            .map(|digest| (digest.clone(), since.get(digest).copied().unwrap_or(now)))
            .collect();
    }
}

#[cfg(test)]
mod tests;
