//! Lists that come in pages: repositories and tags.

use axum::Json;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::OciError;
use crate::name::RepositoryName;
use crate::registries::Registry;
use crate::routes::{gate, manifests};

/// How many entries a page has when nothing is asked, and at most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

pub(super) fn catalog(registry: &Registry, parts: &Parts) -> Result<Response, OciError> {
    let all =
        registry.catalogue.list().map_err(|error| OciError::internal("list the repositories", &error))?;
    let names = all.into_iter().filter(|(_, one)| !one.manifests.is_empty()).map(|(name, _)| name);
    let page = Page::of(names, parts)?;
    Ok(page.answer("/v2/_catalog", |names| json!({ "repositories": names })))
}

pub(super) fn tags(registry: &Registry, name: &RepositoryName, parts: &Parts) -> Result<Response, OciError> {
    let repository = manifests::repository(registry, name)?;
    let page = Page::of(repository.tags.into_keys(), parts)?;
    let path = format!("/v2/{name}/tags/list");
    Ok(page.answer(&path, |tags| json!({ "name": name.as_str(), "tags": tags })))
}

/// One page of a sorted list.
struct Page {
    size: usize,
    entries: Vec<String>,
    more: bool,
}

impl Page {
    fn of(sorted: impl Iterator<Item = String>, parts: &Parts) -> Result<Self, OciError> {
        let query = gate::query(&parts.uri);
        let value =
            |wanted: &str| query.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
        let size = match value("n") {
            None => PAGE,
            Some(text) => text.parse().ok().filter(|n| (1..=LARGEST_PAGE).contains(n)).ok_or_else(|| {
                let message = format!("`n={text}`: a page has 1 to {LARGEST_PAGE} entries");
                OciError::bad_request("PAGINATION_NUMBER_INVALID", message)
            })?,
        };
        let last = value("last").unwrap_or_default();
        let mut rest = sorted.filter(|entry| entry.as_str() > last);
        let entries: Vec<_> = rest.by_ref().take(size).collect();
        let more = rest.next().is_some();
        Ok(Self { size, entries, more })
    }

    fn answer(self, path: &str, body: impl FnOnce(&[String]) -> Value) -> Response {
        let answer = Json(body(&self.entries));
        match self.entries.last().filter(|_| self.more) {
            // Names and tags hold nothing that would have to be escaped in a query.
            Some(last) => {
                let link = format!("<{path}?last={last}&n={}>; rel=\"next\"", self.size);
                ([(header::LINK, link)], answer).into_response()
            }
            None => answer.into_response(),
        }
    }
}
