//! What webhooks tell of: images that were pushed and deleted.
//!
//! Source: `container-registry-webhook-reference.md` of ACR's documentation: a push for each tag of a manifest, a deletion for
//! each manifest; a tag that is deleted alone is no event.

use std::fmt;
use std::sync::{Arc, OnceLock};

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::digest::Digest;
use crate::name::RepositoryName;
use crate::registry::Registry;
use crate::repository::Repository;

/// What became of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageAction {
    /// A manifest was pushed, whether or not it was there before.
    Push,
    /// A manifest was deleted.
    Delete,
}

/// One thing that happened to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageEvent {
    /// The registry's name.
    pub registry: String,
    /// What happened.
    pub action: ImageAction,
    /// Of the manifest.
    pub media_type: String,
    /// Bytes of the manifest; none where it was deleted.
    pub size: Option<u64>,
    /// Of the manifest.
    pub digest: String,
    /// The repository's name.
    pub repository: String,
    /// The tag that it was pushed with.
    pub tag: Option<String>,
    /// The host that the client asked.
    pub host: String,
    /// The client's method.
    pub method: String,
    /// The client's name for itself, empty where it gave none.
    pub user_agent: String,
}

type Told = Box<dyn Fn(ImageEvent) + Send + Sync>;

/// Who is told, if anybody. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Listener(Arc<OnceLock<Told>>);

impl fmt::Debug for Listener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Listener").field(&self.0.get().is_some()).finish()
    }
}

impl Listener {
    /// The first one that is set stays.
    pub(crate) fn set(&self, told: impl Fn(ImageEvent) + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(told));
    }

    fn tell(&self, event: ImageEvent) {
        if let Some(told) = self.0.get() {
            told(event);
        }
    }
}

/// A manifest as it was pushed.
pub(crate) struct Pushed<'a> {
    pub(crate) digest: &'a Digest,
    pub(crate) media_type: &'a str,
    pub(crate) size: u64,
    pub(crate) tags: &'a [String],
}

impl Registry {
    /// Tells of a push: once for each tag, once where there is none.
    pub(crate) fn tell_pushed(&self, name: &RepositoryName, pushed: &Pushed<'_>, parts: &Parts) {
        let mut event = self.event(ImageAction::Push, name, pushed.digest, pushed.media_type, parts);
        event.size = Some(pushed.size);
        if pushed.tags.is_empty() {
            return self.listener.tell(event);
        }
        for tag in pushed.tags {
            self.listener.tell(ImageEvent { tag: Some(tag.clone()), ..event.clone() });
        }
    }

    /// Tells of manifests that are gone; `before` is the repository that had them.
    pub(crate) fn tell_deleted(
        &self,
        name: &RepositoryName,
        before: &Repository,
        gone: &[Digest],
        parts: &Parts,
    ) {
        for digest in gone {
            let media_type = before.manifests.get(digest).map_or("", |record| record.media_type.as_str());
            self.listener.tell(self.event(ImageAction::Delete, name, digest, media_type, parts));
        }
    }

    fn event(
        &self,
        action: ImageAction,
        name: &RepositoryName,
        digest: &Digest,
        media_type: &str,
        parts: &Parts,
    ) -> ImageEvent {
        ImageEvent {
            registry: self.info().name,
            action,
            media_type: media_type.to_owned(),
            size: None,
            digest: digest.to_string(),
            repository: name.to_string(),
            tag: None,
            host: text(&parts.headers, &header::HOST).unwrap_or_else(|| self.service().to_owned()),
            method: parts.method.to_string(),
            user_agent: text(&parts.headers, &header::USER_AGENT).unwrap_or_default(),
        }
    }
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
