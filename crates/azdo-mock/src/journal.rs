//! What was asked of the service and what happened, without secrets, the newest of each. Events are in the store too
//! and outlive the process; requests do not.

use std::collections::VecDeque;

use axum::extract::{MatchedPath, Request};
use jiff::Timestamp;
use serde::Serialize;

use crate::app::AzureDevOps;
use crate::state::event::Event;

/// How many entries are kept.
pub(crate) const BOUND: usize = 10_000;

/// Query values that may be shown; every other one is replaced.
const SHOWN: &[&str] = &[
    "$top",
    "actionfilter",
    "agentid",
    "agentids",
    "agentname",
    "api-version",
    "checkfeatureexists",
    "completedrequestcount",
    "connectoptions",
    "continuationtoken",
    "currentstate",
    "demands",
    "includeassignedrequest",
    "includecapabilities",
    "includelastcompletedrequest",
    "includerecords",
    "jobid",
    "lastchangeid",
    "lastchangeid64",
    "lastmessageid",
    "locktoken",
    "planid",
    "platform",
    "poolid",
    "poolids",
    "poolname",
    "pooltype",
    "sessionid",
    "top",
];

/// Longest path that is kept, in characters: what a client makes up must not fill the memory.
const PATH_LENGTH: usize = 1000;

/// One request.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// When it came.
    pub(crate) time: Timestamp,
    pub(crate) method: String,
    /// Path and query, as far as they may be shown.
    pub(crate) path: String,
    /// Which of the service's routes it is for; `None` where it is for none.
    pub(crate) route: Option<String>,
    /// `None` where nobody got an answer: the connection was cut, by a fault or by the client.
    pub(crate) status: Option<u16>,
    pub(crate) caller: String,
    /// From the request to the answer's head, in milliseconds of the service's clock.
    pub(crate) duration_ms: i64,
    /// The fault that hit it.
    pub(crate) fault: Option<u64>,
}

/// A request that is being answered. It is written down however it ends, also when the client goes away.
#[derive(Debug)]
pub(crate) struct Recording {
    service: AzureDevOps,
    entry: Option<Entry>,
}

impl Recording {
    pub(crate) fn begin(service: &AzureDevOps, request: &Request) -> Self {
        let path = {
            let state = service.state();
            redacted(request.uri().path(), request.uri().query(), |text| state.is_secret(text))
        };
        let entry = Entry {
            time: service.now(),
            method: request.method().as_str().chars().take(32).collect(),
            path: shortened(path),
            route: request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned()),
            status: None,
            caller: "unknown".to_owned(),
            duration_ms: 0,
            fault: None,
        };
        Self { service: service.clone(), entry: Some(entry) }
    }

    /// Who asks, as soon as it is known.
    pub(crate) fn caller(&mut self, caller: String) {
        if let Some(entry) = &mut self.entry {
            entry.caller = caller;
        }
    }

    pub(crate) fn fault(&mut self, id: u64) {
        if let Some(entry) = &mut self.entry {
            entry.fault = Some(id);
        }
    }

    pub(crate) fn answered(mut self, status: u16) {
        if let Some(entry) = &mut self.entry {
            entry.status = Some(status);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let Some(mut entry) = self.entry.take() else { return };
        let passed = self.service.now().duration_since(entry.time).as_millis();
        entry.duration_ms = i64::try_from(passed).unwrap_or(i64::MAX);
        self.service.journal().record(entry);
    }
}

fn shortened(path: String) -> String {
    match path.char_indices().nth(PATH_LENGTH) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path,
    }
}

/// Requests and events, the newest of each.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: VecDeque<Entry>,
    events: VecDeque<Event>,
}

impl Journal {
    /// A journal that goes on where the last process ended.
    pub(crate) fn with_events(events: impl IntoIterator<Item = Event>) -> Self {
        let mut journal = Self::default();
        journal.extend(events);
        journal
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn record(&mut self, entry: Entry) {
        push(&mut self.entries, entry);
    }

    pub(crate) fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            push(&mut self.events, event);
        }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.iter().cloned().collect()
    }
}

fn push<T>(ring: &mut VecDeque<T>, item: T) {
    if ring.len() == BOUND {
        ring.pop_front();
    }
    ring.push_back(item);
}

/// Path and query as they may be shown. `is_secret` knows the credentials in force.
pub(crate) fn redacted(path: &str, query: Option<&str>, is_secret: impl Fn(&str) -> bool) -> String {
    let hide = |text: &str| {
        let decoded = decode(text);
        if is_secret(text) || is_secret(&decoded) { "***".to_owned() } else { text.to_owned() }
    };
    let path = path.split('/').map(&hide).collect::<Vec<_>>().join("/");
    let Some(query) = query.filter(|query| !query.is_empty()) else { return path };
    let pairs: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if SHOWN.contains(&decode(name).to_ascii_lowercase().as_str()) => {
                format!("{name}={}", hide(value))
            }
            Some((name, _)) => format!("{}=***", hide(name)),
            None => hide(pair),
        })
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    let pair = format!("x={text}");
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_shows_nowhere_and_harmless_values_do() {
        let secret = |text: &str| text == "pat-1/x";
        let check = |path: &str, query: &str| redacted(path, Some(query), secret);
        assert_eq!(check("/acme/_apis", "poolName=Default"), "/acme/_apis?poolName=Default");
        assert_eq!(check("/acme/pat-1%2Fx", "poolName=pat-1%2Fx"), "/acme/***?poolName=***");
        assert_eq!(check("/acme", "token=pat-1%2Fx&pat-1%2Fx"), "/acme?token=***&***");
        assert_eq!(redacted("/acme", None, secret), "/acme");
    }

    #[test]
    fn a_path_has_a_longest_length() {
        assert_eq!(shortened("/acme".into()), "/acme");
        assert_eq!(shortened("ä".repeat(70_000)).chars().count(), PATH_LENGTH + 1);
    }

    #[test]
    fn the_journal_is_bounded() {
        let mut ring = VecDeque::new();
        (0..BOUND + 5).for_each(|n| push(&mut ring, n));
        assert_eq!((ring.len(), ring.front()), (BOUND, Some(&5)));
    }
}
