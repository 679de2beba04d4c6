//! What was asked of the service and what happened, without secrets, the newest of each. Events are in the store too
//! and outlive the process; requests do not.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;

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

/// One request.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    pub(crate) time: Timestamp,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) caller: String,
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
    fn the_journal_is_bounded() {
        let mut ring = VecDeque::new();
        (0..BOUND + 5).for_each(|n| push(&mut ring, n));
        assert_eq!((ring.len(), ring.front()), (BOUND, Some(&5)));
    }
}
