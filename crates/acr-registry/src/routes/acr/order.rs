//! In which order ACR's lists come: by name, or by the time of the last change.

use axum::http::request::Parts;
use jiff::Timestamp;

use crate::error::OciError;
use crate::routes::gate;
use crate::routes::page::{Page, Wanted};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Name,
    OldestFirst,
    NewestFirst,
}

pub(super) fn read(parts: &Parts) -> Result<Order, OciError> {
    let query = gate::query(&parts.uri);
    let asked = query.iter().find(|(key, _)| key == "orderby").map(|(_, value)| value.as_str());
    match asked.unwrap_or_default() {
        "" | "none" => Ok(Order::Name),
        "timeasc" => Ok(Order::OldestFirst),
        "timedesc" => Ok(Order::NewestFirst),
        other => {
            let message = format!("`orderby={other}` is not supported; supported: none, timeasc, timedesc");
            Err(OciError::bad_request("UNSUPPORTED", message))
        }
    }
}

impl Order {
    pub(super) fn page<T>(self, wanted: Wanted, mut entries: Vec<(Timestamp, String, T)>) -> Page<T> {
        let plain = |entries: Vec<(Timestamp, String, T)>| {
            entries.into_iter().map(|(_, name, entry)| (name, entry)).collect::<Vec<_>>()
        };
        match self {
            Self::Name => {
                entries.sort_by(|(_, one, _), (_, other, _)| one.cmp(other));
                wanted.of_sorted(plain(entries).into_iter())
            }
            Self::OldestFirst => {
                entries.sort_by(|(at, one, _), (than, other, _)| (at, one).cmp(&(than, other)));
                wanted.of_ordered(plain(entries))
            }
            Self::NewestFirst => {
                entries.sort_by(|(at, one, _), (than, other, _)| (than, one).cmp(&(at, other)));
                wanted.of_ordered(plain(entries))
            }
        }
    }

    /// The path of the list with its order, to which a page is added.
    pub(super) fn path(self, list: &str) -> String {
        let order = match self {
            Self::Name => "",
            Self::OldestFirst => "timeasc",
            Self::NewestFirst => "timedesc",
        };
        format!("{list}?orderby={order}")
    }
}
