//! Lists that come in pages, as `n`, `last` and the `Link` header have them (distribution specification, "Listing
//! Tags"; RFC 8288).

use axum::Json;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::error::OciError;
use crate::routes::gate;

/// How many entries a page has when nothing is asked, and at most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

/// Which part of a list is wanted.
pub(super) struct Wanted {
    size: usize,
    last: Option<String>,
}

/// One page of a list, and whether there is more behind it.
pub(super) struct Page<T> {
    size: usize,
    entries: Vec<(String, T)>,
    more: bool,
}

impl Wanted {
    pub(super) fn read(parts: &Parts) -> Result<Self, OciError> {
        let query = gate::query(&parts.uri);
        let value =
            |wanted: &str| query.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
        let size = match value("n").filter(|text| !text.is_empty()) {
            None => PAGE,
            Some(text) => {
                let number = text.bytes().all(|byte| byte.is_ascii_digit());
                if !number {
                    let message = format!("`n={text}` is not a number of entries");
                    return Err(OciError::bad_request("PAGINATION_NUMBER_INVALID", message));
                }
                // More than fits a number is more than fits a page.
                text.parse().unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE)
            }
        };
        Ok(Self { size, last: value("last").filter(|last| !last.is_empty()).map(str::to_owned) })
    }

    /// The page of a list that is sorted by name.
    pub(super) fn of_sorted<T>(self, entries: impl Iterator<Item = (String, T)>) -> Page<T> {
        let last = self.last.clone().unwrap_or_default();
        self.take(entries.filter(|(name, _)| *name > last))
    }

    /// The page of a list in another order. Where the last entry has gone meanwhile, the list begins anew.
    pub(super) fn of_ordered<T>(self, mut entries: Vec<(String, T)>) -> Page<T> {
        let at = self.last.as_ref().and_then(|last| entries.iter().position(|(name, _)| name == last));
        let rest = entries.split_off(at.map_or(0, |at| at + 1));
        self.take(rest.into_iter())
    }

    fn take<T>(self, mut rest: impl Iterator<Item = (String, T)>) -> Page<T> {
        let entries: Vec<_> = rest.by_ref().take(self.size).collect();
        let more = self.size > 0 && rest.next().is_some();
        Page { size: self.size, entries, more }
    }
}

impl<T> Page<T> {
    /// Cuts the page where the entries' sizes together would exceed a limit; one entry always fits.
    pub(super) fn within(mut self, limit: usize, size: impl Fn(&T) -> usize) -> Self {
        let mut sum = 0_usize;
        let fits = self.entries.iter().take_while(|(_, entry)| {
            sum = sum.saturating_add(size(entry));
            sum <= limit
        });
        let keep = fits.count().max(1);
        if keep < self.entries.len() {
            self.entries.truncate(keep);
            self.more = true;
        }
        self
    }

    /// `path` with its query, if any, to which `last` and `n` are added for the next page.
    pub(super) fn answer(self, path: &str, body: impl FnOnce(Vec<(String, T)>) -> Value) -> Response {
        let last = self.entries.last().filter(|_| self.more).map(|(name, _)| name.clone());
        let answer = Json(body(self.entries));
        match last {
            Some(last) => {
                let joint = if path.contains('?') { '&' } else { '?' };
                // Names, tags and digests hold nothing that would have to be escaped in a query.
                let link = format!("<{path}{joint}last={last}&n={}>; rel=\"next\"", self.size);
                ([(header::LINK, link)], answer).into_response()
            }
            None => answer.into_response(),
        }
    }
}
